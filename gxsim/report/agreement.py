"""How well gxsim agrees with recordings of real components."""

from gxsim.report.grid import Cell, Column, Grid, row
from gxsim.report.words import counted, listed
from gxsim.validate import Agreement


def agreement_grid(agreement: Agreement) -> Grid:
    """One row per family of recordings, with its worst disagreement."""
    rows = []
    for family in agreement.families:
        worst = family.worst[0] if family.worst else None
        said = f"{worst.recording}: {worst.check}{f': {worst.detail}' if worst.detail else ''}" if worst else "–"
        share = Cell(f"{100 * family.share:.2f}%", "good" if family.good else "bad")
        rows.append(
            row(family.name, str(family.recordings), str(family.checks), share, f"{100 * family.bound:.1f}%", said)
        )
        for letter, (agreed, checks) in family.groups.items():
            part = Cell(f"{100 * agreed / checks:.2f}%", "quiet")
            rows.append(row(Cell(f"  scenario {letter}", "quiet"), "", Cell(str(checks), "quiet"), part, "", ""))
    columns = (
        Column("Family"),
        Column("Recordings", True),
        Column("Checks", True),
        Column("Agree", True),
        Column("Bound", True),
        Column("Worst disagreement"),
    )
    unknown = agreement.unrecognised
    note = f"{counted(len(unknown), 'file')} of no known family: {listed(unknown)}." if unknown else ""
    return Grid(name="agreement", title="Agreement with recordings", note=note, columns=columns, rows=tuple(rows))
