"""ResourceQuota and LimitRange, against recorded sequences and message by message."""

import gzip
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from gxsim.api.admission import admit
from gxsim.api.context import AdmissionContext, context_of
from gxsim.api.quota import add_usage, charged, demand, demands, exceeded, quota_of, refusal, subtract_usage
from gxsim.api.requests import in_units
from gxsim.validate import limit_range, quota

Object = dict[str, Any]

RECORDINGS = sorted((Path(__file__).parent / "truth" / "admission" / "quota").glob("*.json.gz"))
FAMILIES = (quota.FAMILY, limit_range.FAMILY)


def recorded(path: Path) -> Object:
    document: Object = json.loads(gzip.decompress(path.read_bytes()))
    return document


def pod(*resources: Object, **spec: Any) -> Object:
    containers = [{"name": f"c{index}", "image": "a:1", "resources": each} for index, each in enumerate(resources)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers, **spec}}


def quota_object(hard: Object, name: str = "q", **spec: Any) -> Object:
    return {"kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard, **spec}}


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name.partition(".")[0])
def test_every_recorded_step_is_answered_as_the_server_did(path: Path) -> None:
    document = recorded(path)
    family = next(family for family in FAMILIES if family.recognises(document))
    checks = family.replay(document)
    assert len(checks) == len(document["steps"])
    assert not [f"{check.name}: {check.detail}" for check in checks if not check.agreed]


def test_each_recording_belongs_to_one_family() -> None:
    assert len(RECORDINGS) == 44
    for path in RECORDINGS:
        assert sum(family.recognises(recorded(path)) for family in FAMILIES) == 1


def test_a_recording_that_differs_is_noticed() -> None:
    document = recorded(RECORDINGS[0].with_name("pods-count.json.gz"))
    changed = deepcopy(document)
    changed["steps"][0]["used"]["q"]["pods"] = "2"
    assert [check.agreed for check in quota.FAMILY.replay(changed)].count(False) == 1
    changed = deepcopy(document)
    changed["steps"][2]["message"] += "0"
    assert [check.agreed for check in quota.FAMILY.replay(changed)].count(False) == 1


def test_a_pod_is_charged_under_every_name() -> None:
    assert in_units(charged(pod({"requests": {"cpu": "1", "nvidia.com/gpu": "1"}, "limits": {"memory": "1Gi"}}))) == {
        "count/pods": 1,
        "pods": 1,
        "cpu": 1000,
        "requests.cpu": 1000,
        "limits.memory": 2**30,
        "requests.nvidia.com/gpu": 1,
    }


def test_a_load_balancer_is_charged_its_node_ports() -> None:
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}, {"port": 443}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec}
    assert in_units(charged(service)) == {
        "count/services": 1,
        "services": 1,
        "services.nodeports": 2,
        "services.loadbalancers": 1,
    }
    closed = {**service, "spec": {**spec, "allocateLoadBalancerNodePorts": False}}
    assert in_units(charged(closed))["services.nodeports"] == 0


def test_the_refusal_names_only_what_is_exceeded() -> None:
    bound = quota_of(quota_object({"requests.cpu": "1", "requests.memory": "2Gi", "pods": "10"}))
    item = pod({"requests": {"cpu": "600m", "memory": "1Gi"}})
    used = add_usage({}, demands([bound], item))
    assert refusal([bound], used, item) == (
        "exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1"
    )


def test_what_a_container_must_state_comes_before_any_amount() -> None:
    full = quota_of(quota_object({"pods": "0"}, name="a"))
    strict = quota_of(quota_object({"limits.cpu": "1", "memory": "1Gi"}, name="b"))
    assert refusal([full, strict], {}, pod({}, {"limits": {"cpu": "1"}})) == (
        "failed quota: b: must specify limits.cpu for: c0; memory for: c0,c1"
    )
    assert refusal([full], {}, pod({})) == "exceeded quota: a, requested: pods=1, used: pods=0, limited: pods=0"


def test_a_template_charged_once_answers_for_every_pod() -> None:
    bound = quota_of(quota_object({"pods": "2"}))
    wanted, used = demands([bound], pod({})), {}
    answers = []
    for _ in range(3):
        answers.append(exceeded([bound], used, wanted))
        used = add_usage(used, wanted)
    assert answers == [None, None, "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"]
    assert subtract_usage(used, wanted) == add_usage(add_usage({}, wanted), wanted)


@pytest.mark.parametrize(
    ("scope", "spec", "seen"),
    [
        ({"scopeName": "BestEffort", "operator": "Exists"}, {}, True),
        ({"scopeName": "NotBestEffort", "operator": "Exists"}, {}, False),
        ({"scopeName": "Terminating", "operator": "Exists"}, {"activeDeadlineSeconds": 5}, True),
        ({"scopeName": "NotTerminating", "operator": "Exists"}, {"activeDeadlineSeconds": 5}, False),
        ({"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}, {"priorityClassName": "a"}, True),
        ({"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}, {}, False),
        ({"scopeName": "PriorityClass", "operator": "NotIn", "values": ["a"]}, {}, True),
        ({"scopeName": "PriorityClass", "operator": "NotIn", "values": ["a"]}, {"priorityClassName": "a"}, False),
        ({"scopeName": "PriorityClass", "operator": "Exists"}, {}, False),
        ({"scopeName": "PriorityClass", "operator": "DoesNotExist"}, {}, True),
    ],
)
def test_a_pod_outside_the_scope_is_free(scope: Object, spec: Object, seen: bool) -> None:
    bound = quota_of(quota_object({"pods": "1"}, scopeSelector={"matchExpressions": [scope]}))
    assert bool(demand(bound, pod({}, **spec))) is seen


def test_a_claim_is_never_in_a_pods_scope() -> None:
    bound = quota_of(quota_object({"persistentvolumeclaims": "1"}, scopes=["BestEffort"]))
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "v"}, "spec": {}}
    assert demand(bound, claim) == {}


def limits(**item: Any) -> AdmissionContext:
    spec = {"limits": [{"type": "Container", **item}]}
    return context_of([{"kind": "LimitRange", "metadata": {"name": "l"}, "spec": spec}])


@pytest.mark.parametrize(
    ("context", "resources", "message"),
    [
        (
            limits(min={"cpu": "100m"}),
            {"requests": {"cpu": "50m"}},
            "minimum cpu usage per Container is 100m, but request is 50m",
        ),
        (
            limits(max={"memory": "1Gi"}),
            {"limits": {"memory": "2Gi"}},
            "maximum memory usage per Container is 1Gi, but limit is 2Gi",
        ),
        (
            limits(maxLimitRequestRatio={"cpu": "2"}),
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "250m"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000",
        ),
        (
            limits(maxLimitRequestRatio={"cpu": "2"}),
            {},
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
        ),
    ],
)
def test_a_limit_range_refuses_in_the_servers_words(context: AdmissionContext, resources: Object, message: str) -> None:
    answer = admit(pod(resources), context).refusal
    assert answer is not None
    assert (answer.status, answer.message) == (403, f'pods "p" is forbidden: {message}')


def test_a_request_above_a_default_limit_is_invalid_not_forbidden() -> None:
    answer = admit(pod({"requests": {"cpu": "2"}}), limits(default={"cpu": "1"})).refusal
    assert answer is not None
    assert answer.status == 422
    assert answer.message == (
        'Pod "p" is invalid: spec.containers[0].resources.requests: Invalid value: "2": '
        "must be less than or equal to cpu limit of 1"
    )
