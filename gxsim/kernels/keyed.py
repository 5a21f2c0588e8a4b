"""Random numbers that belong to a request, not to the order of evaluation: a hash of purpose and request.

What is drawn for a request is the same however time is cut, in whatever order requests are looked at, and when a piece
of time is evaluated again. The hash is the finaliser of SplitMix64 (Steele, Lea and Flood 2014), which is what seeds
many a generator; a purpose is a *salt* taken from a named stream.
"""

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.service_times import balanced_share, erlang_phases, lognormal_sigma, usual

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
DRAW = 0xD1B54A32D192ED03  # keeps the draws of one request apart
LAST_SHIFT, TO_53_BITS = np.uint64(31), np.uint64(11)
CHUNK = 16_384  # stays in the cache from one step of the hash to the next: three times as fast as all at once


def salt_of(rng: np.random.Generator) -> int:
    """A purpose, from its own stream."""
    return int(rng.integers(2**63))


def uniforms(salt: int, idents: NDArray, draw: int = 0) -> NDArray[np.float64]:
    """(requests,) numbers in [0, 1) of the *draw*-th kind for this purpose."""
    out = np.empty(len(idents))
    start = np.uint64((salt + draw * DRAW) % 2**64)
    hashed = np.empty(min(CHUNK, len(idents)), np.uint64)
    shifted = np.empty_like(hashed)
    for first in range(0, len(idents), CHUNK):
        part = np.ascontiguousarray(idents[first : first + CHUNK]).view(np.uint64)
        one, other = hashed[: len(part)], shifted[: len(part)]
        np.multiply(part, GOLDEN, out=one)
        one += start
        for shift, factor in MIX:
            np.right_shift(one, shift, out=other)
            one ^= other
            one *= factor
        np.right_shift(one, LAST_SHIFT, out=other)
        one ^= other
        one >>= TO_53_BITS
        np.multiply(one, 2.0**-53, out=out[first : first + CHUNK])
    return out


def uniform(salt: int, ident: int, draw: int = 0) -> float:
    """The same for one request, for loops."""
    hashed = (ident * int(GOLDEN) + salt + draw * DRAW) % 2**64
    for shift, factor in MIX:
        hashed = (hashed ^ (hashed >> int(shift))) * int(factor) % 2**64
    return ((hashed ^ (hashed >> int(LAST_SHIFT))) >> int(TO_53_BITS)) * 2.0**-53


def exponentials(salt: int, idents: NDArray, draw: int = 0) -> NDArray[np.float64]:
    """(requests,) exponential numbers of mean 1, by inversion."""
    drawn = uniforms(salt, idents, draw)
    np.subtract(1.0, drawn, out=drawn)  # in (0, 1]
    np.log(drawn, out=drawn)
    return np.negative(drawn, out=drawn)


def service_times_of(
    salt: int,
    idents: NDArray,
    mean_s: float,
    *,
    scv: float = 1.0,
    distribution: str = "auto",
    samples: NDArray | None = None,
) -> NDArray[np.float64]:
    """(requests,) what ``service_times`` draws, for each request its own."""
    kind = usual(scv) if distribution == "auto" else distribution
    if kind == "deterministic":
        return np.full(len(idents), mean_s)
    if kind == "exponential":
        return exponentials(salt, idents) * mean_s
    if kind == "erlang":
        phases = erlang_phases(scv)
        total = exponentials(salt, idents)
        for phase in range(1, phases):
            total += exponentials(salt, idents, phase)
        return total * (mean_s / phases)
    if kind == "lognormal":
        sigma = lognormal_sigma(scv)
        angle = np.cos(2 * np.pi * uniforms(salt, idents, 1))  # Box and Muller
        return np.exp(np.sqrt(2 * exponentials(salt, idents)) * angle * sigma + (np.log(mean_s) - sigma**2 / 2))
    if kind == "hyperexponential":
        share = balanced_share(scv)
        means_s = np.where(uniforms(salt, idents, 1) < share, mean_s / (2 * share), mean_s / (2 * (1 - share)))
        return exponentials(salt, idents) * means_s
    assert samples is not None
    return samples[(uniforms(salt, idents) * len(samples)).astype(np.int64)]
