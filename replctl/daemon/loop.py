"""The loop: look at everything, find what is to be done, have it done, say so in one sentence (design §10).

A tick never waits for an operation: those are in `hands`. What the daemon may do is `core.reconciling`'s; how an
operation is carried out is the engine's, the same as for a command.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from replctl.bootstrap import Services
from replctl.clock import Cancel, Clock
from replctl.core import reconciling
from replctl.core.counts import reconciled
from replctl.core.errors import ReplctlError
from replctl.core.journal import OperationRecord
from replctl.core.model import Acknowledgements, Intent, Replication
from replctl.core.outcomes import Outcome
from replctl.core.reconciling import Autonomy, Finding, Kind, Known, Settled
from replctl.core.results import OperationResult, ReplicationStatus, StatusReport
from replctl.core.retry import Attempts
from replctl.daemon import exposition
from replctl.daemon.desired import DesiredFile
from replctl.daemon.hands import Hands
from replctl.daemon.health import HealthBook
from replctl.daemon.systemd import Notifier
from replctl.daemon.watches import Watches
from replctl.drivers.discovery import Discoverer
from replctl.engine import Proposal, Request
from replctl.logs import LOGGER, about
from replctl.resilience import Look

COMMAND = ("replctl", "daemon")  # how an operation of its own begins in the journal
SLICE_SECONDS = 1.0  # how often a wait looks for a changed file, a signal, the watchdog
FOLLOWING_SLICE_SECONDS = 0.2  # the same, where backends tell of changes themselves
GLANCE_SECONDS = 0.5  # from one look at what changed to the next at least
GLANCE_MOST = 50  # of more that changed, everything is looked at anew …
WHOLE_SECONDS = 5.0  # … at most so often
LEAVE_SECONDS = 15.0  # at the end, for what is in hand to be written down
FLUSH_SECONDS = 300.0  # from one hand-over of the counters to the store to the next
DISCOVER_SECONDS = 30.0
DISCOVERY = "discovery"  # what a hand is called that asks what is there
OPERATIONS_SEEN = 10_000
WELL = frozenset({Outcome.SUCCEEDED, Outcome.UNCHANGED})
STILL_OPEN = frozenset({Outcome.IN_PROGRESS, Outcome.INTERRUPTED})


@dataclass(slots=True)
class Wakes:
    """What can end the wait for the next tick, and the loop itself."""

    stop: Cancel = field(default_factory=Cancel)
    reload: threading.Event = field(default_factory=threading.Event)


class Daemon:
    """One process that reconciles. `run` returns when `wakes.stop` is set."""

    def __init__(
        self,
        services: Services,
        *,
        book: HealthBook,
        notifier: Notifier,
        wakes: Wakes,
        allow_shrink: bool = False,
    ) -> None:
        own = services.settings.daemon
        self._services = services
        self._engine = services.engine
        self._store = services.store
        self._clock: Clock = services.clock
        self._tally = services.tally
        self._book = book
        self._notifier = notifier
        self._wakes = wakes
        self._log = logging.getLogger(LOGGER)
        self._autonomy = Autonomy(own.autonomy)
        self._interval = own.interval_seconds
        self._most_turns = own.max_switchovers
        self._hands = Hands(own.max_parallel, self._clock)
        self._file = DesiredFile(
            services.settings,
            services.replications,
            most_edits=own.max_switchovers,
            allow_shrink=allow_shrink,
        )
        self._limit = services.settings.metrics.per_replication_limit
        self._lock = threading.Lock()  # what the hands change too
        self._settled: dict[str, Settled] = dict(self._store.settled())
        self._edited: set[str] = set()
        self._turning: set[str] = set()
        self._attempts = Attempts(services.settings.retry)
        self._not_before: dict[str, float] = {}
        self._report: StatusReport | None = None
        self._flushed_at = self._clock.monotonic()
        self._watches = Watches(self._engine.driver, self._clock, wakes.stop)
        self._glance_from = self._clock.monotonic()
        self._last = ""

    # -- the loop --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Tick after tick, until it is told to stop; what is in hand then is left to be gone on with."""
        self._book.part("store", present=True, message="the store is not there")
        self._book.part("drivers", present=True, message="no drivers are there")
        while not self._wakes.stop.is_set:
            self._watches.follow(self._file.current.values())
            self._watches.take()  # what changed until now, the tick sees
            sentence = self.tick()
            if not self._last:
                self._book.mark_ready()
                self._notifier.ready(sentence)
            self._say(sentence)
            self._wait()
        self._notifier.stopping()
        self._hands.finish(LEAVE_SECONDS)
        self._watches.finish(LEAVE_SECONDS)

    def once(self) -> None:
        """One tick, and all that it begins."""
        self._say(self.tick())
        self.settle(LEAVE_SECONDS)

    def tick(self) -> str:
        """One look at everything, and the sentence on it: seen, decided, why."""
        self._read_file()
        return self._looked(self._tick)

    def glance(self, keys: Collection[str]) -> str:
        """One look at some, of which something was told, and the sentence on it."""
        current = self._file.current
        some = [current[key] for key in sorted(keys) if key in current]
        return self._looked(lambda began: self._glance(some, began))

    def _looked(self, deed: Callable[[float], str]) -> str:
        """The sentence of a look, which is given the moment at which it began."""
        self._book.tick_began()
        try:
            sentence = deed(self._clock.monotonic())
        except ReplctlError as error:
            self._book.counted(ours=True)
            sentence = f"could not look: {error}"
        self._book.tick_ended()
        return sentence

    def settle(self, seconds: float) -> bool:
        """Wait for what is in hand; whether nothing is left."""
        return self._hands.finish(seconds)

    def _say(self, sentence: str) -> None:
        level = logging.INFO if sentence != self._last else logging.DEBUG
        self._log.log(level, "%s", sentence)
        self._last = sentence
        self._notifier.status(sentence)

    def _wait(self) -> None:
        """Until the next tick is due, the file changes, or somebody asks for a reload; meanwhile what is told of."""
        began = self._clock.monotonic()
        while (left := began + self._interval - self._clock.monotonic()) > 0:
            if self._notifier.watchdog_seconds is not None and self._book.is_moving:
                self._notifier.alive()
            slice_seconds = FOLLOWING_SLICE_SECONDS if self._watches.any else SLICE_SECONDS
            if self._clock.wait(min(slice_seconds, left), self._wakes.stop):
                return
            if self._wakes.reload.is_set() or self._file.has_changed:
                return
            if not self._watches.pending:
                continue
            if self._watches.pending <= GLANCE_MOST:
                self._glance_at_changes()
            elif self._clock.monotonic() - began >= WHOLE_SECONDS:
                return

    def _glance_at_changes(self) -> None:
        """Look at what was told of, unless that was done a moment ago."""
        now = self._clock.monotonic()
        if now >= self._glance_from:
            self._glance_from = now + GLANCE_SECONDS
            self._log.info("told of a change: %s", self.glance(self._watches.take()))

    def _read_file(self) -> None:
        asked = self._wakes.reload.is_set()
        if not (asked or self._file.has_changed):
            return
        self._wakes.reload.clear()
        self._notifier.reloading()
        with self._lock:
            reading = self._file.read(self._settled)
            if reading.replications is not None:
                self._services.take_up(reading.replications)
                self._edited = {key for key in self._edited if key in reading.replications} | reading.edited
        if reading.error is not None:
            findings = getattr(reading.error, "findings", ())
            wrong = "; ".join(str(each) for each in findings) or str(reading.error)
            self._log.error("the file is broken, and what was in force stays: %s", wrong)
        elif reading.too_many:
            self._log.warning(
                "%d entries want another role at once, and %d may change by themselves: they wait for a person",
                len(reading.too_many),
                self._most_turns,
            )
        else:
            self._log.info("the file was read anew: %d replications", len(self._file.current))
        self._notifier.ready(self._last)

    # -- one tick --------------------------------------------------------------------------------------------

    def _tick(self, began: float) -> str:
        request = Request(cancel=self._wakes.stop, kept=True)
        report, findings = self._reconciled(list(self._file.current.values()), request, began)
        self._report = report
        self._discover()
        self._flush_now_and_then()
        return reconciling.sentence(findings, sorted(report.silent))

    def _glance(self, replications: Sequence[Replication], began: float) -> str:
        report, findings = self._reconciled(replications, Request(cancel=self._wakes.stop), began)
        if self._report is not None:
            self._report = self._report.with_lines(report.replications)
        return reconciling.sentence(findings, sorted(report.silent))

    def _reconciled(
        self, replications: Sequence[Replication], request: Request, began: float
    ) -> tuple[StatusReport, list[tuple[str, Finding]]]:
        """Look at these, and begin what is to be done about them."""
        report = self._engine.status(replications, request)
        now = self._clock.now()
        open_operations = self._open_operations()
        findings = [
            (each.replication.key, self._find(each, open_operations, now)) for each in report.replications
        ]
        self._keep_settled(findings)
        for key, found in findings:
            self._count(report, key, found, began)
        self._act(findings, now)
        return report, findings

    def _open_operations(self) -> dict[str, OperationRecord]:
        records = self._store.operations(open_only=True, limit=OPERATIONS_SEEN)
        return {record.replication: record for record in reversed(records)}

    def _find(
        self, status: ReplicationStatus, operations: Mapping[str, OperationRecord], now: float
    ) -> Finding:
        key = status.replication.key
        record = operations.get(key)
        own = record is not None and tuple(record.command.split()[:2]) == COMMAND
        identity = record.operation_id if record is not None else None
        with self._lock:
            known = Known(
                settled=self._settled.get(key),
                edited=key in self._edited,
                busy=key in self._hands.busy(),
                own=identity if own else None,
                foreign=None if own else identity,
            )
        return reconciling.find(status, known, self._autonomy, now)

    def _keep_settled(self, findings: Sequence[tuple[str, Finding]]) -> None:
        with self._lock:
            changed = {
                key: found.settled
                for key, found in findings
                if found.settled is not None and self._settled.get(key) != found.settled
            }
            self._settled.update(changed)
            self._edited -= changed.keys()
        if changed:
            self._store.remember_settled(changed)

    def _count(self, report: StatusReport, key: str, found: Finding, began: float) -> None:
        namespace, _, name = key.partition("/")
        well = found.kind is not Kind.UNREAD
        outcome = Outcome.UNCHANGED if well else Outcome.UNREACHABLE
        self._tally.add(reconciled(namespace, name, outcome, None if well else "unreachable"))
        every = len(report.replications) <= self._limit
        labels = {"namespace": namespace, "name": name} if every else {"namespace": "", "name": ""}
        self._tally.observe("reconcile_duration_seconds", self._clock.monotonic() - began, **labels)
        self._book.counted(ours=False)

    def _flush_now_and_then(self) -> None:
        if self._clock.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self._flushed_at = self._clock.monotonic()
            self._tally.flush(self._store.add_counts)

    # -- doing -----------------------------------------------------------------------------------------------

    def _act(self, findings: Sequence[tuple[str, Finding]], now: float) -> None:
        """What was begun goes on first, then what keeps copies fresh, then at most so many role changes."""
        for key, found in findings:
            if found.kind is Kind.HOLD:
                self._hold(key, found, now)
        deeds = [(key, found) for key, found in findings if found.kind in (Kind.RESUME, Kind.ACT)]
        for key, found in sorted(deeds, key=lambda deed: (deed[1].kind is Kind.ACT, deed[1].turns_roles)):
            if self._may_begin(key, found):
                self._begin(key, found)

    def _hold(self, key: str, found: Finding, now: float) -> None:
        try:
            self._store.set_hold(key, reconciling.hold_for(found, now))
        except ReplctlError as error:
            self._book.counted(ours=True)
            self._log.error("%s could not be held: %s", key, error)
        else:
            self._log.warning("%s is held: %s; replctl release %s", key, found.why, key)

    def _may_begin(self, key: str, found: Finding) -> bool:
        if self._clock.monotonic() < self._not_before.get(key, 0.0):
            return False
        return not found.turns_roles or len(self._turning) < self._most_turns

    def _begin(self, key: str, found: Finding) -> None:
        replication = self._file.current[key]
        if found.turns_roles:
            self._turning.add(key)
        if not self._hands.take(key, lambda: self._carry(replication, found)):
            self._turning.discard(key)

    def _carry(self, replication: Replication, found: Finding) -> None:
        """In a hand: never raises."""
        key = replication.key
        namespace, name = replication.namespace, replication.name
        try:
            result = self._carried(replication, found)
        except ReplctlError as error:
            self._log.warning(
                "%s: %s", key, error, extra=about(namespace=namespace, name=name, error=error.code)
            )
            self._failed(key, error)
        except Exception as error:
            self._book.counted(ours=True)
            self._log.exception(
                "%s: a mistake of replctl itself", key, extra=about(namespace=namespace, name=name)
            )
            self._failed(key, ReplctlError(str(error)))
        else:
            self._ended(key, found, result)
        finally:
            self._turning.discard(key)

    def _carried(self, replication: Replication, found: Finding) -> OperationResult:
        request = Request(reason=found.why, cancel=self._wakes.stop)
        if found.operation is not None:
            return self._engine.op_resume(found.operation, self._file.current, Acknowledgements(), request)
        assert found.verb is not None
        proposed = self._engine.propose(Intent(verb=found.verb, replication=replication), request)
        return self._engine.carry_out(proposed, request) if isinstance(proposed, Proposal) else proposed

    def _ended(self, key: str, found: Finding, result: OperationResult) -> None:
        why = ", ".join(result.refusal.names) if result.refusal else ""
        why = why or (result.failure.message if result.failure else "")
        told = f"{result.verb}: {result.outcome}{f': {why}' if why else ''}"
        well = result.outcome in WELL
        self._log.log(logging.INFO if well else logging.WARNING, "%s: %s", key, told)
        if well:
            self._succeeded(key, found, result)
        elif result.outcome not in STILL_OPEN:
            self._failed(key, ReplctlError(told))

    def _succeeded(self, key: str, found: Finding, result: OperationResult) -> None:
        with self._lock:
            self._attempts.succeeded(key)
            self._not_before.pop(key, None)
            if result.to_state is not None and result.from_state is not result.to_state:
                desired = (
                    self._file.current[key].desired_state if key in self._file.current else result.to_state
                )
                self._settled[key] = Settled(role=result.to_state, desired=desired)
                self._edited.discard(key)

    def _failed(self, key: str, error: ReplctlError) -> None:
        """Not again before the retry policy's delay; when its attempts are used up an edit waits for a person."""
        with self._lock:
            tally = self._attempts.failed(key, error, self._clock.chance())
            delay = (
                self._services.settings.retry.max_delay_seconds if tally.exhausted else tally.delay_seconds
            )
            self._not_before[key] = self._clock.monotonic() + delay
            if tally.exhausted:
                self._edited.discard(key)

    def _discover(self) -> None:
        """Ask what is there, where that is not known still; in a hand, for it may take its time."""
        self._hands.take(DISCOVERY, self._ask_what_is_there)

    def _ask_what_is_there(self) -> None:
        backends = {end.backend for each in self._file.current.values() for end in (each.local, each.peer)}
        for backend in sorted(backends):
            look = Look(deadline=self._clock.monotonic() + DISCOVER_SECONDS, cancel=self._wakes.stop)
            try:
                cast(Discoverer, self._engine.driver(backend)).discover(look)
            except ReplctlError as error:
                self._log.debug("%s could not be asked what is there: %s", backend, error)

    # -- others read -----------------------------------------------------------------------------------------

    def metrics(self, *, others_are_good: bool = True) -> str:
        """The text of `/metrics`; `others_are_good`: the files beside the desired state are in force too."""
        known = frozenset((each.name, each.namespace) for each in self._file.current.values())
        counters = self._tally.with_what_was_handed_on(self._store.counts)
        samples = {
            **exposition.present(counters, known),
            **exposition.breakers(self._store.breakers()),
            **exposition.of_the_process(reloaded=self._file.is_good and others_are_good),
        }
        if (report := self._report) is not None:
            samples |= exposition.gauges(report, self._clock.now())
        return exposition.text(samples)
