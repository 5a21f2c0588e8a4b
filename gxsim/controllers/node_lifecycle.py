"""Node lifecycle: from a silent Lease to Unknown, not-ready pods and taints (pkg/controller/nodelifecycle)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gxsim.controllers.informer import TOLERANCE_S, Informer
from gxsim.controllers.lease import Leases
from gxsim.model.control_plane import ControlPlane
from gxsim.model.node import Node, Taint
from gxsim.state import NOT_READY, READY, UNKNOWN, ClusterState, Event

NOT_READY_KEY = "node.kubernetes.io/not-ready"
UNREACHABLE_KEY = "node.kubernetes.io/unreachable"
UNSCHEDULABLE_KEY = "node.kubernetes.io/unschedulable"
TAINT_KEYS = {NOT_READY: NOT_READY_KEY, UNKNOWN: UNREACHABLE_KEY}  # by condition
NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"
INITIAL, NORMAL, PARTIAL, FULL = "Initial", "Normal", "PartialDisruption", "FullDisruption"


@dataclass(slots=True)
class Zone:
    """One zone's disruption state, its nodes waiting for NoExecute, and their token bucket (burst 1)."""

    rate: float
    state: str = INITIAL
    waiting: dict[int, float] = field(default_factory=dict)  # node: when the worker looks at it
    tokens: float = 1.0
    filled_s: float = -math.inf

    def fill(self, now: float) -> None:
        if self.rate > 0 and now > self.filled_s:
            self.tokens = min(1.0, self.tokens + (now - self.filled_s) * self.rate)
        self.filled_s = now

    def set_rate(self, now: float, rate: float) -> None:
        """Swap the limiter; a new one is empty when the old one would refuse (SwapLimiter)."""
        if rate == self.rate:
            return
        accepted = self.accepts(now)
        self.rate, self.tokens = rate, 1.0 if accepted else 0.0

    def accepts(self, now: float) -> bool:
        """Whether a token is there now."""
        self.fill(now)
        return self.rate > 0 and self.tokens >= 1 - TOLERANCE_S

    def next_s(self, now: float) -> float:
        """When the next waiting node gets its taint; inf at rate 0."""
        if not self.waiting or self.rate <= 0:
            return math.inf
        self.fill(now)
        first_s = min(self.waiting.values())
        return max(first_s, now + max(0.0, 1 - self.tokens) / self.rate)


class NodeLifecycle:
    """Node lifecycle controller, started at *now*; its passes begin at *first_pass_s* and follow period by period."""

    def __init__(
        self,
        state: ClusterState,
        control_plane: ControlPlane,
        *,
        leases: Leases,
        informer: Informer,
        now: float,
        first_pass_s: float,
        restarted: bool = False,
        raced: frozenset[str] = frozenset(),
        order: Sequence[str] = (),
    ):
        """*raced* and *order* fix what is chance: see ``_stop_evictions``, and which nodes a pass looks at first."""
        self.control_plane, self.leases, self.informer = control_plane, leases, informer
        self.first_pass_s, self.raced = first_pass_s, raced
        count = len(state.nodes)
        # A new process has seen no Lease yet: each node gets a full grace period from its first pass.
        self.seen_floor_s = np.full(count, max(now, first_pass_s) if restarted else -math.inf)
        self.passed = (
            np.full(count, -1, np.int8) if restarted else state.node_ready.copy()
        )  # condition in the last pass
        self.tainted = np.full(count, -1, np.int8)  # condition as the NoSchedule worker last saw it
        self.exists = np.zeros(count, bool) if restarted else state.node_exists.copy()
        self.unschedulable = ~state.unschedulable  # as the NoSchedule worker last saw it: at first it looks at all
        self.next_pass_s = max(now, first_pass_s)
        self.before = (
            np.full(count, np.nan),
            np.full(count, np.nan),
        )  # renewals, and when passes saw them in old ticks
        self.marked_blind: set[int] = set()
        self.order = np.array(sorted(range(count), key=lambda row: _place(state.nodes[row].name, order)), np.int64)
        self.zones: dict[str, Zone] = {}
        self.zone_of = [_zone(node) for node in state.nodes]

    # ---- what it does -------------------------------------------------------------------------------------------

    def reconcile(self, state: ClusterState, now: float) -> bool:
        changed = False if self.leases.is_blind(now) else self._schedule_taints(state)
        self._end_hung_pass(state, now)
        if self._is_tick(now) and self._wants_pass(state, now):
            self.informer.follow(state)
            changed |= self._monitor(state, now)
        return self._execute_taints(state, now) or changed

    def due(self, state: ClusterState, now: float) -> float:
        """The next pass that will find something, or the next token for a waiting node."""
        after = self._tick(max(now + TOLERANCE_S, self.next_pass_s))
        news = (
            after if (state.node_ready != self.passed).any() or (state.node_exists != self.exists).any() else math.inf
        )
        overdue = self._overdue_s(state, now)
        late = max(after, self._tick(float(overdue.min()))) if len(overdue) else math.inf
        return min(news, late, *(zone.next_s(now) for zone in self.zones.values()), math.inf)

    # ---- NoSchedule: at once, without a limit -------------------------------------------------------------------

    def _schedule_taints(self, state: ClusterState) -> bool:
        changed = False
        for node in np.flatnonzero((state.node_ready != self.tainted) & state.node_exists):
            condition = int(state.node_ready[node])
            for known, key in TAINT_KEYS.items():
                changed |= _set_taint(state, int(node), key, NO_SCHEDULE, present=known == condition)
        self.tainted = state.node_ready.copy()
        for node in np.flatnonzero((state.unschedulable != self.unschedulable) & state.node_exists):
            present = bool(state.unschedulable[node])
            changed |= _set_taint(state, int(node), UNSCHEDULABLE_KEY, NO_SCHEDULE, present=present)
        self.unschedulable = state.unschedulable.copy()
        return changed

    # ---- the monitor pass ---------------------------------------------------------------------------------------

    def _end_hung_pass(self, state: ClusterState, now: float) -> None:
        """Let a pass that hung on its first write go on now that the API answers; later passes follow from here."""
        began_s = self._tick(self.leases.starting_s)
        self.leases.starting_s = math.inf
        while began_s < now - TOLERANCE_S:
            if (self._overdue_s(state, now) <= began_s + TOLERANCE_S).any():
                self.before = (self.leases.renewed_s(now).copy(), self._probed_s(now))
                self.first_pass_s = self.next_pass_s = now
                return
            began_s += self.control_plane.node_monitor_period_s

    def _is_tick(self, now: float) -> bool:
        """Whether a pass that has not been made yet begins now."""
        return now >= self.next_pass_s - TOLERANCE_S and self._tick(now) <= now + TOLERANCE_S

    def _tick(self, time_s: float) -> float:
        """The first pass at or after *time_s*."""
        if math.isinf(time_s):
            return time_s
        period_s = self.control_plane.node_monitor_period_s
        passes = math.ceil((time_s - TOLERANCE_S - self.first_pass_s) / period_s)
        return self.first_pass_s + passes * period_s

    def _probed_s(self, now: float) -> NDArray[np.float64]:
        """(nodes,) the pass that first saw each node's last renewal: grace counts from there, by the own clock."""
        renewed_s = self.leases.renewed_s(now)
        period_s = self.control_plane.node_monitor_period_s
        passes = np.ceil((renewed_s - TOLERANCE_S - self.first_pass_s) / period_s)
        probed_s = np.maximum(self.first_pass_s + passes * period_s, self.seen_floor_s)
        return np.where(renewed_s == self.before[0], self.before[1], probed_s)

    def _overdue_s(self, state: ClusterState, now: float) -> NDArray[np.float64]:
        """Times after which silent nodes that do not count as Unknown yet will."""
        silent = self.leases.silent(now) & (state.node_ready != UNKNOWN) & state.node_exists
        if not silent.any():
            return np.empty(0)
        silent &= ~self._changed_unseen(now)
        return (self._probed_s(now) + self.control_plane.node_monitor_grace_period_s)[silent]

    def _wants_pass(self, state: ClusterState, now: float) -> bool:
        return self._has_news(state) or bool((self._overdue_s(state, now) <= now + TOLERANCE_S).any())

    def _has_news(self, state: ClusterState) -> bool:
        """Whether a condition changed since the last pass, or a node came or went."""
        return bool((state.node_ready != self.passed).any() or (state.node_exists != self.exists).any())

    def _monitor(self, state: ClusterState, now: float) -> bool:
        """One pass over all nodes (monitorNodeHealth)."""
        self.next_pass_s = self._tick(now + TOLERANCE_S + self.control_plane.node_monitor_period_s / 2)
        changed = self._take_added(state, now)
        grace_s = self.control_plane.node_monitor_grace_period_s
        overdue = (now + TOLERANCE_S >= self._probed_s(now) + grace_s) & ~self._changed_unseen(now)
        for node in np.flatnonzero(overdue & (state.node_ready != UNKNOWN) & state.node_exists):
            self._mark_unknown(state, int(node), now)
            changed = True
        for node in self.order[state.node_exists[self.order]].tolist():
            changed |= self._execute_wanted(state, node, now)
        changed |= self._handle_disruption(state, now)
        self.passed = state.node_ready.copy()
        return changed

    def _changed_unseen(self, now: float) -> NDArray[np.bool_]:
        """(nodes,) True where the Node changed since a blind controller saw it: its write conflicts, it looks again."""
        if not self.leases.is_blind(now):
            self.marked_blind.clear()
        return np.isin(np.arange(len(self.passed)), sorted(self.marked_blind))

    def _take_added(self, state: ClusterState, now: float) -> bool:
        """Nodes new to this process count as reachable, so a NoExecute taint they carry goes first."""
        changed = False
        for node in np.flatnonzero(state.node_exists & ~self.exists):
            changed |= self._mark_reachable(state, int(node))
            self.seen_floor_s[node] = max(self.seen_floor_s[node], now)
        self.exists = state.node_exists.copy()
        return changed

    def _mark_unknown(self, state: ClusterState, node: int, now: float) -> None:
        was_ready = state.node_ready[node] == READY
        if self.leases.is_blind(now):
            self.marked_blind.add(node)
        state.mark_ready(node, UNKNOWN)
        if not was_ready:
            return
        name = state.nodes[node].name
        state.emit(Event(now, "Node", name, "NodeNotReady", f"Node {name} status is now: NodeNotReady"))
        for pod in self.informer.pods_on(node):
            if state.pod_ready[pod]:
                state.mark_pod_not_ready(pod)
                state.emit(Event(now, "Pod", state.pod_key(pod), "NodeNotReady", "Node is not ready"))

    def _execute_wanted(self, state: ClusterState, node: int, now: float) -> bool:
        """Queue the node for NoExecute, or take the taint away (processTaintBaseEviction)."""
        condition = int(state.node_ready[node])
        if condition == READY:
            return self._mark_reachable(state, node)
        held = [key for key in TAINT_KEYS.values() if _has_taint(state, node, key, NO_EXECUTE)]
        if TAINT_KEYS[condition] in held:
            return False
        if held:  # a taint for the other condition is swapped straight away
            return self._put_execute(state, node)
        self._zone(node).waiting.setdefault(node, now + self.control_plane.taint_retry_s / 2)
        return False

    def _mark_reachable(self, state: ClusterState, node: int) -> bool:
        self._zone(node).waiting.pop(node, None)
        removed = [_set_taint(state, node, key, NO_EXECUTE, present=False) for key in TAINT_KEYS.values()]
        return any(removed)

    # ---- NoExecute: rate limited per zone -----------------------------------------------------------------------

    def _zone(self, node: int) -> Zone:
        return self.zones.setdefault(self.zone_of[node], Zone(self.control_plane.node_eviction_rate))

    def _execute_taints(self, state: ClusterState, now: float) -> bool:
        changed = False
        for zone in self.zones.values():
            while zone.next_s(now) <= now + TOLERANCE_S:
                node = min(zone.waiting, key=lambda n: zone.waiting[n])
                del zone.waiting[node]
                zone.tokens -= 1
                # a worker that sees an old node object takes it for ready and drops the request
                if state.node_exists[node] and state.node_ready[node] != READY and not self.leases.is_blind(now):
                    changed |= self._put_execute(state, node)
        return changed

    def _put_execute(self, state: ClusterState, node: int) -> bool:
        condition = int(state.node_ready[node])
        changed = [
            _set_taint(state, node, key, NO_EXECUTE, present=known == condition) for known, key in TAINT_KEYS.items()
        ]
        return any(changed)

    # ---- disruption modes ---------------------------------------------------------------------------------------

    def _zone_states(self, state: ClusterState) -> dict[str, tuple[str, int]]:
        """Each zone's state and number of nodes (ComputeZoneState)."""
        members: dict[str, list[bool]] = {}
        for node in np.flatnonzero(state.node_exists):
            members.setdefault(self.zone_of[node], []).append(state.node_ready[node] == READY)
        result = {}
        for name, ready in members.items():
            bad = len(ready) - sum(ready)
            if bad == len(ready):
                mode = FULL
            elif bad > 2 and bad / len(ready) >= self.control_plane.unhealthy_zone_threshold:
                mode = PARTIAL
            else:
                mode = NORMAL
            result[name] = (mode, len(ready))
        return result

    def _handle_disruption(self, state: ClusterState, now: float) -> bool:
        states = self._zone_states(state)
        for name in states:
            self.zones.setdefault(name, Zone(self.control_plane.node_eviction_rate))
        for name in [name for name in self.zones if name not in states]:
            del self.zones[name]
        all_full = all(mode == FULL for mode, _ in states.values())
        was_full = all(zone.state == FULL for zone in self.zones.values())
        if all_full:
            return False if was_full else self._stop_evictions(state, now)
        if was_full:
            self.seen_floor_s[state.node_exists] = now
        for name, (mode, size) in states.items():
            zone = self.zones[name]
            if zone.state != mode:
                zone.set_rate(now, self._rate(mode, size))
                zone.state = mode
        return False

    def _stop_evictions(self, state: ClusterState, now: float) -> bool:
        """No node answers: more likely the control plane is cut off than that all are dead (master disruption).

        ``raced`` nodes of this pass keep a taint that the worker writes before the pass cancels it, a token each.
        """
        changed, worker_s = False, self.control_plane.taint_retry_s
        for node in self.order[state.node_exists[self.order]].tolist():
            zone = self._zone(node)
            if state.nodes[node].name in self.raced and node in zone.waiting and zone.accepts(now + worker_s):
                zone.tokens -= 1  # written meanwhile, and the pass goes by the node as it read it before
                changed |= self._put_execute(state, node)
                del zone.waiting[node]
            else:
                changed |= self._mark_reachable(state, node)
        for zone in self.zones.values():
            zone.set_rate(now, 0.0)
            zone.state = FULL
        return changed

    def _rate(self, mode: str, size: int) -> float:
        if mode != PARTIAL:
            return self.control_plane.node_eviction_rate
        large = size > self.control_plane.large_cluster_size_threshold
        return self.control_plane.secondary_node_eviction_rate if large else 0.0


def _place(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)


def _zone(node: Node) -> str:
    """Region and zone labels together (GetZoneKey); a cluster without them is one zone."""
    region = node.labels.get("topology.kubernetes.io/region", "")
    zone = node.labels.get("topology.kubernetes.io/zone", "")
    return f"{region}:\x00:{zone}" if region or zone else ""


def _has_taint(state: ClusterState, node: int, key: str, effect: str) -> bool:
    return any(taint.key == key and taint.effect == effect for taint in state.taints[node])


def _set_taint(state: ClusterState, node: int, key: str, effect: str, *, present: bool) -> bool:
    """Put or remove a taint; whether that changed anything."""
    if _has_taint(state, node, key, effect) == present:
        return False
    if present:
        state.taint(node, Taint(key, "", effect))
    else:
        state.untaint(node, key, effect)
    return True
