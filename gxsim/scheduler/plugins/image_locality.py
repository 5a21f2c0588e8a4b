"""ImageLocality: nodes that hold the pod's images score, each image weighted by how many nodes hold it."""

import numpy as np
from numpy.typing import NDArray

from gxsim.model.pod import PodTemplate
from gxsim.scheduler.nodes import NodeTable

_MEBIBYTE = 1024 * 1024
MIN_BYTES = 23 * _MEBIBYTE
MAX_BYTES_PER_CONTAINER = 1000 * _MEBIBYTE


class ImageLocality:
    name = "ImageLocality"

    def __init__(self, nodes: NodeTable):
        self._nodes = nodes
        self._size_bytes: dict[str, int] = {}  # as the first node reports it
        self._holders: dict[str, set[int]] = {}
        for i, node in enumerate(nodes.state.nodes):
            for image in node.images:
                for name in image.names:
                    self._size_bytes.setdefault(name, image.size_bytes)
                    self._holders.setdefault(name, set()).add(i)

    def score(self, template: PodTemplate) -> NDArray[np.int64]:
        """(nodes,) 0..100; it needs no normalisation."""
        state = self._nodes.state
        total_bytes = np.zeros(self._nodes.count, np.int64)
        containers = (*template.init_containers, *template.containers)
        if not self._holders:
            return total_bytes
        node_count = int(np.count_nonzero(state.node_exists))
        for container in containers:
            name = normalised(container.image)
            holders = [i for i in self._holders.get(name, ()) if state.node_exists[i]]
            if holders:
                total_bytes[holders] += int(self._size_bytes[name] * (len(holders) / node_count))
        most = MAX_BYTES_PER_CONTAINER * len(containers)
        clamped = np.clip(total_bytes, MIN_BYTES, most)
        return 100 * (clamped - MIN_BYTES) // (most - MIN_BYTES)


def normalised(image: str) -> str:
    """The name with ``:latest`` where it has no tag; registries are left as they stand."""
    return image if image.rfind(":") > image.rfind("/") else f"{image}:latest"
