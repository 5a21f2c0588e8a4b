"""The incident for people: a short table for terminals, and for pages every entry with whom it is about."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from gxsim.report.grid import Cell, Column, Grid, Tone, row
from gxsim.report.words import counted, duration, time_of_day
from gxsim.study.result import Result

MOST_OBJECTS = 60
TONES: dict[str, Tone] = {
    "struck": "bad",
    "volumes lost": "bad",
    "dead": "bad",
    "degraded": "bad",
    "unnoticed": "warn",
    "refused": "warn",
    "unplaced": "warn",
    "unrecovered": "bad",
    "whole": "good",
}
# What a short list keeps first; what is not named here goes before everything else is cut.
WEIGHT = (
    *("struck", "unrecovered", "operation", "volumes lost", "degraded", "unnoticed", "noticed", "ended", "refused"),
    *("whole", "unplaced", "deleted", "quorum", "withdrawn", "created", "dead", "event", "returned", "tainted"),
)
TITLE = "What happened"
NOTE = (
    "Truth is what really was; the control plane is what it knew and did; Services say what callers met; people are "
    "deeds of the operators."
)


def incident(result: Result, most: int) -> Grid:
    """At most *most* entries, in the order of time: those that matter most."""
    start_s = result.case.scenario.clock_s
    entries = list(result.tables["incident"].rows()) if "incident" in result.tables else []
    met = Counter(one["entry"] for one in result.tables["incident_objects"].rows()) if entries else Counter()
    kept = sorted(entries, key=lambda one: (_weight(one), -met[one["entry"]], int(one["entry"])))[:most]
    kept.sort(key=lambda one: int(one["entry"]))
    rows = [
        row(time_of_day(one["time_s"], start_s), one["what"], Cell(one["sentence"], TONES.get(one["event"], "")))
        for one in kept
    ]
    left = len(entries) - len(rows)
    note = f"{NOTE} {counted(left, 'entry').replace('entrys', 'entries')} of less weight left out." if left else NOTE
    columns = (Column("Time", True), Column("What"), Column("Happened"))
    return Grid(name="incident", title=TITLE, note=note, columns=columns, rows=tuple(rows))


def _weight(entry: Mapping[str, Any]) -> int:
    """The place of an entry's event in ``WEIGHT``; among equals those that concern more objects come first."""
    return WEIGHT.index(entry["event"]) if entry["event"] in WEIGHT else len(WEIGHT)


def unrecovered(result: Result) -> Grid:
    """What does not answer when the run ends, by cause: since when, why, and what would help."""
    start_s = result.case.scenario.clock_s
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for one in result.tables["unrecovered"].rows() if "unrecovered" in result.tables else ():
        groups[one["workload"], one["cause"], one["why"], one["remedy"]].append(one)
    rows = [
        row(
            workload,
            str(sum(one["pods"] for one in members)),
            time_of_day(min(one["since_s"] for one in members), start_s),
            Cell(cause, "bad"),
            why,
            remedy,
        )
        for (workload, cause, why, remedy), members in groups.items()
    ]
    columns = (
        Column("Workload"),
        Column("Pods", True),
        Column("Since", True, 70),
        Column("Cause"),
        Column("Why"),
        Column("What helps", False, 120),
    )
    total = sum(one["pods"] for members in groups.values() for one in members)
    note = f"{counted(total, 'pod')} that should answer at the end {'does' if total == 1 else 'do'} not."
    return Grid(name="unrecovered", title="What does not recover", note=note, columns=columns, rows=tuple(rows))


def chronicle(result: Result) -> dict[str, Any]:
    """What a page shows: entries with their objects, and the Services by which they can be filtered."""
    if "incident" not in result.tables:
        return {"entries": (), "services": ()}
    start_s = result.case.scenario.clock_s
    objects: dict[int, list[dict[str, Any]]] = defaultdict(list)
    services: dict[int, list[str]] = defaultdict(list)
    for each in result.tables["incident_objects"].rows():
        if each["kind"] == "Service":
            services[each["entry"]].append(each["object"])
        else:
            objects[each["entry"]].append(each)
    names = sorted({name for found in services.values() for name in found})
    number = {name: position for position, name in enumerate(names)}
    entries = [
        {
            "time": time_of_day(one["time_s"], start_s),
            "lasting": duration(one["until_s"] - one["time_s"]) if one["until_s"] - one["time_s"] >= 1.0 else "",
            "what": one["what"],
            "tone": TONES.get(one["event"], ""),
            "sentence": one["sentence"],
            "classes": _classes(services[one["entry"]], objects[one["entry"]], number),
            "objects": objects[one["entry"]][:MOST_OBJECTS] if len(objects[one["entry"]]) > 1 else (),
            "services": services[one["entry"]] if len(services[one["entry"]]) > 3 else (),
            "more": max(0, len(objects[one["entry"]]) - MOST_OBJECTS),
        }
        for one in result.tables["incident"].rows()
    ]
    return {"entries": entries, "services": list(enumerate(names))}


def _classes(services: list[str], objects: list[dict[str, Any]], number: Mapping[str, int]) -> str:
    """By which filters an entry is shown: those of its Services; all if it is about nodes or nobody in particular."""
    everybody = all(each["kind"] == "Node" for each in objects)
    return " ".join(f"s{number[name]}" for name in services) or ("all" if everybody else "none")
