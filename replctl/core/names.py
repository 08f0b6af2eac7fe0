"""Names of namespaces, replications, backends, groups and labels: the rules of Kubernetes (R77).

The same words stand in files, metric labels, correlation ids and Kubernetes objects, so the narrowest of these
rules is the one for all.
"""

from __future__ import annotations

import re

from replctl.core.errors import Finding, InvalidInput, excerpt

LONGEST_NAME = 253  # characters
LONGEST_LABEL = 63  # characters
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
NAME_ALLOWED = (
    'lower-case letters, digits, "-" and ".", first and last a letter or digit, at most 253 characters'
)
LABEL_KEY_PATTERN = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
LABEL_ALLOWED = 'letters, digits, "-", "_" and ".", first and last a letter or digit, at most 63 characters'

_NAME = re.compile(NAME_PATTERN)
_LABEL_KEY = re.compile(LABEL_KEY_PATTERN)
_LABEL_VALUE = re.compile(LABEL_VALUE_PATTERN)


class InvalidName(InvalidInput):
    """Not a name; the finding says what is allowed."""

    code = "invalid-name"


def is_name(text: str) -> bool:
    return len(text) <= LONGEST_NAME and _NAME.fullmatch(text) is not None


def is_label_key(text: str) -> bool:
    """A label's key, with or without a prefix such as `example.com/`."""
    prefix, _, last = text.rpartition("/")
    return (
        len(prefix) <= LONGEST_NAME and len(last) <= LONGEST_LABEL and _LABEL_KEY.fullmatch(text) is not None
    )


def is_label_value(text: str) -> bool:
    return len(text) <= LONGEST_LABEL and _LABEL_VALUE.fullmatch(text) is not None


def check_name(text: str, what: str = "name") -> str:
    """The name itself; raises InvalidName. `what` says whose name it is."""
    if is_name(text):
        return text
    shown = f'"{excerpt(text)}"'
    raise InvalidName(
        f"{shown} is not a valid {what}: {NAME_ALLOWED}", findings=[Finding(what, shown, NAME_ALLOWED)]
    )


def parse_key(text: str, default_namespace: str | None = None) -> tuple[str | None, str]:
    """Namespace and name of `[NAMESPACE/]NAME` as typed; raises InvalidName."""
    namespace, slash, name = text.rpartition("/")
    if not slash:
        return default_namespace, check_name(name)
    return check_name(namespace, "namespace"), check_name(name)
