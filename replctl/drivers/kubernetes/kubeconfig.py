"""Kubeconfig files: found, merged, and one context of them as a way to an API server (CT §12.7).

A list of files is one kubeconfig, of which the first definition of a name wins; paths in a file are read beside it.
What a context asks for and we do not do is refused by file and field, never passed over: an impersonation that is
ignored would ask as somebody else. YAML is imported when a file is read.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from replctl.core.errors import Finding, InvalidConfiguration, excerpt
from replctl.core.secrets import Secret
from replctl.drivers.http import Connection, Tls
from replctl.drivers.kubernetes.access import (
    Access,
    Authority,
    Credential,
    Held,
    KubernetesSignIn,
    Local,
    read_file,
    token_of,
    wrong,
)
from replctl.drivers.kubernetes.objects import NO_BODY, Body, part
from replctl.drivers.kubernetes.plugin import API_VERSIONS, Plugin
from replctl.drivers.proxies import Proxy, from_environment
from replctl.drivers.wire import ClientIdentity, Places
from replctl.resilience import Look

VARIABLE = "KUBECONFIG"
USUAL_PLACE = "~/.kube/config"
A_KUBECONFIG = "a kubeconfig: apiVersion v1, kind Config"
HTTPS_PORT = 443
EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_MODES = ("Never", "IfAvailable", "Always")
_REFUSED = {
    "username": "API servers take no user and password any more; a token, a client certificate or exec",
    "password": "API servers take no user and password any more; a token, a client certificate or exec",
    "auth-provider": "clients take no auth-provider any more; exec",
    "as": "replctl impersonates nobody; an account of its own",
    "as-uid": "replctl impersonates nobody; an account of its own",
    "as-groups": "replctl impersonates nobody; an account of its own",
    "as-user-extra": "replctl impersonates nobody; an account of its own",
}


def by_kubeconfig(
    connection: Connection, configured: Path | str | None, context: str | None, local: Local
) -> Access:
    """The way to the cluster of a context, the current one by default. Raises InvalidConfiguration.

    `connection` says who the backend is and how patient to be with it; its address and certificates are replaced.
    """
    return _Kubeconfig(files(configured, local.environ)).access(connection, context, local)


def files(configured: Path | str | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The files that make one kubeconfig: what is configured, `KUBECONFIG`, or the usual place; `~` is the home."""
    said = str(configured) if configured is not None else environ.get(VARIABLE) or USUAL_PLACE
    whole = _home(said, environ)
    if configured is not None and whole.exists():
        return (whole,)  # a path may hold a colon
    return tuple(dict.fromkeys(_home(each, environ) for each in said.split(os.pathsep) if each)) or (whole,)


def _home(path: str, environ: Mapping[str, str]) -> Path:
    head, _, rest = path.partition("/")
    home = environ.get("HOME", "")
    return Path(home) / rest if head == "~" and home else Path(path).expanduser()


@dataclass(frozen=True, slots=True)
class _Entry:
    """One cluster, user or context, with the file that it stands in."""

    file: Path
    field: str
    body: Body

    def bad(self, key: str, value: str, allowed: str) -> InvalidConfiguration:
        return wrong(self.place(key), value, allowed)

    def place(self, key: str = "") -> str:
        return f"{self.file}: {self.field}{f'.{key}' if key else ''}"

    def text(self, key: str) -> str:
        """Empty where it is absent."""
        value = self.body.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.bad(key, f"is {_shape(value)}", "a text")
        return value

    def needed(self, key: str) -> str:
        if value := self.text(key):
            return value
        raise self.bad(key, "is missing", "required")

    def truth(self, key: str) -> bool:
        value = self.body.get(key, False)
        if not isinstance(value, bool):
            raise self.bad(key, f"is {_shape(value)}", "true or false")
        return value

    def path(self, key: str) -> Path | None:
        value = self.text(key)
        return self.file.parent / Path(value).expanduser() if value else None

    def data(self, key: str) -> bytes | None:
        """A `-data` field: PEM in base64."""
        value = self.text(f"{key}-data")
        if not value:
            return None
        try:
            content = base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            content = b""
        if not content.strip():
            raise self.bad(f"{key}-data", "is not base64", "PEM in base64")
        return content

    def content(self, key: str) -> bytes | None:
        """PEM from the data, or from the file as it is now; the data wins."""
        data, path = self.data(key), self.path(key)
        if data is not None or path is None:
            return data
        return read_file(path, self.place(key), "a file in PEM")


@dataclass(frozen=True, slots=True)
class _Written:
    """Fits `access.Credential`: what a kubeconfig holds itself or names by file; no token and no certificate is
    nobody, which an API server may let look."""

    user: _Entry

    @property
    def is_kept_in_files(self) -> bool:
        keys = ("tokenFile", "client-certificate", "client-key")
        return any(self.user.body.get(key) for key in keys)

    def fetch(self, look: Look) -> Held:
        return Held(token=self._token(), identity=self._identity())

    def _token(self) -> Secret | None:
        """`tokenFile` wins over `token`."""
        path = self.user.path("tokenFile")
        if path is not None:
            place = self.user.place("tokenFile")
            content = read_file(path, place, "a file that holds a bearer token")
            return token_of(content.decode("utf-8", "replace").strip(), place)
        token = self.user.text("token")
        return token_of(token, self.user.place("token")) if token else None

    def _identity(self) -> ClientIdentity | None:
        certificate, key = self.user.content("client-certificate"), self.user.content("client-key")
        if (certificate is None) != (key is None):
            missing = "client-key" if key is None else "client-certificate"
            raise self.user.bad(missing, "is missing", "both client-certificate and client-key, or neither")
        return ClientIdentity(certificate, key) if certificate is not None and key is not None else None


class _Kubeconfig:
    """Some files as one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        there = [path for path in paths if len(paths) == 1 or path.exists()]
        if not there:
            shown = ", ".join(str(path) for path in paths)
            raise wrong(shown, "none of them is there", "a list of files, one of which must be there")
        self._bodies = {path: _load(path) for path in there}

    def access(self, connection: Connection, context: str | None, local: Local) -> Access:
        chosen = self._named("contexts", "context", context or self._current())
        cluster = self._named("clusters", "cluster", chosen.needed("cluster"))
        user = self._named("users", "user", chosen.needed("user"))
        for key, allowed in _REFUSED.items():
            if user.body.get(key):
                raise user.bad(key, "is set", allowed)
        tls = _tls(cluster)
        made = _connection(connection, cluster, tls, local)
        credential = _credential(user, cluster, local)
        if isinstance(credential, _Written) and not credential.is_kept_in_files:
            credential.fetch(Look(deadline=0.0))  # what stands in the kubeconfig is judged with it
        sign_in = KubernetesSignIn(credential, Authority(tls, local.clock), local)
        return Access(made, sign_in, user=user.place(), namespace=chosen.text("namespace"))

    def _current(self) -> str:
        for path, body in self._bodies.items():
            value = body.get("current-context")
            if value and not isinstance(value, str):
                raise wrong(f"{path}: current-context", f"is {_shape(value)}", "the name of a context")
            if value:
                return str(value)
        shown = ", ".join(str(path) for path in self._bodies)
        raise wrong(
            f"{shown}: current-context", "is missing", f"one of {self._names('contexts')}; or a context"
        )

    def _named(self, listing: str, inner: str, name: str) -> _Entry:
        """The first of that name in the order of the files."""
        for path, body in self._bodies.items():
            for row in _rows(path, body, listing):
                if row.get("name") != name:
                    continue
                field = f"{listing}[{excerpt(name)}].{inner}"
                found = row.get(inner)
                if not isinstance(found, Mapping):
                    raise wrong(f"{path}: {field}", f"is {_shape(found)}", "a mapping")
                return _Entry(path, field, found)
        shown = ", ".join(str(path) for path in self._bodies)
        place = f"{shown}: {listing}"
        raise wrong(place, f"has no {excerpt(name)}", f"one of {self._names(listing)}")

    def _names(self, listing: str) -> str:
        names = [row.get("name") for path, body in self._bodies.items() for row in _rows(path, body, listing)]
        return excerpt(", ".join(dict.fromkeys(str(name) for name in names))) or "none, there are none"


def _load(path: Path) -> Body:
    from replctl.settings import yamlmarks  # YAML costs more than all the rest of looking

    content = read_file(path, str(path), A_KUBECONFIG)
    try:
        document = yamlmarks.parse(content.decode("utf-8-sig"), str(path), yamlmarks.FEW_VALUES)
    except UnicodeDecodeError:
        raise wrong(str(path), "is not UTF-8", A_KUBECONFIG) from None
    except InvalidConfiguration as error:
        raise _first(error.findings) from None
    if document.findings:
        raise _first(document.findings)
    body = yamlmarks.plain(document.root)
    if not isinstance(body, dict) or body.get("kind", "Config") != "Config":
        raise wrong(str(path), "is no kubeconfig", A_KUBECONFIG)
    if body.get("apiVersion", "v1") != "v1":
        raise wrong(f"{path}: apiVersion", f"is {excerpt(str(body['apiVersion']))}", "v1")
    return body


def _first(findings: Sequence[Finding]) -> InvalidConfiguration:
    """A backend's trouble has room for one."""
    return wrong(findings[0].place, findings[0].value, findings[0].allowed)


def _rows(path: Path, body: Body, listing: str) -> list[Body]:
    listed = body.get(listing)
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(row, Mapping) for row in listed):
        raise wrong(f"{path}: {listing}", f"is {_shape(listed)}", "a list of named entries")
    return listed


def _connection(connection: Connection, cluster: _Entry, tls: Tls, local: Local) -> Connection:
    server = cluster.needed("server")
    try:
        url = urlsplit(server)
        right = url.scheme == "https" and url.hostname and not url.query and not url.fragment
        right = right and "@" not in url.netloc and url.port != 0
    except ValueError:
        right, url = False, urlsplit("")
    if not right:
        allowed = "https://HOST[:PORT][/PATH]; a token is never sent over anything else"
        raise cluster.bad("server", f"is {_address(server)}", allowed)
    return replace(
        connection,
        url=f"https://{url.netloc}",
        base_path=url.path.rstrip("/"),
        tls=tls,
        proxy=_proxy(cluster, url.hostname or "", url.port or HTTPS_PORT, local),
        written=Places(cluster.place("server"), cluster.place("certificate-authority")),
    )


def _proxy(cluster: _Entry, host: str, port: int, local: Local) -> Proxy | None:
    configured = cluster.text("proxy-url")
    url = configured or from_environment(local.environ, host, port)
    if not url:
        return None
    try:
        proxy = Proxy.parse(url)
    except ValueError as error:
        if configured:
            raise cluster.bad("proxy-url", "is not an address of a proxy", str(error)) from None
        raise wrong("HTTPS_PROXY", "is not an address of a proxy", str(error)) from None
    if proxy.password is not None:
        local.conceal(proxy.password)
    return proxy


def _tls(cluster: _Entry) -> Tls:
    data, file = cluster.data("certificate-authority"), cluster.path("certificate-authority")
    return Tls(
        ca_file=None if data is not None else file,
        ca_pem=data.decode("ascii", "replace") if data is not None else None,
        verify=not cluster.truth("insecure-skip-tls-verify"),
        server_name=cluster.text("tls-server-name") or None,
        unverified_by=f"{cluster.place('insecure-skip-tls-verify')}: true",
    )


def _credential(user: _Entry, cluster: _Entry, local: Local) -> Credential:
    found = user.body.get("exec")
    if found is None:
        return _Written(user)
    if not isinstance(found, Mapping):
        raise user.bad("exec", f"is {_shape(found)}", "a mapping")
    if user.body.get("token") or user.body.get("tokenFile"):
        raise user.bad("exec", "stands beside a token", "one way to sign in")
    return _plugin(_Entry(user.file, f"{user.field}.exec", found), cluster, local)


def _plugin(entry: _Entry, cluster: _Entry, local: Local) -> Plugin:
    version, command = entry.needed("apiVersion"), entry.needed("command")
    if version not in API_VERSIONS:
        raise entry.bad("apiVersion", f"is {excerpt(version)}", f"one of {', '.join(API_VERSIONS)}")
    mode = entry.text("interactiveMode") or ("" if version == API_VERSIONS[0] else "IfAvailable")
    if mode not in _MODES:
        raise entry.bad("interactiveMode", f"is {excerpt(mode) or 'missing'}", f"one of {', '.join(_MODES)}")
    if mode == "Always":
        raise entry.bad(
            "interactiveMode", "is Always", "Never or IfAvailable: replctl has no terminal for it"
        )
    if "/" in command:
        command = str(entry.file.parent / Path(command).expanduser())
    return Plugin(
        place=entry.place("command"),
        api_version=version,
        command=(command, *_texts(entry, "args")),
        variables=_variables(entry),
        cluster=_told(cluster) if entry.truth("provideClusterInfo") else None,
        install_hint=entry.text("installHint"),
        local=local,
    )


def _texts(entry: _Entry, key: str) -> list[str]:
    listed = entry.body.get(key) or []
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise entry.bad(key, "is not a list of texts", "a list of texts")
    return listed


def _variables(entry: _Entry) -> Mapping[str, str]:
    listed = entry.body.get("env") or []
    rows = [part(row) for row in listed] if isinstance(listed, list) else [NO_BODY]
    pairs = [(row.get("name"), row.get("value")) for row in rows]
    right = all(isinstance(name, str) and name and isinstance(value, str) for name, value in pairs)
    if not right:
        raise entry.bad("env", "is not a list of name and value", "a list of {name: TEXT, value: TEXT}")
    return {str(name): str(value) for name, value in pairs}


def _told(cluster: _Entry) -> dict[str, Any]:
    """What a plugin is told of the cluster, where it wants to know."""
    authority = cluster.content("certificate-authority")
    told: dict[str, Any] = {"server": cluster.needed("server")}
    for key in ("tls-server-name", "insecure-skip-tls-verify", "proxy-url"):
        if cluster.body.get(key):
            told[key] = cluster.body[key]
    if authority is not None:
        told["certificate-authority-data"] = base64.b64encode(authority).decode()
    listed = cluster.body.get("extensions")
    rows = [part(row) for row in listed] if isinstance(listed, list) else []
    told["config"] = next((row.get("extension") for row in rows if row.get("name") == EXEC_EXTENSION), None)
    return told


def _address(server: str) -> str:
    """An address as it may be shown: one with a user in it may hold a password."""
    return "an address with a user in it" if "@" in server else excerpt(server)


def _shape(value: object) -> str:
    """What kind of thing stands there, never which."""
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", int: "a number"}
    return "missing" if value is None else names.get(type(value), "not of its kind")
