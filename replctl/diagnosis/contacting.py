"""First contact: whether each backend can be reached, is the right one, and lets us in. Nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replctl.bootstrap import Backend, Services
from replctl.core.errors import Interrupted, ReplctlError
from replctl.core.model import TroubleKind
from replctl.core.outcomes import ExitCode
from replctl.diagnosis.visiting import Patience, visit

STEPS = 5  # name, connection, handshake, another handshake for its fingerprint, sign-in
REMEDIES = {
    "powerstore": {
        TroubleKind.TLS: "compare the fingerprint with the array's own, then name its signer: --ca-file {name}=FILE",
        TroubleKind.CREDENTIALS: "check who signs in (--username {name}=USER) and the password (--password-file)",
        TroubleKind.NAME: "check the address: --powerstore {name}=https://HOST",
        TroubleKind.SILENT: "check the address, --powerstore {name}=https://HOST, and the way to it",
    },
    "trident": {
        TroubleKind.TLS: "check certificate-authority-data of the cluster in the kubeconfig",
        TroubleKind.CREDENTIALS: "check the user that the context names in the kubeconfig",
        TroubleKind.NAME: "check the server of the cluster in the kubeconfig",
        TroubleKind.SILENT: "check the server of the cluster in the kubeconfig, and the way to it",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contacted:
    """One backend; `fingerprint` is that of a certificate that is not trusted, as hosts and browsers show it."""

    name: str
    kind: str
    version: str | None = None
    fingerprint: str | None = None
    trouble: ReplctlError | None = None

    @property
    def remedy(self) -> str:
        """What to do about the trouble, in the words of the command line."""
        if self.trouble is None:
            return ""
        known = REMEDIES.get(self.kind, {}).get(self.trouble.trouble)
        return known.format(name=self.name) if known is not None else self.trouble.remedy


def contacts(services: Services, patience: Patience) -> list[Contacted]:
    """Every backend of the configuration at once, in its order."""
    kinds = {name: each.kind for name, each in services.settings.backends.items()}

    def ask(driver: Backend) -> Contacted:
        return _contacted(driver, kinds[driver.backend], services, patience)

    def instead(name: str, error: ReplctlError) -> Contacted:
        return Contacted(name=name, kind=kinds[name], trouble=error)

    found = visit(services, kinds, ask, instead, patience.seconds * STEPS)
    return [found[name] for name in kinds]


def _contacted(driver: Backend, kind: str, services: Services, patience: Patience) -> Contacted:
    met = driver.contact(patience.seconds)
    if met.trouble is not None:
        return Contacted(name=driver.backend, kind=kind, fingerprint=met.fingerprint, trouble=met.trouble)
    try:
        able = driver.capabilities(patience.look(services))
    except Interrupted:
        raise
    except ReplctlError as error:
        return Contacted(name=driver.backend, kind=kind, trouble=error)
    return Contacted(name=driver.backend, kind=kind, version=able.version)


def code_of(found: Sequence[Contacted]) -> ExitCode:
    """0 when all let us in; else what ended those that did not, or 1 when that differs (design §9)."""
    codes = {each.trouble.exit_code for each in found if each.trouble is not None}
    if not codes:
        return ExitCode.DONE
    return ExitCode(codes.pop()) if len(codes) == 1 else ExitCode.FAILED
