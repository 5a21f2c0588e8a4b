"""The model file of the GX cluster: complete, documented, and in agreement with the manifests beside it."""

import dataclasses
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from gxsim.consensus.members import member_nodes, member_pods
from gxsim.errors import ScenarioError
from gxsim.load.documents import read, read_one
from gxsim.load.fields import read_fields
from gxsim.load.scenario import Case, bundled, load
from gxsim.model.cluster import Workload
from gxsim.model.model import Model
from gxsim.state import ClusterState
from gxsim.state.usage import pod_usage
from gxsim.study.start import started

SERVERS = ("srv1089618", "srv1089624", "srv1092158")
FILE = bundled() / "gx" / "model.yaml"


@pytest.fixture(scope="module")
def model() -> Model:
    return read_fields(Model, read_one(FILE), ("spec",))


@pytest.fixture(scope="module")
def case() -> Case:
    """Production, testnet and devnet; without quotas, so that everything the report lists really runs."""
    found = load("gx/testnet-devnet")
    return dataclasses.replace(found, cluster=dataclasses.replace(found.cluster, quotas=()))


@pytest.fixture(scope="module")
def state(case: Case) -> ClusterState:
    return started(case, case.placement)[0]


def entries(value: Any) -> Iterator[Any]:
    """Every dataclass instance inside *value*, itself included."""
    if dataclasses.is_dataclass(value):
        yield value
        for field in dataclasses.fields(value):
            yield from entries(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from entries(item)


def name(workload: Workload) -> str:
    return f"{workload.namespace}/{workload.name}"


# ---- where values come from -----------------------------------------------------------------------------------------


def test_every_source_names_a_section_or_says_that_the_value_is_chosen(model: Model) -> None:
    sources = [entry.source for entry in entries(model) if hasattr(entry, "source")]
    assert len(sources) > 90
    assert [source for source in sources if not re.search(r"§\d|\bchosen\b", source)] == []


def test_alert_rules_are_those_that_prometheus_is_given(model: Model) -> None:
    maps = {d.value["metadata"]["name"]: d.value for d in read([FILE.parent / "monitoring" / "prometheus-config.yaml"])}
    groups = yaml.safe_load(maps["prometheus-rules"]["data"]["rules.yml"])["groups"]
    given = [(r["alert"], r["expr"], r["for"], r["labels"]) for group in groups for r in group["rules"]]
    minutes = [(r.alert, r.expr, f"{r.for_s / 60:g}m", dict(r.labels)) for r in model.alerts]
    assert minutes == given


# ---- usage ----------------------------------------------------------------------------------------------------------


def test_every_workload_has_a_usage_and_every_usage_a_workload(model: Model, case: Case) -> None:
    used = set()
    for workload in case.cluster.workloads:
        matching = [
            u for u in model.usage if u.namespace == workload.namespace and fnmatchcase(workload.name, u.workload)
        ]
        assert matching, name(workload)
        used.add(matching[0])
    assert set(model.usage) == used


def test_no_healthy_production_pod_uses_enough_to_fire_an_alert(model: Model, state: ClusterState) -> None:
    used = pod_usage(state, model.usage)
    for pod, row in enumerate(state.pod_template):
        template = state.templates[row]
        limit = template.limits.get("memory")
        assert used[pod, 0] < 800, state.pod_key(pod)  # HighCPUUsage: cores, not a share
        if limit and template.namespace in ("fabric", "backend-mainnet", "monitoring"):
            assert used[pod, 1] < 0.85 * limit, state.pod_key(pod)  # HighMemoryUsage


def node_sums(model: Model, state: ClusterState, namespaces: re.Pattern[str]) -> dict[str, np.ndarray]:
    """Cpu and memory of the pods of some namespaces and of what runs outside pods, by node."""
    sums = {}
    used = pod_usage(state, model.usage)
    mine = np.array([bool(namespaces.fullmatch(state.templates[t].namespace)) for t in state.pod_template])
    for row, node in enumerate(state.nodes):
        host = next(h for h in model.host_usage if h.node_selector.items() <= node.labels.items())
        pods = used[mine & (state.pod_node == row)].sum(axis=0)
        sums[node.name] = pods + np.array([host.cpu_milli, host.memory_bytes])
    return sums


def test_usage_adds_up_to_the_documented_load_of_the_servers(model: Model, state: ClusterState) -> None:
    sums = node_sums(model, state, re.compile(r"fabric|backend-mainnet|monitoring|kube-system|ingress-nginx"))
    for documented in model.node_usage:
        if documented.node in SERVERS:
            cpu, memory = sums[documented.node] / (documented.cpu_milli, documented.memory_bytes)
            assert 0.90 < cpu < 1.10  # the report itself differs by 10 % about srv1092158 (§1.1, §4.3)
            assert 0.85 < memory < 1.0  # more would bring the pods over the 85 % of their limits that fire an alert


def test_testnet_and_devnet_add_up_to_the_load_expected_of_the_worker(model: Model, state: ClusterState) -> None:
    cpu, memory = node_sums(model, state, re.compile(r"\w+-(testnet|devnet)|monitoring"))["srv1117946"]
    documented = next(u for u in model.node_usage if u.node == "srv1117946")
    # The report rounds to whole cores and gigabytes ("~5 vCPU, ~15GB"); testnet only prefers this node.
    assert cpu == pytest.approx(documented.cpu_milli, rel=0.10)
    assert memory == pytest.approx(documented.memory_bytes, rel=0.10)


# ---- consensus ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "members"),
    [
        ("orderers", [f"orderer{i}-0" for i in range(5)]),
        ("testnet-orderers", [f"orderer{i}-testnet-0" for i in range(3)]),
        ("devnet-orderers", ["orderer0-devnet-0"]),
    ],
)
def test_a_group_of_orderers_has_the_documented_members(
    model: Model, state: ClusterState, group: str, members: list[str]
) -> None:
    noun = next(g for g in model.consensus_groups if g.name == group)
    assert [state.pod_names[pod] for pod in np.flatnonzero(member_pods(state, noun))] == members


def test_etcd_lives_on_the_three_servers_and_carries_the_control_plane(model: Model, state: ClusterState) -> None:
    etcd = next(g for g in model.consensus_groups if g.control_plane)
    assert tuple(state.nodes[i].name for i in member_nodes(state, etcd)) == SERVERS


def test_the_documented_orderers_lie_two_one_two(state: ClusterState) -> None:
    where = [state.nodes[state.pod_node[state.pod_names.index(f"orderer{i}-0")]].name for i in range(5)]
    assert where == ["srv1089618", "srv1092158", "srv1089624", "srv1089618", "srv1092158"]


# ---- paths, storage, timings: every name means something ------------------------------------------------------------


def test_paths_lead_over_edges_and_services_that_exist(model: Model, case: Case) -> None:
    services = {f"{s.namespace}/{s.name}" for s in case.cluster.services}
    edges = {edge.name for edge in model.edges}
    steps = {step for path in model.paths for step in path.steps}
    assert steps <= services | edges
    assert sum(path.share for path in model.paths) == pytest.approx(1.0)
    for step in steps:
        answers = any(fnmatchcase(step, station.step) for station in model.stations)
        assert answers, step
    for population in model.populations:
        assert any(population.edge in edge.nodes for edge in model.edges)


def test_a_route_leads_to_the_service_that_has_its_node_port(model: Model) -> None:
    ports = {}
    for document in read([FILE.parent / "backend"]):
        if document.value["kind"] == "Service":
            for port in document.value["spec"]["ports"]:
                ports[port.get("nodePort", 0)] = document.value["metadata"]["name"]
    for path in model.paths:
        if path.route:
            assert path.steps[:2] == ("nginx", f"backend-mainnet/{ports[path.node_port]}")


def test_the_ledger_names_services_workloads_and_a_group_that_exist(model: Model, case: Case) -> None:
    services = {f"{s.namespace}/{s.name}" for s in case.cluster.services}
    workloads = {name(w) for w in case.cluster.workloads}
    for ledger in model.ledgers:
        peers = {peer for organisation in ledger.endorsers.values() for peer in organisation}
        assert {ledger.outbox, ledger.chaincode, ledger.event_peer, *peers} <= services
        assert {ledger.submitter, ledger.projector} <= workloads
        assert ledger.orderers in {group.name for group in model.consensus_groups}


def test_growth_and_backups_name_workloads_with_volumes(model: Model, case: Case) -> None:
    stateful = [w for w in case.cluster.workloads if w.claim_templates or w.template.claims]
    for entry in (*model.growth, *model.backups, *model.stores):
        assert any(entry.namespace == w.namespace and fnmatchcase(w.name, entry.workload) for w in stateful), entry


def test_regions_are_those_of_the_nodes(model: Model, case: Case) -> None:
    assert model.network is not None
    regions = {region.name for region in model.network.regions}
    assert regions == {node.labels[model.network.region_label] for node in case.cluster.nodes}
    assert {region for link in model.network.links for region in link.between} == regions


def test_every_pod_timing_is_the_first_to_match_some_pod(model: Model, state: ClusterState) -> None:
    first = set()
    for template in state.templates:
        of = (template.namespace, template.labels, template.annotations)
        first.add(next(i for i, timing in enumerate(model.pod_timings) if timing.selects(*of)))
    assert first == set(range(len(model.pod_timings)))


def test_documented_node_loads_name_all_nodes(model: Model, state: ClusterState) -> None:
    assert [usage.node for usage in model.node_usage] == [node.name for node in state.nodes]


# ---- what is refused ------------------------------------------------------------------------------------------------

HEAD = "apiVersion: gxsim/v1alpha1\nkind: Model\nspec:\n  "


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            "usages: []",
            "model.yaml:4: spec.usages: unknown field; did you mean 'usage'?",
        ),
        (
            "dns: {name: a, ttl: 300, source: b}",
            "model.yaml:4: spec.dns.ttl: expected a duration such as 250ms, 5m or 2h, got 300",
        ),
        (
            "dns: {name: a, ttl: 5m}",
            "model.yaml:4: spec.dns: the field 'source' is missing: where the values come from",
        ),
        (
            "consensusGroups: [{name: a, protocol: rafft, source: b}]",
            "model.yaml:4: spec.consensusGroups[0].protocol: unknown value 'rafft'; expected one of etcd, k3s, fabric",
        ),
        (
            "network: {sameNodeDelay: 0, sameRegionDelay: 0, source: a, delays: speed}",
            "model.yaml:4: spec.network.delays: unknown value 'speed'; expected one of links, distance",
        ),
        (
            "populations: [{name: a, latitude: 91, longitude: 0, edge: b, rate: 1, source: c}]",
            "model.yaml:4: spec.populations[0].latitude: expected at most 90, got 91",
        ),
        (
            "growth: [{name: a, namespace: b, workload: c, perDay: [1G], source: d}]",
            "model.yaml:4: spec.growth[0].perDay: expected 2 values, got 1",
        ),
        (
            "hostUsage: [{cpu: lots, memory: 1Gi, source: a}]",
            "model.yaml:4: spec.hostUsage[0].cpu: expected a cpu quantity such as 500m or 2, got 'lots'",
        ),
    ],
)
def test_a_malformed_model_is_refused_with_place_and_remedy(tmp_path: Path, spec: str, problem: str) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(HEAD + spec)
    with pytest.raises(ScenarioError) as raised:
        read_fields(Model, read_one(file), ("spec",))
    assert str(raised.value) == f"{tmp_path}/{problem}"
