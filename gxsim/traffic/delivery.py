"""How blocks reach peers: streams from orderers to the peers that lead, and gossip to the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.uptime import ALWAYS, Windows, both, next_up, within
from gxsim.model.ledger import ELECTED, EVERY, Ledger, LedgerPatience


@dataclass(frozen=True, slots=True, kw_only=True)
class Orderer:
    """When an orderer serves; at ``vanished_s`` its node went away, and nobody's stream was closed."""

    up: Windows
    vanished_s: NDArray

    @classmethod
    def always(cls) -> "Orderer":
        return cls(up=ALWAYS, vanished_s=np.empty(0))


def pulling(ledger: Ledger, up: Mapping[str, Windows]) -> dict[str, Windows]:
    """By peer: when it is one that gets blocks from orderers, for itself or for its organisation."""
    if ledger.leader_peers == EVERY:
        return {peer: up[peer] for peer in ledger.peers}
    pulls = {peer: np.empty((0, 2)) for peer in ledger.peers}
    for organisation in dict.fromkeys(ledger.peers.values()):
        peers = [peer for peer, of in ledger.peers.items() if of == organisation]
        if ledger.leader_peers == ELECTED:
            pulls |= elected(peers, up, ledger.patience)
        else:
            pulls[peers[0]] = up[peers[0]]
    return pulls


def elected(peers: Sequence[str], up: Mapping[str, Windows], patience: LedgerPatience) -> dict[str, Windows]:
    """By peer of one organisation: when it leads. A dead leader is missed first, then the next one up takes over."""
    takes_s = patience.leader_alive_s + patience.leader_election_s
    edges = sorted({float(start) for peer in peers for start in up[peer][:, 0]})
    reigns: dict[str, list[tuple[float, float]]] = {peer: [] for peer in peers}
    now_s = edges[0] if edges else np.inf
    while now_s < np.inf:
        leader = next((peer for peer in peers if within(np.array([now_s]), up[peer])[0]), None)
        if leader is None:  # nobody is there; the next to come back waits as long before it leads
            later = [start for start in edges if start > now_s]
            now_s = later[0] + takes_s if later else np.inf
            continue
        end_s = _end(up[leader], now_s)
        reigns[leader].append((now_s, end_s))
        now_s = end_s + takes_s
    return {peer: np.array(rows, float).reshape(-1, 2) for peer, rows in reigns.items()}


def streams(
    pulls: Windows,
    orderers: Sequence[Orderer],
    accepting: Windows,
    patience: LedgerPatience,
    rng: np.random.Generator,
) -> Windows:
    """When a peer is connected to an orderer that has blocks for it.

    It asks one at random; a dead one lets it wait, one without a leader refuses, and after each failure it pauses
    longer. The stream breaks when the orderer stops or loses its leader, and hangs while the orderer's node is gone.
    """
    serving = [both(one.up, accepting) for one in orderers]
    last_s = max((float(end) for windows in serving for end in windows[:, 1]), default=-np.inf)
    connected: list[tuple[float, float]] = []
    for from_s, to_s in pulls:
        now_s, failures = float(from_s), 0
        while now_s < min(to_s, last_s):
            chosen = int(rng.integers(len(orderers)))
            if within(np.array([now_s]), serving[chosen])[0]:
                end_s = min(_end(serving[chosen], now_s), float(to_s))
                connected.append((now_s, end_s))
                now_s, failures = _noticed(orderers[chosen], end_s, patience), 0
            elif now_s == -np.inf:
                now_s = 0.0
            elif not within(np.array([now_s]), orderers[chosen].up)[0]:
                now_s += patience.connect_timeout_s
            now_s += min(patience.reconnect_s * patience.reconnect_growth**failures, patience.reconnect_cap_s)
            failures += 1
    return np.array(connected, float).reshape(-1, 2)


def _noticed(orderer: Orderer, end_s: float, patience: LedgerPatience) -> float:
    """When a peer sees that its stream is broken: at once, or after the keepalive, at the latest when it returns."""
    if end_s not in orderer.vanished_s:
        return end_s
    back = orderer.up[:, 0]
    returns_s = back[back > end_s]
    return min(end_s + patience.keepalive_s, float(returns_s[0]) if len(returns_s) else np.inf)


def _end(windows: Windows, time_s: float) -> float:
    """The end of the window that holds at *time_s*."""
    return float(windows[np.searchsorted(windows[:, 0], time_s, side="right") - 1, 1])


def passed_on(received_s: Sequence[NDArray], up: Sequence[Windows], to: Windows, delay_s: float) -> NDArray:
    """(blocks,) when the first of several peers that were up hands each block on to one that is up; inf if nobody."""
    best_s = np.full(len(received_s[0]), np.inf)
    for times_s, windows in zip(received_s, up, strict=True):
        there_s = times_s + delay_s
        handed = within(times_s, windows) & within(there_s, to)
        best_s = np.minimum(best_s, np.where(handed, there_s, np.inf))
    return best_s


def fetched(kept_s: Sequence[NDArray], sources: Sequence[Windows], to: Windows, period_s: float) -> NDArray:
    """(blocks,) when a peer that looks every *period_s* gets each block from another one that keeps it; inf if never.

    *kept_s* is (peers, blocks), when each of the others has committed it.
    """
    best_s = np.full(len(kept_s[0]), np.inf)
    for times_s, windows in zip(kept_s, sources, strict=True):
        together = both(windows, to)
        if len(together) == 0:
            continue
        ready_s = next_up(times_s, together)
        look_s = np.ceil(ready_s / period_s) * period_s
        best_s = np.minimum(best_s, next_up(look_s, together))
    return best_s
