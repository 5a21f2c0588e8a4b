"""EndpointSlices: what Services are told about their pods (pkg/controller/endpointslice)."""

import math

from gxsim.controllers.informer import Log
from gxsim.state import (
    ENDPOINT_NOT_READY,
    ENDPOINT_READY,
    ENDPOINT_SERVING,
    ENDPOINT_TERMINATING,
    NO_ENDPOINT,
    PHASE_PENDING,
    PHASE_RUNNING,
    ClusterState,
)


class EndpointSlice:
    """Publishes readiness of each pod that a Service selects; pods without an address or that are over are left out."""

    def __init__(self) -> None:
        self._pods = Log()
        self._selected: dict[int, bool] = {}  # template: whether a Service selects its pods

    def reconcile(self, state: ClusterState, now: float) -> bool:
        for pod in self._pods.news(state.touched):
            if self._is_selected(state, int(state.pod_template[pod])):
                endpoint = _endpoint(state, pod)
                if endpoint != state.pod_endpoint[pod]:
                    state.publish(pod, endpoint)
        return False  # nobody waits for an endpoint

    def due(self, state: ClusterState, now: float) -> float:
        return math.inf

    def _is_selected(self, state: ClusterState, index: int) -> bool:
        if index not in self._selected:
            template = state.templates[index]
            self._selected[index] = any(
                service.selector is not None
                and service.namespace == template.namespace
                and service.selector.matches(template.labels)
                for service in state.cluster.services
            )
        return self._selected[index]


def _endpoint(state: ClusterState, pod: int) -> int:
    """ready = Ready and not terminating; serving = Ready."""
    phase = state.pod_phase[pod]
    if not state.pod_exists[pod] or phase > PHASE_RUNNING or phase == PHASE_PENDING:
        return NO_ENDPOINT
    ready = bool(state.pod_ready[pod])
    if state.pod_terminating[pod]:
        return ENDPOINT_SERVING if ready else ENDPOINT_TERMINATING
    return ENDPOINT_READY if ready else ENDPOINT_NOT_READY
