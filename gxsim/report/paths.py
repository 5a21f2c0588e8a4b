"""Traffic as tables for people: what users feel, where the time goes, who works how much, how much more fits."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gxsim.observe.table import Table
from gxsim.observe.traffic import ALL, QUANTILES
from gxsim.report.grid import Cell, Column, Grid, Tone, row
from gxsim.report.words import listed, percent
from gxsim.study.result import Result
from gxsim.traffic.feedback import Settled
from gxsim.traffic.run import ASSUMPTIONS
from gxsim.traffic.tally import CAUSES
from gxsim.units import human_duration

CAUSE_WORDS = {
    "edge_down": "the address DNS gives is out of reach",
    "rate_limited": "over the rate limit",
    "no_endpoint": "no endpoint",
    "refused": "refused by a dead pod's node",
    "no_connection": "endpoint out of reach",
    "no_answer": "endpoint that hangs",
    "full": "refused by a full pod",
    "read_only": "refused by a store with a full disk",
    "lost": "lost with a pod",
    "timed_out": "no pod answered in time",
    "too_late": "too late",
}
FEW = "not enough data"
BRIEF = ("p50", "p99")
GOOD_PERCENT = 99.0  # of answers: a tone, not a verdict


def path_grids(tables: Mapping[str, Table]) -> list[Grid]:
    """The tables of one run, from what users feel to what fits."""
    return [
        _users(tables["paths"]),
        _latency(tables["paths"]),
        _paths(tables["paths"]),
        _waterfall(tables["waterfall"]),
        _stations(tables["stations"]),
        _nodes(tables["traffic_nodes"]),
        _saturation(tables["saturation"]),
    ]


def _of(build: Callable[[Table], Grid], name: str) -> Callable[[Result], Grid]:
    """A section of a run's report from one table; empty where the traffic was not played."""

    def section(result: Result) -> Grid:
        table = result.tables.get(name)
        return build(table) if table else Grid(name=name, title="", columns=(), rows=())

    return section


def assumptions_grid(settled: Settled | None = None) -> Grid:
    """What is approximate about all of it; *settled* is how what feeds back was evaluated."""
    rows = tuple(row(sentence) for sentence in ASSUMPTIONS)
    if settled is not None:
        told = f"Fixed points here: {settled.pieces} pieces of time, {settled.passes} passes"
        told += (
            f"; held times within {percent(100 * settled.apart)} of what was assumed" if settled.apart else "; exact"
        )
        told += f"; {settled.unsettled} pieces did not settle." if settled.unsettled else "."
        rows += (row(told),)
    return Grid(name="assumptions", title="Assumptions", columns=(Column("What is taken for granted"),), rows=rows)


def _users(table: Table) -> Grid:
    lines = [one for one in table.rows() if one["path"] == ALL]
    rows = tuple(
        row(one["population"], one["phase"], _rate(one), _answered(one), _failures(one), *_latencies(one, BRIEF))
        for one in lines
    )
    columns: tuple[Column, ...] = (Column("Users"), Column("Phase"), Column("Rate", True, 92), Column("Answered", True))
    columns += (Column("Failures", False, 100), Column("p50", True), Column("p99", True))
    note = (
        "All paths together. degraded: slowed down only; undetected: endpoints are dead and still listed; outage: "
        "known, not yet made good."
    )
    if any(one["attempts"] > one["sent"] for one in lines):
        note += " In brackets: with what users send again."
    return Grid(name="paths", title="What users feel", note=note, columns=columns, rows=rows)


def _rate(one: Mapping[str, Any]) -> str:
    again = f" ({one['attempts'] / one['lasts_s']:.1f}/s)" if one["attempts"] > one["sent"] else ""
    return f"{one['rate']:.1f}/s{again}"


def _latency(table: Table) -> Grid:
    """Every quantile of users' latencies."""
    rows = tuple(
        row(one["population"], one["phase"], *_latencies(one, QUANTILES))
        for one in table.rows()
        if one["path"] == ALL and one["answered"]
    )
    columns = [Column("Users"), Column("Phase")]
    columns += [Column(name.replace("_", "."), True, 100 if name in ("p90", "p99_9") else 0) for name in QUANTILES]
    note = "With half of a 95 % interval where it exceeds 1 %: Student's t over eight batches of the phase, in time."
    return Grid(name="latency", title="How long answers take", note=note, columns=tuple(columns), rows=rows)


def _paths(table: Table) -> Grid:
    lines = [one for one in table.rows() if one["path"] != ALL and one["population"] in _whole(table)]
    rows = tuple(
        row(one["path"], one["phase"], _answered(one), _failures(one), *_latencies(one, BRIEF))
        for one in lines
        if one["sent"]
    )
    columns: tuple[Column, ...] = (
        Column("Path"),
        Column("Phase"),
        Column("Answered", True),
        Column("Failures", False, 100),
    )
    columns += (Column("p50", True), Column("p99", True))
    return Grid(name="paths-detail", title="Paths", note="All users together.", columns=columns, rows=rows)


def _whole(table: Table) -> set[str]:
    """``all``, or the only population there is."""
    names = set(table.columns["population"])
    return {ALL} if ALL in names else names


def _answered(one: Mapping[str, Any]) -> Cell:
    value = one["answered_percent"]
    if value is None:
        return Cell("–", "quiet")
    low, high = one["answered_low_percent"], one["answered_high_percent"]
    around = f" ±{(high - low) / 2:.2g}" if low is not None and 0 < value < 100 else ""
    tone: Tone = "good" if value >= GOOD_PERCENT else "warn" if value > 50 else "bad"
    return Cell(f"{_two(value)}%{around}", tone)


def _two(value: float) -> str:
    return f"{value:.2f}" if 0 < value < 100 else f"{value:.0f}"


def _failures(one: Mapping[str, Any]) -> str:
    lost = sorted(((one[cause], CAUSE_WORDS[cause]) for cause in CAUSES[1:] if one[cause]), key=lambda pair: -pair[0])
    told = [f"{percent(100 * count / one['sent'])} {words}" for count, words in lost if count >= 0.0005 * one["sent"]]
    return listed(told, most=3) if told else "–"


def _latencies(one: Mapping[str, Any], names: Iterable[str]) -> list[Cell]:
    """Quantiles with half of their intervals."""
    cells = []
    for name in names:
        value, low, high = (one[f"{name}{side}_s"] for side in ("", "_low", "_high"))
        if value is None:
            cells.append(Cell(FEW if one["answered"] else "–", "quiet"))
            continue
        around = f" ±{human_duration((high - low) / 2)}" if low is not None and (high - low) / 2 > 0.01 * value else ""
        cells.append(Cell(f"{_ms(value)}{around}"))
    return cells


def _ms(seconds: float) -> str:
    """Milliseconds below a second, as latencies are told; less than a microsecond is nothing."""
    if seconds >= 10:
        return human_duration(seconds)
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{1000 * seconds:.3g} ms" if seconds >= 1e-6 else "0 ms"


def _waterfall(table: Table) -> Grid:
    whole = _whole(table)
    lines = [one for one in table.rows() if one["population"] in whole and one["phase"] == "before"]
    rows, told = [], ""
    for one in lines:
        path = one["path"] if one["path"] != told else ""
        told = one["path"]
        rows.append(row(path, one["step"], _ms(one["travel_s"]), _ms(one["wait_s"]), _ms(one["service_s"])))
    columns: tuple[Column, ...] = (Column("Path"), Column("Step"), Column("On the way", True), Column("Waiting", True))
    note = "Means before anything goes wrong; the way to a step leads through the caller."
    columns += (Column("Served", True),)
    return Grid(name="waterfall", title="Where the time goes", note=note, columns=columns, rows=tuple(rows))


def _stations(table: Table) -> Grid:
    rows = tuple(
        row(
            one["step"],
            one["phase"],
            f"{one['pods']} x {one['servers_per_pod']:g}",
            f"{one['visits_per_second']:.1f}/s",
            percent(one["utilisation_percent"]),
            percent(one["busiest_percent"]),
            _ms(one["wait_s"]),
            "–" if one["theory_wait_s"] is None else _ms(one["theory_wait_s"]),
        )
        for one in table.rows()
    )
    columns: tuple[Column, ...] = (
        Column("Step"),
        Column("Phase"),
        Column("Pods x servers", True, 92),
        Column("Visits", True, 92),
    )
    columns += (Column("Utilisation", True), Column("Busiest pod", True), Column("Mean wait", True))
    columns += (Column("Theory", True, 100),)
    return Grid(name="stations", title="Stations", columns=columns, rows=rows)


def _nodes(table: Table) -> Grid:
    rows = tuple(
        row(
            one["node"],
            one["phase"],
            f"{one['visits_per_second']:.1f}/s",
            f"{one['busy_cores']:.2f} of {one['cores']:.0f}",
            "–" if one["documented_percent"] is None else percent(one["documented_percent"]),
        )
        for one in table.rows()
        if one["visits_per_second"]
    )
    columns: tuple[Column, ...] = (Column("Node"), Column("Phase"), Column("Visits", True), Column("Busy cores", True))
    columns += (Column("Documented", True),)
    note = "Cores that requests keep busy, if serving is computing, beside the documented load of the whole node."
    return Grid(name="traffic_nodes", title="Nodes", note=note, columns=columns, rows=rows)


def _saturation(table: Table) -> Grid:
    rows = tuple(
        row(
            Cell(one["step"], "warn" if one["bottleneck"] else ""),
            f"{one['visits_per_request']:.2f}",
            f"{one['servers']:g}",
            f"{one['saturation_rate']:.0f}/s",
            percent(one["now_percent"]),
            Cell(
                f"{one['rate_without_it']:.0f}/s without {one['worst_node']}", "" if one["rate_without_it"] else "bad"
            ),
        )
        for one in table.rows()
    )
    columns: tuple[Column, ...] = (Column("Step"), Column("Visits per request", True, 90), Column("Servers", True))
    columns += (Column("Saturates at", True), Column("Now", True), Column("Worst node lost"))
    note = "Requests per second, all paths together; the first is the bottleneck."
    return Grid(name="saturation", title="How much fits", note=note, columns=columns, rows=rows)


def compared_grid(table: Table) -> Grid:
    """The same run under several delays between nodes."""
    names = [name.removesuffix("_p50_s") for name in table.columns if name.endswith("_p50_s")]
    rows = tuple(
        row(one["path"], one["population"], *(_maybe(one[f"{name}_{q}_s"]) for name in names for q in ("p50", "p99")))
        for one in table.rows()
    )
    columns = (
        Column("Path"),
        Column("Users"),
        *(Column(f"{name} {q}", True) for name in names for q in ("p50", "p99")),
    )
    note = "Delays between nodes by distance, and as the listed links say; before anything goes wrong."
    return Grid(name="delays", title="Two hypotheses", note=note, columns=columns, rows=rows)


def sweep_grid(table: Table) -> Grid:
    """Latency against load."""
    rows = tuple(
        row(
            f"{one['rate']:.0f}/s",
            percent(one["saturation_percent"]),
            *(_maybe(one[q]) for q in ("mean_s", "p50_s", "p99_s")),
        )
        for one in table.rows()
    )
    columns: tuple[Column, ...] = (
        Column("Rate", True),
        Column("Of saturation", True),
        Column("Mean", True),
        Column("p50", True),
    )
    note = "More users of the same kind on the cluster as it starts."
    return Grid(
        name="load_latency", title="Latency under load", note=note, columns=(*columns, Column("p99", True)), rows=rows
    )


def _maybe(seconds: float | None) -> Cell:
    return Cell(FEW, "quiet") if seconds is None else Cell(_ms(seconds))


SECTIONS = (_of(_users, "paths"),)
DETAILS = (_of(_latency, "paths"), _of(_paths, "paths"), _of(_waterfall, "waterfall"), _of(_stations, "stations"))
