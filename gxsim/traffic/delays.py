"""One-way delays between nodes, and between users and nodes, by where they stand."""

import numpy as np
from numpy.typing import NDArray

from gxsim.errors import ScenarioError
from gxsim.model.model import Network, Region
from gxsim.model.node import Node
from gxsim.model.users import Population

EARTH_RADIUS_KM = 6371.0088


def great_circle_km(latitudes: NDArray, longitudes: NDArray) -> NDArray:
    """(places, places) distances over the globe (haversine); degrees in."""
    phi, lam = np.radians(latitudes), np.radians(longitudes)
    half_north = np.sin((phi[:, None] - phi) / 2) ** 2
    half_east = np.sin((lam[:, None] - lam) / 2) ** 2
    inside = half_north + np.cos(phi)[:, None] * np.cos(phi) * half_east
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(inside.clip(0.0, 1.0)))


def region_delays(network: Network) -> NDArray:
    """(regions, regions) one way: a listed link before the distance, or the distance only, as ``delays`` says."""
    delays = _by_distance(network, [(r.latitude, r.longitude) for r in network.regions])
    np.fill_diagonal(delays, network.same_region_delay_s)
    index = {region.name: i for i, region in enumerate(network.regions)}
    for link in network.links if network.delays == "links" else ():
        one, other = (index[name] for name in link.between)
        delays[one, other] = delays[other, one] = link.delay_s
    return delays


def node_delays(network: Network | None, nodes: list[Node]) -> NDArray:
    """(nodes, nodes) one way; 0 everywhere without a network. Raises ScenarioError for a node without a region."""
    if network is None:
        return np.zeros((len(nodes), len(nodes)))
    where = [_region_of(network, node)[0] for node in nodes]
    delays = region_delays(network)[np.ix_(where, where)]
    np.fill_diagonal(delays, network.same_node_delay_s)
    return delays


def user_delays(network: Network | None, populations: tuple[Population, ...], nodes: list[Node]) -> NDArray:
    """(populations, nodes) one way from users to nodes, by distance; users have no documented link."""
    if network is None:
        return np.zeros((len(populations), len(nodes)))
    regions = [_region_of(network, node)[1] for node in nodes]
    places = [(p.latitude, p.longitude) for p in populations] + [(r.latitude, r.longitude) for r in regions]
    delays = _by_distance(network, places)[: len(populations), len(populations) :]
    return np.maximum(delays, network.same_region_delay_s)


def _by_distance(network: Network, places: list[tuple[float, float]]) -> NDArray:
    degrees = np.array(places, float).reshape(-1, 2)
    return great_circle_km(degrees[:, 0], degrees[:, 1]) * network.route_factor / network.fibre_speed_km_per_s


def _region_of(network: Network, node: Node) -> tuple[int, Region]:
    name = node.labels.get(network.region_label, "")
    for index, region in enumerate(network.regions):
        if region.name == name:
            return index, region
    raise ScenarioError(
        f"node {node.name}", f"its label {network.region_label} says {name!r}; list that region under network.regions"
    )
