"""Random small clusters for comparing the scheduler with its slow twins; everything follows from a seed."""

from random import Random
from typing import Any

from gxsim.model.cluster import Claim, Cluster, CSINode, Service, StorageClass, Volume
from gxsim.model.node import Image, Node, Taint
from gxsim.model.pod import (
    Container,
    HostPort,
    PodAffinity,
    PodAffinityTerm,
    PodTemplate,
    PreferredNodeTerm,
    Toleration,
    TopologySpreadConstraint,
)
from gxsim.model.selectors import LabelSelector, NodeSelector, NodeSelectorTerm, Requirement
from tests.reference.scheduler_plugins import HOSTNAME, ZONE, Placed, World

MEBIBYTE = 2**20
KEYS = (HOSTNAME, ZONE, "rack")
IMAGES = ("registry/web:1", "registry/db:latest")
CLAIMS = ("bound-a", "bound-b", "waiting-1", "waiting-2", "dynamic", "exclusive")


def _in(key: str, *values: str) -> Requirement:
    return Requirement(key, "In", values)


SELECTORS = (
    LabelSelector((_in("app", "web"),)),
    LabelSelector((_in("app", "web", "db"),)),
    LabelSelector((Requirement("app", "NotIn", ("web",)),)),
    LabelSelector((Requirement("rev", "Exists"),)),
    LabelSelector(),
    None,
)
NODE_EXPRESSIONS = (
    _in("disk", "ssd"),
    _in(ZONE, "a", "b"),
    Requirement("disk", "Exists"),
    Requirement(ZONE, "DoesNotExist"),
    Requirement("size", "Gt", ("3",)),
    Requirement("size", "Lt", ("3",)),
)


def world(random: Random, *, volumes: bool = False) -> World:
    """A cluster with up to eight pods of up to four templates on its nodes."""
    machines = tuple(_node(random, number) for number in range(random.randint(1, 6)))
    services = (Service(namespace="default", name="web", selector=SELECTORS[0]),)
    cluster = Cluster(
        nodes=machines,
        namespaces={"default": {"team": "x"}, "other": {}},
        services=services if random.random() < 0.5 else (),
        **(_storage(random, machines) if volumes else {}),
    )
    pool = [template(random, volumes=volumes) for _ in range(random.randint(1, 4))]
    placed = [
        Placed(random.choice(pool), random.randrange(len(machines)), random.random() < 0.2)
        for _ in range(random.randint(0, 8))
    ]
    return World(cluster, placed)


def template(random: Random, *, volumes: bool = False) -> PodTemplate:
    """A pod template with a little of everything."""
    amounts: dict[str, int] = {}
    if random.random() < 0.6:
        amounts["cpu"] = random.choice([0, 100, 333, 1000, 5000])
    if random.random() < 0.6:
        amounts["memory"] = random.choice([64, 100, 700]) * MEBIBYTE + random.randrange(1000)
    if random.random() < 0.2:
        amounts["example.com/gpu"] = 1
    labels = {"app": random.choice(["web", "db"])}
    if random.random() < 0.5:
        labels["rev"] = random.choice("12")
    return PodTemplate(
        namespace="default" if volumes else random.choice(["default", "other"]),
        labels=labels,
        containers=(Container(name="main", image=random.choice([*IMAGES, "registry/db", "none"])),),
        requests=amounts,
        scored_requests=(amounts.get("cpu", 100), amounts.get("memory", 200 * MEBIBYTE)),
        node_selector=random.choice([{}, {}, {"disk": "ssd"}]),
        node_affinity=NodeSelector(_few(random, _node_term)) if random.random() < 0.3 else None,
        preferred_node_terms=_few(random, lambda r: PreferredNodeTerm(r.randint(1, 100), _node_term(r))),
        pod_affinity=_affinity(random),
        pod_anti_affinity=_affinity(random),
        tolerations=_few(random, _toleration),
        topology_spread_constraints=_few(random, _spread),
        priority=random.choice([0, 10]),
        host_ports=_few(random, _host_port)[:1],
        claims=tuple(c for c in CLAIMS if random.random() < 0.3) if volumes else (),
        volumes=_disks(random) if volumes else (),
    )


def _few(random: Random, make: Any) -> tuple[Any, ...]:
    return tuple(make(random) for _ in range(random.choice([0, 0, 1, 2])))


def _node(random: Random, number: int) -> Node:
    labels = {HOSTNAME: f"node-{number}"} if random.random() < 0.9 else {}
    for key, values in ((ZONE, "abc"), ("rack", "12"), ("disk", ("ssd", "hdd")), ("size", ("2", "4", "x"))):
        if random.random() < 0.75:
            labels[key] = random.choice(values)
    images = [name for name in IMAGES if random.random() < 0.5]
    return Node(
        name=f"node-{number}",
        labels=labels,
        allocatable={
            "cpu": random.choice([0, 500, 2000, 3333]),
            "memory": random.choice([0, 512, 1000, 4096]) * MEBIBYTE,
            "pods": random.randint(1, 6),
            "example.com/gpu": random.randint(0, 2),
        },
        taints=_few(random, _taint),
        unschedulable=random.random() < 0.15,
        images=tuple(Image((name,), random.choice([10, 300, 900]) * MEBIBYTE) for name in images),
    )


def _taint(random: Random) -> Taint:
    effect = random.choice(["NoSchedule", "NoExecute", "PreferNoSchedule"])
    return Taint(random.choice(["dedicated", "spot"]), random.choice(["", "x"]), effect)


def _toleration(random: Random) -> Toleration:
    return Toleration(
        random.choice(["", "dedicated", "spot", "node.kubernetes.io/unschedulable"]),
        random.choice(["Equal", "Exists"]),
        random.choice(["", "x"]),
        random.choice(["", "NoSchedule", "PreferNoSchedule"]),
    )


def _node_term(random: Random) -> NodeSelectorTerm:
    return NodeSelectorTerm(_few(random, lambda r: r.choice(NODE_EXPRESSIONS)))


def _affinity(random: Random) -> PodAffinity:
    if random.random() < 0.5:
        return PodAffinity()
    return PodAffinity(_few(random, _term), _few(random, _term))


def _term(random: Random) -> PodAffinityTerm:
    return PodAffinityTerm(
        random.choice(KEYS),
        random.choice(SELECTORS),
        random.choice([(), ("default",), ("default", "other")]),
        random.choice([None, LabelSelector(), LabelSelector((_in("team", "x"),))]),
        random.randint(1, 100),
    )


def _spread(random: Random) -> TopologySpreadConstraint:
    return TopologySpreadConstraint(
        random.choice(KEYS),
        random.randint(1, 3),
        random.choice(["DoNotSchedule", "ScheduleAnyway"]),
        random.choice(SELECTORS),
        random.choice([None, 1, 3]),
        random.choice(["Honor", "Ignore"]),
        random.choice(["Honor", "Ignore"]),
        random.choice([(), ("rev",), ("absent",)]),
    )


def _host_port(random: Random) -> HostPort:
    return HostPort(
        random.choice(["0.0.0.0", "10.0.0.1", "10.0.0.2"]), random.choice(["TCP", "UDP"]), random.choice([80, 443])
    )


def _disks(random: Random) -> tuple[dict[str, Any], ...]:
    disk = random.choice([None, None, "d1", "d2"])
    if disk is None:
        return ()
    return ({"name": "disk", "gcePersistentDisk": {"pdName": disk, "readOnly": random.random() < 0.5}},)


def _storage(random: Random, machines: tuple[Node, ...]) -> dict[str, Any]:
    """Bound, waiting and dynamic claims in the default namespace, with volumes pinned to some nodes."""
    zone = {ZONE: random.choice(["a", "b", "a__b"])}
    bound = [
        Volume(
            name=f"volume-{name}",
            storage_class="csi",
            size_bytes=10,
            node_affinity=_pinned(random, machines),
            labels=random.choice([{}, zone, {"failure-domain.beta.kubernetes.io/zone": "a"}]),
            claim=f"default/{name}",
            phase="Bound",
            csi_driver="csi.example",
            csi_handle=random.choice(["h1", "h2"]),
        )
        for name in ("bound-a", "bound-b", "exclusive")
    ]
    free = [
        Volume(
            name=f"free-{i}",
            storage_class="local",
            size_bytes=random.randint(1, 9),
            node_affinity=_pinned(random, machines),
        )
        for i in range(random.randint(0, 4))
    ]
    claims = [
        Claim(
            namespace="default",
            name=volume.claim.split("/")[1],
            storage_class="csi",
            size_bytes=10,
            access_modes=("ReadWriteOncePod" if volume.claim.endswith("exclusive") else "ReadWriteOnce",),
            volume=volume.name,
            bound=True,
        )
        for volume in bound
    ]
    claims += [
        Claim(namespace="default", name=f"waiting-{i}", storage_class="local", size_bytes=random.randint(1, 6))
        for i in (1, 2)
    ]
    claims.append(Claim(namespace="default", name="dynamic", storage_class="local-path", size_bytes=5))
    wait = "WaitForFirstConsumer"
    return {
        "volumes": (*bound, *free),
        "claims": tuple(claims),
        "storage_classes": (
            StorageClass(name="local", provisioner="kubernetes.io/no-provisioner", binding_mode=wait),
            StorageClass(name="local-path", provisioner="rancher.io/local-path", binding_mode=wait),
        ),
        "csi_nodes": tuple(CSINode(name=m.name, limits={"csi.example": random.randint(1, 2)}) for m in machines),
    }


def _pinned(random: Random, machines: tuple[Node, ...]) -> NodeSelector | None:
    names = sorted({random.choice(machines).name for _ in range(random.randint(0, 2))})
    return NodeSelector((NodeSelectorTerm((_in(HOSTNAME, *names),)),)) if names else None
