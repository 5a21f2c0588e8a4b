"""The syntax of names, labels and ports; each function returns what is wrong, in the API server's words."""

import ipaddress
import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_PERCENT = "[0-9]+%"

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end"
    " with an alphanumeric character"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start"
    " and end with an alphanumeric character"
)
_NAME_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_WILDCARD_TEXT = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of"
    " lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_NAME_EXAMPLES = ("MyName", "my.name", "123-abc")

Details = list[str]


def dns_label(value: str) -> Details:
    """Return what keeps *value* from being an RFC 1123 label."""
    problems = _too_long(value, 63, "characters")
    if not re.fullmatch(_LABEL, value):
        if re.fullmatch(_SUBDOMAIN, value):
            return [*problems, "must not contain dots"]
        problems.append(_expected(_LABEL_TEXT, _LABEL, "my-name", "123-abc"))
    return problems


def dns_subdomain(value: str) -> Details:
    """Return what keeps *value* from being an RFC 1123 subdomain."""
    problems = _too_long(value, 253, "characters")
    if not re.fullmatch(_SUBDOMAIN, value):
        problems.append(_expected(_SUBDOMAIN_TEXT, _SUBDOMAIN, "example.com"))
    return problems


def wildcard_subdomain(value: str) -> Details:
    """Return what keeps *value* from being a subdomain below ``*.``."""
    problems = _too_long(value, 253, "characters")
    if not re.fullmatch(_WILDCARD, value):
        problems.append(_expected(_WILDCARD_TEXT, _WILDCARD, "*.example.com"))
    return problems


def path_segment(value: str) -> Details:
    """Return what keeps *value* from being one segment of a path, as RBAC names are."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{mark}'" for mark in ("/", "%") if mark in value]


def qualified_name(value: str) -> Details:
    """Return what keeps *value* from being a label key: ``[prefix/]name``."""
    parts = value.split("/")
    if len(parts) > 2:
        text = "a valid label key " + _expected(_NAME_TEXT, _QUALIFIED, *_NAME_EXAMPLES)
        return [f"{text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    problems: Details = []
    if len(parts) == 2:
        if not parts[0]:
            problems.append("prefix part must be non-empty")
        else:
            problems += [f"prefix part {text}" for text in dns_subdomain(parts[0])]
    name = parts[-1]
    if not name:
        problems.append("name part must be non-empty")
    problems += [f"name part {text}" for text in _too_long(name, 63, "bytes")]
    if not re.fullmatch(_QUALIFIED, name):
        problems.append(f"name part {_expected(_NAME_TEXT, _QUALIFIED, *_NAME_EXAMPLES)}")
    return problems


def label_value(value: str) -> Details:
    """Return what keeps *value* from being the value of a label."""
    problems = _too_long(value, 63, "bytes")
    if not re.fullmatch(_LABEL_VALUE, value):
        text = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must"
            " start and end with an alphanumeric character"
        )
        problems.append(_expected(text, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return problems


def config_key(value: str) -> Details:
    """Return what keeps *value* from being a key of a ConfigMap or Secret."""
    problems = _too_long(value, 253, "characters")
    if not re.fullmatch(_CONFIG_KEY, value):
        text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        problems.append(_expected(text, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    elif value in (".", ".."):
        problems.append(f"must not be '{value}'")
    elif value.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def port_number(value: int) -> Details:
    """Return what keeps *value* from being a port."""
    return [] if 1 <= value <= 65_535 else ["must be between 1 and 65535, inclusive"]


def port_name(value: str) -> Details:
    """Return what keeps *value* from being the name of a container port."""
    problems: Details = []
    if len(value) > 15:
        problems.append("must be no more than 15 characters")
    if not re.fullmatch("[-a-z0-9]+", value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def percent(value: str) -> Details:
    """Return what keeps *value* from being a percentage."""
    if re.fullmatch(_PERCENT, value):
        return []
    text = "a valid percent string must be a numeric string followed by an ending '%'"
    return [_expected(text, _PERCENT, "1%", "93%")]


def variable_name(value: str) -> Details:
    """Return what keeps *value* from being the name of an environment variable."""
    if value and all(" " <= character <= "~" and character != "=" for character in value):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def is_address(value: str) -> bool:
    """Whether *value* is an IP address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the network a CIDR names, whatever its host bits; ``None`` if it is not one."""
    if "/" not in value or not value.rpartition("/")[2].isdecimal():
        return None
    try:
        return ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None


def _too_long(value: str, limit: int, unit: str) -> Details:
    return [f"must be no more than {limit} {unit}"] if len(value.encode()) > limit else []


def _expected(text: str, pattern: str, *examples: str) -> str:
    # The doubled blank after "or"'s comma is Kubernetes' own: ('a',  or 'b').
    said = " or ".join(f"'{example}', " for example in examples).removesuffix(", ")
    return f"{text} (e.g. {said}, regex used for validation is '{pattern}')"
