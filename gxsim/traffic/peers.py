"""The peers of a channel: how each gets its blocks, and when it has committed them."""

import copy

import numpy as np
from numpy.typing import NDArray

from gxsim.kernels.uptime import both, next_up
from gxsim.traffic.delivery import fetched, passed_on, pulling, streams
from gxsim.traffic.ledger import Channel
from gxsim.traffic.servers import Servers


class Peers:
    """Peers at work, in the order of the ledger's ``peers``; each commits its blocks one after the other."""

    def __init__(self, channel: Channel, rng: np.random.Generator):
        self.channel, self.ledger, self.up = channel, channel.ledger, channel.up
        self.commit_s = channel.commit_s
        leading = pulling(channel.ledger, self.up).items()
        pulls = {peer: both(windows, channel.reach(f"deliver/{peer}")) for peer, windows in leading}
        patience, accepting = channel.ledger.patience, channel.reigns.accepting
        self.streams = {peer: streams(pulls[peer], channel.orderers, accepting, patience, rng) for peer in self.up}
        self.stations = {peer: Servers(windows) for peer, windows in self.up.items()}
        self.latest_s = dict.fromkeys(self.up, -np.inf)  # arrival of each peer's last block
        position = {peer: i for i, peer in enumerate(self.up)}
        self.endorsing = [[position[peer] for peer in peers] for peers in channel.ledger.endorsers.values()]
        self.endorsements = channel.endorsements

    def commit(self, sent_s: NDArray, sizes: NDArray) -> tuple[NDArray, NDArray]:
        """(peers, blocks) when each peer gets and has committed blocks that orderers can send from *sent_s* on."""
        leg_s = {peer: self.channel.leg_s(f"deliver/{peer}", sent_s) for peer in self.up}
        arrival_s = {peer: next_up(sent_s, windows) + leg_s[peer] for peer, windows in self.streams.items()}
        service_s = self.ledger.costs.block_s + self.commit_s * sizes
        if self.ledger.gossip and len(sent_s):
            prompt_s = sent_s + np.max(list(leg_s.values()), axis=0)
            arrival_s = self._gossiped(arrival_s, prompt_s, service_s)
        delivered_s = np.array([self._in_order(peer, times_s) for peer, times_s in arrival_s.items()])
        for peer, times_s in zip(self.up, delivered_s, strict=True):
            self.latest_s[peer] = float(times_s[-1]) if len(times_s) else self.latest_s[peer]
        stations = zip(self.stations.values(), delivered_s, strict=True)
        return delivered_s, np.array([station.pass_through(times_s, service_s) for station, times_s in stations])

    def known_s(self, committed_s: NDArray) -> NDArray:
        """(blocks,) when as many organisations as must endorse have a peer that has committed; from (peers, blocks)."""
        first_s = np.array([committed_s[peers].min(axis=0) for peers in self.endorsing])
        return np.sort(first_s, axis=0)[self.endorsements - 1]

    def _in_order(self, peer: str, arrival_s: NDArray) -> NDArray:
        """A block waits for those before it."""
        return np.maximum(np.maximum.accumulate(arrival_s), self.latest_s[peer])

    def _gossiped(self, streamed_s: dict[str, NDArray], prompt_s: NDArray, service_s: NDArray) -> dict[str, NDArray]:
        """Arrivals with those that other peers pass on within an organisation, or hand over when they are asked.

        A peer asks those that had committed without being asked themselves. Nobody has to ask where all blocks came
        soon after *prompt_s*, when streams that stand have brought them.
        """
        patience, organisation = self.ledger.patience, self.ledger.peers
        delay_s = patience.gossip_s + self.ledger.costs.hop_s
        arrival_s = {}
        for peer, own_s in streamed_s.items():
            near = [p for p in streamed_s if p != peer and organisation[p] == organisation[peer]]
            handed = [streamed_s[p] for p in near]
            pushed_s = passed_on(handed, [self.up[p] for p in near], self.up[peer], delay_s) if near else own_s
            arrival_s[peer] = np.minimum(own_s, pushed_s)
        if all((times_s <= prompt_s + delay_s).all() for times_s in arrival_s.values()):
            return arrival_s
        kept_s = {
            peer: copy.deepcopy(self.stations[peer]).pass_through(self._in_order(peer, times_s), service_s)
            for peer, times_s in arrival_s.items()
        }
        for peer in arrival_s:
            others = [p for p in kept_s if p != peer]
            if others:
                sources = [self.up[p] for p in others]
                asked_s = fetched([kept_s[p] for p in others], sources, self.up[peer], patience.state_check_s)
                arrival_s[peer] = np.minimum(arrival_s[peer], asked_s)
        return arrival_s
