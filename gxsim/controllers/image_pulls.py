"""Images on nodes: which are there, which a start has to ask a registry for, and pods that wait for one."""

import math

from gxsim.model.control_plane import Kubelet as Parameters
from gxsim.model.pod import Container
from gxsim.state import ClusterState, Event


class ImagePulls:
    """The images of all nodes. ``registry_back_s`` is since when images can be pulled; inf while they cannot."""

    def __init__(self, parameters: Parameters):
        self.parameters = parameters
        self.registry_back_s = -math.inf
        self._seen_s = -math.inf
        self._pulled: set[tuple[int, str]] = set()  # (node, image) that is there
        self._waiting: set[int] = set()  # pods that wait for a registry

    def keep(self, state: ClusterState, pod: int) -> None:
        """Take note that *pod* runs: its images have been pulled to its node, and stay."""
        self._pulled.update((int(state.pod_node[pod]), container.image) for container in _containers(state, pod))
        self._waiting.discard(pod)

    def forget(self, pod: int) -> None:
        """*pod* waits no more."""
        self._waiting.discard(pod)

    def woken(self) -> list[int]:
        """Pods that waited, once after each change of the registry."""
        if self.registry_back_s == self._seen_s:
            return []
        self._seen_s = self.registry_back_s
        return sorted(self._waiting)

    def ready_s(self, state: ClusterState, pod: int, tries_s: float) -> float:
        """When the images for a start of *pod* are there, tried from *tries_s* on; inf while they cannot be pulled."""
        node, containers = int(state.pod_node[pod]), _containers(state, pod)
        missing = [container for container in containers if (node, container.image) not in self._pulled]
        if any(container.image_pull_policy == "Never" for container in missing):
            self._wait(
                state, pod, tries_s, "ErrImageNeverPull", "Container image is not present with pull policy of Never"
            )
            return math.inf
        if not missing and not any(container.image_pull_policy == "Always" for container in containers):
            return tries_s
        asks_s = self._asks_s(state, pod, tries_s)
        return asks_s + (self.parameters.image_pull_s if missing else self.parameters.image_check_s)

    def _asks_s(self, state: ClusterState, pod: int, tries_s: float) -> float:
        """The first try at or after *tries_s* that finds the registry; pauses double up to their cap."""
        if math.isinf(self.registry_back_s) and self.registry_back_s > 0:
            self._wait(state, pod, tries_s, "ImagePullBackOff", "Back-off pulling image")
            return math.inf
        if pod not in self._waiting:
            return tries_s
        pause_s = self.parameters.pull_backoff_s
        while tries_s < self.registry_back_s:
            tries_s += pause_s
            pause_s = min(2 * pause_s, self.parameters.pull_backoff_cap_s)
        return tries_s

    def _wait(self, state: ClusterState, pod: int, now: float, reason: str, message: str) -> None:
        if pod not in self._waiting:
            self._waiting.add(pod)
            state.emit(Event(now, "Pod", state.pod_key(pod), reason, message))


def _containers(state: ClusterState, pod: int) -> tuple[Container, ...]:
    template = state.templates[state.pod_template[pod]]
    return (*template.init_containers, *template.containers)
