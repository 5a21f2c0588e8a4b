"""The Alibaba openb trace (2023): its pods as arrays, and placement with shared GPUs for many seeds at once.

The cluster is an array with one more column than cpu and memory: the free share of each GPU. A pod asks for a share of
one GPU, for whole GPUs, or for none; pods arrive one by one, one that does not fit is left out, and none departs.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TRACE = Path(__file__).parents[2] / "shared" / "traces" / "alibaba-openb-gpu-v2023"
WORKLOADS = ("default", "cpu050", "cpu200", "gpushare40", "gpuspec33", "multigpu20")
SEEDS = tuple(range(42, 52))
ARRIVALS = 1.3  # of the cluster's GPUs, in all requests together
WHOLE = 1000  # thousandths of one GPU
MOST_GPUS = 8
_CPU_SCALE_MILLI, _GPU_SCALE_MILLI = 128_000, MOST_GPUS * WHOLE  # the largest node, as the published BestFit scales

Policy = Literal["Random", "BestFit"]


@dataclass(frozen=True, slots=True)
class Machines:
    """Nodes of the trace: (nodes,) arrays; *gpus* counts devices, *model* is a code into *models*."""

    cpu_milli: NDArray[np.int64]
    memory_mib: NDArray[np.int64]
    gpus: NDArray[np.int64]
    model: NDArray[np.int64]
    models: tuple[str, ...]

    @property
    def gpu_milli(self) -> int:
        return int(self.gpus.sum()) * WHOLE


@dataclass(frozen=True, slots=True)
class Tasks:
    """Pods of the trace: (pods,) arrays; *allowed* is a row of *choices* (choices, nodes)."""

    cpu_milli: NDArray[np.int64]
    memory_mib: NDArray[np.int64]
    gpus: NDArray[np.int64]
    share_milli: NDArray[np.int64]
    allowed: NDArray[np.int64]
    choices: NDArray[np.bool_]

    @property
    def gpu_milli(self) -> NDArray[np.int64]:
        return self.gpus * self.share_milli


def read_machines(name: str = "gpu_node") -> Machines:
    rows = _rows(TRACE / "csv" / f"openb_node_list_{name}.csv")
    models = tuple(sorted({row["model"] for row in rows}))
    return Machines(
        *(np.array([int(row[c] or 0) for row in rows]) for c in ("cpu_milli", "memory_mib", "gpu")),
        np.array([models.index(row["model"]) for row in rows]),
        models,
    )


def read_tasks(workload: str, machines: Machines) -> Tasks:
    rows = _rows(TRACE / "csv" / f"openb_pod_list_{workload}.csv")
    wishes = [row.get("gpu_spec") or "" for row in rows]
    kinds = sorted(set(wishes))
    choices = [[not kind or machines.models[m] in kind.split("|") for m in machines.model.tolist()] for kind in kinds]
    return Tasks(
        *(np.array([int(row[c]) for row in rows]) for c in ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli")),
        np.array([kinds.index(wish) for wish in wishes]),
        np.array(choices, bool),
    )


def published_allocation(workload: str, policy: Policy) -> float:
    """The authors' mean GPU allocation over ten seeds, in percent, when arrivals reach 130 % of capacity."""
    rows = _rows(TRACE / "published" / "analysis_allo_discrete.stored_workloads.csv")
    chosen = [
        r for r in rows if r["workload"] == f"openb_pod_list_{workload}" and r["sc_policy"].endswith(f"-{policy}")
    ]
    return float(np.mean([float(row["130"]) for row in chosen]))


def arrivals(tasks: Tasks, capacity_milli: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Pods in order of arrival: the list shuffled, then drawn from it, until requests reach the target."""
    order = rng.permutation(len(tasks.gpus))
    target = ARRIVALS * capacity_milli
    requested = tasks.gpu_milli
    missing = target - requested.sum()
    if missing > 0:
        mean = requested.mean()
        order = np.concatenate([order, rng.integers(len(requested), size=int(3 * missing / mean) + 1000)])
    total = np.cumsum(requested[order])
    return order[: int(np.searchsorted(total, target)) + 1]


def allocation(machines: Machines, tasks: Tasks, policy: Policy, seeds: Sequence[int] = SEEDS) -> NDArray[np.float64]:
    """(seeds,) GPU allocation in percent of capacity, after all arrivals; every seed is a row of the same arrays."""
    streams = [np.random.default_rng(seed) for seed in seeds]
    orders = [arrivals(tasks, machines.gpu_milli, rng) for rng in streams]
    longest = max(map(len, orders))
    queue = np.full((longest, len(seeds)), -1)
    for row, order in enumerate(orders):
        queue[: len(order), row] = order
    cluster = _Cluster(machines, len(seeds), streams[0])
    for pods in queue:
        live = np.flatnonzero(pods >= 0)
        cluster.place(live, pods[live], tasks, policy)
    return 100 * cluster.allocated / machines.gpu_milli


class _Cluster:
    """Free amounts of every node for every seed: (seeds, nodes), and (seeds, nodes, devices) for the GPUs."""

    def __init__(self, machines: Machines, seeds: int, rng: np.random.Generator):
        nodes = len(machines.gpus)
        self._cpu = np.tile(machines.cpu_milli.astype(np.float64), (seeds, 1))
        self._memory = np.tile(machines.memory_mib.astype(np.float64), (seeds, 1))
        there = np.arange(MOST_GPUS) < machines.gpus[:, None]
        self._devices = np.tile(np.where(there, WHOLE, -1), (seeds, 1, 1))  # −1: no such device
        self._gpu = np.tile(machines.gpus * float(WHOLE), (seeds, 1))
        self._largest = np.maximum(self._devices.max(axis=2), 0.0)  # the most that one device has free
        self._idle = np.tile(machines.gpus * float(WHOLE), (seeds, 1))  # free on devices nobody uses
        self.allocated = np.zeros(seeds)
        self._rng = rng
        # A stretch of this pool at a random place breaks ties: drawing anew for each pod would cost half the time.
        self._pool = rng.random(64 * seeds * nodes, np.float32)

    def place(self, seeds: NDArray[np.int64], pods: NDArray[np.int64], tasks: Tasks, policy: Policy) -> None:
        """Place one pod per seed where it fits best, or nowhere."""
        cpu, memory = tasks.cpu_milli[pods], tasks.memory_mib[pods]
        gpu, share = tasks.gpu_milli[pods], tasks.share_milli[pods]
        shared = share < WHOLE
        free = np.where(shared[:, None], self._largest[seeds], self._idle[seeds])
        feasible = (self._cpu[seeds] >= cpu[:, None]) & (self._memory[seeds] >= memory[:, None])
        feasible &= (free >= gpu[:, None]) & tasks.choices[tasks.allowed[pods]]
        rank = self._ties(feasible.shape)
        if policy == "BestFit":
            left = (self._cpu[seeds] - cpu[:, None]) * (0.5 / _CPU_SCALE_MILLI)
            left += (self._gpu[seeds] - gpu[:, None]) * (0.5 / _GPU_SCALE_MILLI)
            rank = rank + np.floor((1 - left) * 100)
        node = np.where(feasible, rank, -1.0).argmax(axis=1)
        fits = feasible[np.arange(len(seeds)), node]
        self._take(
            seeds[fits],
            node[fits],
            cpu=cpu[fits],
            memory=memory[fits],
            gpu=gpu[fits],
            shared=shared[fits],
            policy=policy,
        )

    def _take(
        self,
        seeds: NDArray[np.int64],
        node: NDArray[np.int64],
        *,
        cpu: NDArray[np.int64],
        memory: NDArray[np.int64],
        gpu: NDArray[np.int64],
        shared: NDArray[np.bool_],
        policy: Policy,
    ) -> None:
        """Take a pod's amounts: a share from one device, whole GPUs from the first idle ones."""
        self._cpu[seeds, node] -= cpu
        self._memory[seeds, node] -= memory
        self._gpu[seeds, node] -= gpu
        self.allocated[seeds] += gpu
        devices = self._devices[seeds, node]
        order = devices if policy == "BestFit" else self._rng.random(devices.shape)
        device = np.where(devices >= gpu[:, None], order, np.inf).argmin(axis=1)
        part = np.zeros_like(devices)
        part[np.arange(len(seeds)), device] = gpu
        idle = devices == WHOLE
        whole = (idle & (idle.cumsum(axis=1) <= gpu[:, None] // WHOLE)) * WHOLE
        devices = devices - np.where(shared[:, None], part, whole)
        self._devices[seeds, node] = devices
        self._largest[seeds, node] = devices.max(axis=1)
        self._idle[seeds, node] = (devices == WHOLE).sum(axis=1) * WHOLE

    def _ties(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Uniform numbers in [0, 1)."""
        size = shape[0] * shape[1]
        start = int(self._rng.integers(len(self._pool) - size))
        return self._pool[start : start + size].reshape(shape)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))
