"""One create request from document to stored object or refusal, in the order of a default API server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gxsim.api import limit_range, quota
from gxsim.api.context import AdmissionContext, name_of, namespace_of
from gxsim.api.decoding import undecodable
from gxsim.api.defaulting import default
from gxsim.api.kinds import kind_of
from gxsim.api.quota import Quota, Used
from gxsim.api.validation import violations
from gxsim.api.violations import Violation

BAD_REQUEST, FORBIDDEN, INVALID = 400, 403, 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an object was not stored: the HTTP status, the message, and for 422 the single violations."""

    status: int
    message: str
    violations: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The object as it would be stored, and the refusal that kept it out, if any."""

    stored: dict[str, Any]
    refusal: Refusal | None = None


def admit(
    obj: dict[str, Any], context: AdmissionContext, *, quotas: Sequence[Quota] = (), used: Used | None = None
) -> Admission:
    """Return what becomes of a create request; *quotas* and *used* are those of its namespace.

    Decoding comes first, then defaults and the mutating plugins, then validation, then the plugins that only
    judge: LimitRanger, ResourceQuota.
    """
    unread = undecodable(obj)
    if unread:
        return Admission(stored=obj, refusal=_bad_request(unread))
    item = default(obj, context)
    unknown = _unknown_class(item, context)
    if unknown:
        return Admission(stored=item, refusal=_forbidden(item, unknown))
    found = violations(item)
    if found:
        return Admission(stored=item, refusal=invalid_refusal(item, found))
    ranges = context.limit_ranges_in(namespace_of(item))
    denied = limit_range.refusal(item, ranges) or quota.refusal(quotas, used or {}, item)
    return Admission(stored=item, refusal=_forbidden(item, denied) if denied else None)


def invalid_refusal(item: Mapping[str, Any], found: Sequence[Violation]) -> Refusal:
    """Return the 422 that lists these violations."""
    kind = kind_of(item)
    texts = list(dict.fromkeys(f"{violation.path}: {violation.message}" for violation in found))
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    subject = f'{kind.qualified_name if kind else item.get("kind")} "{name_of(item)}"'
    return Refusal(status=INVALID, message=f"{subject} is invalid: {listed}", violations=tuple(found))


def _bad_request(found: Sequence[Violation]) -> Refusal:
    return Refusal(status=BAD_REQUEST, message=found[0].message, violations=tuple(found))


def _forbidden(item: Mapping[str, Any], why: str) -> Refusal:
    kind = kind_of(item)
    plural = kind.qualified_plural if kind else str(item.get("kind"))
    return Refusal(status=FORBIDDEN, message=f'{plural} "{name_of(item)}" is forbidden: {why}')


def _unknown_class(item: Mapping[str, Any], context: AdmissionContext) -> str | None:
    """Return what the mutating plugins say of a name that does not exist."""
    spec = item.get("spec") or {}
    if item.get("kind") == "PriorityClass":
        return _second_default(item, context)
    if item.get("kind") != "Pod":
        return None
    account = spec.get("serviceAccountName")
    if context.service_accounts is not None and account != "default":
        key = (namespace_of(item), account)
        if key not in context.service_accounts:
            return f'error looking up service account {key[0]}/{account}: serviceaccount "{account}" not found'
    named = spec.get("priorityClassName")
    if named and context.priority_class(named) is None:
        return f"no PriorityClass with name {named} was found"
    runtime = spec.get("runtimeClassName")
    if runtime and context.runtime_class(runtime) is None:
        return f'pod rejected: RuntimeClass "{runtime}" not found'
    return None


def _second_default(item: Mapping[str, Any], context: AdmissionContext) -> str | None:
    others = [
        other for other in context.priority_classes if other.get("globalDefault") and name_of(other) != name_of(item)
    ]
    if item.get("globalDefault") and others:
        return f"PriorityClass {name_of(others[0])} is already marked as default. Only one default can exist"
    return None
