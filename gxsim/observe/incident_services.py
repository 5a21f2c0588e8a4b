"""What Services felt: when they lost endpoints, lost all of them, and were whole again."""

from collections.abc import Iterator, Sequence

import numpy as np

from gxsim.kernels.intervals import bursts
from gxsim.observe.incident_scene import GAP_S, MOST_NAMES, SERVICE, Entry, Scene
from gxsim.observe.services import DEGRADED, NONE, WHOLE, ServiceSeries, levels
from gxsim.units import counted, human_duration, listed

# level before and after: the entry's name, and what is said of so many Services
TURNS: dict[tuple[int, int], tuple[str, str]] = {
    (WHOLE, NONE): ("degraded", "{who} {have} nobody answering"),
    (DEGRADED, NONE): ("degraded", "{who} {have} nobody answering any more"),
    (WHOLE, DEGRADED): ("degraded", "{who} {have} fewer endpoints answering"),
    (NONE, DEGRADED): ("returned", "{who} {have} endpoints again, fewer than before"),
    (NONE, WHOLE): ("whole", "{who} {be} whole again, after {spent} without anybody"),
    (DEGRADED, WHOLE): ("whole", "{who} {be} whole again, after {spent} with fewer"),
}
Turn = tuple[float, int, float]  # when, which Service, since when it was as before


def services(scene: Scene, series: Sequence[ServiceSeries]) -> Iterator[Entry]:
    """An entry per burst of Services that go from one level to the same other one."""
    turns: dict[tuple[int, int], list[Turn]] = {}
    for number, one in enumerate(series):
        level = levels(one, one.answering)
        changed = np.flatnonzero(np.diff(level)) + 1
        since = [0, *changed.tolist()]
        for i, before in zip(changed.tolist(), since, strict=False):
            if one.times_s[i] < scene.timeline.horizon_s:
                key = (int(level[i - 1]), int(level[i]))
                turns.setdefault(key, []).append((float(one.times_s[i]), number, float(one.times_s[before])))
    for key, found in turns.items():
        found.sort()
        for first, past in zip(*bursts(np.array([turn[0] for turn in found]), GAP_S), strict=True):
            yield _entry(key, found[first:past], [one.name for one in series])


def _entry(key: tuple[int, int], found: Sequence[Turn], names: Sequence[str]) -> Entry:
    event, text = TURNS[key]
    mine = list(dict.fromkeys(names[number] for _, number, _ in found))
    one = len(mine) == 1
    who = mine[0] if one else f"{counted(len(mine), 'Service')} ({listed(mine, MOST_NAMES)})"
    spent = human_duration(max(time_s - since_s for time_s, _, since_s in found))
    first_s, last_s = found[0][0], found[-1][0]
    sentence = text.format(who=who, have="has" if one else "have", be="is" if one else "are", spent=spent)
    return Entry(first_s, SERVICE, event, listed(mine, MOST_NAMES), sentence, last_s, len(mine), (), tuple(mine))
