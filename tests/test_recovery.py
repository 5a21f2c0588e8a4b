"""Recoveries told to the end: scenario files over a small cluster, read as an operator would write them."""

from pathlib import Path

import pytest

import gxsim
from gxsim.errors import ScenarioError
from gxsim.load.servers import ROLES, with_servers
from gxsim.model.model import ConsensusGroup, Model
from gxsim.model.node import Node
from gxsim.plan.survive import survive
from gxsim.report.story import headline, what_goes_wrong
from gxsim.study.result import Result

CLUSTER = """
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Node
    metadata: {name: a}
    status: &size {allocatable: {cpu: "4", memory: 8Gi, pods: "110", ephemeral-storage: 90Gi}}
  - {apiVersion: v1, kind: Node, metadata: {name: b}, status: *size}
  - {apiVersion: v1, kind: Node, metadata: {name: c}, status: *size}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web, namespace: shop}
    spec:
      replicas: 3
      selector: {matchLabels: {app: web}}
      template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: web}]}}
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: db, namespace: shop}
    spec:
      replicas: 3
      selector: {matchLabels: {app: db}}
      template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: db}]}}
  - apiVersion: apps/v1
    kind: DaemonSet
    metadata: {name: agent, namespace: shop}
    spec:
      selector: {matchLabels: {app: agent}}
      template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: c, image: agent}]}}
"""


@pytest.fixture
def play(tmp_path: Path):
    """Run faults, given as YAML flow mappings, for an hour."""

    def run(*faults: str) -> Result:
        (tmp_path / "cluster.yaml").write_text(CLUSTER)
        lines = ["apiVersion: gxsim/v1alpha1", "kind: Scenario", "metadata: {name: told}", "spec:"]
        lines += ["  manifests: [cluster.yaml]", "  horizon: 1h", "  faults:", *(f"    - {one}" for one in faults)]
        (tmp_path / "told.yaml").write_text("\n".join(lines))
        return gxsim.simulate(tmp_path / "told.yaml")

    return run


def outcomes(result: Result, workload: str) -> list[str]:
    return [row["outcome"] for row in result.tables["pods"].rows() if row["workload"] == workload]


def sentences(result: Result) -> list[str]:
    return [row["sentence"] for row in result.tables["incident"].rows()]


# ---- what became of each pod ----------------------------------------------------------------------------------------


def test_a_rollout_that_surges_leaves_no_pod_stuck(play) -> None:
    result = play("{kind: Operation, action: rollout-restart, selector: {workloads: [shop/Deployment/web]}, at: 10m}")
    rows = list(result.tables["pods"].rows())
    assert len(rows) == 3
    assert {row["outcome"] for row in rows} <= {"moved", "recreated in place"}
    assert len({row["successor"] for row in rows}) == 3
    assert sorted(row["without_s"] for row in rows)[0] == 0.0  # the surge answered before the first old pod went


def test_pods_that_are_scaled_away_are_not_stuck(play) -> None:
    result = play(
        "{kind: Operation, action: scale, selector: {workloads: [shop/Deployment/web]}, at: 10m, "
        "parameters: {replicas: 1}}",
        "{kind: Operation, action: scale, selector: {workloads: [shop/StatefulSet/db]}, at: 20m, "
        "parameters: {replicas: 2}}",
    )
    assert outcomes(result, "shop/web") == ["no longer wanted"] * 2
    assert outcomes(result, "shop/db") == ["no longer wanted"]
    assert set(result.table("pods")["without_s"]) == {0.0}
    assert "all 3 lost pods got no successor, as none is wanted" in headline(result).lower()


def test_a_daemon_pod_goes_with_a_node_that_is_deleted_and_stays_away_with_one_that_is_lost(play) -> None:
    deleted = play("{kind: NodeChaos, action: node-delete, selector: {nodes: [a]}, at: 10m}")
    assert outcomes(deleted, "shop/agent") == ["no longer wanted"]
    lost = play("{kind: NodeChaos, action: node-stop, selector: {nodes: [a]}, at: 10m}")
    assert outcomes(lost, "shop/agent") == ["stuck"]


# ---- sentences ------------------------------------------------------------------------------------------------------


def test_a_node_that_another_fault_keeps_down_is_not_said_to_be_back(play) -> None:
    result = play(
        "{kind: NodeChaos, action: node-stop, selector: {nodes: [a, b]}, at: 10m, duration: 10m}",
        "{kind: NodeChaos, action: node-crash, selector: {nodes: [a]}, at: 15m, duration: 20m}",
    )
    told = sentences(result)
    assert told.count("b is back; another fault keeps a down") == 1
    assert told.count("a is back") == 1


def test_a_clock_is_ahead_or_behind(play) -> None:
    skew = "{kind: TimeChaos, action: clock-skew, selector: {nodes: [a]}, at: 10m, parameters: {offset: %s}}"
    assert "the clock of a is 10m behind" in sentences(play(skew % "-10m"))
    assert "the clock of a is 10m ahead" in sentences(play(skew % "10m"))


def test_nodes_under_pressure_are_spoken_of_as_one_or_many(play) -> None:
    fill = "{kind: IOChaos, action: disk-fill, selector: {nodes: [%s]}, at: 10m, parameters: {percent: 97}}"
    one, all_of_them = play(fill % "a"), play(fill % "a, b, c")
    assert "a reports DiskPressure" in sentences(one)
    assert not [text for text in sentences(all_of_them) if " and " in text and " reports " in text]
    assert [text for text in sentences(all_of_them) if "report DiskPressure" in text]


def test_pods_without_a_toleration_are_said_not_to_tolerate_a_taint(play) -> None:
    taint = "parameters: {key: k, effect: NoExecute}"
    result = play(f"{{kind: NodeChaos, action: node-taint, selector: {{nodes: [a]}}, at: 10m, {taint}}}")
    told = next(text for text in sentences(result) if text.startswith("a is tainted k:NoExecute"))
    assert told.endswith("do not tolerate that")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("{kind: ComponentChaos, action: quorum-loss, at: 10m}", "quorum-loss at 00:10:00"),
        (
            "{kind: Operation, action: quota, at: 10m, parameters: {name: q, namespace: shop, pods: 3}}",
            "quota shop/q at 00:10:00",
        ),
        (
            "{kind: PodChaos, action: pod-kill, selector: {namespaces: [shop]}, mtbf: 1d}",
            "pod-kill namespace shop at random, every 1d on average",
        ),
        (
            "{kind: Workflow, action: serial, at: 10m, steps: [{kind: NodeChaos, action: node-stop, duration: 1m, "
            "selector: {nodes: [a]}}, {kind: Workflow, action: suspend, duration: 1m}, {kind: PodChaos, "
            "action: pod-kill, selector: {namespaces: [shop]}}]}",
            "(node-stop a then suspend then pod-kill namespace shop) at 00:10:00",
        ),
    ],
)
def test_a_fault_is_told_in_one_line(play, fault: str, told: str) -> None:
    assert what_goes_wrong(play(fault).case.scenario.faults[0], 0.0) == told


# ---- where the control plane lives ----------------------------------------------------------------------------------


def _with_roles(text: str, role: str) -> str:
    return text.replace("metadata: {name: ", f'metadata: {{labels: {{{role}: "true"}}, name: ', 3)


@pytest.mark.parametrize("role", ["node-role.kubernetes.io/etcd", "node-role.kubernetes.io/control-plane"])
def test_two_of_three_labelled_servers_are_the_quorum_where_no_model_names_one(play, monkeypatch, role: str) -> None:
    monkeypatch.setitem(globals(), "CLUSTER", _with_roles(CLUSTER, role))
    loss = "{kind: NodeChaos, action: node-stop, selector: {nodes: [%s]}, at: 10m, duration: 30m}"
    lost = play(loss % "b, c")
    assert "quorum is lost by etcd (at worst 1 of 3 up)" in headline(lost).replace("Quorum", "quorum")
    assert not [text for text in sentences(lost) if "evicted:" in text]
    kept = play(loss % "c")
    assert "quorum is kept by etcd (at worst 2 of 3 up)" in headline(kept).replace("Quorum", "quorum")
    assert [text for text in sentences(kept) if "evicted:" in text]


def test_a_cluster_without_roles_has_its_control_plane_elsewhere(play) -> None:
    result = play("{kind: NodeChaos, action: node-stop, selector: {nodes: [b, c]}, at: 10m, duration: 30m}")
    assert not len(result.tables["quorum"])
    assert [text for text in sentences(result) if "evicted:" in text]


def test_a_group_that_the_model_names_counts_more_than_labels() -> None:
    role = {ROLES[0]: "true"}
    servers = [Node(name="a", labels=role), Node(name="b")]
    assert [group.node_selector for group in with_servers(Model(), servers).consensus_groups] == [role]
    named = Model(consensus_groups=(ConsensusGroup(name="mine", control_plane=True, source="test"),))
    assert with_servers(named, servers) is named


def test_survive_loses_the_quorum_of_labelled_servers(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(_with_roles(CLUSTER, ROLES[0]))
    found = survive(file, jobs=1)
    assert found.groups == ("etcd",)
    lost = {row["lost"]: row["quorum_lost"] for row in found.matrix.rows()}
    assert lost["a"] == ""
    assert lost["a, b"] == "etcd"


# ---- faults that could not be meant ---------------------------------------------------------------------------------

STOP = "kind: NodeChaos, action: node-stop, selector: {nodes: [a]}"


@pytest.mark.parametrize(
    ("fault", "refused"),
    [
        (
            f"{{{STOP}, trace: [[5, 10], [10, -5]]}}",
            "spec.faults[0].trace[1]: expected a begin and a duration of at least 0 s, got 10, -5",
        ),
        (
            f"{{{STOP}, trace: [[10, .nan]]}}",
            "spec.faults[0].trace[0]: expected a begin and a duration of at least 0 s, got 10, nan",
        ),
        (
            f"{{{STOP}, mtbf: 1h, schedule: 2h}}",
            "spec.faults[0].schedule: mtbf says already when it happens; keep one of the two",
        ),
        (
            f"{{{STOP}, mttr: 1h}}",
            "spec.faults[0].mttr: only a fault with an mtbf has one; write a duration, or add the mtbf",
        ),
        (
            "{kind: Workflow, action: parallel}",
            "spec.faults[0].steps: is missing: what a parallel Workflow does",
        ),
        (
            "{kind: PodChaos, action: pod-kill, selector: {namespaces: [shop], labelSelectors: {app: wbe}}}",
            "spec.faults[0].selector.labelSelectors: selects no pod: no workload of these namespaces makes such pods",
        ),
    ],
)
def test_a_fault_that_could_not_be_meant_is_refused(play, fault: str, refused: str) -> None:
    with pytest.raises(ScenarioError) as error:
        play(fault)
    assert str(error.value).endswith(refused)


def test_what_a_fault_does_not_show_or_never_does_is_said(play) -> None:
    result = play(f"{{name: late, {STOP}, at: 2h}}", "{kind: ComponentChaos, action: quorum-loss, at: 10m}")
    assert "Never begins, as the run ends before: late." in result.assumptions
    assert [text for text in result.assumptions if text.startswith("quorum-loss and etcd-nospace stop etcd")]
    assert not [
        text for text in play(f"{{{STOP}, at: 10m}}").assumptions if "Never begins" in text or "nospace" in text
    ]
