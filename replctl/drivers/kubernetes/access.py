"""Who we are to an API server and how it proves itself, for as long as we run (CT §12.7, §12.8).

Tokens, certificates and authorities are rotated under a running process: files are read again once a minute, a plugin
is run again when what it gave has expired, and both when the API server answers 401. A credential that was good and
cannot be had anew is used as long as it is taken. How one is had is a `Credential`'s; the kubeconfig's are in
`kubeconfig`, the pod's is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Protocol

from replctl.clock import Clock
from replctl.core.errors import Finding, InvalidConfiguration, InvalidInput, NoCredential
from replctl.core.secrets import Passing, Secret
from replctl.drivers.http import Answer, Connection, Send, Tls
from replctl.drivers.wire import ClientIdentity, Places
from replctl.resilience import Look

POD_FILES = Path("/var/run/secrets/kubernetes.io/serviceaccount")
POD_HOST, POD_PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
REREAD_SECONDS = 60.0  # how long a file is believed (CT §12.8)
LARGEST_FILE_BYTES = 1024 * 1024
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """What we have on this machine: time, the environment that programs may see, and who keeps secrets out of texts.

    `environ` should hold nothing that a child must not see; what is named `REPLCTL_*` is kept from it all the same.
    """

    clock: Clock
    environ: Mapping[str, str] = field(repr=False)
    conceal: Callable[[Secret], None] = lambda secret: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A credential as it was had. `expires_at` is epoch seconds; None where it does not say."""

    token: Secret | None = None
    identity: ClientIdentity | None = None
    expires_at: float | None = None


class Credential(Protocol):
    """How a credential is had; `is_kept_in_files` where looking again costs nothing and may find another."""

    @property
    def is_kept_in_files(self) -> bool: ...

    def fetch(self, look: Look) -> Held:
        """Have it anew; raises NoCredential or InvalidConfiguration."""
        ...


class Authority:
    """Whom an API server's certificate must come from: fixed, or a file that may be rotated."""

    def __init__(self, tls: Tls, clock: Clock) -> None:
        self._tls = tls
        self._clock = clock
        self._lock = Lock()
        self._read_at: float | None = None

    def tls(self) -> Tls:
        """How it stands now; the same value until something changed. Raises InvalidConfiguration at first only."""
        file = self._tls.ca_file
        with self._lock:
            now = self._clock.monotonic()
            if file is not None and (self._read_at is None or now - self._read_at >= REREAD_SECONDS):
                self._read_again(file, first=self._read_at is None)
                self._read_at = now
            return self._tls

    def _read_again(self, file: Path, *, first: bool) -> None:
        try:
            pem = read_file(file, str(file), "a file of certificates in PEM").decode("ascii", "replace")
        except InvalidConfiguration:
            if first:
                raise
            return  # what was read before is as good as it was
        if pem != self._tls.ca_pem:
            self._tls = replace(self._tls, ca_pem=pem)


class KubernetesSignIn:
    """Fits `drivers.http.SignIn`: a bearer token or a client certificate, renewed as its kind allows."""

    def __init__(self, credential: Credential, authority: Authority, local: Local) -> None:
        self._credential = credential
        self._authority = authority
        self._clock = local.clock
        self._conceal = local.conceal
        self._held: Held | None = None
        self._fetched_at = 0.0
        self._tls: tuple[Tls, ClientIdentity | None, Tls] | None = None

    def login(self, send: Send) -> None:
        """Have the credential anew; nothing is sent. Raises NoCredential or InvalidConfiguration."""
        due = self._held is not None and self._held.expires_at is None and self.is_over()
        try:
            held = self._credential.fetch(send.look)
        except (NoCredential, InvalidInput):
            if not due:
                raise
        else:
            self._keep(held)
        self._fetched_at = self._clock.monotonic()

    def headers(self, method: str) -> Mapping[str, str]:
        token = self._held.token if self._held is not None else None
        return {"Authorization": f"Bearer {token.reveal()}"} if token is not None else {}

    def tls(self) -> Tls:
        """How the API server proves itself, with the certificate that we show; the same value until that changes."""
        now, identity = self._authority.tls(), self._held.identity if self._held is not None else None
        kept = self._tls
        if kept is None or kept[0] is not now or kept[1] != identity:
            kept = now, identity, replace(now, identity=identity)
            self._tls = kept
        return kept[2]

    def learn(self, response: Answer) -> None:
        """API servers hand out nothing."""

    def logout(self, send: Send) -> None:
        """There is no session to end."""

    def is_over(self) -> bool:
        """Expired by its own word, or read so long ago that it may have been rotated."""
        held = self._held
        if held is None:
            return True
        if held.expires_at is not None and self._clock.now() >= held.expires_at:
            return True
        aged = self._clock.monotonic() - self._fetched_at >= REREAD_SECONDS
        return self._credential.is_kept_in_files and aged

    def is_expired(self, response: Answer) -> bool:
        """Only 401: a 403 is about rights (CT §12.4), and another credential of ours would not help."""
        return response.status == UNAUTHORIZED

    def _keep(self, held: Held) -> None:
        for secret in (held.token, *([Secret(_text(held.identity.key))] if held.identity else [])):
            if secret is not None:
                self._conceal(Passing(secret.reveal()))
        self._held = held


@dataclass(frozen=True, slots=True)
class Access:
    """The way to one API server. `user` is where it is written who we are there; `namespace` what a context names."""

    connection: Connection
    sign_in: KubernetesSignIn
    user: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A bearer token in a file that is rotated."""

    path: Path
    is_kept_in_files: bool = True

    def fetch(self, look: Look) -> Held:
        content = read_file(self.path, str(self.path), "a file that holds a bearer token")
        return Held(token=token_of(content.decode("utf-8", "replace").strip(), str(self.path)))


def in_pod(connection: Connection, local: Local, files: Path = POD_FILES) -> Access:
    """The API server of the cluster that we run in, as the pod's service account; raises InvalidConfiguration.

    `connection` says who the backend is and how patient to be with it; its address and certificates are replaced.
    """
    host, port = local.environ.get(POD_HOST, ""), local.environ.get(POD_PORT, "")
    if not host or not port:
        place = f"backends.{connection.backend}.in_cluster"
        missing = POD_PORT if host else POD_HOST
        raise wrong(
            place, f"{missing} is not set", "only true inside a pod of the cluster; else a kubeconfig"
        )
    shown = f"[{host}]" if ":" in host else host
    authority, token = files / "ca.crt", files / "token"
    tls = Tls(ca_file=authority)
    made = replace(
        connection,
        url=f"https://{shown}:{port}",
        tls=tls,
        written=Places(f"{POD_HOST} and {POD_PORT}", str(authority)),
    )
    sign_in = KubernetesSignIn(TokenFile(token), Authority(tls, local.clock), local)
    return Access(made, sign_in, user=str(token), namespace=_namespace(files / "namespace"))


def wrong(place: str, value: str, allowed: str) -> InvalidConfiguration:
    """One mistake: where, what is there, what is allowed."""
    return InvalidConfiguration(f"{place}: {value}: {allowed}", findings=[Finding(place, value, allowed)])


def read_file(path: Path, place: str, allowed: str) -> bytes:
    """What a file holds; raises InvalidConfiguration for one that cannot be read, is empty or beyond reason."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        shown = "cannot be read" if str(path) == place else f"{path} cannot be read"
        raise wrong(place, f"{shown} ({why})", allowed) from None
    if not content.strip():
        raise wrong(place, "is empty" if str(path) == place else f"{path} is empty", allowed)
    if len(content) > LARGEST_FILE_BYTES:
        raise wrong(place, f"{path} is larger than {LARGEST_FILE_BYTES} bytes", allowed)
    return content


def token_of(value: str, place: str) -> Secret:
    """A bearer token fit to stand in a header; raises InvalidConfiguration, which never shows it."""
    if not value or not all("!" <= character <= "~" for character in value):
        raise wrong(place, "holds characters that no token has" if value else "is empty", "a bearer token")
    return Secret(value)


def _namespace(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""  # nice to know, and no more


def _text(pem: bytes) -> str:
    return pem.decode("ascii", "replace").strip()
