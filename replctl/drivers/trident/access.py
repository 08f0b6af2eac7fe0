"""The way to a cluster: a kubeconfig or the pod's own service account, as a connection (CT §12.7, §12.8).

Read when it is first needed, and token files again each time that the API server does not know us any more: they
are rotated. What a kubeconfig asks for and we do not do is refused by file and field, never passed over: a proxy or
an impersonation that is ignored would ask somebody else than was meant, or as somebody else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from replctl.core.errors import Finding, InvalidConfiguration, excerpt
from replctl.core.secrets import Secret
from replctl.drivers.http import Answer, Send
from replctl.drivers.wire import ClientIdentity, Connection, Tls

POD_FILES = Path("/var/run/secrets/kubernetes.io/serviceaccount")
POD_HOST, POD_PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
_NOT_DONE = {
    "cluster": ("proxy-url", "tls-server-name"),
    "user": ("exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups", "as-user-extra"),
}
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is, and how its token is read; no token where a client certificate is shown."""

    connection: Connection
    token: Callable[[], Secret] | None


class TokenSignIn:
    """Fits `drivers.http.SignIn`: a bearer token, read anew when it is not accepted any more."""

    def __init__(self, token: Callable[[], Secret] | None) -> None:
        self._read = token
        self._held: Secret | None = None

    def login(self, send: Send) -> None:
        """Reads the token; nothing is sent."""
        self._held = self._read() if self._read is not None else None

    def headers(self, method: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._held.reveal()}"} if self._held is not None else {}

    def learn(self, response: Answer) -> None:
        """API servers hand out nothing."""

    def logout(self, send: Send) -> None:
        """There is no session to end."""

    def is_over(self) -> bool:
        """A token does not say how long it lasts."""
        return False

    def is_expired(self, response: Answer) -> bool:
        """Only 401: a 403 is about rights (CT §12.4), and another reading of the token would not help."""
        return response.status == UNAUTHORIZED


def in_pod(connection: Connection, environ: Mapping[str, str]) -> Access:
    """The API server of the cluster that we run in, as the pod's service account; raises InvalidConfiguration."""
    host, port = environ.get(POD_HOST, ""), environ.get(POD_PORT, "")
    if not host or not port:
        place = f"backends.{connection.backend}.in_cluster"
        raise _wrong(
            place, f"{POD_HOST} is not set", "only true inside a pod of the cluster; else a kubeconfig"
        )
    shown = f"[{host}]" if ":" in host else host
    made = replace(connection, url=f"https://{shown}:{port}", tls=Tls(ca_file=POD_FILES / "ca.crt"))
    return Access(made, lambda: _token_file(POD_FILES / "token"))


def by_kubeconfig(connection: Connection, path: Path, context: str | None) -> Access:
    """What a kubeconfig says of a context; raises InvalidConfiguration, which names file and field."""
    return _Kubeconfig(path).access(connection, context)


class _Kubeconfig:
    """One file; relative paths in it are read beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._body = self._load()

    def access(self, connection: Connection, context: str | None) -> Access:
        name = context or self._text(self._body, "current-context", "current-context")
        chosen = self._named("contexts", "context", name)
        cluster_name = self._text(chosen, "cluster", f"contexts[{name}].context.cluster")
        user_name = self._text(chosen, "user", f"contexts[{name}].context.user")
        cluster = self._named("clusters", "cluster", cluster_name)
        user = self._named("users", "user", user_name)
        where = f"users[{user_name}].user"
        made = self._connection(connection, cluster, f"clusters[{cluster_name}].cluster")
        identity = self._identity(user, where)
        return Access(replace(made, tls=replace(made.tls, identity=identity)), self._token(user, where))

    def _load(self) -> Mapping[str, Any]:
        import yaml

        try:
            body = yaml.load(self._path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        except OSError as error:
            raise self._bad("", "cannot be read", error.strerror or "not readable") from None
        except (ValueError, yaml.YAMLError):  # its text may hold a secret
            raise self._bad("", "is not YAML", "a kubeconfig: apiVersion v1, kind Config") from None
        if not isinstance(body, dict) or body.get("kind") not in (None, "Config"):
            raise self._bad("", "is no kubeconfig", "a kubeconfig: apiVersion v1, kind Config")
        return body

    def _connection(self, connection: Connection, cluster: Mapping[str, Any], where: str) -> Connection:
        server = self._text(cluster, "server", f"{where}.server")
        url = urlsplit(server)
        if url.scheme != "https" or not url.hostname or url.query or url.username:
            raise self._bad(
                f"{where}.server", excerpt(server), "https://HOST[:PORT]: no token is sent otherwise"
            )
        data = self._data(cluster, "certificate-authority-data", where)
        file = self._file(cluster, "certificate-authority", where)
        tls = Tls(
            ca_file=None if data else file,
            ca_pem=data.decode("ascii", "replace") if data else None,
            verify=cluster.get("insecure-skip-tls-verify") is not True,
        )
        base_path = url.path.rstrip("/")
        return replace(connection, url=f"{url.scheme}://{url.netloc}", base_path=base_path, tls=tls)

    def _identity(self, user: Mapping[str, Any], where: str) -> ClientIdentity | None:
        parts: list[bytes] = []
        for key in ("client-certificate", "client-key"):
            data, file = self._data(user, f"{key}-data", where), self._file(user, key, where)
            if data is None and file is not None:
                data = self._bytes(file, f"{where}.{key}")
            if data:
                parts.append(data)
        if not parts:
            return None
        if len(parts) == 1:
            raise self._bad(
                where, "holds half a client certificate", "both client-certificate and client-key"
            )
        return ClientIdentity(*parts)

    def _token(self, user: Mapping[str, Any], where: str) -> Callable[[], Secret] | None:
        """`tokenFile` wins over `token`, and is read again at need."""
        file = self._file(user, "tokenFile", where)
        if file is not None:
            return lambda: _token_file(file)
        token = user.get("token")
        if token is None:
            return None
        if not isinstance(token, str) or not token:
            raise self._bad(f"{where}.token", "not a text", "a bearer token")
        secret = Secret(token)
        return lambda: secret

    def _named(self, listing: str, inner: str, name: str) -> Mapping[str, Any]:
        """The first of a name; what it asks for and we do not do is refused here."""
        listed = self._body.get(listing)
        rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
        found = next((row.get(inner) for row in rows if row.get("name") == name), None)
        if not isinstance(found, dict):
            known = ", ".join(str(row.get("name")) for row in rows) or "none"
            raise self._bad(f"{listing}[{excerpt(name)}]", "is not there", f"one of {excerpt(known)}")
        for key in _NOT_DONE.get(inner, ()):
            if found.get(key):
                allowed = (
                    "replctl does not do this; a token, a tokenFile or a client certificate, and no proxy"
                )
                raise self._bad(f"{listing}[{excerpt(name)}].{inner}.{key}", "is set", allowed)
        return found

    def _text(self, body: Mapping[str, Any], key: str, where: str) -> str:
        value = body.get(key)
        if isinstance(value, str) and value:
            return value
        raise self._bad(where, "missing" if value is None else "not a text", "required")

    def _data(self, body: Mapping[str, Any], key: str, where: str) -> bytes | None:
        value = body.get(key)
        if not value:
            return None
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise self._bad(f"{where}.{key}", "is not base64", "PEM in base64, on one line") from None

    def _file(self, body: Mapping[str, Any], key: str, where: str) -> Path | None:
        value = body.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise self._bad(f"{where}.{key}", "not a text", "the path of a file")
        return self._path.parent / Path(value).expanduser()

    def _bytes(self, path: Path, where: str) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise self._bad(where, f"{path} cannot be read", error.strerror or "a file in PEM") from None

    def _bad(self, field: str, value: str, allowed: str) -> InvalidConfiguration:
        place = f"{self._path}: {field}" if field else str(self._path)
        return _wrong(place, value, allowed)


def _wrong(place: str, value: str, allowed: str) -> InvalidConfiguration:
    return InvalidConfiguration(f"{place}: {value}: {allowed}", findings=[Finding(place, value, allowed)])


def _token_file(path: Path) -> Secret:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        raise _wrong(
            str(path), "the token cannot be read", "a readable file that holds a bearer token"
        ) from None
    if not token:
        raise _wrong(str(path), "the token is empty", "a file that holds a bearer token")
    return Secret(token)
