"""Pictures of traffic: latency by region, percentiles across a failure, where the time goes, load against latency."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from gxsim.errors import ScenarioError
from gxsim.kernels.histogram import edges_s
from gxsim.observe.table import Table
from gxsim.observe.traffic import ALL
from gxsim.report.palette import LIGHT
from gxsim.traffic.phases import PHASES
from gxsim.traffic.run import Traffic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = (".svg", ".png", ".pdf")
HUES = ("answering", "warn", "good", "waiting", "bad", "arrived")
PARTS = {"travel_s": ("on the way", "arrived"), "wait_s": ("waiting", "bad"), "service_s": ("served", "answering")}


def draw(traffic: Traffic, tables: Mapping[str, Table], file: Path) -> None:
    """Draw what there is into *file*; raises ScenarioError where that cannot be."""
    if file.suffix not in KINDS:
        raise ScenarioError(str(file), f"expected a name that ends with one of {', '.join(KINDS)}")
    try:
        figure(traffic, tables).savefig(file, dpi=110, metadata={"Date": None} if file.suffix == ".svg" else None)
    except OSError as error:
        raise ScenarioError(str(file), f"cannot be written: {error.strerror}") from None


def figure(traffic: Traffic, tables: Mapping[str, Table]) -> Figure:
    """Four panels; the last one only where the load has been raised."""
    drawn = Figure(figsize=(13, 8.5), layout="constrained", facecolor=LIGHT["paper"])
    panels = drawn.subplots(2, 2)
    _distribution(panels[0, 0], traffic)
    _over_time(panels[0, 1], tables["traffic_over_time"])
    _waterfall(panels[1, 0], tables["waterfall"])
    if "load_latency" in tables:
        _load(panels[1, 1], tables["load_latency"])
    else:
        panels[1, 1].set_visible(False)
    return drawn


def _distribution(axes: Axes, traffic: Traffic) -> None:
    """Share of answers that have come by a time, by population, before anything goes wrong."""
    populations = [population.name for population in traffic.plan.model.populations]
    first = traffic.slots.phase == traffic.slots.phase[0]
    shape = (len(populations), len(first), -1)
    counts = traffic.tally.histograms.sum(axis=0, dtype=np.int64).reshape(shape)[:, first].sum(axis=1)
    for number, name in enumerate(populations):
        total = counts[number].sum()
        if total:
            seen = np.flatnonzero(counts[number])
            part = slice(max(seen[0] - 1, 0), seen[-1] + 1)
            share = np.cumsum(counts[number])[part] / total
            axes.step(1000 * edges_s()[1:][part], 100 * share, where="post", color=_hue(number), label=name)
    axes.set(xlabel="latency in ms", ylabel="percent answered", ylim=(0, 101))
    _finish(axes, f"Latency by users, {PHASES[traffic.slots.phase[0]]} a failure")


def _over_time(axes: Axes, table: Table) -> None:
    """p99 of each population over time, and in grey where fewer than half of the requests were answered."""
    frame = [one for one in table.rows() if one["population"] != ALL]
    names = list(dict.fromkeys(one["population"] for one in frame))
    for number, name in enumerate(names):
        mine = [one for one in frame if one["population"] == name]
        hours = [(one["from_s"] + one["to_s"]) / 7200 for one in mine]
        axes.plot(hours, [_ms(one["p99_s"]) for one in mine], color=_hue(number), label=f"{name} p99")
        axes.plot(hours, [_ms(one["p50_s"]) for one in mine], color=_hue(number), linestyle=":", label=f"{name} p50")
    _again(axes, [one for one in table.rows() if one["population"] == (ALL if len(names) > 1 else names[0])])
    for one in (one for one in table.rows() if one["population"] in (ALL, frame[0]["population"])):
        if one["population"] == ALL and (one["answered_percent"] or 0.0) < 50:
            axes.axvspan(one["from_s"] / 3600, one["to_s"] / 3600, color=LIGHT["line"], linewidth=0)
    axes.set(xlabel="hours", ylabel="ms")
    _finish(axes, "Percentiles over time; grey: under half is answered")


def _again(axes: Axes, whole: list[dict[str, object]]) -> None:
    """What is sent per second, where users send again."""
    rows = [{name: float(str(one[name])) for name in ("from_s", "to_s", "rate", "attempts_rate")} for one in whole]
    if all(one["attempts_rate"] <= 1.01 * one["rate"] for one in rows):
        return
    other = axes.twinx()
    hours = [(one["from_s"] + one["to_s"]) / 7200 for one in rows]
    other.fill_between(hours, [one["attempts_rate"] for one in rows], color=LIGHT["faint"], alpha=0.2, linewidth=0)
    other.set_ylabel("sent per second, again too (shaded)", fontsize=8)
    other.set_ylim(bottom=0)


def _ms(seconds: float | None) -> float:
    return np.nan if seconds is None else 1000 * seconds


def _waterfall(axes: Axes, table: Table) -> None:
    """Mean time of each step of each path, one after the other."""
    phases = list(dict.fromkeys(table.columns["phase"]))
    names = set(table.columns["population"])
    whole = {ALL} if ALL in names else names
    lines = [one for one in table.rows() if one["population"] in whole and one["phase"] == phases[0]]
    paths = [path for path in dict.fromkeys(one["path"] for one in lines) if _answers(lines, path)]
    for place, path in enumerate(paths):
        left = 0.0
        for one in (one for one in lines if one["path"] == path):
            for part, (_, colour) in PARTS.items():
                axes.barh(place, 1000 * one[part], left=left, color=LIGHT[colour], height=0.6)
                left += 1000 * one[part]
            axes.plot([left, left], [place - 0.4, place + 0.4], color=LIGHT["ink"], linewidth=0.8)
    axes.set_yticks(range(len(paths)), paths)
    axes.invert_yaxis()
    for label, colour in PARTS.values():
        axes.barh(0, 0, color=LIGHT[colour], label=label)
    axes.set(xlabel="ms", xlim=(0, 1.02 * axes.dataLim.x1))
    _finish(axes, "Where the time goes; a tick ends each step, the last is the way back")


def _answers(lines: list[dict[str, object]], path: str) -> bool:
    return any(one["path"] == path and one["step"] == "answer" for one in lines)


def _load(axes: Axes, table: Table) -> None:
    rates = table.columns["rate"]
    for number, (name, label) in enumerate({"p50_s": "p50", "mean_s": "mean", "p99_s": "p99"}.items()):
        axes.plot(rates, [_ms(value) for value in table.columns[name]], color=_hue(number), marker="o", label=label)
    axes.set(xlabel="requests per second", ylabel="ms")
    _finish(axes, "Latency under load, up to 95 % of saturation")


def _hue(number: int) -> str:
    return LIGHT[HUES[number % len(HUES)]]


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10, loc="left", color=LIGHT["ink"])
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)
    axes.tick_params(labelsize=8, colors=LIGHT["faint"])
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
