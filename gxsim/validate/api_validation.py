"""Recordings of what a kube-apiserver refuses and accepts: one request per case, with the causes it returned."""

import json
import re
from typing import Any

from gxsim.api.admission import Refusal, admit, invalid_refusal
from gxsim.api.context import AdmissionContext, name_of
from gxsim.api.decoding import read_json, undecodable
from gxsim.api.defaulting import default, default_fields
from gxsim.api.kinds import KINDS, kind_of
from gxsim.api.rules.updates import update_violations
from gxsim.api.validation import violations
from gxsim.validate.record import Check, Family

Object = dict[str, Any]

_NAMESPACE = "val"
# No ServiceAccount but "default", no classes.
_CONTEXT = AdmissionContext(service_accounts=frozenset())
# A Go struct shown as a value: internal names, not the API's.
_DUMP = re.compile(r"((?:Invalid|Unsupported|Duplicate) value: )[{\[].*[}\]]")
# The recorder shortened one value.
_SHORTENED = re.compile(r"<(\d+) times the letter (\w)>")


def _recognises(document: Any) -> bool:
    cases = document.get("cases") if isinstance(document, dict) else None
    return bool(cases) and all({"op", "allowed", "httpStatus"} <= case.keys() for case in cases or ())


def _replay(document: Any) -> list[Check]:
    """Return two checks per case: the verdict with its fields and reasons, and the words of the message."""
    checks: list[Check] = []
    for case in document["cases"]:
        refusal = _patched(case["base"], case["patch"]) if case["op"] == "mergePatch" else _created(case)
        found, wanted = _verdict(refusal), _recorded_verdict(case)
        detail = "" if found == wanted else f"got {found}, recorded {wanted}"
        checks.append(Check(name=case["id"], agreed=found == wanted, detail=detail))
        said, heard = _words(refusal.message if refusal else ""), _words(case.get("message", ""))
        detail = "" if said == heard else f"got {sorted(said)}, recorded {sorted(heard)}"
        checks.append(Check(name=f"{case['id']}: message", agreed=said == heard, detail=detail))
    return checks


def _created(case: Object) -> Refusal | None:
    if isinstance(case.get("raw"), str):
        try:
            sent, repeated = read_json(case["raw"])
        except ValueError as unreadable:
            return Refusal(status=400, message=str(unreadable))
        unread = undecodable(sent, repeated)
        if unread:
            return Refusal(status=400, message=unread[0].message, violations=tuple(unread))
    else:
        sent = json.loads(_SHORTENED.sub(_lengthened, json.dumps(case.get("object") or case["raw"])))
    problem = _request_problem(sent)
    if problem:
        return Refusal(status=400, message=problem)
    return admit(_placed(sent), _CONTEXT).refusal


def _patched(base: Object, patch: Object) -> Refusal | None:
    old = default(_placed(base), _CONTEXT)
    merged = _merged(old, patch)
    if name_of(merged) != name_of(old):
        message = f"the name of the object ({name_of(merged)}) does not match the name on the URL ({name_of(old)})"
        return Refusal(status=400, message=message)
    unread = undecodable(merged)
    if unread:
        return Refusal(status=400, message=unread[0].message, violations=tuple(unread))
    new = default_fields(merged)
    found = [*violations(new), *update_violations(old, new)]
    return invalid_refusal(new, found) if found else None


def _merged(target: Any, patch: Any) -> Any:
    """Return the JSON merge patch of RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def _request_problem(sent: Object) -> str | None:
    """Return what is wrong with the document as the body of this request: it was sent to its kind's URL."""
    kind, version = KINDS.get(str(sent.get("kind"))), str(sent.get("apiVersion") or "")
    if kind and version not in kind.api_versions:
        expected = kind.api_versions[0]
        return f"the API version in the data ({version}) does not match the expected API version ({expected})"
    namespace = (sent.get("metadata") or {}).get("namespace")
    if kind and kind.namespaced and namespace not in (None, "", _NAMESPACE):
        return "the namespace of the provided object does not match the namespace sent on the request"
    return None


def _placed(sent: Object) -> Object:
    kind = kind_of(sent)
    if kind is None or not kind.namespaced:
        return sent
    return sent | {"metadata": (sent.get("metadata") or {}) | {"namespace": _NAMESPACE}}


def _lengthened(match: re.Match[str]) -> str:
    return match[2] * int(match[1])


def _verdict(refusal: Refusal | None) -> Any:
    if refusal is None:
        return "accepted"
    if not refusal.violations or refusal.status != 422:
        return refusal.status
    return 422, sorted({(violation.path, violation.reason) for violation in refusal.violations})


def _recorded_verdict(case: Object) -> Any:
    if case["allowed"]:
        return "accepted"
    if case["httpStatus"] != 422:
        return case["httpStatus"]
    return 422, sorted({(cause["field"], cause["reason"]) for cause in case.get("causes") or ()})


def _words(message: str) -> frozenset[str]:
    """Return the complaints of a message as a set, without dumps of Go structs (internal names, not the API's).

    Of a message that ends in a diff only the first line is compared.
    """
    subject, _, listed = message.split("\n")[0].partition(" is invalid: ")
    parts = re.split(r", (?=[a-zA-Z]+[\w.\[\]/-]*: )", listed.removeprefix("[").removesuffix("]"))
    return frozenset([subject, *(_DUMP.sub(r"\1", part) for part in parts)])


FAMILY = Family(name="api_validation", bound=0.9, recognises=_recognises, replay=_replay)
