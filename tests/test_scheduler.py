"""The framework: messages, ties, nominations, preemption, volumes, and caches that never change a decision."""

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gxsim.model.cluster import Claim, Cluster, PodDisruptionBudget, StorageClass, Volume
from gxsim.model.node import Node, Taint
from gxsim.model.pod import HostPort, PodTemplate, Toleration
from gxsim.model.selectors import LabelSelector, NodeSelector, NodeSelectorTerm, Requirement
from gxsim.scheduler import Framework, Profile, place
from gxsim.state import PENDING, ClusterState
from tests.reference import preemption as slow
from tests.worlds import template, world

FEW = settings(max_examples=60, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
GIBIBYTE = 2**30
HOSTNAME = "kubernetes.io/hostname"


def node(name: str, cpu: int = 2000, **fields: object) -> Node:
    given: dict = {"labels": {HOSTNAME: name}, "allocatable": {"cpu": cpu, "memory": 8 * GIBIBYTE, "pods": 110}}
    return Node(name=name, **{**given, **fields})


def pod(cpu: int = 1500, **fields: object) -> PodTemplate:
    given: dict = {"namespace": "default", "requests": {"cpu": cpu}, "scored_requests": (cpu, 0)}
    return PodTemplate(**{**given, **fields})


def state_of(*nodes: Node, **fields: object) -> ClusterState:
    return ClusterState(Cluster(nodes=nodes, **fields))  # type: ignore[arg-type]


# ---- sentences -------------------------------------------------------------------------------------------------


def test_the_sentence_counts_reasons_and_sorts_them_as_text() -> None:
    state = state_of(
        node("a", cpu=1000),
        node("b", cpu=1000),
        node("c", unschedulable=True),
        node("d", taints=(Taint("dedicated", "db", "NoSchedule"),)),
    )
    (decision,) = place(state, [state.create("web-0", pod())])
    assert decision.message() == (
        "0/4 nodes are available: 1 node(s) had untolerated taint {dedicated: db}, 1 node(s) were unschedulable, "
        "2 Insufficient cpu. preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling."
    )
    assert decision.plugins == {"NodeResourcesFit", "NodeUnschedulable", "TaintToleration"}
    assert decision.rejections["a"].reasons == ("Insufficient cpu",)


def test_full_nodes_without_victims_say_so() -> None:
    state = state_of(node("a"), node("b"))
    pods = [state.create(f"web-{i}", pod()) for i in range(3)]
    decisions = place(state, pods)
    assert [state.nodes[d.node].name for d in decisions[:2]] == ["a", "b"]
    assert decisions[2].message() == (
        "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: "
        "2 No preemption victims found for incoming pod."
    )


def test_a_resource_no_node_offers_is_insufficient_everywhere() -> None:
    state = state_of(node("a"))
    (decision,) = place(state, [state.create("gpu", pod(requests={"example.com/gpu": 1}))])
    assert decision.message().startswith("0/1 nodes are available: 1 Insufficient example.com/gpu. preemption:")


def test_a_cluster_without_nodes_has_its_own_sentence() -> None:
    state = state_of(node("a"))
    state.remove_node(0)
    (decision,) = place(state, [state.create("web", pod())])
    assert decision.message().startswith("no nodes available to schedule pods")


def test_a_gated_pod_is_not_tried() -> None:
    state = state_of(node("a"))
    (decision,) = place(state, [state.create("web", pod(scheduling_gates=("example.com/wait",)))])
    assert (decision.gated, decision.message()) == (True, "waiting for scheduling gates: [example.com/wait]")


def test_a_missing_claim_refuses_the_whole_pod() -> None:
    state = state_of(node("a"))
    (decision,) = place(state, [state.create("db", pod(claims=("data",)))])
    assert decision.message().startswith('0/1 nodes are available: persistentvolumeclaim "data" not found. preemption:')


# ---- order and ties --------------------------------------------------------------------------------------------


def test_pods_are_taken_by_priority_and_then_by_age() -> None:
    state = state_of(node("a"))
    low, old, high = (state.create(n, pod(priority=p), now=t) for n, p, t in (("l", 0, 0), ("o", 9, 1), ("h", 9, 2)))
    assert [decision.pod for decision in place(state)] == [old, high, low]


def test_ties_go_to_the_first_name_in_byte_order() -> None:
    state = state_of(node("node-b"), node("node-B"), node("node-a"))
    (decision,) = place(state, [state.create("web", pod())])
    assert state.nodes[decision.node].name == "node-B"


def test_random_ties_reach_every_best_node_and_no_other() -> None:
    state = state_of(node("a"), node("b"), node("c"), node("small", cpu=1600))
    framework = Framework(state, rng=np.random.default_rng(1))
    waiting = state.create("web", pod())
    chosen = Counter(framework.decide(waiting).node for _ in range(300))
    assert set(chosen) == {0, 1, 2}
    assert min(chosen.values()) > 60  # a fair draw gives 100 each; 60 is five standard deviations away


# ---- caches ----------------------------------------------------------------------------------------------------


def _act(random: Random, state: ClusterState, framework: Framework, pool: list[PodTemplate]) -> None:
    """One random change of the cluster."""
    bound = np.flatnonzero(state.pod_exists & (state.pod_node != PENDING) & (state.pod_phase <= 1)).tolist()
    some_node = random.randrange(len(state.nodes))
    match random.randrange(8):
        case 0 if bound:
            state.delete(random.choice(bound))
        case 1 if bound:
            state.terminate(random.choice(bound), 0.0)
        case 2 if bound:
            state.finish(random.choice(bound), 2)
        case 3:
            state.taint(some_node, Taint("spot", "", random.choice(["NoSchedule", "PreferNoSchedule"])))
        case 4:
            random.choice([state.cordon, state.uncordon])(some_node)
        case 5:
            random.choice([state.remove_node, state.restore_node])(some_node)
        case _:
            waiting = state.create(f"pod-{len(state.pod_names)}", random.choice(pool))
            decision = framework.decide(waiting)
            if decision.scheduled:
                framework.bind(waiting, decision.node)


@FEW
@given(SEEDS)
def test_what_was_worked_out_before_never_changes_a_decision(seed: int) -> None:
    random = Random(seed)
    state = ClusterState(world(random).cluster)
    framework = Framework(state)
    pool = [template(random) for _ in range(4)]
    for _ in range(30):
        _act(random, state, framework, pool)
        waiting = state.create(f"asked-{len(state.pod_names)}", random.choice(pool))
        old, new = framework.explain(waiting), Framework(state).explain(waiting)
        assert np.array_equal(old.feasible, new.feasible)
        assert np.array_equal(old.total, new.total)
        assert framework.decide(waiting).node == (new.best[0] if new.best else PENDING)
        state.delete(waiting)
    state.check()


@FEW
@given(SEEDS)
def test_scores_of_a_decision_add_up_to_its_total(seed: int) -> None:
    random = Random(seed)
    state = ClusterState(world(random).cluster)
    found = Framework(state).explain(state.create("web", template(random)))
    for best in found.best:
        assert sum(int(score[best]) for score in found.scores.values()) == found.total[best] == found.total.max()


# ---- preemption ------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_preemption_finds_what_the_plain_search_finds(seed: int) -> None:
    random = Random(seed)
    here, incoming = world(random), replace(template(random), priority=100)
    budgets = (
        PodDisruptionBudget(
            namespace="default",
            name="web",
            selector=LabelSelector((Requirement("app", "In", ("web",)),)),
            disruptions_allowed=random.randint(0, 1),
        ),
    )
    here.pods[:] = [replace(placed, terminating=False) for placed in here.pods]
    started = [float(t) for t in random.sample(range(100), len(here.pods))]
    state = ClusterState(replace(here.cluster, disruption_budgets=budgets))
    rows = [state.create(f"placed-{i}", placed.template) for i, placed in enumerate(here.pods)]
    for row, placed, start_s in zip(rows, here.pods, started, strict=True):
        state.bind(row, placed.node)
        state.start(row, start_s)
    decision = Framework(state).decide(state.create("incoming", incoming))
    if decision.scheduled or decision.nomination is None:
        return
    wanted = slow.candidates(here, incoming, started, budgets)
    found = decision.nomination
    assert [(c.node, c.victims, c.violations) for c in found.candidates] == [
        (w.node, tuple(rows[i] for i in w.victims), w.violations) for w in wanted
    ]
    assert list(found.tied) == ([w.node for w in slow.best(here, wanted, started)] if wanted else [])
    state.check()


def test_a_pod_that_may_not_preempt_says_why() -> None:
    state = state_of(node("a"))
    place(state, [state.create("low", pod())])
    (decision,) = place(state, [state.create("high", pod(priority=9, preemption_policy="Never"))])
    assert decision.message().endswith("preemption: not eligible due to preemptionPolicy=Never.")


def test_a_nominated_node_is_kept_free_for_its_pod() -> None:
    state = state_of(node("a"), node("b"))
    framework = Framework(state)
    place(state, [state.create("filler", pod())])
    important, other = state.create("important", pod(priority=9)), state.create("other", pod())
    framework.nominate(important, 1)
    assert not framework.decide(other).scheduled
    assert framework.decide(important).node == 1
    framework.bind(important, 1)
    assert framework.nominated == {}


# ---- volumes ---------------------------------------------------------------------------------------------------


def _storage(*volumes: Volume, provisioner: str) -> dict:
    return {
        "storage_classes": (
            StorageClass(name="standard", provisioner=provisioner, binding_mode="WaitForFirstConsumer"),
        ),
        "claims": (Claim(namespace="default", name="data", storage_class="standard", size_bytes=5),),
        "volumes": volumes,
    }


def _pinned(name: str, on: str, size_bytes: int) -> Volume:
    term = NodeSelectorTerm((Requirement(HOSTNAME, "In", (on,)),))
    return Volume(name=name, storage_class="standard", size_bytes=size_bytes, node_affinity=NodeSelector((term,)))


def test_binding_takes_the_smallest_volume_that_fits_there() -> None:
    volumes = (_pinned("big", "b", 9), _pinned("fits", "b", 6), _pinned("small", "b", 4), _pinned("other", "a", 1))
    state = state_of(node("a"), node("b"), **_storage(*volumes, provisioner="kubernetes.io/no-provisioner"))
    (decision,) = place(state, [state.create("db-0", pod(claims=("data",)))])
    assert state.nodes[decision.node].name == "b"
    claim = state.storage.claims["default/data"]
    assert (claim.volume, claim.bound, state.storage.volumes["fits"].phase) == ("fits", True, "Bound")


def test_a_volume_made_by_local_path_ties_the_pod_to_its_node() -> None:
    state = state_of(node("a"), node("b"), **_storage(provisioner="rancher.io/local-path"))
    first = state.create("db-0", pod(claims=("data",)))
    place(state, [first])
    state.delete(first)
    state.cordon(0)
    again = state.create("db-0", pod(claims=("data",)))
    (decision,) = place(state, [again])
    assert decision.message().startswith(
        "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, "
        "1 node(s) were unschedulable."
    )


@pytest.mark.parametrize(
    ("provisioner", "nodes"), [("rancher.io/local-path", 1), ("ebs.csi.aws.com", 2), ("nfs.csi.k8s.io", 3)]
)
def test_a_volume_reaches_as_far_as_its_provisioner_makes_it(provisioner: str, nodes: int) -> None:
    zone = "topology.kubernetes.io/zone"
    machines = [node(n, labels={HOSTNAME: n, zone: z}) for n, z in (("a", "1"), ("b", "1"), ("c", "2"))]
    state = state_of(*machines, **_storage(provisioner=provisioner))
    framework = Framework(state)
    first = state.create("db-0", pod(10, claims=("data",)))
    framework.bind(first, 0)
    assert framework.decide(state.create("db-1", pod(10, claims=("data",)))).feasible == nodes


# ---- profiles --------------------------------------------------------------------------------------------------


def test_a_filter_that_is_left_out_refuses_nothing() -> None:
    state = state_of(node("a", unschedulable=True))
    profile = Profile(filters=("NodeResourcesFit",))
    assert place(state, [state.create("web", pod())], profile=profile)[0].scheduled


def test_pods_tolerate_a_cordon_as_its_taint() -> None:
    state = state_of(node("a", unschedulable=True))
    tolerant = pod(tolerations=(Toleration("node.kubernetes.io/unschedulable", "Exists"),))
    assert place(state, [state.create("daemon", tolerant)])[0].scheduled


def test_a_promised_node_refuses_with_the_reason_of_the_plugin() -> None:
    state = state_of(node("a"))
    framework = Framework(state)
    framework.nominate(state.create("important", pod(priority=9)), 0)
    decision = framework.decide(state.create("other", pod()))
    assert decision.message().startswith("0/1 nodes are available: 1 Insufficient cpu.")


def test_a_promise_to_a_pod_that_is_gone_binds_nobody() -> None:
    state = state_of(node("a"))
    framework = Framework(state)
    important = state.create("important", pod(priority=9))
    framework.nominate(important, 0)
    state.delete(important)
    assert framework.decide(state.create("other", pod())).scheduled


def test_a_promised_node_keeps_the_ports_of_its_pod_too() -> None:
    state = state_of(node("a"))
    framework = Framework(state)
    ported = pod(10, host_ports=(HostPort("0.0.0.0", "TCP", 80),))
    framework.nominate(state.create("important", replace(ported, priority=9)), 0)
    decision = framework.decide(state.create("other", ported))
    assert "1 node(s) didn't have free ports for the requested pod ports." in decision.message()


def test_a_pod_that_waits_for_volumes_keeps_its_room_against_anyone() -> None:
    state = state_of(node("a"))
    framework = Framework(state)
    waiting, rival = state.create("waiting", pod()), state.create("rival", pod(priority=9))
    framework.assume(waiting, 0)
    assert not framework.decide(rival).scheduled
    framework.forget(waiting)
    assert framework.decide(rival).scheduled
