"""What an API server refuses and accepts, against a recording and message by message."""

import gzip
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from gxsim.api.admission import admit
from gxsim.api.context import AdmissionContext
from gxsim.api.cron import schedule_problem, time_zone_problem
from gxsim.api.decoding import read_json, undecodable
from gxsim.api.defaulting import default
from gxsim.api.kind_defaults import KIND_DEFAULTS
from gxsim.api.kinds import KINDS, kind_of
from gxsim.api.rules.updates import update_violations
from gxsim.api.schema import structs
from gxsim.api.validation import violations
from gxsim.validate.api_validation import FAMILY

Object = dict[str, Any]

TRUTH = Path(__file__).parent / "truth" / "admission" / "validation.json.gz"
RECORDING = json.loads(gzip.decompress(TRUTH.read_bytes()))
BLANK = AdmissionContext()


def deployment(spec: Object | None = None, pod: Object | None = None, container: Object | None = None) -> Object:
    pod_spec = {"containers": [{"name": "c", "image": "a:1", **(container or {})}], **(pod or {})}
    template = {"metadata": {"labels": {"app": "w"}}, "spec": pod_spec}
    selector = {"matchLabels": {"app": "w"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "w"},
        "spec": {"selector": selector, "template": template, **(spec or {})},
    }


def message(item: Object) -> str:
    refusal = admit(item, BLANK).refusal
    return refusal.message if refusal else "accepted"


@pytest.mark.parametrize("case", RECORDING["cases"], ids=lambda case: str(case["id"]))
def test_every_recorded_request_is_answered_as_the_server_did(case: Object) -> None:
    assert not [f"{check.name}: {check.detail}" for check in FAMILY.replay({"cases": [case]}) if not check.agreed]


def test_a_recording_that_differs_is_noticed() -> None:
    refused = deepcopy(next(case for case in RECORDING["cases"] if case["id"] == "deploy-neg-replicas"))
    refused["causes"][0]["field"] = "spec.other"
    assert [check.agreed for check in FAMILY.replay({"cases": [refused]})] == [False, True]
    refused["message"] += "!"
    assert [check.agreed for check in FAMILY.replay({"cases": [refused]})] == [False, False]


def test_an_unknown_field_is_refused_with_the_nearest_name() -> None:
    (found,) = undecodable(deployment({"replcias": 3}))
    assert str(found) == (
        'spec.replcias: Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
        "unknown field \"spec.replcias\"; did you mean 'replicas'?"
    )


def test_a_wrong_type_hides_unknown_fields() -> None:
    (found,) = undecodable(deployment({"foo": 1, "replicas": "3"}))
    assert found.message == (
        'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into '
        "Go struct field DeploymentSpec.spec.replicas of type int32"
    )


def test_a_version_that_is_no_longer_served_is_refused() -> None:
    (found,) = undecodable({"apiVersion": "extensions/v1beta1", "kind": "Ingress", "metadata": {"name": "i"}})
    assert found.hint == "expected networking.k8s.io/v1"


def test_a_field_given_twice_is_found_in_the_text() -> None:
    value, repeated = read_json('{"kind": "Pod", "spec": {"containers": [{"name": "a", "name": "b"}]}}')
    assert value == {"kind": "Pod", "spec": {"containers": [{"name": "b"}]}}
    assert repeated == ["spec.containers[0].name"]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (deployment(pod={"restartPolicy": "Never"}), 'spec.template.spec.restartPolicy: Unsupported value: "Never"'),
        (deployment({"replicas": -1}), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (deployment(container={"livenessProbe": {}}), "livenessProbe: Required value: must specify a handler type"),
        (deployment(container={"image": ""}), "spec.template.spec.containers[0].image: Required value"),
        (
            deployment(container={"volumeMounts": [{"name": "x", "mountPath": "/x"}]}),
            'containers[0].volumeMounts[0].name: Not found: "x"',
        ),
        (
            deployment(pod={"tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 5}]}),
            "tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
        ),
    ],
)
def test_a_broken_rule_is_told_with_its_field(item: Object, expected: str) -> None:
    assert expected in message(item)


def test_a_deployment_without_selector_fails_twice_as_on_a_real_server() -> None:
    assert message(deployment({"selector": None})) == (
        'Deployment.apps "w" is invalid: [spec.selector: Required value, spec.template.metadata.labels: '
        'Invalid value: {"app":"w"}: `selector` does not match template `labels`]'
    )


def test_a_stateful_set_may_mount_what_its_claim_templates_will_give() -> None:
    item = deployment(container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    item["kind"] = "StatefulSet"
    assert 'Not found: "data"' in message(item)
    item["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim}]
    assert message(item) == "accepted"


def test_a_system_priority_class_is_only_for_the_system() -> None:
    item = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {}, "value": 2_000_000_000}
    item["metadata"] = {"name": "system-cluster-critical"}
    assert message(item) == "accepted"
    assert "must be 2000000000" in message({**item, "value": 5})


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("*/5 0-6,12 1,15 jan-mar mon-fri", None),
        ("@daily", None),
        ("@every 5m", None),
        ("@often", "unrecognized descriptor: @often"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
    ],
)
def test_a_schedule_is_judged_as_the_cron_library_does(schedule: str, problem: str | None) -> None:
    assert schedule_problem(schedule) == problem


def test_a_time_zone_must_have_a_name() -> None:
    assert time_zone_problem("Europe/Berlin") is None
    assert time_zone_problem("") == "timeZone must be nil or non-empty string"
    assert time_zone_problem("Mars/Olympus") == "unknown time zone Mars/Olympus"


def test_what_may_not_change_is_told() -> None:
    old = default(deployment(), BLANK)
    new = default(deployment({"replicas": 5}, container={"image": "a:2"}), BLANK)
    assert list(update_violations(old, new)) == []
    new["spec"]["selector"] = {"matchLabels": {"app": "z"}}
    (found,) = update_violations(old, new)
    assert str(found) == 'spec.selector: Invalid value: {"matchLabels":{"app":"z"}}: field is immutable'


def test_the_schema_is_closed_and_covers_every_kind() -> None:
    known = structs()
    scalars = {"string", "int32", "int64", "bool", "quantity", "intOrString", "time", "base64", "any"}
    named = {kind.strip("[]{}") for fields in known.values() for kind in fields.values()}
    assert named <= scalars | known.keys()
    assert KINDS.keys() <= known.keys()
    assert KIND_DEFAULTS.keys() <= KINDS.keys()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_survives_an_object_with_nothing_in_it(kind: str) -> None:
    item = {"apiVersion": KINDS[kind].api_versions[0], "kind": kind, "metadata": {"name": "x"}}
    assert kind_of(item) is KINDS[kind]
    stored = default(item, BLANK)
    assert undecodable(item) == []
    assert all(found.path for found in violations(stored))
