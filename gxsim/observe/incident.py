"""The incident as an operator writes it down afterwards: what truly happened, who believed what and when, what stays.

Equal things that come in one burst are one entry with a count; whom they befell stands in a table of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from gxsim.observe.causes import Causes
from gxsim.observe.incident_control_plane import belief, events, operation
from gxsim.observe.incident_pods import moves
from gxsim.observe.incident_scene import Entry, Scene
from gxsim.observe.incident_services import services
from gxsim.observe.incident_strikes import strikes, undrained, unnoticed
from gxsim.observe.quorum import QuorumSeries
from gxsim.observe.services import ServiceSeries
from gxsim.observe.table import Table
from gxsim.state import ClusterState
from gxsim.timeline import Timeline
from gxsim.units import counted, human_duration, listed

# What comes first of entries at one moment.
ORDER = (
    *("struck", "dead", "ended", "volumes lost", "quorum", "operation", "degraded", "unnoticed", "noticed"),
    *("withdrawn", "tainted", "unready", "revived", "event", "deleted", "created", "bound", "refused", "unplaced"),
    *("restarted", "ready", "returned", "whole"),
)
DEEDS = ("struck", "ended")
TRIED = ("refused", "unplaced", "quorum")  # they say themselves for how long, or need not
SHORT = 100  # letters of a cause's sentence; longer ones, and several, stand with the pods
AGAIN_S = 310.0  # a crash loop's longest pause
COLUMNS = ("entry", "time_s", "until_s", "what", "event", "object", "count", "sentence")


def incident(
    state: ClusterState,
    timeline: Timeline,
    series: Sequence[ServiceSeries],
    groups: Sequence[QuorumSeries],
    causes: Causes,
    unrecovered: Table,
) -> list[Table]:
    """The tables ``incident`` (an entry per row) and ``incident_objects`` (whom each entry is about).

    *what* is ``truth``, ``control plane``, ``service`` or ``people``; an entry lasts from *time* to *until*.
    """
    scene = Scene(state, timeline)
    entries = [
        *strikes(scene),
        *unnoticed(scene),
        *belief(scene),
        *operation(scene, groups),
        *events(scene, causes),
        *moves(scene),
        *services(scene, series),
    ]
    entries.sort(key=lambda entry: (entry.time_s, _rank(entry.event)))
    return _tables([*_once(entries), *_end(scene, unrecovered, series)])


def _rank(event: str) -> int:
    return ORDER.index(event) if event in ORDER else len(ORDER)


def _once(entries: Iterable[Entry]) -> list[Entry]:
    """Entries with what is said again and again, never more than ``AGAIN_S`` apart, said once; deeds stay apart."""
    kept: list[list[Entry]] = []
    latest: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        key = entry.what, entry.event, entry.sentence
        before = latest.get(key)
        if before and entry.event not in DEEDS and entry.time_s - before[-1].until_s < AGAIN_S:
            before.append(entry)
        else:
            kept.append([entry])
            latest[key] = kept[-1]
    return [_told(same) for same in kept]


def _told(same: Sequence[Entry]) -> Entry:
    """Equal entries as one, with how often they came, or how much later the last part of a single one did."""
    first, until_s = same[0], max(entry.until_s for entry in same)
    spread = human_duration(until_s - first.time_s)
    if len(same) > 1:
        told = f", again and again ({len(same)} times in {spread})"
    else:
        told = f", the last {spread} later" if until_s - first.time_s >= 1.0 and first.event not in TRIED else ""
    return replace(
        first,
        until_s=until_s,
        sentence=first.sentence + told,
        count=sum(entry.count for entry in same),
        objects=tuple(each for entry in same for each in entry.objects),
    )


def _end(scene: Scene, unrecovered: Table, series: Sequence[ServiceSeries]) -> list[Entry]:
    """What is not well at the horizon: pods by cause, and Services without anybody."""
    horizon_s = scene.timeline.horizon_s
    rows = list(unrecovered.rows())
    found = []
    for cause in dict.fromkeys(row["cause"] for row in rows):
        mine = [row for row in rows if row["cause"] == cause]
        pods = sum(row["pods"] for row in mine)
        names = [f"{row['workload'].partition('/')[0]}/{row['pod']}" if row["pod"] else row["workload"] for row in mine]
        workloads = list(dict.fromkeys(row["workload"] for row in mine))
        whom = names[0] if pods == 1 else f"{counted(pods, 'pod')} of {listed(workloads, 3)}"
        why = f": {mine[0]['why']}" if len(mine[0]["why"]) <= SHORT and len({row["why"] for row in mine}) == 1 else ""
        sentence = f"at the end, not recovered: {whom}: {cause}{why}"
        kinds = ["Pod" if row["pod"] else row["kind"] for row in mine]
        told = zip(kinds, names, (row["node"] for row in mine), (row["why"] for row in mine), strict=True)
        found.append(Entry(horizon_s, "control plane", "unrecovered", cause, sentence, count=pods, objects=tuple(told)))
    found += undrained(scene)
    silent = [one.name for one in series if one.wanted and one.answering[-1] == 0]
    if silent:
        sentence = f"at the end, {counted(len(silent), 'Service')} without anybody answering: {listed(silent, 3)}"
        found.append(
            Entry(horizon_s, "service", "unrecovered", "", sentence, count=len(silent), services=tuple(silent))
        )
    return found


def _tables(entries: Iterable[Entry]) -> list[Table]:
    rows: list[tuple[Any, ...]] = []
    objects: list[tuple[Any, ...]] = []
    for number, one in enumerate(entries):
        until_s = max(one.until_s, one.time_s)
        rows.append((number, one.time_s, until_s, one.what, one.event, one.object, one.count, one.sentence))
        objects += [(number, *each) for each in one.objects]
        objects += [(number, "Service", name, "", "") for name in one.services]
    about = "What happened, in the order of time: what was true, what the control plane did, what Services felt"
    whom = "Whom each entry of the incident is about, pod by pod, and the Services concerned"
    return [
        Table.of("incident", about, COLUMNS, rows),
        Table.of("incident_objects", whom, ("entry", "kind", "object", "node", "detail"), objects),
    ]
