"""Comparing a simulated sample with a recorded one of which mean, standard error and quantiles are known."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.validate.record import Check

ERRORS = 3.0  # standard errors of the difference that chance is given
SHARE = 0.02  # relative difference of a mean that is none
KS_AT_1_PERCENT = 1.63  # Kolmogorov: sqrt(n m / (n + m)) D exceeds this in 1 % of equal samples


def config_of(recorded: Any) -> Mapping[str, Any]:
    """The settings that a recorded configuration carries; nothing for what is no such thing."""
    config = recorded.get("config") if isinstance(recorded, dict) else None
    return config if isinstance(config, dict) else {}


def of_library(document: Any, kind: str) -> bool:
    """Whether a document holds configurations of this kind of the raft library in virtual time."""
    configurations = document.get("configurations") if isinstance(document, dict) else None
    return (
        isinstance(configurations, list) and bool(configurations) and config_of(configurations[0]).get("kind") == kind
    )


def by_config(rows: Sequence[Mapping[str, str]]) -> dict[str, list[Mapping[str, str]]]:
    """Rows of trials by their configuration, in the order of the file."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        found.setdefault(row["config"], []).append(row)
    return found


def column(rows: Sequence[Mapping[str, str]], name: str) -> NDArray:
    """The numbers of a column; rows that leave it empty are left out."""
    return np.array([float(row[name]) for row in rows if row[name]])


def same_mean(name: str, values: NDArray, recorded: Mapping[str, Any], *, slack: float = 0.0) -> Check:
    """Means within three standard errors of their difference or 2 %, plus *slack*.

    A sample of few says little about its own spread, so the greater of its own and the recorded one counts.
    """
    spread = max(float(values.std()), float(recorded.get("sd") or 0.0))
    error = math.hypot(float(recorded.get("se") or 0.0), spread / math.sqrt(len(values)))
    mean, wanted = float(values.mean()), float(recorded["mean"])
    allowed = max(ERRORS * error, SHARE * abs(wanted)) + slack
    return _check(name, abs(mean - wanted) <= allowed, f"mean {mean:.4g}, recorded {wanted:.4g} +- {allowed:.3g}")


def same_share(name: str, holds: NDArray, recorded: float, trials: int) -> Check:
    """Shares within three standard errors of their difference; each error as if it had happened once more and not."""
    share, own = float(holds.mean()), len(holds)
    likely = (share * own + 1) / (own + 2), (recorded * trials + 1) / (trials + 2)
    error = math.sqrt(sum(p * (1 - p) / n for p, n in zip(likely, (own, trials), strict=True)))
    allowed = ERRORS * error
    return _check(
        name, abs(share - recorded) <= allowed, f"share {share:.4f}, recorded {recorded:.4f} +- {allowed:.4f}"
    )


def same_distribution(
    name: str, values: NDArray, probabilities: NDArray, quantiles: Sequence[float], count: int, *, slack: float
) -> Check:
    """Kolmogorov-Smirnov distance at the recorded quantiles below its 1 % point for the two sample sizes, plus *slack*.

    A distribution with an atom has many probabilities at one value; there the nearest one counts.
    """
    ordered = np.sort(values)
    below = np.searchsorted(ordered, quantiles, side="left") / len(ordered)
    upto = np.searchsorted(ordered, quantiles, side="right") / len(ordered)
    distance = float(np.maximum(np.maximum(probabilities - upto, below - probabilities), 0.0).max())
    allowed = KS_AT_1_PERCENT * math.sqrt(1 / len(values) + 1 / count) + slack
    return _check(name, distance <= allowed, f"KS distance {distance:.4f}, allowed {allowed:.4f}")


def same_sample(name: str, values: NDArray, recorded: NDArray, *, slack: float) -> Check:
    """Kolmogorov-Smirnov distance of two samples below its 1 % point, plus *slack*."""
    both = np.concatenate([values, recorded])
    mine, theirs = (np.searchsorted(np.sort(one), both, side="right") / len(one) for one in (values, recorded))
    distance = float(np.abs(mine - theirs).max())
    allowed = KS_AT_1_PERCENT * math.sqrt(1 / len(values) + 1 / len(recorded)) + slack
    return _check(name, distance <= allowed, f"KS distance {distance:.3f}, allowed {allowed:.3f}")


def summary(values: NDArray) -> dict[str, float]:
    """Mean, its standard error and the standard deviation of recorded values, as the summaries give them."""
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(values.mean()), "sd": spread, "se": spread / math.sqrt(len(values))}


def _check(name: str, agreed: bool, detail: str) -> Check:
    return Check(name=name, agreed=agreed, detail="" if agreed else detail)
