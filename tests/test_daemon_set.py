"""DaemonSets: pauses between failed pods, and what a daemon pod is given beside its template."""

import numpy as np
import pytest

from gxsim.controllers.daemon_set import NodeTemplates, daemon_tolerations
from gxsim.engine.simulation import Simulation
from gxsim.engine.start import start
from gxsim.load.objects import cluster
from gxsim.load.pods import pod_template
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import PHASE_FAILED, PHASE_SUCCEEDED, ClusterState

REQUIRED = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]
        }
    }
}


def agents(**spec: object) -> ClusterState:
    """One node with a DaemonSet whose pod runs there."""
    labels = {"app": "agent"}
    pod = {"containers": [{"name": "c"}], **spec}
    return ClusterState(
        cluster(
            [
                {
                    "kind": "Node",
                    "metadata": {"name": "n0", "labels": {"kubernetes.io/hostname": "n0", "disk": "ssd"}},
                    "status": {"capacity": {"cpu": "4", "memory": "8Gi", "pods": "10"}},
                },
                {
                    "kind": "DaemonSet",
                    "metadata": {"name": "agent", "namespace": "app"},
                    "spec": {
                        "selector": {"matchLabels": labels},
                        "template": {"metadata": {"labels": labels}, "spec": pod},
                    },
                },
            ]
        )
    )


def created_while_they_end(phase: int, *, until_s: float, runs_until_s: float) -> list[float]:
    """When pods of the DaemonSet were made, each of which ends at once up to *until_s*, as one that is rejected."""
    state = agents()
    framework = Framework(state)
    start(state, framework)
    simulation = Simulation(state, framework=framework, streams=Streams(1))

    def end(sim: Simulation) -> None:
        for pod in np.flatnonzero(sim.state.pod_active):
            sim.state.finish(int(pod), phase)

    for tenth in range(1, int(10 * until_s)):
        simulation.at(tenth / 10, end)
    simulation.run(runs_until_s)
    return [float(s) for s in state.pod_created_s[state.pod_created_s > 0]]


def test_a_failed_daemon_pod_is_deleted_after_a_pause_that_doubles() -> None:
    created = created_while_they_end(PHASE_FAILED, until_s=70.0, runs_until_s=200.0)
    assert created == pytest.approx([0.1, 1.1, 3.1, 7.1, 15.1, 31.1, 63.1, 127.1])


def test_a_daemon_pod_that_ended_well_is_deleted_at_once() -> None:
    assert created_while_they_end(PHASE_SUCCEEDED, until_s=1.0, runs_until_s=9.0) == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    )


def test_a_daemon_pod_is_tied_to_its_node_by_name_in_place_of_its_own_terms() -> None:
    state = agents(affinity=REQUIRED)
    start(state, Framework(state))
    affinity = NodeTemplates().of(state, 0, 0).node_affinity
    assert affinity is not None
    assert [(term.expressions, [field.values for field in term.fields]) for term in affinity.terms] == [((), [("n0",)])]


def test_a_daemon_pod_tolerates_what_befalls_its_node_and_a_missing_network_on_the_hosts_own() -> None:
    plain = pod_template("app", {}, {"containers": [{"name": "c"}]})
    host = pod_template("app", {}, {"containers": [{"name": "c"}], "hostNetwork": True})
    assert {(t.key.partition("/")[2], t.effect) for t in daemon_tolerations(plain)} == {
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    }
    more = set(daemon_tolerations(host)) - set(daemon_tolerations(plain))
    assert [(t.key, t.effect) for t in more] == [("node.kubernetes.io/network-unavailable", "NoSchedule")]
