"""Headroom against the obvious loop: place one more until the scheduler refuses."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gxsim.errors import ScenarioError
from gxsim.model.cluster import Cluster
from gxsim.model.model import HostUsage, Model, Usage
from gxsim.model.pod import PodTemplate
from gxsim.observe.headroom import lose, losses
from gxsim.plan.countings import REQUESTS, Recount, countings, free
from gxsim.plan.headroom import headroom_of
from gxsim.plan.increments import OnePod
from gxsim.plan.place import place
from gxsim.plan.room import is_plain, room
from gxsim.plan.situations import peak
from gxsim.plan.wanted import median_pod, pod_of_file, replica_of, tenant_of
from gxsim.scheduler import DEFAULT_PROFILE, Framework
from gxsim.state import PENDING, ClusterState
from tests.plan_clusters import LOCAL_PATH, apart, clusters, deployment, node, running, template, templates

BOUND = 300


def placed_one_by_one(state: ClusterState, pod: PodTemplate) -> tuple[int, np.ndarray]:
    """How many pods of a template the scheduler itself places before it refuses one, and where."""
    trial = state.copy()
    framework = Framework(trial, dataclasses.replace(DEFAULT_PROFILE, preemption=False))
    by_node = np.zeros(len(trial.nodes), int)
    for number in range(BOUND):
        row = trial.create(f"more-{number}", pod)
        decision = framework.decide(row)
        if not decision.scheduled:
            return number, by_node
        framework.bind(row, decision.node)
        by_node[decision.node] += 1
    return BOUND, by_node


@settings(max_examples=150, deadline=None)
@given(clusters(), templates("more"))
def test_headroom_is_what_repeated_placement_gives(cluster: Cluster, pod: PodTemplate) -> None:
    state = running(cluster)
    fits, by_node = placed_one_by_one(state, pod)
    found = room(state, OnePod(name="more", single=pod), REQUESTS, most=BOUND)
    assert found.fits == fits
    if is_plain(pod):  # where copies hold each other off, ties may fall otherwise
        assert found.by_node.tolist() == by_node.tolist()


@settings(max_examples=60, deadline=None)
@given(clusters(), templates("more"))
def test_headroom_without_a_node_is_the_worst_of_repeated_placements(cluster: Cluster, pod: PodTemplate) -> None:
    state = running(cluster)
    answer = headroom_of(state, OnePod(name="more", single=pod), most=BOUND)
    for size in (1, 2):
        worst = [placed_one_by_one(lose(state, lost).state, pod)[0] for lost in losses(state, size)]
        rows = [row for row in answer.fits.rows() if (row["counting"], row["situation"]) == ("requests", f"n-{size}")]
        assert [row["fits"] for row in rows] == ([min(worst)] if worst else [])


@settings(max_examples=60, deadline=None)
@given(clusters(), templates("more"), st.sampled_from(["limits", "usage", "volumes"]))
def test_other_countings_place_pods_as_if_they_requested_that(cluster: Cluster, pod: PodTemplate, name: str) -> None:
    usage = Usage(namespace="default", workload="app-*", cpu_milli=300, memory_bytes=2**28, source="test")
    host = HostUsage(cpu_milli=200, memory_bytes=2**27, source="test")
    counting = next(c for c in countings(Model(usage=(usage,), host_usage=(host,))) if c.name == name)
    state = running(cluster)
    increment = OnePod(name="more", single=pod)
    recount = Recount(counting)
    fits, _ = placed_one_by_one(recount.state(state), recount.template(state, pod, "default/more"))
    assert room(state, increment, counting, most=BOUND).fits == min(fits, BOUND)


def test_asking_changes_nothing() -> None:
    state = running(Cluster(nodes=(node("a"), node("b")), workloads=(deployment("web", 2, template("web", 500, 64)),)))
    before = (state.requested.copy(), len(state.pod_names), state.pod_node.tolist())
    headroom_of(state, median_pod(state))
    state.check()
    assert (state.requested == before[0]).all()
    assert (len(state.pod_names), state.pod_node.tolist()) == before[1:]


def test_what_binds_first_is_told_with_its_nodes() -> None:
    state = running(Cluster(nodes=(node("a", pods=2), node("b", cpu=1000))))
    found = room(state, OnePod(name="more", single=template("more", 400, 64)), REQUESTS)
    assert (found.fits, found.binds) == (4, "1 Insufficient cpu, 1 Too many pods")
    assert [found.against(n) for n in (0, 1)] == [("Too many pods",), ("Insufficient cpu",)]


def test_a_replica_that_keeps_its_like_away_fits_once_per_free_node() -> None:
    pod = template("web", 100, 64, pod_anti_affinity=apart("web"))
    state = running(Cluster(nodes=tuple(node(n) for n in "abc"), workloads=(deployment("web", 1, pod),)))
    found = room(state, replica_of(state, "deploy/web"), REQUESTS)
    assert (found.fits, found.binds) == (2, "3 node(s) didn't match pod anti-affinity rules")


def test_at_its_peak_a_deployment_has_surge_pods_more() -> None:
    state = running(Cluster(nodes=(node("a", pods=6),), workloads=(deployment("web", 4, template("web", 100, 64)),)))
    top, pending = peak(state)
    assert (int(top.pod_active.sum()), pending) == (5, 0)  # a quarter of four, rounded up


def test_a_quota_stops_what_nodes_would_take() -> None:
    quota = {"metadata": {"name": "small", "namespace": "default"}, "spec": {"hard": {"requests.cpu": "1"}}}
    state = running(Cluster(nodes=(node("a"),), quotas=(quota,)))
    increment = OnePod(name="more", single=template("more", 400, 64))
    found = room(state, increment, REQUESTS)
    assert (found.fits, found.by_node.tolist()) == (2, [2])
    assert found.quota == (
        "exceeded quota: small, requested: requests.cpu=400m, used: requests.cpu=800m, limited: requests.cpu=1"
    )
    assert room(state, increment, REQUESTS, quotas=False).fits == 10
    rows = {(row["counting"], row["situation"]): row["fits"] for row in headroom_of(state, increment).fits.rows()}
    assert (rows["quota", "now"], rows["quota", "peak"]) == (2, 2)


def test_without_a_quota_none_is_told() -> None:
    state = running(Cluster(nodes=(node("a"),)))
    found = headroom_of(state, OnePod(name="more", single=template("more", 400, 64))).fits
    assert "quota" not in found.columns["counting"]


def test_the_dearest_losses_are_asked_when_there_are_too_many() -> None:
    state = running(Cluster(nodes=tuple(node(f"n{i}", cpu=2**i) for i in range(8))))
    assert losses(state, 1, most=2) == [(7,), (6,)]
    assert losses(state, 2, most=2) == [(7, 6), (7, 5)]


def test_the_documented_cluster_has_room_by_requests_and_little_by_limits() -> None:
    placed = place(["gx/node-loss"])
    answer = headroom_of(placed.state, median_pod(placed.state), placed.case.model)
    rows = {(row["counting"], row["situation"]): row["fits"] for row in answer.fits.rows()}
    assert rows["requests", "now"] > rows["requests", "n-1"] > rows["requests", "n-2"] > 0
    assert rows["limits", "n-2"] == 0  # any two nodes less, and limits are promised twice
    assert rows["requests", "peak"] < rows["requests", "now"]


def test_devnet_does_not_fit_its_own_quota() -> None:
    placed = place(["gx/node-loss"])
    files = [Path(__file__).parent.parent / "scenarios/gx/overlays/devnet"]
    strict = room(placed.state, tenant_of(files, placed.state), REQUESTS)
    assert strict.fits == 0
    assert strict.quota.startswith("exceeded quota: fabric-devnet, requested: persistentvolumeclaims=1")
    free = room(placed.state, tenant_of(files, placed.state, quotas=False), REQUESTS, quotas=False)
    assert free.fits > 1


def test_a_further_node_gives_its_daemons_their_share() -> None:
    daemon = dataclasses.replace(deployment("agent", 1, template("agent", 1000, 64)), kind="DaemonSet")
    state = running(Cluster(nodes=(node("a", cpu=2000),), workloads=(daemon,)))
    answer = headroom_of(state, OnePod(name="more", single=template("more", 500, 64)))
    smallest, like = answer.shapes.rows()
    assert (smallest["cpu_milli"], smallest["more"]) == (1500, 1)
    assert (like["like"], like["more"]) == ("a", 2)


def test_a_manifest_of_a_pod_or_of_a_workload_says_what_is_asked_for(tmp_path: Path) -> None:
    pod = "containers: [{name: main, image: x, resources: {requests: {cpu: 250m}}}]"
    (tmp_path / "pod.yaml").write_text(f"{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{pod}}}}}")
    (tmp_path / "set.yaml").write_text(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: n}, spec: "
        f"{{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{{pod}}}}}}}}}"
    )
    assert pod_of_file(tmp_path / "pod.yaml").single.requests == {"cpu": 250}
    assert pod_of_file(tmp_path / "set.yaml").single.namespace == "n"


def test_a_workload_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    state = running(Cluster(nodes=(node("a"),), workloads=(deployment("web", 1, template("web", 100, 64)),)))
    with pytest.raises(ScenarioError) as refused:
        replica_of(state, "deploy/wob")
    assert str(refused.value).startswith("deploy/wob: there is no such workload; ")


def test_a_label_that_no_node_has_is_refused() -> None:
    state = running(Cluster(nodes=(node("a"),), workloads=(deployment("web", 1, template("web", 100, 64)),)))
    with pytest.raises(ScenarioError, match="no node has this label"):
        headroom_of(state, median_pod(state), label="rack")


def test_every_pod_counts_for_itself_when_counted_anew() -> None:
    state = running(Cluster(nodes=(node("a"),), workloads=(deployment("web", 2, template("web", 100, 64)),)))
    limits = next(c for c in countings(Model()) if c.name == "limits")
    again = Recount(limits).state(state)
    again.check()
    assert (again.pod_node != PENDING).all()
    assert (free(state, limits) == again.allocatable - again.requested).all()


TENANT = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 300G}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: x, resources: {requests: {cpu: 1500m}}}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: db}}}
      containers: [{name: main, image: x, resources: {requests: {cpu: 500m}}}]
"""


def test_a_tenant_comes_with_namespaces_claims_and_rules_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "tenant.yaml").write_text(TENANT)
    local = dataclasses.replace(LOCAL_PATH, default=True)
    state = running(Cluster(nodes=(node("a", 4000), node("b", 4000)), storage_classes=(local,)))
    tenant = tenant_of([tmp_path / "tenant.yaml"], state)
    found = room(state, tenant, REQUESTS)
    assert found.by_node.tolist() == [3, 3]  # a web and the two of a db that lie apart, twice
    assert found.fits == 2  # a third web would fill one node, and its db needs both
    assert found.binds == "1 Insufficient cpu, 1 node(s) didn't match pod anti-affinity rules"
    volumes = next(c for c in countings(Model()) if c.name == "volumes")
    small = dataclasses.replace(state.cluster, nodes=(node("a", 40_000), node("b", 40_000)))
    assert room(running(small), tenant, volumes).fits == 6  # three volumes of 300 GB on each disk of 1 TB


def test_documented_usage_goes_with_a_tenant_into_its_next_namespace(tmp_path: Path) -> None:
    (tmp_path / "tenant.yaml").write_text(TENANT)
    usages = [
        Usage(namespace="shop", workload=name, cpu_milli=100, memory_bytes=0, source="test") for name in ("web", "db")
    ]
    local = dataclasses.replace(LOCAL_PATH, default=True)
    state = running(Cluster(nodes=(node("a", 1000, pods=99), node("b", 1000, pods=99)), storage_classes=(local,)))
    usage = next(c for c in countings(Model(usage=tuple(usages))) if c.name == "usage")
    assert room(state, tenant_of([tmp_path / "tenant.yaml"], state), usage).fits == 6  # 300m of 2 cores each
