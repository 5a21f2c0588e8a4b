"""Channels of the documented cluster: where their parties are, when a peer can write, who vanishes with a node."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gxsim
from gxsim.engine.raft_groups import leader_histories
from gxsim.observe.channels import channel_of
from gxsim.observe.services import service_series
from gxsim.rng import Streams
from gxsim.study.result import Result
from gxsim.study.simulate import simulate
from gxsim.traffic.delays import node_delays
from gxsim.traffic.ledger import Channel

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def lost() -> Result:
    """Five minutes in, srv1089618 is lost for five."""
    case = gxsim.load(ROOT / "scenarios" / "node-loss.yaml")
    faults = tuple(replace(fault, at_s=300.0, duration_s=300.0) for fault in case.scenario.faults)
    scenario = replace(case.scenario, faults=faults, horizon_s=1200.0, expect=(), data_plane=())
    return simulate(replace(case, scenario=scenario))


def channel(result: Result) -> Channel:
    state, timeline, model = result.state, result.timeline, result.case.model
    delays_s = node_delays(model.network, state.nodes)
    (ledger,) = model.ledgers
    groups = [group for group in model.consensus_groups if group.name == ledger.orderers]
    (history,) = leader_histories(state, timeline, groups, delays_s, Streams(result.seed))
    return channel_of(ledger, history, state, timeline, service_series(state, timeline), delays_s)


def test_legs_are_the_delays_between_the_nodes_of_their_ends(lost: Result) -> None:
    """peer0-org1 is on the lost node, and the projector is started elsewhere; then they are further apart."""
    found, state, timeline = channel(lost), lost.state, lost.timeline
    delays_s = node_delays(lost.case.model.network, state.nodes)
    peer = state.pod_names.index("peer0-org1-0") if "peer0-org1-0" in state.pod_names else None
    assert peer is not None
    node, serving = timeline.at("pod_node", 0.0), timeline.at("pod_serving", 0.0) > 0
    names = [state.pod_names[pod].startswith("projector") for pod in range(len(node))]
    space = [state.templates[state.pod_template[pod]].namespace == "backend-mainnet" for pod in range(len(node))]
    projectors = np.flatnonzero(np.array(names) & np.array(space) & serving)
    expected_s = delays_s[node[peer], node[projectors]].mean()
    hop_s = found.ledger.costs.hop_s
    assert found.leg_s("event", np.array([10.0]))[0] == pytest.approx(expected_s + hop_s)


def test_orderers_that_vanish_with_their_node_do_not_close_their_streams(lost: Result) -> None:
    orderers = channel(lost).orderers
    vanished = [one for one in orderers if len(one.vanished_s)]
    assert [one.vanished_s.tolist() for one in vanished] == [[300.0], [300.0]], "two of five were there"
    assert all(one.up[0, 1] == 300.0 for one in vanished)


def test_a_peer_commits_nothing_while_its_state_database_on_another_node_is_full() -> None:
    case = gxsim.load(ROOT / "scenarios" / "node-loss.yaml")
    (ledger,) = case.model.ledgers
    far = replace(ledger, state_databases={"fabric/peer0-org1": "fabric/couchdb-peer0-org2"})
    scenario = replace(case.scenario, faults=(), horizon_s=1200.0, expect=(), data_plane=())
    result = simulate(replace(case, scenario=scenario, model=replace(case.model, ledgers=(far,))))
    pods, nodes = result.state.pod_names, result.timeline.at("pod_node", 0.0)
    node, own = (int(nodes[pods.index(name)]) for name in ("couchdb-peer0-org2-0", "peer0-org1-0"))
    assert node != own
    for time_s, room in ((0.0, 1.0), (700.0, 0.0), (800.0, 1.0)):
        result.timeline.level(f"writable/{result.timeline.node_names[node]}", time_s, room)
    assert channel(result).peers["fabric/peer0-org1"].ravel()[1:3].tolist() == [700.0, 800.0]


def test_a_state_database_belongs_to_a_peer_of_the_ledger(lost: Result) -> None:
    (ledger,) = lost.case.model.ledgers
    with pytest.raises(ValueError, match=r"^stateDatabases: 'fabric/peer9' is no peer of this ledger; expected one of"):
        replace(ledger, state_databases={"fabric/peer9": "fabric/couchdb-peer0-org1"})


def test_a_peer_commits_nothing_while_its_disk_takes_no_writes(lost: Result) -> None:
    before = channel(lost)
    node = lost.timeline.node_names[int(lost.timeline.at("pod_node", 0.0)[lost.state.pod_names.index("peer0-org2-0")])]
    for time_s, room in ((0.0, 1.0), (700.0, 0.0), (800.0, 1.0)):
        lost.timeline.level(f"writable/{node}", time_s, room)
    after = channel(lost)
    changed = [peer for peer in before.peers if not np.array_equal(before.peers[peer], after.peers[peer])]
    assert "fabric/peer0-org2" in changed
    assert [after.peers["fabric/peer0-org2"][-2, 1], after.peers["fabric/peer0-org2"][-1, 0]] == [700.0, 800.0]


def test_a_leader_that_is_cut_off_still_takes_what_clients_beside_it_send() -> None:
    """Half of the submitters run beside orderer2, which leads: theirs is lost until it notices."""
    case = gxsim.load(ROOT / "scenarios" / "server-cut.yaml")
    fault = replace(case.scenario.faults[0], at_s=300.0, duration_s=60.0)
    fault = replace(fault, selector=replace(fault.selector, nodes=("srv1089624",)), target=None)
    scenario = replace(case.scenario, faults=(fault,), horizon_s=600.0, expect=(), data_plane=())
    found = channel(simulate(replace(case, scenario=scenario)))
    times_s, share = found.stray
    taken = np.flatnonzero(share)
    assert set(share[taken]) == {0.5}
    assert times_s[taken[0]] == found.reigns.to_s[0] == 300.0
    assert 301.0 <= times_s[taken[-1] + 1] <= 302.0, "one to two election timeouts of 1 s"
