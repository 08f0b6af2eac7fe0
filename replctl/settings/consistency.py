"""What no single key can tell: keys that exclude each other, secrets in a file that others can read, and things
that are allowed but must be said aloud."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any

from replctl.core.errors import Finding
from replctl.settings.config import Config, Tls
from replctl.settings.files import File
from replctl.settings.origin import HIDDEN_KEY, MOST_TOLD, Layers, Notice, OriginKind, Path
from replctl.settings.secrets import OWN_PREFIX, SOURCES

OTHER_VARIABLES = frozenset({"REPLCTL_CONFIG"})
# what Kubernetes puts into every pod beside a Service that is called replctl
_SERVICE_VARIABLE = re.compile(
    r"REPLCTL_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)"
)


def contradictions(layers: Layers, file: File) -> list[Finding]:
    """Mistakes between keys; judged on the raw tables, so that they are told beside all the others."""
    return list(islice(_contradictions(layers, file), MOST_TOLD + 1))


def _contradictions(layers: Layers, file: File) -> Iterator[Finding]:
    yield from _exposed_secrets((), layers.values, layers, file)
    backends = layers.values.get("backends")
    for name, backend in backends.items() if isinstance(backends, dict) else ():
        if isinstance(backend, dict) and backend.get("kind") == "trident":
            yield from _two_ways_in(("backends", name), backend, layers)


def _exposed_secrets(path: Path, value: Any, layers: Layers, file: File) -> Iterator[Finding]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _exposed_secrets((*path, key), inner, layers, file)
        return
    in_file = path[-1:] == (HIDDEN_KEY,) and layers.origin(path).kind is OriginKind.FILE
    if in_file and isinstance(value, str) and not file.is_private:
        allowed = f"one of {', '.join(sorted(SOURCES))} instead, or chmod 600 {file.shown}"
        yield layers.finding(path, f"a secret in a file of mode {file.mode:04o}", allowed)


def _two_ways_in(path: Path, backend: Mapping[str, Any], layers: Layers) -> Iterator[Finding]:
    inside = backend.get("in_cluster") in (True, "true")
    outside = backend.get("kubeconfig") is not None
    if inside and (outside or backend.get("context") is not None):
        yield layers.finding((*path, "in_cluster"), "true", "not together with kubeconfig or context")
    if not inside and not outside:
        yield layers.finding((*path, "kubeconfig"), "missing", "required, or in_cluster: true")


def notices(
    model: Config, layers: Layers, environ: Mapping[str, str], named: frozenset[str]
) -> Iterator[Notice]:
    """What is allowed and must be said aloud."""
    yield from _unverified(model, layers)
    yield from _shared_addresses(model, layers)
    yield from _unknown_variables(layers, environ, named)


def _unverified(model: Config, layers: Layers) -> Iterator[Notice]:
    for name, backend in model.backends.items():
        holders = {("tls",): backend, ("ontap", "tls"): getattr(backend, "ontap", None)}
        for key, holder in holders.items():
            tls = getattr(holder, "tls", None)
            if isinstance(tls, Tls) and not tls.verify:
                place = layers.place(("backends", name, *key, "verify"))
                yield Notice(place, "certificates are not verified: anybody in between can take the password")


def _shared_addresses(model: Config, layers: Layers) -> Iterator[Notice]:
    first: dict[str, str] = {}
    for name, backend in model.backends.items():
        url = getattr(backend, "url", None)
        if url is None:
            continue
        if url in first:
            yield Notice(layers.place(("backends", name, "url")), f"the same address as {first[url]}")
        first.setdefault(url, name)


def _unknown_variables(layers: Layers, environ: Mapping[str, str], named: frozenset[str]) -> Iterator[Notice]:
    used = {origin.name for origin in layers.origins.values() if origin.kind is OriginKind.ENVIRONMENT}
    known = [(field.alias or name).upper() for name, field in Config.model_fields.items()]
    for name in sorted(environ.keys() - used - named - OTHER_VARIABLES):
        if name.startswith(OWN_PREFIX) and environ[name] and not _SERVICE_VARIABLE.fullmatch(name):
            near = get_close_matches(name.removeprefix(OWN_PREFIX), known, n=1)
            hint = f'; did you mean "{OWN_PREFIX}{near[0]}"?' if near else ""
            yield Notice(f"environment {name}", f"sets nothing{hint}")
