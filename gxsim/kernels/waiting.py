"""Closed forms of waiting: Erlang B and C, and the mean wait of M/M/c, M/G/1 and, approximately, G/G/c."""

import math


def erlang_b(servers: int, offered_load: float) -> float:
    """Share of customers refused by M/M/c/c, by the recursion that stays exact for many servers."""
    refused = 1.0
    for count in range(1, servers + 1):
        refused = offered_load * refused / (count + offered_load * refused)
    return refused


def erlang_c(servers: int, offered_load: float) -> float:
    """Share of customers that wait at M/M/c; 1 where it is saturated."""
    if offered_load >= servers:
        return 1.0
    refused = erlang_b(servers, offered_load)
    return servers * refused / (servers - offered_load * (1 - refused))


def mean_wait(
    servers: int, *, arrival_rate: float, service_time_s: float, scv: float = 1.0, gaps_scv: float = 1.0
) -> float:
    """Mean wait in seconds; inf where the station is saturated.

    Exact for M/M/c, and for M/G/1 (Pollaczek and Khinchine); else the approximation of Allen and Cunneen, which scales
    M/M/c by the mean of the two squared coefficients of variation.
    """
    offered_load = arrival_rate * service_time_s
    if offered_load >= servers:
        return math.inf
    wait_s = erlang_c(servers, offered_load) * service_time_s / (servers - offered_load)
    return wait_s * (gaps_scv + scv) / 2
