"""Manifests into a Cluster: defaults, what is applied twice, what is not modelled, what is refused."""

import re
from pathlib import Path

import pytest

from gxsim.errors import ScenarioError
from gxsim.load.manifests import load_cluster
from gxsim.plan.place import place

ROOT = Path(__file__).parent.parent
GX = ROOT / "scenarios" / "gx"
PRODUCTION = [GX / part for part in ("cluster", "fabric", "backend", "monitoring")]
THIRD_PARTY = ROOT.parent / "shared" / "manifests" / "third_party"

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: main, image: web:1, resources: {limits: {cpu: 500m, memory: 1Gi}}}
"""


def written(folder: Path, text: str, name: str = "a.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_cluster([path])
    return str(caught.value).replace(str(path.parent), "")


def test_a_template_is_the_pod_an_api_server_would_store(tmp_path: Path) -> None:
    header = "---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\n"
    priority = header + "metadata: {name: p}\nvalue: 7\nglobalDefault: true\n"
    (workload,) = load_cluster([written(tmp_path, DEPLOYMENT + priority)]).workloads
    template = workload.template
    assert template.requests["cpu"] == 500, "limits become requests"
    assert template.priority == 7, "the global default class applies"
    assert {(t.key, t.toleration_s) for t in template.tolerations} == {
        ("node.kubernetes.io/not-ready", 300.0),
        ("node.kubernetes.io/unreachable", 300.0),
    }
    assert (workload.max_surge, workload.max_unavailable) == ("25%", "25%")


def test_an_object_given_twice_is_applied_twice(tmp_path: Path) -> None:
    again = DEPLOYMENT.replace("replicas: 2", "replicas: 5")
    (workload,) = load_cluster([written(tmp_path, DEPLOYMENT + "---" + again)]).workloads
    assert workload.replicas == 5


def test_kinds_that_are_not_modelled_are_listed_with_their_place(tmp_path: Path) -> None:
    text = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n"
    (listed,) = load_cluster([written(tmp_path, text)]).unmodelled
    assert (listed.kind, listed.name, listed.source.rpartition(":")[2]) == ("Widget", "w", "1")


def test_variables_are_replaced_as_envsubst_does(tmp_path: Path) -> None:
    path = written(tmp_path, DEPLOYMENT.replace("namespace: shop", "namespace: ${NS}"))
    assert load_cluster([path], variables={"NS": "market"}).workloads[0].namespace == "market"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "replicas: 2",
            "replcias: 2",
            '/a.yaml:6: Deployment web: spec.replcias: Deployment in version "v1" cannot be handled as a Deployment',
        ),
        (
            "cpu: 500m",
            "cpu: half",
            "/a.yaml:12: Deployment web: spec.template.spec.containers[0].resources.limits[cpu]: ",
        ),
        ("replicas: 2", "replicas: -2", "/a.yaml:6: Deployment web: spec.replicas: Invalid value: -2: must be greater"),
        (
            "labels: {app: web}",
            "labels: {app: wob}",
            "/a.yaml:9: Deployment web: spec.template.metadata.labels: Invalid",
        ),
        ("kind: Deployment", "kinds: Deployment", "/a.yaml:2: kind: expected the object's kind, got None"),
        ("{name: web, namespace: shop}", "{}", "/a.yaml:4: metadata: the Deployment has no metadata.name"),
    ],
)
def test_what_an_api_server_refuses_is_refused_at_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert refusal(written(tmp_path, DEPLOYMENT.replace(old, new))).startswith(message)


def test_gxsims_own_kinds_are_no_manifests(tmp_path: Path) -> None:
    path = written(tmp_path, "apiVersion: gxsim/v1alpha1\nkind: Model\nspec: {}\n")
    assert refusal(path) == "/a.yaml:2: kind: a gxsim Model is no manifest; name it in the scenario instead"


def test_the_documented_cluster_has_every_documented_workload() -> None:
    cluster = load_cluster(PRODUCTION)
    pods: dict[str, int] = {}
    for workload in cluster.workloads:
        if workload.kind != "DaemonSet":
            pods[workload.namespace] = pods.get(workload.namespace, 0) + workload.replicas
    assert pods["fabric"] == 20
    assert pods["backend-mainnet"] == 22
    assert [n.allocatable["cpu"] for n in cluster.nodes] == [16000] * 4
    claims = {w.namespace: 0 for w in cluster.workloads}
    for workload in cluster.workloads:
        claims[workload.namespace] += workload.replicas * sum(c.size_bytes for c in workload.claim_templates)
    assert claims["fabric"] == 950 * 1024**3
    assert claims["backend-mainnet"] == 360 * 1024**3


VARIABLES = {"STORAGE_CLASS": "local-path", "ORG0_NS": "fabric", "ORG1_NS": "fabric", "FABRIC_VERSION": "2.5"}
FOREIGN_NODES = {"alibaba+open-simulator": "master-2", "np-guard+netpol-analyzer": "minikube"}


@pytest.mark.skipif(not THIRD_PARTY.is_dir(), reason="the third-party manifests are not beside this checkout")
@pytest.mark.parametrize("name", sorted(p.name for p in THIRD_PARTY.glob("*/")) if THIRD_PARTY.is_dir() else [])
def test_other_peoples_manifests_place_on_four_nodes_or_say_why_not(name: str) -> None:
    paths = [GX / "cluster" / "nodes.yaml", GX / "cluster" / "storage.yaml", THIRD_PARTY / name]
    if name in FOREIGN_NODES:  # a dump of another cluster: its pods are bound to nodes that are not in it
        with pytest.raises(ScenarioError, match=f"is bound to '{FOREIGN_NODES[name]}', which is no node here"):
            place(paths, variables=VARIABLES)
        return
    pods = place(paths, variables=VARIABLES).pods()
    assert len(pods)
    for pod in pods.rows():
        assert pod["node"] or re.match(r"0/4 nodes are available: ", pod["why"]), pod
