"""The placement regression benchmark: a suite's figures now against those of a baseline, and what got worse."""

import base64
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gxsim
from gxsim.errors import ScenarioError
from gxsim.load.scenario import Case
from gxsim.plan.bench_suite import BenchCase, BenchSuite, load_case, read_suite
from gxsim.plan.calibration import ratio
from gxsim.plan.carry import place_case
from gxsim.plan.place import Placed
from gxsim.plan.quality import CLOCK_FIGURES, FIGURES, HIGHER, LOWER, quality
from gxsim.plan.survive import survive

API_VERSION, KIND = "gxsim/v1alpha1", "BenchBaseline"
REPEATS, MOST_REPEATED = 5, 1000  # placements of up to so many pods are timed so often; larger ones twice
LEGIBLE = 300  # placements of more pods are packed in a baseline
INEXACT = 1e-6  # figures are rounded to six digits

Verdict = Literal["worse", "better", "changed", "same", "new", "gone"]
Places = Mapping[str, str]  # pods that are interchangeable, and the nodes they lie on


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One case: figures by name, quorum tolerance by group, where pods lie, and speed (None: not measured)."""

    name: str
    figures: Mapping[str, float]
    quorum: Mapping[str, int] = field(default_factory=dict)
    places: Places = field(default_factory=dict)
    speed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One figure of one case in both runs; ``allowed`` is how much worse it may be."""

    case: str
    figure: str
    before: float | None
    now: float | None
    allowed: float
    verdict: Verdict
    detail: str = ""


def run_suite(path: str | Path, *, only: Sequence[str] = (), speed: bool = True) -> tuple[BenchSuite, list[Measured]]:
    """Place and measure the cases of the suite at *path*, all or *only* some; raises ScenarioError.

    An optional case whose files are not there is left out; ``left_out`` says which.
    """
    suite = read_suite(path)
    unknown = set(only) - {case.name for case in suite.cases}
    if unknown:
        raise ScenarioError(str(path), f"there is no case {sorted(unknown)[0]!r}")
    folder = Path(path).parent
    cases = [case for case in suite.cases if not only or case.name in only]
    there = [case for case in cases if not (case.optional and case.absent(folder))]
    return suite, [measure(case, folder, speed=speed) for case in there]


def left_out(suite: BenchSuite, path: str | Path) -> dict[str, str]:
    """Optional cases of the suite at *path* whose files are not there, each with the first that is missing."""
    folder = Path(path).parent
    return {case.name: case.absent(folder) for case in suite.cases if case.optional and case.absent(folder)}


def measure(case: BenchCase, folder: Path, *, speed: bool = True) -> Measured:
    """The figures of one case; its speed is that of the placement alone."""
    loaded = load_case(case, folder)
    placed = place_case(loaded)
    found = quality(placed, most_losses=case.losses)
    on_clock = _on_clock(loaded, case.losses) if case.clock else {}
    repeats = REPEATS if found.figures["pods"] <= MOST_REPEATED else 2
    return Measured(
        name=case.name,
        figures={**found.figures, **on_clock},
        quorum=found.quorum,
        places=places(placed),
        speed=round(ratio(lambda: place_case(loaded), repeats), 3) if speed else None,
    )


def _on_clock(case: Case, most: int) -> dict[str, float]:
    """What single losses leave at the end of an hour, added up over all of them."""
    rows = list(survive(case, sizes=(1,), most=most, jobs=1).matrix.rows())
    return {
        "clock_quorum_lost": sum(bool(row["quorum_lost"]) for row in rows),
        "clock_services_lost": sum(row["services_lost"] for row in rows),
        "clock_pods_short": sum(row["pods_short"] for row in rows),
    }


def places(placed: Placed) -> Places:
    """By pod, or by workload where its pods are interchangeable: the nodes and how many lie on each."""
    lies: dict[str, Counter[str]] = {}
    for row in placed.pods().rows():
        key = row["pod"] if row["kind"] in ("StatefulSet", "Pod") else row["workload"]
        lies.setdefault(key, Counter())[row["node"] or "Pending"] += 1
    return {key: _listed(nodes) for key, nodes in sorted(lies.items())}


def _listed(nodes: Counter[str]) -> str:
    return ", ".join(f"{node} x{count}" if count > 1 else node for node, count in sorted(nodes.items()))


def _counted(nodes: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for part in nodes.split(", ") if nodes else ():
        node, times, count = part.rpartition(" x")
        found[node if times else part] += int(count) if times else 1
    return found


def moved(before: Places, now: Places) -> dict[str, int]:
    """By pod or workload: pods that were there in both runs and lie elsewhere."""
    found = {}
    for key in sorted(before.keys() & now.keys()):
        was, is_ = _counted(before[key]), _counted(now[key])
        count = min((was - is_).total(), (is_ - was).total())
        if count:
            found[key] = count
    return found


# ---- the comparison -------------------------------------------------------------------------------------------------


def compare(suite: BenchSuite, before: Mapping[str, Measured], now: Sequence[Measured]) -> list[Finding]:
    """Every figure of every case in both runs; what is worse stands first."""
    tolerances = {case.name: {**suite.tolerance, **case.tolerance} for case in suite.cases}
    findings: list[Finding] = []
    for one in now:
        known = before.get(one.name)
        if known is None:
            findings.append(_finding(one.name, "case", None, None, verdict="new"))
            continue
        findings += _compared(known, one, tolerances.get(one.name, {}), suite.speed_percent)
    names = {case.name for case in suite.cases}
    findings += [_finding(name, "case", None, None, verdict="gone") for name in before if name not in names]
    order = ("worse", "gone", "changed", "better", "new", "same")
    return sorted(findings, key=lambda finding: order.index(finding.verdict))


def failed(findings: Sequence[Finding]) -> bool:
    """Whether the gate stays shut: something is worse, or a case of the baseline is gone."""
    return any(finding.verdict in ("worse", "gone") for finding in findings)


def _compared(before: Measured, now: Measured, tolerance: Mapping[str, float], speed_percent: float) -> list[Finding]:
    found = []
    for figure, (better, _) in {**FIGURES, **CLOCK_FIGURES}.items():
        if figure in before.figures and figure in now.figures:
            pair = (before.figures[figure], now.figures[figure])
            found.append(_judged(now.name, figure, *pair, better=better, allowed=tolerance.get(figure, 0.0)))
    for group in dict.fromkeys((*before.quorum, *now.quorum)):
        pair = (before.quorum.get(group, -1), now.quorum.get(group, -1))
        found.append(_judged(now.name, f"quorum {group}", *pair, better=HIGHER, allowed=tolerance.get("quorum", 0.0)))
    moves = moved(before.places, now.places)
    allowed = tolerance.get("moved", 0.0)
    who = ", ".join(f"{key} ({before.places[key]} → {now.places[key]})" for key in list(moves)[:5])
    more = f" and {len(moves) - 5} more" if len(moves) > 5 else ""
    total = sum(moves.values())
    found.append(_judged(now.name, "moved", 0, total, better=LOWER, allowed=allowed, detail=who + more))
    if before.speed is not None and now.speed is not None:
        slack = before.speed * speed_percent / 100.0
        found.append(_judged(now.name, "speed", before.speed, now.speed, better=LOWER, allowed=slack, exact=False))
    return found


def _judged(
    case: str,
    figure: str,
    before: float,
    now: float,
    *,
    better: str,
    allowed: float,
    detail: str = "",
    exact: bool = True,
) -> Finding:
    difference = now - before
    verdict: Verdict = "same"
    if abs(difference) > INEXACT:
        if better not in (LOWER, HIGHER):
            verdict = "changed"
        elif (difference > 0) == (better == HIGHER):
            verdict = "better" if exact else "same"
        else:
            verdict = "worse" if abs(difference) > allowed + INEXACT else "changed" if exact else "same"
    return _finding(case, figure, before, now, verdict=verdict, allowed=allowed, detail=detail)


def _finding(
    case: str,
    figure: str,
    before: float | None,
    now: float | None,
    *,
    verdict: Verdict,
    allowed: float = 0.0,
    detail: str = "",
) -> Finding:
    return Finding(case=case, figure=figure, before=before, now=now, allowed=allowed, verdict=verdict, detail=detail)


# ---- the baseline file ----------------------------------------------------------------------------------------------


def write_baseline(path: str | Path, suite: BenchSuite, measured: Sequence[Measured]) -> None:
    """Write *measured* as the new baseline; raises ScenarioError where the file cannot be written."""
    cases = {
        one.name: {
            "figures": dict(one.figures),
            "quorum": dict(one.quorum),
            "speed": one.speed,
            "places": dict(one.places) if len(one.places) <= LEGIBLE else _packed(one.places),
        }
        for one in measured
    }
    head = {"apiVersion": API_VERSION, "kind": KIND, "suite": suite.name, "gxsim": gxsim.__version__}
    try:
        Path(path).write_text(json.dumps({**head, "cases": cases}, indent=1, sort_keys=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ScenarioError(str(path), f"cannot be written: {error.strerror}") from None


def read_baseline(path: str | Path) -> dict[str, Measured]:
    """The cases of a baseline by name; raises ScenarioError for a file that is none."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(str(path), f"cannot be read: {error.strerror}; write it with --update") from None
    except json.JSONDecodeError as error:
        raise ScenarioError(f"{path}:{error.lineno}", f"is no JSON: {error.msg}") from None
    if not isinstance(value, dict) or value.get("kind") != KIND:
        raise ScenarioError(str(path), f"expected a {KIND}, as gxsim bench --update writes it")
    return {name: _measured(name, one) for name, one in value["cases"].items()}


def _measured(name: str, one: Mapping[str, Any]) -> Measured:
    lies = one.get("places") or {}
    return Measured(
        name=name,
        figures=one["figures"],
        quorum=one.get("quorum") or {},
        places=_unpacked(lies) if isinstance(lies, str) else lies,
        speed=one.get("speed"),
    )


def _packed(lies: Places) -> str:
    return base64.b64encode(zlib.compress(json.dumps(lies).encode(), 9)).decode()


def _unpacked(text: str) -> Places:
    found: Places = json.loads(zlib.decompress(base64.b64decode(text)))
    return found
