"""One run from a loaded case to its result: the straight line of the architecture."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import gxsim
from gxsim.consensus.members import member_nodes
from gxsim.engine.simulation import Simulation
from gxsim.engine.targets import nearest
from gxsim.errors import ScenarioError
from gxsim.load.scenario import Case, load
from gxsim.model.control_plane import ControlPlane
from gxsim.observe.causes import Causes
from gxsim.observe.degradations import caveats, degradation_table
from gxsim.observe.disks import disk_table
from gxsim.observe.events import event_table
from gxsim.observe.expectations import judge
from gxsim.observe.full_disks import full_disks
from gxsim.observe.headroom import node_loss_headroom
from gxsim.observe.incident import incident
from gxsim.observe.nodes import documented_table, node_load, node_table
from gxsim.observe.placement import placement_table
from gxsim.observe.pods import pod_counts, pod_fates
from gxsim.observe.quorum import QuorumSeries, quorum_intervals, quorum_series
from gxsim.observe.services import ServiceSeries, service_intervals, service_series, service_table
from gxsim.observe.table import Table
from gxsim.observe.unrecovered import unrecovered
from gxsim.observe.volumes import volume_table
from gxsim.observe.workloads import node_losses, workload_table
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import ClusterState
from gxsim.storage.contents import contents
from gxsim.study.data_plane import play
from gxsim.study.result import Result
from gxsim.study.start import started, tie_breaker
from gxsim.timeline import Timeline

ASSUMPTIONS = (
    "The control plane lives on the majority of its consensus group: the model's, else the nodes with the label "
    "node-role.kubernetes.io/etcd, or control-plane; without either it is outside the cluster and never lost.",
    "One server holds the lease of controllers and scheduler, the first of the control plane's group unless the model "
    "names another (controlPlane.leader). When it is lost they lead again elsewhere some 17 s later and give every "
    "node a full grace period.",
    "A consensus group has quorum while a majority of its members run and can be reached. Its elections are played "
    "message by message, so their gaps stand among the write gaps, and a member that is cut off runs on and may "
    "believe that it leads; the API server is taken to follow the quorum, not the election.",
    "An endpoint is dead from the moment its node or its containers stop, and answers again once its application has "
    "started up and it is believed ready; kube-proxy's own delay is not added.",
    "A pod uses what the model states while it runs; usage does not follow the load. Where the model is silent, memory "
    "that runs short counts what the pod requests; its containers share one limit, the sum of theirs.",
)


def simulate(
    case: Case | str | Path, *, seed: int | None = None, progress: Callable[[float], None] | None = None
) -> Result:
    """Run *case* (or the scenario at this path) from its start to its horizon, and say what it means.

    *seed* replaces the scenario's own; *progress* is called with the simulated seconds. Raises ScenarioError for what
    is wrong in the scenario, never for an outage.
    """
    case = case if isinstance(case, Case) else load(case)
    try:
        return _simulated(case, case.scenario.seed if seed is None else seed, progress)
    except ScenarioError as error:
        raise case.located(error) from None


def _simulated(case: Case, seed: int, progress: Callable[[float], None] | None) -> Result:
    streams = Streams(seed)
    state, framework = started(case, case.placement, tie_breaker(case, streams, "scheduler/ties"))
    at_start = [node_loss_headroom(state)]
    if case.placement is not None:
        scratch, _ = started(case, None, tie_breaker(case, streams, "scheduler/ties/from scratch"))
        at_start.append(placement_table(state, scratch))
    timeline = simulation(case, state, framework, streams).run(case.scenario.horizon_s, progress)
    services = service_series(state, timeline)
    quorum = quorum_series(state, timeline, case.model.consensus_groups)
    played = play(case, state, timeline, services, streams)
    found = (*_tables(case, state, timeline, services, quorum), *at_start, *played.tables)
    tables = {table.name: table for table in found}
    return Result(
        case=case,
        seed=seed,
        state=state,
        timeline=timeline,
        tables=tables,
        services=tuple(services),
        quorum=tuple(quorum),
        ledgers=played.ledgers,
        verdicts=judge(case.scenario.expect, tables),
        assumptions=(
            *ASSUMPTIONS,
            *caveats(timeline, case.scenario.faults, case.model, case.scenario.data_plane),
            *played.assumptions,
        ),
        provenance={"gxsim": gxsim.__version__, "seed": seed, "digests": case.digests},
    )


def simulation(case: Case, state: ClusterState, framework: Framework, streams: Streams) -> Simulation:
    """The clock over *state*, with the faults of *case* before it; its timeline is all that a run is made of."""
    groups = [member_nodes(state, group) for group in case.model.consensus_groups if group.control_plane]
    servers = [state.nodes[node].name for group in groups for node in group]
    return Simulation(
        state,
        framework=framework,
        streams=streams,
        control_plane=led(case.model.control_plane, servers),
        kubelet=case.model.kubelet,
        pod_timings=case.model.pod_timings,
        usage=case.model.usage,
        host_usage=case.model.host_usage,
        faults=case.scenario.faults,
        etcd_members=servers,
        contents=contents(state, case.model),
        began_unix_s=case.scenario.began_unix_s,
    )


def led(control_plane: ControlPlane, servers: Sequence[str]) -> ControlPlane:
    """The control plane with the server whose controllers and scheduler lead: the first one, unless it is named.

    Every server of K3s runs them and one holds their lease until it is lost: as a rule the one that began the cluster.
    """
    if not servers or not control_plane.leader_election:
        return control_plane
    leader = control_plane.leader or servers[0]
    if leader not in servers:
        problem = f"there is no server {leader!r}; {nearest(leader, servers)}"
        raise ScenarioError("model: controlPlane.leader", problem)
    return replace(control_plane, leader=leader)


def _tables(
    case: Case,
    state: ClusterState,
    timeline: Timeline,
    services: list[ServiceSeries],
    quorum: list[QuorumSeries],
) -> list[Table]:
    horizon_s = timeline.horizon_s
    losses = node_losses(state, timeline)
    moments = {"before": 0.0, "during": outage_end_s(losses, timeline), "after": horizon_s}
    load = node_load(state, timeline, case.model, np.array(list(moments.values())))
    causes = Causes(state, timeline)
    fates = pod_fates(state, timeline, causes)
    missing = unrecovered(state, timeline, fates, causes)
    return [
        losses,
        degradation_table(timeline, state),
        *incident(state, timeline, services, quorum, causes, missing),
        fates,
        missing,
        event_table(timeline),
        service_table(services, horizon_s),
        service_intervals(services, horizon_s),
        quorum_intervals(quorum, horizon_s),
        workload_table(state, timeline, missing),
        volume_table(state, timeline, case.model),
        disk_table(state, timeline),
        full_disks(state, timeline),
        node_table(state, load, tuple(moments)),
        documented_table(state, load, case.model),
        pod_counts(timeline),
    ]


def outage_end_s(losses: Table, timeline: Timeline) -> float:
    """The moment before the first lost node returns, when replacements have settled; else when fewest pods answered."""
    returns = [back_s for back_s in losses.columns["back_s"] if back_s is not None]
    if len(losses):
        return float(np.nextafter(min(returns, default=timeline.horizon_s), 0.0))
    counts = pod_counts(timeline).columns
    return float(counts["time_s"][int(np.argmin(counts["answering"]))])
