"""Service times by mean and squared coefficient of variation, or as measured."""

import math

import numpy as np
from numpy.typing import NDArray

DISTRIBUTIONS = ("auto", "deterministic", "exponential", "erlang", "lognormal", "hyperexponential", "empirical")


def service_times(
    rng: np.random.Generator,
    count: int,
    mean_s: float,
    *,
    scv: float = 1.0,
    distribution: str = "auto",
    samples: NDArray | None = None,
) -> NDArray:
    """(count,) independent service times.

    ``auto`` takes the usual distribution of that variability: deterministic at 0, Erlang below 1 (its phases are the
    nearest whole number to 1/scv), exponential at 1, hyperexponential with balanced means above. ``empirical`` draws
    from *samples* as they are; *mean_s* and *scv* say nothing there.
    """
    kind = usual(scv) if distribution == "auto" else distribution
    if kind == "deterministic":
        return np.full(count, mean_s)
    if kind == "exponential":
        return rng.standard_exponential(count) * mean_s
    if kind == "erlang":
        phases = erlang_phases(scv)
        return rng.standard_gamma(phases, count) * (mean_s / phases)
    if kind == "lognormal":
        sigma = lognormal_sigma(scv)
        return np.exp(rng.standard_normal(count) * sigma + (np.log(mean_s) - sigma**2 / 2))
    if kind == "hyperexponential":
        share = balanced_share(scv)
        quick = rng.random(count) < share
        return rng.standard_exponential(count) * np.where(quick, mean_s / (2 * share), mean_s / (2 * (1 - share)))
    assert samples is not None
    return rng.choice(samples, count)


def usual(scv: float) -> str:
    """The distribution that ``auto`` means."""
    if scv == 0:
        return "deterministic"
    return "exponential" if scv == 1 else "erlang" if scv < 1 else "hyperexponential"


def erlang_phases(scv: float) -> int:
    """Phases of the Erlang distribution nearest to that variability."""
    return max(1, round(1 / scv)) if scv > 0 else 1


def lognormal_sigma(scv: float) -> float:
    """Standard deviation of the logarithm."""
    return math.sqrt(math.log1p(scv))


def balanced_share(scv: float) -> float:
    """Share of the quick branch of a hyperexponential whose branches carry the same load."""
    return (1 + math.sqrt(max(0.0, (scv - 1) / (scv + 1)))) / 2
