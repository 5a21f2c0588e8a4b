"""Recordings of backend choice: an iptables chain like kube-proxy's, keep-alive connections, nginx upstreams."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.balancing import chain_pick
from gxsim.kernels.upstream import Balancer
from gxsim.rng import Streams
from gxsim.validate.record import Check, Family
from gxsim.validate.sampled import same_share

TRIALS = 100_000  # many times a recording's 10 000: its own error stays the greater one
PHASES = 20  # of nginx's whole seconds against the recording's clock, which is not recorded


def _recognises(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    lists = [document.get(name) or [{}] for name in ("runs", "groups", "sequences")]
    wanted = ("picks", "conns_per_backend", "requests")
    return any(isinstance(found[0], dict) and name in found[0] for found, name in zip(lists, wanted, strict=True))


def replay(document: Mapping[str, Any]) -> list[Check]:
    """Shares and repetitions of the chain; groups of connections that use every backend; each try of nginx."""
    checks = [check for run in document.get("runs", ()) for check in _chain(run)]
    checks += _pinned(document["groups"]) if "groups" in document else []
    return checks + [_nginx(sequence) for sequence in document.get("sequences", ())]


def _chain(run: Mapping[str, Any]) -> Iterator[Check]:
    """The share of each backend, and how often a connection goes where the one before went."""
    picks = np.array([int(digit) for digit in run["picks"]])
    own: NDArray = chain_pick(_uniforms(run["id"], TRIALS), run["backends"])
    for backend in range(run["backends"]):
        share = float((picks == backend).mean())
        yield same_share(f"{run['id']} backend {backend}", np.equal(own, backend), share, len(picks))
    repeated = float((picks[1:] == picks[:-1]).mean())
    yield same_share(f"{run['id']} same as before", own[1:] == own[:-1], repeated, len(picks) - 1)


def _pinned(groups: list[Mapping[str, Any]]) -> list[Check]:
    """Of groups with so many connections each, the share that reaches every backend."""
    checks = []
    for count, size in sorted(Counter(group["connections"] for group in groups).items()):
        same = [group["conns_per_backend"] for group in groups if group["connections"] == count]
        recorded = float(np.mean([min(connections) > 0 for connections in same]))
        trials = TRIALS // count
        picks = chain_pick(_uniforms(f"pinned {count}", trials * count).reshape(trials, count), len(same[0]))
        reached = np.array([(picks == backend).any(axis=1) for backend in range(len(same[0]))])
        everywhere = np.logical_and.reduce(reached, axis=0)
        checks.append(same_share(f"{count} connections reach all", everywhere, recorded, size))
    return checks


def _nginx(sequence: Mapping[str, Any]) -> Check:
    """The backends that each request tried, in order, for some phase of the clock's seconds."""
    wrong = min(_differing(sequence, phase / PHASES) for phase in range(PHASES))
    requests = len(sequence["requests"])
    return Check(
        name=sequence["id"], agreed=wrong == 0, detail=f"{wrong} of {requests} requests differ" if wrong else ""
    )


def _differing(sequence: Mapping[str, Any], phase_s: float) -> int:
    """How many requests try other backends; a worker's first backend shows where its turn stood."""
    workers: dict[int, Balancer] = {}
    wrong = 0
    failing = frozenset(
        backend
        for request in sequence["requests"]
        for backend, status in zip(request["tried"], request["upstream_status"], strict=True)
        if status != "200"
    )
    for request in sequence["requests"]:
        number = 0 if "zone" in sequence["upstream"] else request["worker"]
        if number not in workers:
            workers[number] = Balancer()
            workers[number].meet(range(3), (1, 1, 1))
            for _ in range(request["tried"][0]):
                workers[number].tries(phase_s)
        wrong += workers[number].tries(request["t"] + phase_s, failing) != request["tried"]
    return wrong


def _uniforms(name: str, count: int) -> NDArray:
    return Streams(0).take(f"validate/load balancing/{name}").random(count)


FAMILY = Family(name="load_balancing", bound=1.0, recognises=_recognises, replay=replay)
