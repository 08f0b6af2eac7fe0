"""Every error that replctl raises on purpose, by what the one who meets it can do.

    ReplctlError
      InvalidInput            mend the command line or a file           exit 2
      NotFound                the thing is not there                    exit 5
        NotInstalled          nor is what would know of it
      Unauthorized            mend credentials or privileges            exit 4
        NoCredential          there is none to show; nothing was asked
      StoreRefused            mend the store's place or its rights      exit 4
      Conflict                somebody else is at it                    exit 7
        Locked                the lock's holder is known
      IllegalTransition       the state machine says no                 exit 6
      NeverSent               nothing left this machine, or provably    exit 11
                              nothing arrived: refused, DNS, TLS
        BreakerOpen           we did not even ask; known until when
      BackendUnwell           it did not answer well: time-out, 5xx,    exit 11
                              a body that is not its API
      Busy                    it is well and asks for patience          exit 11
      Rejected                the backend answered no                   exit 1
        Outdated              what was seen has changed; left alone     exit 7
        AlreadyExists         something of that name is there
      Unsupported             we, or this backend, do not do that       exit 6
      OutcomeUnknown          a change left and its answer is lost      exit 9
      Interrupted             Ctrl-C or SIGTERM                         exit 130

Each knows whether asking again helps (`retryable`), whether it says that the backend is unwell (`unwell`, for
the breaker) and whether a change may have reached the backend (`maybe_happened`). Messages are made by us:
never a secret, never more of a foreign body than `excerpt` lets through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from replctl.core.model import Holder, Trouble, TroubleKind

EXCERPT_CHARACTERS = 200


def excerpt(text: str, limit: int = EXCERPT_CHARACTERS) -> str:
    """A foreign text cut short and made printable: control characters become `?`, never reach a terminal."""
    clean = "".join(character if character.isprintable() else "?" for character in text[:limit])
    return clean + ("…" if len(text) > limit else "")


class ReplctlError(Exception):
    """Names backend, operation, replication, message, cause (`__cause__`) and remedy (R75).

    `code` is stable and documented; `exit_code` is what the process ends with when this error ends it.
    """

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    unwell: ClassVar[bool] = False
    maybe_happened: ClassVar[bool] = False
    trouble: ClassVar[TroubleKind] = TroubleKind.UNWELL

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        backend: str | None = None,
        operation: str | None = None,
        replication: str | None = None,
        retry_at: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.backend = backend
        self.operation = operation
        self.replication = replication
        self.retry_at = retry_at

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.backend, self.operation, self.replication) if part)
        return f"{place}: {self.message}" if place else self.message


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a file or an argument: where, what it is, and what is allowed."""

    place: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.place}: {self.value}: {self.allowed}"


class InvalidInput(ReplctlError):
    code = "invalid-input"
    exit_code = 2

    def __init__(self, message: str, *, findings: Sequence[Finding] = (), remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.findings = tuple(findings)


class InvalidConfiguration(InvalidInput):
    """A file is wrong; `findings` holds every mistake at once."""

    code = "invalid-configuration"


class NotFound(ReplctlError):
    code = "not-found"
    trouble = TroubleKind.ABSENT
    exit_code = 5


class NotInstalled(NotFound):
    """It answers, and what we would drive there is not installed: nothing is proven of what it may have made."""

    code = "not-installed"
    trouble = TroubleKind.UNWELL


class Unauthorized(ReplctlError):
    """The backend knows us not (`credentials`) or lets us not (`privilege`)."""

    code = "unauthorized"
    trouble = TroubleKind.CREDENTIALS
    exit_code = 4


class Forbidden(Unauthorized):
    code = "forbidden"


class NoCredential(Unauthorized):
    """What would sign us in could not be had on our side; the backend was not asked, so that it refused nothing."""

    code = "no-credential"


class StoreRefused(ReplctlError):
    """The store cannot be written, is full, or lies where it must not; no change is made without it."""

    code = "store-refused"
    exit_code = 4


class Conflict(ReplctlError):
    code = "conflict"
    exit_code = 7


class Locked(Conflict):
    code = "locked"

    def __init__(self, replication: str, holder: Holder | None) -> None:
        by = f"{holder.who}: {holder.command}" if holder else "another process"
        super().__init__(
            f"held by {by}", replication=replication, remedy="wait for it, or look: replctl op list"
        )
        self.holder = holder


class IllegalTransition(ReplctlError):
    code = "invalid-state-transition"
    exit_code = 6

    def __init__(self, origin: str, target: str, legal: tuple[str, ...]) -> None:
        allowed = ", ".join(legal) if legal else "none"
        super().__init__(
            f"invalid state transition from {origin} to {target} (legal next: {allowed})",
            remedy="replctl explain NAME shows what each verb would do now",
        )
        self.origin = origin
        self.target = target
        self.legal = legal


class NeverSent(ReplctlError):
    """Provably nothing reached the backend, so that asking again is safe."""

    code = "unreachable"
    trouble = TroubleKind.SILENT
    exit_code = 11
    retryable = True
    unwell = True


class NameUnresolved(NeverSent):
    code = "name-unresolved"
    trouble = TroubleKind.NAME


class TlsFailed(NeverSent):
    code = "tls-failed"
    trouble = TroubleKind.TLS
    retryable = False


class BreakerOpen(NeverSent):
    """The last real error is the cause; `retry_at` says until when nothing is asked (R34)."""

    code = "breaker-open"
    trouble = TroubleKind.BREAKER
    retryable = False
    unwell = False


class BackendUnwell(ReplctlError):
    """A read that may be asked again: time-out, reset, 5xx."""

    code = "backend-unwell"
    exit_code = 11
    retryable = True
    unwell = True


class TimedOut(BackendUnwell):
    code = "timed-out"
    trouble = TroubleKind.SILENT


class UnreadableAnswer(BackendUnwell):
    """It answered with something that is not its API: a proxy's page, a cut or empty body."""

    code = "unreadable-answer"


class ConnectionLost(BackendUnwell):
    """The connection ended in the middle of a read."""

    code = "connection-lost"
    trouble = TroubleKind.SILENT


class Busy(ReplctlError):
    """429, or 503 with `Retry-After`: it is well and asks for patience; `retry_at` says how long."""

    code = "busy"
    exit_code = 11
    retryable = True


class Rejected(ReplctlError):
    """The backend answered no: 400, 409, 422, or a job that failed. `vendor_code` is its own code."""

    code = "rejected"
    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        vendor_code: str | None = None,
        remedy: str = "",
        backend: str | None = None,
        operation: str | None = None,
        replication: str | None = None,
    ) -> None:
        super().__init__(
            message, remedy=remedy, backend=backend, operation=operation, replication=replication
        )
        self.status = status
        self.vendor_code = vendor_code


class Outdated(Rejected):
    """What was to be changed is no longer what was seen, so that it was left alone: observe again, decide anew."""

    code = "outdated"
    exit_code = 7


class AlreadyExists(Rejected):
    """Something of that name is there; whether it is what was asked for, only looking can tell."""

    code = "already-exists"


class Unsupported(ReplctlError):
    code = "unsupported"
    exit_code = 6


class OutcomeUnknown(ReplctlError):
    """A change left this machine and its answer is lost: only reading back can tell (design §5)."""

    code = "outcome-unknown"
    exit_code = 9
    maybe_happened = True
    unwell = True


class Interrupted(ReplctlError):
    code = "interrupted"
    exit_code = 130


def trouble_of(error: ReplctlError) -> Trouble:
    """The error as an observation carries it."""
    return Trouble(
        kind=error.trouble,
        code=error.code,
        message=error.message,
        remedy=error.remedy,
        retry_at=error.retry_at,
    )
