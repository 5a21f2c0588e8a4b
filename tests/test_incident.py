"""The incident of a run, what never recovers and why: transcripts, a slow twin, and what holds under any faults."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gxsim.engine.fault_kinds import FAULTS
from gxsim.engine.simulation import Simulation
from gxsim.engine.start import start
from gxsim.kernels.intervals import bursts
from gxsim.observe.causes import REMEDIES, Causes
from gxsim.observe.events import event_table
from gxsim.observe.happenings import happenings
from gxsim.observe.incident import incident
from gxsim.observe.incident_control_plane import counted_by_kind
from gxsim.observe.incident_strikes import DEEDS
from gxsim.observe.pods import pod_fates
from gxsim.observe.services import service_intervals, service_series, service_table
from gxsim.observe.table import Table
from gxsim.observe.unrecovered import TO_AN_END, unrecovered
from gxsim.rng import Streams
from gxsim.scheduler import Framework
from gxsim.state import ENDPOINT_READY, PENDING, PHASE_RUNNING, ClusterState, Event, kind_of
from gxsim.timeline import Timeline
from tests.test_controllers_transcripts import Teller, played
from tests.test_swarm import random_cluster, random_faults

TRANSCRIPTS = sorted((Path(__file__).parent / "testdata" / "incident").glob("*.txt"))
SEEDS = range(12)
HORIZON_S = 9000.0


def told(state: ClusterState, timeline: Timeline) -> dict[str, Table]:
    causes = Causes(state, timeline)
    fates = pod_fates(state, timeline, causes)
    missing = unrecovered(state, timeline, fates, causes)
    series = service_series(state, timeline)
    tables = [fates, missing, *incident(state, timeline, series, [], causes, missing), event_table(timeline)]
    tables += [service_table(series, timeline.horizon_s), service_intervals(series, timeline.horizon_s)]
    return {table.name: table for table in tables}


# ---- transcripts ----------------------------------------------------------------------------------------------------


def _cut(name: re.Match[str]) -> str:
    return f"{name[1] or name[4]}-…"


class Chronicler(Teller):
    """Tells the incident instead of single changes; generated names are cut to their workload."""

    def do_run(self, until: str) -> Iterator[str]:
        for row in told(*self.run(until))["incident"].rows():
            sentence = re.sub(
                r"\b(web|agent)(-[a-z0-9]{8,10})?(-[a-z0-9]{5})\b|\b(web)-[a-z0-9]{8,10}\b", _cut, row["sentence"]
            )
            yield f"{row['time_s']:8.1f} s  {row['what']:13}  {sentence}"


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda p: p.stem)
def test_the_incident_is_told_as_in_the_transcript(path: Path, request: pytest.FixtureRequest) -> None:
    now = played(path.read_text(), Chronicler)
    if request.config.getoption("--rewrite", default=False):
        path.write_text(now)
    assert now == path.read_text()


def test_there_are_transcripts_of_every_cause_that_a_fault_can_have() -> None:
    text = "\n".join(path.read_text() for path in TRANSCRIPTS)
    causes = set(re.findall(r"not recovered: [^:]*: ([A-Za-z ]+)(?=:|$)", text, re.MULTILINE))
    assert causes >= {"volume", "data lost", "nothing fits", "quota", "quorum", "control plane", "not noticed"}
    assert causes >= {"toleration", "not evicted", "termination", "DaemonSet", "order", "image", "not ready"}
    assert causes <= set(REMEDIES)


# ---- a slow twin ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SEEDS)
def run(request: pytest.FixtureRequest) -> tuple[ClusterState, Timeline]:
    """A random cluster under random faults that end an hour before the run does, or do not."""
    rng = np.random.default_rng(request.param)
    state = ClusterState(random_cluster(rng))
    framework = Framework(state, rng=np.random.default_rng(request.param))
    start(state, framework)
    nodes = [node.name for node in state.nodes]
    faults = random_faults(rng, nodes)
    simulation = Simulation(
        state, framework=framework, streams=Streams(request.param), faults=faults, etcd_members=tuple(nodes[:3])
    )
    return state, simulation.run(HORIZON_S if request.param % 2 else float(rng.uniform(1000, 6000)))


def test_happenings_are_those_that_a_loop_over_the_clock_finds(run: tuple[ClusterState, Timeline]) -> None:
    _, timeline = run
    found = {
        name: set(zip(h.times_s.tolist(), h.pods.tolist(), strict=True)) for name, h in happenings(timeline).items()
    }
    slow: dict[str, set[tuple[float, int]]] = {name: set() for name in found}
    names = ("exists", "node", "phase", "ready", "serving", "terminating", "restarts", "endpoint")
    times = timeline.times_s()
    before = {name: timeline.at(f"pod_{name}", 0.0) for name in names}
    for time_s in times[times > 0].tolist():
        now = {name: timeline.at(f"pod_{name}", time_s) for name in names}
        for pod in range(len(timeline.pod_names)):
            was, is_ = ({name: int(values[pod]) for name, values in at.items()} for at in (before, now))
            lives = is_["exists"] and not is_["terminating"] and is_["phase"] <= PHASE_RUNNING
            happens = {
                "dead": lives and was["serving"] and not is_["serving"],
                "revived": lives and not was["serving"] and is_["serving"] and was["ready"] and is_["ready"],
                "unready": lives and was["ready"] and not is_["ready"],
                "withdrawn": lives and was["endpoint"] == ENDPOINT_READY != is_["endpoint"],
                "restarted": lives and is_["restarts"] > was["restarts"],
                "deleted": is_["terminating"] and not was["terminating"],
                "created": is_["exists"] and not was["exists"],
                "bound": is_["node"] != PENDING == was["node"],
                "ready": lives and is_["ready"] and not was["ready"],
            }
            for name, happened in happens.items():
                if happened:
                    slow[name].add((time_s, pod))
        before = now
    assert found == slow


def test_a_burst_is_a_chain_without_gaps() -> None:
    first, past = bursts(np.array([0.0, 4.0, 8.0, 13.0, 30.0]), 5.0)
    assert list(zip(first.tolist(), past.tolist(), strict=True)) == [(0, 3), (3, 4), (4, 5)]
    assert len(bursts(np.empty(0), 5.0)[0]) == 0


# ---- what holds whatever happens ------------------------------------------------------------------------------------


def test_everybody_who_should_answer_and_does_not_is_told_with_a_cause(run: tuple[ClusterState, Timeline]) -> None:
    state, timeline = run
    rows = list(told(state, timeline)["unrecovered"].rows())
    silent = state.pod_active & ~(state.pod_ready & state.pod_serving)
    listed = {row["pod"] for row in rows if row["pod"]}
    assert {
        state.pod_names[pod] for pod in np.flatnonzero(silent) if kind_of(state, int(pod)) not in TO_AN_END
    } <= listed
    for row in rows:
        assert row["cause"] in REMEDIES, row
        assert row["why"]
        assert row["remedy"] == REMEDIES[row["cause"]]
        assert 0 <= row["since_s"] <= timeline.horizon_s
    for index, owner in enumerate(state.owners):
        if owner.kind in ("ReplicaSet", "StatefulSet") and not owner.deleted and owner.replicas:
            active = int(np.count_nonzero(state.pod_active & (state.pod_owner == index) & state.pod_ready))
            parent = state.owners[owner.parent].name if owner.parent >= 0 else owner.name
            lacking = sum(row["pods"] for row in rows if row["workload"] == f"app/{parent}")
            assert active + lacking >= owner.replicas or owner.parent >= 0, owner.name


def test_the_incident_is_in_order_and_each_entry_has_its_objects(run: tuple[ClusterState, Timeline]) -> None:
    tables = told(*run)
    entries = list(tables["incident"].rows())
    assert [row["entry"] for row in entries] == list(range(len(entries)))
    times = [row["time_s"] for row in entries]
    assert times == sorted(times)
    assert all(row["time_s"] <= row["until_s"] <= run[1].horizon_s for row in entries)
    assert {row["what"] for row in entries} <= {"truth", "control plane", "service", "people"}
    assert set(tables["incident_objects"].columns["entry"]) <= set(range(len(entries)))
    assert all(row["sentence"] and not re.search(r"\{\w*\}", row["sentence"]) for row in entries)


def test_a_pod_is_undetected_while_it_is_dead_and_believed_ready(run: tuple[ClusterState, Timeline]) -> None:
    """Against a loop over the clock, for pods that were lost once and not by their deletion."""
    state, timeline = run
    fates = list(told(state, timeline)["pods"].rows())
    names = [row["pod"] for row in fates]
    times = timeline.times_s()
    for row in fates:
        rows = [pod for pod, name in enumerate(timeline.pod_names) if name == row["pod"]]
        if names.count(row["pod"]) > 1 or len(rows) > 1 or row["evicted_s"] == row["lost_s"]:
            continue
        spent = 0.0
        for begin_s, end_s in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
            held = {
                name: bool(timeline.at(f"pod_{name}", begin_s)[rows[0]]) for name in ("ready", "serving", "terminating")
            }
            if begin_s >= row["lost_s"] and held["ready"] and not held["serving"] and not held["terminating"]:
                spent += end_s - begin_s
        assert row["undetected_s"] == pytest.approx(spent, abs=1e-6), row


def test_truth_is_never_better_than_belief_and_intervals_add_up(run: tuple[ClusterState, Timeline]) -> None:
    tables = told(*run)
    order = ("whole", "degraded", "none")
    sums: dict[tuple[str, str], float] = {}
    for row in tables["service_intervals"].rows():
        assert order.index(row["state"]) >= order.index(row["believed"])
        for name, level in (("true", row["state"]), ("believed", row["believed"])):
            key = row["service"], f"{name} {level}"
            sums[key] = sums.get(key, 0.0) + row["to_s"] - row["from_s"]
    for row in tables["services"].rows():
        assert row["none_s"] == pytest.approx(sums.get((row["service"], "true none"), 0.0))
        assert row["degraded_s"] == pytest.approx(sums.get((row["service"], "true degraded"), 0.0))
        assert row["believed_none_s"] == pytest.approx(sums.get((row["service"], "believed none"), 0.0))
        assert (row["none_from_s"] is None) == (row["none_s"] == 0)


def test_equal_events_of_an_object_are_one_row_with_their_count(run: tuple[ClusterState, Timeline]) -> None:
    _, timeline = run
    rows = list(event_table(timeline).rows())
    assert sum(row["count"] for row in rows) == sum(event.count for event in timeline.events)
    keys = [(row["kind"], row["object"], row["reason"], row["message"]) for row in rows]
    assert len(keys) == len(set(keys))
    assert all(row["first_s"] <= row["last_s"] for row in rows)


def test_an_event_that_came_again_keeps_its_first_and_last_time() -> None:
    timeline = Timeline([])
    timeline.events = (
        Event(5.0, "Pod", "a/b", "FailedScheduling", "no", 3, 9.0),
        Event(20.0, "Pod", "a/b", "FailedScheduling", "no"),
    )
    assert list(event_table(timeline).rows()) == [
        {
            "first_s": 5.0,
            "last_s": 20.0,
            "count": 4,
            "kind": "Pod",
            "object": "a/b",
            "reason": "FailedScheduling",
            "message": "no",
        }
    ]


def test_every_kind_of_fault_has_words_in_the_story() -> None:
    assert {action for _, action in FAULTS} <= set(DEEDS)


def test_objects_of_several_kinds_are_counted_by_kind() -> None:
    nodes = [Event(0.0, "Node", name, "NoSpaceLeft", "full") for name in ("one", "two")]
    pods = [Event(0.0, "Pod", "shop/db-0", "NoSpaceLeft", "full")] * 2
    assert counted_by_kind([*nodes, *pods]) == "2 nodes and 1 pod"
