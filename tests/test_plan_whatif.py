"""What-if: figures before and after, and nothing moves that the change does not concern."""

import io
import sys
from pathlib import Path

import pytest

from gxsim.errors import ScenarioError
from gxsim.load.documents import read
from gxsim.load.manifests import cluster_of
from gxsim.load.scenario import Case
from gxsim.model.cluster import Cluster
from gxsim.model.model import Model
from gxsim.model.placement import PlacedPods, Placement
from gxsim.model.pod import TopologySpreadConstraint
from gxsim.model.scenario import Scenario
from gxsim.plan.carry import carried
from gxsim.plan.diff import diff
from gxsim.plan.edits import edits
from gxsim.plan.place import Placed, place
from gxsim.plan.quality import fragmentation_percent, quality, skews
from gxsim.plan.whatif import WhatIf, whatif
from gxsim.state import PENDING
from gxsim.study.start import started
from tests.plan_clusters import ZONE, deployment, node, running, selecting, template

MANIFESTS = """
{apiVersion: v1, kind: Node, metadata: {name: a}, status: {allocatable: {cpu: "4", memory: 8Gi, pods: "20"}}}
---
{apiVersion: v1, kind: Node, metadata: {name: b}, status: {allocatable: {cpu: "4", memory: 8Gi, pods: "20"}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: x, resources: {requests: {cpu: "1", memory: 1Gi}}}]}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: rancher.io/local-path
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: x, resources: {requests: {cpu: 500m}}}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text(MANIFESTS)
    return path


def lies(placed: Placed) -> dict[str, str]:
    return dict(zip(placed.pods().columns["pod"], placed.pods().columns["node"], strict=True))


def column(answer: WhatIf, figure: str) -> list[float]:
    return next([row[name] for name in answer.names] for row in answer.figures.rows() if row["figure"] == figure)


def test_without_a_change_nothing_moves(file: Path) -> None:
    before = place([file])
    after = carried(before, cluster_of(read([file])))
    assert lies(after) == lies(before)
    assert diff(before, after).same


def test_more_replicas_come_beside_those_that_are_there(file: Path) -> None:
    answer = whatif([file], edits(scale=["deploy/web=4"]))
    assert list(answer.steps.rows()) == [
        {"change": "scale deploy/web=4", "moved": 0, "new": 2, "gone": 0, "newly_pending": 0}
    ]
    assert column(answer, "Pods") == [3, 5]


def test_fewer_replicas_leave_where_most_lie_together(file: Path) -> None:
    grown = edits(scale=["deploy/web=5", "deploy/web=2"])
    after = whatif([file], grown).after
    nodes = [node for pod, node in lies(after).items() if "web" in pod]
    assert sorted(nodes) == ["a", "b"]


def test_changes_are_made_one_after_the_other(file: Path) -> None:
    answer = whatif([file], edits(scale=["deploy/web=7"], add_node=["like=a"], remove_node=["b"]))
    assert column(answer, "Nodes") == [2, 2, 3, 2]
    assert column(answer, "Pods Pending")[1] == 0
    assert "b" not in lies(answer.after).values()


def test_a_pod_whose_volume_lies_on_the_removed_node_is_pending(file: Path) -> None:
    home = lies(place([file]))["default/db-0"]
    answer = whatif([file], edits(remove_node=[home]))
    assert lies(answer.after)["default/db-0"] == ""
    assert answer.difference.newly_pending == 1


def test_a_changed_template_is_rolled_out_and_the_rest_stays(file: Path) -> None:
    path = "spec.template.spec.containers[main].resources.requests.cpu"
    answer = whatif([file], edits(sets=[f"deploy/web:{path}=1500m"]))
    state = answer.after.state
    web = [p for p in range(len(state.pod_names)) if state.pod_names[p].startswith("web")]
    assert {state.templates[state.pod_template[p]].requests["cpu"] for p in web} == {1500}
    assert lies(answer.after)["default/db-0"] == lies(answer.before)["default/db-0"]


def test_a_file_on_top_replaces_what_has_the_same_name(file: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra.yaml"
    extra.write_text(
        "{apiVersion: v1, kind: Pod, metadata: {name: job}, spec: {containers: [{name: m, image: x}]}}\n---\n"
        '{apiVersion: v1, kind: Node, metadata: {name: b}, status: {allocatable: {cpu: "1", memory: 8Gi, pods: "20"}}}'
    )
    answer = whatif([file], edits(apply=[extra]))
    assert answer.after.state.allocatable[:, 0].tolist() == [4000, 1000]
    assert "default/job" in lies(answer.after)


def test_pods_that_are_there_keep_their_quota(file: Path) -> None:
    quota = file.parent / "quota.yaml"
    quota.write_text(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: default}, spec: {hard: {pods: '4'}}}"
    )
    answer = whatif([file, quota], edits(scale=["deploy/web=9"]))
    assert "default/db-0" in lies(answer.after)
    assert column(answer, "Pods") == [3, 4]
    assert column(answer, "Pods refused by admission") == [0, 6]


def test_nodes_to_empty_are_told_with_what_keeps_the_others(file: Path) -> None:
    home = lies(place([file]))["default/db-0"]
    rows = {row["node"]: row for row in whatif([file], []).emptying.rows()}
    other = "b" if home == "a" else "a"
    assert (rows[home]["can"], rows[home]["on_volumes"]) == (False, 1)
    assert (rows[other]["can"], rows[other]["together"]) == (True, True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scale": ["deploy/wob=2"]}, "--scale deploy/wob=2: there is no 'deploy/wob'; did you mean 'deployment/web'?"),
        (
            {"scale": ["deploy/web"]},
            "--scale deploy/web: expected a workload and a number, for example deploy/web=5",
        ),
        (
            {"sets": ["deploy/web=5"]},
            "--set deploy/web=5: expected WORKLOAD:PATH=VALUE, for example "
            "deploy/web:spec.template.spec.containers[0].resources.requests.cpu=2",
        ),
        ({"remove_node": ["c"]}, "--remove-node c: there is no 'node/c'; did you mean 'node/b'?"),
        ({"add_node": ["like=a,3"]}, "--add-node like=a,3: expected like=NAME or like=NAME,count=2"),
    ],
)
def test_a_change_that_cannot_be_made_says_so(file: Path, given: dict, message: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        whatif([file], edits(**given))
    assert str(refused.value) == message


def test_what_an_api_server_would_refuse_is_refused(file: Path) -> None:
    with pytest.raises(ScenarioError, match=r"Deployment web: spec\.replicas"):
        whatif([file], edits(sets=["deploy/web:spec.replicas=-1"]))


def test_the_documented_cluster_without_its_planned_node(tmp_path: Path) -> None:
    answer = whatif(["gx/node-loss"], edits(remove_node=["srv1117946"]))
    assert answer.difference.newly_pending == 0  # two DaemonSet pods end with it, nothing else lies there
    assert column(answer, "nodes etcd may lose") == [1, 1]
    assert column(answer, "typical pods that still fit")[1] < column(answer, "typical pods that still fit")[0]


def test_quality_counts_what_waits(file: Path) -> None:
    answer = whatif([file], edits(scale=["deploy/web=20"]))
    figures = quality(answer.after).figures
    state = answer.after.state
    assert figures["pending"] == int((state.pod_active & (state.pod_node == PENDING)).sum()) > 0


def test_nodes_in_shorthand_stay_through_every_change(file: Path) -> None:
    answer = whatif([file], edits(scale=["deploy/web=3"]), ["cpu=8,memory=8Gi"])
    assert column(answer, "Nodes") == [3, 3]
    assert answer.steps.columns["moved"] == [0]


def test_a_scheduler_configuration_holds_before_and_after(file: Path, tmp_path: Path) -> None:
    (tmp_path / "scheduler").mkdir()
    configuration = tmp_path / "scheduler" / "config.yaml"
    configuration.write_text(
        "{apiVersion: kubescheduler.config.k8s.io/v1, kind: KubeSchedulerConfiguration, profiles: [{pluginConfig: "
        "[{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}]}]}"
    )
    answer = whatif([file], edits(scale=["deploy/web=3"]), scheduler=configuration)
    assert answer.before.case.profile.scoring_strategy.type == "MostAllocated"
    assert answer.after.framework.profile == answer.before.case.profile


def test_figures_of_a_placement_are_what_one_can_count_by_hand() -> None:
    rule = {"topology_spread_constraints": (TopologySpreadConstraint(ZONE, 1, "ScheduleAnyway", selecting("web")),)}
    zones = (node("a", zone="x"), node("b", zone="x"), node("c", 2000, zone="y"))
    cluster = Cluster(nodes=zones, workloads=(deployment("web", 3, template("web", 1000, 64, **rule)),))
    spread = (PlacedPods(namespace="default", deployment="web", nodes=("a", "a", "b")),)
    start = Case(scenario=Scenario(name="t", manifests=()), cluster=cluster, model=Model())
    state, framework = started(start, Placement(pods=spread))
    found = quality(Placed(case=start, state=state, framework=framework)).figures
    assert [(skew, most) for _, skew, most in skews(state)] == [(3, 1)]
    assert (found["spread_violations"], found["replicas_together"], found["guarded"]) == (1, 1, 0)
    assert (found["cpu_percent"], found["fullest_percent"]) == (30.0, 50.0)
    assert (found["headroom"], found["fragmentation_percent"]) == (7, 0.0)
    assert (found["headroom_n1"], found["pending_n1"]) == (3, 0)  # without a: six cores, three of them taken


def test_free_cpu_that_no_pod_can_use_is_fragmented() -> None:
    cluster = Cluster(
        nodes=(node("a", 1000), node("b", 1500)), workloads=(deployment("web", 2, template("web", 800, 64)),)
    )
    state = running(cluster)
    assert fragmentation_percent(state) == 100.0


def test_manifests_from_standard_input_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(MANIFESTS))
    assert column(whatif(["-"], edits(scale=["deploy/web=3"])), "Pods") == [3, 4]


def test_an_input_without_nodes_says_how_to_add_some(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")
    with pytest.raises(ScenarioError, match="the input has no node"):
        whatif([tmp_path / "web.yaml"], [])
