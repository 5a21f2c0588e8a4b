"""The benchmark's verdict for people, for a job summary, and as JUnit."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence

from gxsim.observe.table import Table
from gxsim.plan.bench import Finding, Measured, Verdict, failed
from gxsim.plan.quality import CLOCK_FIGURES, FIGURES
from gxsim.report.grid import Cell, Column, Grid, Tone, row
from gxsim.report.words import counted

TONES: dict[str, Tone] = {"worse": "bad", "gone": "bad", "better": "good", "changed": "warn", "new": "quiet"}
TITLES = {figure: title for figure, (_, title) in {**FIGURES, **CLOCK_FIGURES}.items()}
TITLES |= {"moved": "pods moved", "speed": "time, in calibration loops", "case": "the case itself"}
VERDICTS: tuple[Verdict, ...] = ("worse", "gone", "changed", "better", "same", "new")
SHOWN = ("pods", "pending", "headroom", "headroom_n1", "pending_n1", "pending_n2", "imbalance_percent")


def gate_grids(measured: Sequence[Measured], findings: Sequence[Finding] | None) -> list[Grid]:
    """What got worse, what else changed; without a baseline the figures only."""
    figures = _figures(measured)
    return [figures] if findings is None else [_changes(findings), figures]


def summary(findings: Sequence[Finding]) -> str:
    """One line: whether the gate is open, and how many figures are what."""
    told = Counter(finding.verdict for finding in findings)
    listed = ", ".join(f"{told[verdict]} {verdict}" for verdict in VERDICTS if told[verdict])
    return f"{'FAILED' if failed(findings) else 'passed'}: {listed}."


def _changes(findings: Sequence[Finding]) -> Grid:
    told = [finding for finding in findings if finding.verdict != "same"]
    rows = tuple(
        row(
            finding.case,
            TITLES.get(finding.figure, finding.figure),
            _number(finding.before),
            _number(finding.now),
            _by(finding),
            Cell(finding.verdict, TONES.get(finding.verdict, "")),
            finding.detail,
        )
        for finding in told
    )
    titles = ("Case", "Figure", "Baseline", "Now", "By", "Verdict", "Which")
    columns = tuple(Column(title, 2 <= i <= 4) for i, title in enumerate(titles))
    title = "Placement against the baseline"
    return Grid(name="gate", title=title, note=summary(findings), columns=columns, rows=rows)


def _by(finding: Finding) -> str:
    if finding.before is None or finding.now is None:
        return "–"
    return _number(finding.now - finding.before, signed=True)


def _figures(measured: Sequence[Measured]) -> Grid:
    rows = tuple(row(one.name, *(_number(one.figures[name]) for name in SHOWN), _number(one.speed)) for one in measured)
    titles = ("Pods", "Pending", "Headroom", "N−1", "Pending N−1", "N−2", "Imbalance", "Time")
    wide = ("Pending N−1", "N−2", "Imbalance")
    columns = (Column("Case"), *(Column(title, True, 120 if title in wide else 0) for title in titles))
    note = f"{counted(len(measured), 'case')}; time is in calibration loops of the same run."
    return Grid(name="figures", title="Figures", note=note, columns=columns, rows=rows)


def _number(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "–"
    text = f"{value:+.2f}" if signed else f"{value:.2f}"
    return text.rstrip("0").rstrip(".")


def gate_tables(measured: Sequence[Measured], findings: Sequence[Finding] | None) -> list[Table]:
    """The same as tables, everything that stayed the same included."""
    names = (*FIGURES, *CLOCK_FIGURES)
    figures = Table.of(
        "figures",
        "One row per case of the suite; speed in calibration loops",
        ("case", *names, "speed"),
        [(one.name, *(one.figures.get(name) for name in names), one.speed) for one in measured],
    )
    if findings is None:
        return [figures]
    columns = ("case", "figure", "before", "now", "allowed", "verdict", "detail")
    rows = [tuple(getattr(finding, name) for name in columns) for finding in findings]
    return [Table.of("gate", "One row per figure in both runs", columns, rows), figures]


def junit(suite: str, findings: Sequence[Finding]) -> str:
    """JUnit XML: one test case per figure of each case; what is worse is a failure."""
    failures = sum(failed([finding]) for finding in findings)
    root = ET.Element("testsuite", name=suite, tests=str(len(findings)), failures=str(failures))
    for finding in findings:
        case = ET.SubElement(root, "testcase", classname=finding.case, name=finding.figure)
        if failed([finding]):
            told = f"{TITLES.get(finding.figure, finding.figure)}: {_number(finding.before)} → {_number(finding.now)}"
            ET.SubElement(case, "failure", message=told).text = finding.detail
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
