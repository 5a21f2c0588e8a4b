"""Recordings of nginx's limit_req: every decision, on the clock that nginx itself read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gxsim.kernels.ratelimit import RateLimit, Zone, limit_requests
from gxsim.validate.record import Check, Family

LIMITS = {
    "none": RateLimit(rate_milli=10_000),
    "b20": RateLimit(rate_milli=10_000, burst=20),
    "b20nd": RateLimit(rate_milli=10_000, burst=20, delay=20),
    "b20d8": RateLimit(rate_milli=10_000, burst=20, delay=8),
}
COLUMNS = {"seq", "config", "ip", "ngx_clock_ms", "limit_req_status", "excess_milli", "delay_ms"}


def _recognises(document: Any) -> bool:
    return (
        isinstance(document, list)
        and bool(document)
        and isinstance(document[0], dict)
        and document[0].keys() >= COLUMNS
    )


def replay(rows: Sequence[Mapping[str, str]]) -> list[Check]:
    """Per request: whether it passes, its excess, and the delay; in the order in which nginx took them."""
    limit = LIMITS[rows[0]["config"]]
    addresses = {ip: number for number, ip in enumerate(dict.fromkeys(row["ip"] for row in rows))}
    keys = np.array([addresses[row["ip"]] for row in rows])
    clock_ms = np.array([int(row["ngx_clock_ms"]) for row in rows])
    told = limit_requests(limit, clock_ms, keys, Zone.empty(len(addresses)))
    checks = []
    for number, row in enumerate(rows):
        recorded = (row["limit_req_status"] != "REJECTED", int(row["excess_milli"]), int(row["delay_ms"]))
        found = (bool(told.accepted[number]), int(told.excess[number]), int(told.delay_ms[number]))
        detail = "" if found == recorded else f"(accepted, excess, delay) {found}, recorded {recorded}"
        checks.append(Check(name=f"{row['seq']} request {number}", agreed=not detail, detail=detail))
    return checks


FAMILY = Family(name="rate_limit", bound=1.0, recognises=_recognises, replay=replay)
