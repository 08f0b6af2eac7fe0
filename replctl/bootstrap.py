"""The composition root: settings become services, and the type checker confirms that the parts fit.

Nothing is opened before it is needed: a driver when its backend is asked, a secret when it signs in, the store
when it is read. `Services` is closed at the end of a command: it signs out of every backend that was asked.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Protocol

from replctl.clock import Cancel, Clock
from replctl.core.errors import InvalidConfiguration, ReplctlError
from replctl.core.events import Noticed, Report, to_all
from replctl.core.hooks import Hook, HookSet, Ran, readable, too_long
from replctl.core.model import End, Observation, Replication, Who
from replctl.core.results import OperationResult
from replctl.core.secrets import Secret, Secrets
from replctl.core.values import dataclass
from replctl.drivers import REGISTRY
from replctl.drivers.discovery import Inspected
from replctl.drivers.names import KeptNames, Names
from replctl.engine import Caller, Engine
from replctl.engine.ports import Driver, Store
from replctl.resilience import BreakerBoard
from replctl.settings import (
    Replications,
    Settings,
    clashes,
    load,
    load_replications,
    resolve_secret,
)
from replctl.store.sqlite import SqliteStore
from replctl.tally import Tally

OPERATIONS_OFFERED = 100  # open ones, by completion


class Backend(Driver, Inspected, Protocol):
    """A driver with all that it can do: what the engine needs, and what is asked of a backend as such."""


@dataclass(frozen=True, slots=True)
class Services:
    """What one process works with. A context manager: at its end it signs out and lets go of the store.

    `open_driver` opens one more driver of a backend, which is its taker's to close. `take_up` puts a desired state
    that was read anew in the place of the one that entries are judged by and hooks are found in. `tally` counts what
    happens; the store is handed it at the end.
    """

    settings: Settings
    replications: Replications
    engine: Engine
    store: Store
    clock: Clock
    secrets: Secrets
    open_driver: Callable[[str], Backend]
    take_up: Callable[[Replications], None]
    tally: Tally

    def __enter__(self) -> Services:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def keep_names(self, replications: Iterable[Replication], states: Mapping[str, str]) -> None:
        """Keep the names of these for completion, if there is a store; what cannot be kept is not worth a word.

        `states` are in a word each, by key, of those that were looked at.
        """
        from replctl.store import names

        try:
            if not self.store.is_there():
                return
            operations = self.store.operations(open_only=True, limit=OPERATIONS_OFFERED)
        except ReplctlError:
            return
        names.keep(
            self.settings.state_dir,
            self.settings.config_path,
            replications=replications,
            backends=self.settings.backends,
            states=states,
            operations=operations,
        )

    def close(self) -> None:
        self.engine.close()
        if self.store.is_there():  # who only looks makes none
            self.tally.flush(self.store.add_counts)
        self.store.close()


def assemble(
    *,
    flags: Mapping[str, str],
    environ: Mapping[str, str],
    clock: Clock,
    report: Report,
    command: str,
    who: Who,
    observe_timeout_seconds: float | None = None,
    file_may_be_missing: bool = False,
    document: Callable[[OperationResult], Mapping[str, object]],
) -> Services:
    """Services from files, environment and flags; raises InvalidConfiguration with every mistake at once.

    `document` is the JSON form of an operation, which hooks are told. `file_may_be_missing`: the desired-state file,
    for who writes it.
    """
    settings = load(flags, environ)
    replications = load_replications(settings, may_be_missing=file_may_be_missing)
    for notice in settings.notices:
        report(Noticed(topic="configuration", message=str(notice)))
    store = SqliteStore(settings.state_dir, clock=clock, history_keep_seconds=settings.history_keep_seconds)
    secrets, tally = Secrets(), Tally()
    report = to_all(tally, report)
    board = BreakerBoard(settings.breaker, store, clock, report)
    opener = _Opener(settings, clock, report, board, secrets, KeptNames(store))
    distinct = _Distinct(replications)
    hooks = _Hooks(settings, replications, clock, secrets, document)

    def take_up(new: Replications) -> None:
        distinct.take_up(new)
        hooks.replications = new

    engine = Engine(
        open_driver=opener.open,
        store=store,
        clock=clock,
        report=report,
        caller=Caller(who=who, command=command),
        judge=distinct,
        observe_seconds=observe_timeout_seconds or settings.observe_timeout_seconds,
        hooks=hooks,
    )
    return Services(settings, replications, engine, store, clock, secrets, opener.open, take_up, tally)


class _Distinct:
    """Two entries that name one thing by different words are a mistake in the file (design §8, R78).

    What each end turned out to be is kept for the life of the process, so that replications which are judged
    one by one before the first write are still judged against each other.
    """

    def __init__(self, replications: Replications) -> None:
        self._replications = replications
        self._identities: dict[End, tuple[str | None, str | None]] = {}
        self._lock = threading.Lock()

    def take_up(self, replications: Replications) -> None:
        """Judge by these entries from now on; what their ends turn out to be is asked anew."""
        with self._lock:
            self._replications = replications
            ends = {end for each in replications.values() for end in (each.local, each.peer)}
            self._identities = {end: found for end, found in self._identities.items() if end in ends}

    def __call__(self, seen: Mapping[End, Observation]) -> None:
        with self._lock:
            self._identities |= {end: (each.resource, each.identity) for end, each in seen.items()}
            findings = clashes(self._replications, self._identities)
        if findings:
            raise InvalidConfiguration("two entries are one and the same replication", findings=findings)


@dataclass(slots=True)
class _Hooks:
    """The hooks of the desired-state file, run with an environment that holds nothing of ours."""

    settings: Settings
    replications: Replications
    clock: Clock
    secrets: Secrets
    document: Callable[[OperationResult], Mapping[str, object]]

    def of(self, replication: Replication) -> HookSet:
        return self.replications.hooks_of(replication.key)

    def run(self, hook: Hook, told: OperationResult, timeout_seconds: float, cancel: Cancel | None) -> Ran:
        from replctl import programs  # for a command that has one to run

        try:
            finished = programs.run(
                hook.command,
                json.dumps(self.document(told)) + "\n",
                self.settings.keeper.child_environment(),
                timeout_seconds=timeout_seconds,
                clock=self.clock,
                cancel=cancel,
            )
        except programs.CannotStart as error:
            return Ran(fault=f"cannot be started: {error}")
        said = readable(finished.output, self.secrets.redact)
        late = finished.status is None and not finished.interrupted
        fault = too_long(timeout_seconds) if late else ""
        return Ran(status=finished.status, said=said, fault=fault, interrupted=finished.interrupted)


@dataclass(frozen=True, slots=True)
class _Opener:
    """Opens the driver of a backend by its configuration; its secret is read when it first signs in."""

    settings: Settings
    clock: Clock
    report: Report
    board: BreakerBoard
    secrets: Secrets
    names: Names

    def open(self, backend: str) -> Backend:
        configured = self.settings.backends[backend]
        driver: Backend = REGISTRY.find(configured.kind).open(
            configured,
            backend=backend,
            password=lambda: self._password(backend),
            clock=self.clock,
            board=self.board,
            policy=self.settings.retry,
            report=self.report,
            redact=self.secrets.redact,
            names=self.names,
            environ=self.settings.keeper.child_environment(),
            conceal=self.secrets.add,
        )
        return driver

    def _password(self, backend: str) -> Secret:
        configured = self.settings.backends[backend]
        key = "ontap.password" if configured.kind == "trident" else "password"
        reading = resolve_secret(self.settings, backend, key)
        if reading.notice is not None:
            self.report(Noticed(topic="secret", message=str(reading.notice), backend=backend))
        username = getattr(self.settings.backends[backend], "username", None)
        self.secrets.add(reading.secret, username)
        return reading.secret
