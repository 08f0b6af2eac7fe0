"""Credential plugins: a program named in a kubeconfig that prints who we are (CT §12.7).

Run without a shell and without a terminal, bounded in time, with nothing of ours in its environment. What it says on
its standard error may hold anything and is not shown; a failure names the program, and how to see why by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from replctl.core.errors import Interrupted, NoCredential, excerpt
from replctl.core.secrets import Secret
from replctl.drivers.kubernetes.access import Held, Local
from replctl.drivers.kubernetes.objects import part, text
from replctl.drivers.wire import ClientIdentity
from replctl.resilience import Look

API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
KIND = "ExecCredential"
INFO_VARIABLE = "KUBERNETES_EXEC_INFO"
OWN_PREFIX = "REPLCTL_"
TIMEOUT_SECONDS = 60.0  # a plugin may ask a cloud, and must not hold us for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One `exec` of a kubeconfig; fits `access.Credential`. `cluster` is told to it where it wants to know."""

    place: str
    api_version: str
    command: tuple[str, ...]
    variables: Mapping[str, str] = field(repr=False)
    cluster: Mapping[str, Any] | None = field(default=None, repr=False)
    install_hint: str = ""
    local: Local
    is_kept_in_files: bool = False

    def fetch(self, look: Look) -> Held:
        """Run it; raises NoCredential, or Interrupted when the look was cancelled meanwhile."""
        from replctl import programs  # for a kubeconfig that has one

        seconds = min(TIMEOUT_SECONDS, look.remaining(self.local.clock))
        try:
            finished = programs.run(
                self.command,
                "",
                self._environment(),
                timeout_seconds=seconds,
                clock=self.local.clock,
                cancel=look.cancel,
                complaints=False,
            )
        except programs.CannotStart as error:
            hint = f": {excerpt(self.install_hint)}" if self.install_hint else ""
            raise self._failed(
                f"cannot be started: {error}", f"install it, or mend {self.place}{hint}"
            ) from None
        if finished.interrupted:
            raise Interrupted("interrupted while a credential plugin was running")
        if finished.status is None:
            raise self._failed(f"took longer than {seconds:.1f} s and was stopped", self._by_hand)
        if finished.status != 0:
            raise self._failed(f"ended with status {finished.status}", self._by_hand)
        return self._read(finished.output)

    @property
    def _by_hand(self) -> str:
        return "run it by hand to see why"

    def _environment(self) -> dict[str, str]:
        """Nothing of ours; what the kubeconfig adds; and what a plugin is told in a variable."""
        kept = {name: value for name, value in self.local.environ.items() if not name.startswith(OWN_PREFIX)}
        spec: dict[str, Any] = {"interactive": False}
        if self.cluster is not None:
            spec["cluster"] = self.cluster
        told = {"kind": KIND, "apiVersion": self.api_version, "spec": spec}
        return {**kept, **self.variables, INFO_VARIABLE: json.dumps(told)}

    def _read(self, output: str) -> Held:
        try:
            body = json.loads(output)
        except (ValueError, RecursionError):
            raise self._rubbish("is not JSON") from None
        said = part(body)
        if said.get("kind") != KIND or said.get("apiVersion") != self.api_version:
            raise self._rubbish(f"is not an {KIND} of {self.api_version}")
        status = part(said, "status")
        token = self._token(text(status, "token"))
        identity = self._identity(text(status, "clientCertificateData"), text(status, "clientKeyData"))
        if token is None and identity is None:
            raise self._rubbish("holds neither a token nor a client certificate")
        return Held(
            token=token, identity=identity, expires_at=self._expiry(status.get("expirationTimestamp"))
        )

    def _token(self, value: str) -> Secret | None:
        if not all("!" <= character <= "~" for character in value):
            raise self._rubbish("holds a token with characters that no token has")
        return Secret(value) if value else None

    def _identity(self, certificate: str, key: str) -> ClientIdentity | None:
        if bool(certificate) != bool(key):
            raise self._rubbish("holds half a client certificate")
        return ClientIdentity(certificate.encode(), key.encode()) if certificate else None

    def _expiry(self, stamp: object) -> float | None:
        if stamp is None:
            return None
        try:
            at = datetime.fromisoformat(str(stamp))
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise self._rubbish("holds an expirationTimestamp that is no RFC 3339 time")
        return at.timestamp()

    def _rubbish(self, what: str) -> NoCredential:
        return self._failed(f"printed something that {what}", self._by_hand)

    def _failed(self, what: str, remedy: str) -> NoCredential:
        return NoCredential(f"the credential plugin {excerpt(self.command[0])} {what}", remedy=remedy)
