"""The object an API server would store, against recordings of a real one and rule by rule."""

import gzip
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from gxsim.api.admission import admit
from gxsim.api.context import AdmissionContext, context_of
from gxsim.api.defaulting import default
from gxsim.validate.defaulting import FAMILY

Object = dict[str, Any]

TRUTH = Path(__file__).parent / "truth" / "admission" / "defaulting.json.gz"
RECORDING = json.loads(gzip.decompress(TRUTH.read_bytes()))
BLANK = AdmissionContext()


def pod(**spec: Any) -> Object:
    containers = [{"name": "c", "image": "nginx:1"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers, **spec}}


def test_every_recorded_object_is_defaulted_as_the_server_did() -> None:
    checks = FAMILY.replay(RECORDING)
    assert len(checks) >= 64
    assert not [f"{check.name}: {check.detail}" for check in checks if not check.agreed]


def test_a_recording_that_differs_is_noticed() -> None:
    changed = deepcopy(RECORDING)
    changed["cases"][0]["returned"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = 7
    assert [check.agreed for check in FAMILY.replay(changed)].count(False) == 1


@pytest.mark.parametrize("case", RECORDING["cases"], ids=lambda case: str(case["id"]))
def test_the_argument_is_left_alone_and_a_second_time_changes_nothing(case: Object) -> None:
    sent = deepcopy(case["sent"])
    once = default(sent, BLANK)
    assert sent == case["sent"]
    assert default(once, BLANK) == once


def test_the_toleration_seconds_are_the_servers_flags() -> None:
    quick = AdmissionContext(not_ready_toleration_s=30, unreachable_toleration_s=60)
    added = default(pod(), quick)["spec"]["tolerations"]
    assert [toleration["tolerationSeconds"] for toleration in added] == [30, 60]


def test_a_toleration_of_everything_keeps_the_defaults_away() -> None:
    assert default(pod(tolerations=[{"operator": "Exists"}]), BLANK)["spec"]["tolerations"] == [{"operator": "Exists"}]


def test_an_explicit_zero_grace_period_is_kept() -> None:
    assert default(pod(terminationGracePeriodSeconds=0), BLANK)["spec"]["terminationGracePeriodSeconds"] == 0


def test_the_images_tag_decides_when_it_is_pulled() -> None:
    images = {
        "nginx": "Always",
        "nginx:latest": "Always",
        "registry:5000/nginx": "Always",
        "nginx:1": "IfNotPresent",
        "registry:5000/nginx:1": "IfNotPresent",
        "nginx@sha256:0": "IfNotPresent",
        "nginx:latest@sha256:0": "Always",
    }
    containers = [{"name": f"c{index}", "image": image} for index, image in enumerate(images)]
    stored = default(pod(containers=containers), BLANK)["spec"]["containers"]
    assert {one["image"]: one["imagePullPolicy"] for one in stored} == images


def test_a_system_priority_needs_no_object() -> None:
    spec = default(pod(priorityClassName="system-node-critical"), BLANK)["spec"]
    assert spec["priority"] == 2_000_001_000


def test_an_unknown_priority_class_stays_unresolved_and_is_refused() -> None:
    sent = pod(priorityClassName="nope")
    assert "priority" not in default(sent, BLANK)["spec"]
    refusal = admit(sent, BLANK).refusal
    assert refusal is not None
    assert refusal.message == 'pods "p" is forbidden: no PriorityClass with name nope was found'


def test_a_limit_range_is_read_as_the_server_completes_it() -> None:
    limits = [{"type": "Container", "max": {"cpu": "1000m"}, "min": {"memory": "64Mi"}}]
    limit_range = {"kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": limits}}
    stored = default(pod(), context_of([limit_range]))
    assert stored["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "1"},
        "requests": {"cpu": "1", "memory": "64Mi"},
    }


def test_a_limit_range_of_another_namespace_has_no_say() -> None:
    limits = [{"type": "Container", "default": {"cpu": "1"}}]
    metadata = {"name": "l", "namespace": "elsewhere"}
    limit_range = {"kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}}
    assert default(pod(), context_of([limit_range]))["spec"]["containers"][0]["resources"] == {}


def test_another_groups_kind_of_the_same_name_is_left_as_it_is() -> None:
    knative = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {}}
    assert default(knative, BLANK) == knative
    assert admit(knative, BLANK).refusal is None
