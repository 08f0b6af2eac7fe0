"""The loop: look at everything, find what is to be done, have it done, say so in one sentence (design §10).

A tick never waits for an operation: those are in `hands`. What the daemon may do is `core.reconciling`'s; how an
operation is carried out is the engine's, the same as for a command.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from replctl.bootstrap import Services
from replctl.clock import Cancel, Clock
from replctl.core import reconciling
from replctl.core.durations import format_duration
from replctl.core.errors import Interrupted, InvalidConfiguration, ReplctlError, StoreRefused
from replctl.core.journal import OperationRecord
from replctl.core.model import Acknowledgements, Intent, Replication
from replctl.core.outcomes import ExitCode, Outcome, of_several, outcome_of
from replctl.core.plans import Course
from replctl.core.reconciling import Autonomy, Begun, Finding, Kind, Known, Settled
from replctl.core.results import OperationResult, ReplicationStatus, StatusReport
from replctl.core.retry import Attempts
from replctl.daemon import exposition
from replctl.daemon.counting import Reconciles
from replctl.daemon.desired import DesiredFile, Reading
from replctl.daemon.garbage import Garbage
from replctl.daemon.hands import Hands
from replctl.daemon.health import HealthBook
from replctl.daemon.systemd import Notifier
from replctl.daemon.telling import Telling
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
DISCOVERY = "discovery"  # what the hand is called that asks what is there
OPERATIONS_SEEN = 10_000
WELL = frozenset({Outcome.SUCCEEDED, Outcome.UNCHANGED})
STILL_OPEN = frozenset({Outcome.IN_PROGRESS, Outcome.INTERRUPTED})
NOTHING_BEGUN = Known()
VALIDATE = "replctl config validate"  # helps where the file is wrong …
RESTART = "systemctl restart replctl"  # … and where it is only refused in the place of the one in force


@dataclass(slots=True)
class Wakes:
    """What can end the wait for the next tick, and the loop itself."""

    stop: Cancel = field(default_factory=Cancel)
    reload: Cancel = field(default_factory=Cancel)


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
        self._asking = Hands(1, self._clock)  # what is there: never in the way of what is to be done
        self._file = DesiredFile(
            services.settings,
            services.replications,
            most_edits=own.max_switchovers,
            allow_shrink=allow_shrink,
        )
        self._reconciles = Reconciles(self._tally, services.settings.metrics.per_replication_limit)
        self._lock = threading.Lock()  # what the hands change too
        self._settled: dict[str, Settled] = dict(self._store.settled())
        self._edits: dict[str, str] = {}  # of a `state`: why it is not carried out any more, or empty
        self._in_hand: dict[str, str] = {}  # what is on its way, in words
        self._turning: set[str] = set()
        self._attempts = Attempts(services.settings.retry)
        self._not_before: dict[str, float] = {}
        self._report: StatusReport | None = None
        self._telling = Telling(self._store, self._clock, every_seconds=self._interval)
        self._telling.forget(self._file.current.keys())
        self._flushed_at = self._clock.monotonic()
        self._watches = Watches(self._engine.driver, self._clock, wakes.stop)
        self._glance_from = self._clock.monotonic()
        self._last = ""
        self.garbage = Garbage(self._clock)
        self._came_of: list[Outcome] | None = None  # of one look alone; who runs for months keeps none
        self.after_look: Callable[[], None] = _nothing

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
            self.after_look()
            self._wait()
        self._notifier.stopping()
        self.settle(LEAVE_SECONDS)
        self._watches.finish(LEAVE_SECONDS)

    def once(self) -> ExitCode:
        """One tick, and all that it begins, to its end; what came of it, as `status` and the verbs tell it."""
        self._came_of = []
        self._say(self.tick())
        while not (self._hands.finish(SLICE_SECONDS) or self._wakes.stop.is_set):
            pass
        in_hand = [] if self._hands.finish(LEAVE_SECONDS) else [Outcome.IN_PROGRESS]
        self._asking.finish(LEAVE_SECONDS)
        self.after_look()
        looked = self._report.exit_code if self._report is not None else ExitCode.DONE
        unseen = [] if looked is ExitCode.DONE else [outcome_of(looked)]
        return of_several([*unseen, *self._came_of, *in_hand])

    def tick(self) -> str:
        """One look at everything, and the sentence on it: seen, decided, why. Never raises."""
        with self.garbage.left():  # thousands of lines live until the next tick has its own
            sentence = self._looked(self._tick)
            self._telling.looked(sentence)
            return sentence

    def glance(self, keys: Collection[str]) -> str:
        """One look at some, of which something was told, and the sentence on it. Never raises."""
        current = self._file.current
        some = [current[key] for key in sorted(keys) if key in current]
        sentence = self._looked(lambda began: self._glance(some, began))
        self._telling.tell()
        return sentence

    def _looked(self, deed: Callable[[float], str]) -> str:
        """The sentence of a look, which is given the moment at which it began."""
        self._book.tick_began()
        try:
            sentence = deed(self._clock.monotonic())
        except InvalidConfiguration as error:
            self._came_to(Outcome.INVALID)
            sentence = self._take_back(error)
        except Interrupted:
            self._came_to(Outcome.INTERRUPTED)
            sentence = "told to stop, and did not look to the end"
        except ReplctlError as error:
            if isinstance(error, StoreRefused):
                self._book.part("store", present=False, message=str(error))
            self._came_to(outcome_of(error.exit_code))
            self._book.counted(ours=True)
            sentence = f"the tick was cut short, and nothing more is done: {error}"
        except Exception as error:
            self._came_to(Outcome.FAILED)
            self._book.counted(ours=True)
            self._log.exception("a mistake of replctl itself")
            sentence = f"the tick was cut short by a mistake of replctl itself: {error!r}"
        self._book.tick_ended()
        return sentence

    def _came_to(self, outcome: Outcome) -> None:
        """Keep what came of something, where there is an exit code to be made of it."""
        if self._came_of is not None:
            self._came_of.append(outcome)

    def settle(self, seconds: float) -> bool:
        """Wait for what is in hand; whether nothing is left."""
        deadline = self._clock.monotonic() + seconds
        done = self._hands.finish(seconds)
        return self._asking.finish(max(0.0, deadline - self._clock.monotonic())) and done

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
            if self._wakes.reload.is_set or self._file.has_changed:
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
        asked = self._wakes.reload.is_set
        if not (asked or self._file.has_changed) or not self._file.is_quiet(self._clock, self._wakes.stop):
            return
        self._wakes.reload.clear()
        if self._last:  # until then it is starting, and says so by not being ready
            self._notifier.reloading()
        with self._lock:
            reading = self._file.read(self._settled)
        if reading.error is not None:
            found = _found(reading.error)
            self._log.error("the file is broken, and what was in force stays: %s", found)
            self._telling.trouble(found, RESTART if reading.is_right else VALIDATE)
        elif reading.replications is not None:
            self._take_up(reading)
        if self._last:
            self._notifier.ready(self._last)

    def _take_up(self, reading: Reading) -> None:
        new = reading.replications or self._file.current
        self._services.take_up(new)
        self._telling.trouble("")
        self._telling.forget(new.keys())
        most = self._most_turns
        others = (
            f"with {len(reading.too_many) - 1} more at once, and at most {most} may turn by itself"
            " (replctl apply turns them all)"
        )
        with self._lock:
            kept = {key: lapsed for key, lapsed in self._edits.items() if key in new}
            self._edits = {
                **kept,
                **dict.fromkeys(reading.edited, ""),
                **dict.fromkeys(reading.too_many, others),
            }
            gone = self._settled.keys() - new.keys()
            for key in gone:
                del self._settled[key]
        if gone:
            self._written(lambda: self._store.forget_settled(gone))
        if reading.too_many:
            self._log.warning(
                "%d entries want another role at once, and at most %d may turn by itself: they wait for a person",
                len(reading.too_many),
                most,
            )
        self._log.info("the file was read anew: %d replications", len(new))

    def _take_back(self, error: InvalidConfiguration) -> str:
        """What was read turned out to be wrong when everything was looked at: what was in force is so again."""
        if not self._file.take_back():
            self._book.counted(ours=True)
            self._telling.trouble(_found(error))
            return f"nothing is done, for the file cannot be in force: {_found(error)}"
        self._services.take_up(self._file.current)
        self._telling.trouble(_found(error))
        with self._lock:
            self._edits.clear()
        self._log.error("the file is broken, and what was in force is so again: %s", _found(error))
        return f"nothing is done, and what was in force is so again, for the file is broken: {_found(error)}"

    # -- one tick --------------------------------------------------------------------------------------------

    def _tick(self, began: float) -> str:
        self._read_file()
        self._reconciles.of(len(self._file.current))
        report, findings = self._reconciled(list(self._file.current.values()), began, kept=True)
        self._book.part("store", present=True, message="")
        self._file.prove()
        self._report = report
        self._discover()
        self._services.keep_names(self._file.current.values(), report.states_shown)
        self._flush_now_and_then()
        return reconciling.sentence(findings)

    def _glance(self, replications: Sequence[Replication], began: float) -> str:
        report, findings = self._reconciled(replications, began)
        if self._report is not None:
            self._report = self._report.with_lines(report.replications)
        return reconciling.sentence(findings)

    def _reconciled(
        self, replications: Sequence[Replication], began: float, *, kept: bool = False
    ) -> tuple[StatusReport, list[tuple[str, Finding]]]:
        """Look at these, and begin what is to be done about them.

        `kept`: what watches told will do. Nothing is held for that: it may be older than what was done here last.
        """
        report, findings = self._seen(replications, kept=kept)
        doubtful = [self._file.current[key] for key, found in findings.items() if found.kind is Kind.HOLD]
        if kept and doubtful:
            again, anew = self._seen(doubtful)
            report, findings = report.with_lines(again.replications), {**findings, **anew}
        for key, found in findings.items():
            self._reconciles.add(key, found, self._clock.monotonic() - began)
            self._book.counted(ours=False)
        done = self._act(findings, _unread(report))
        self._keep_settled(done)
        self._telling.found(done)
        return report, list(done.items())

    def _seen(
        self, replications: Sequence[Replication], *, kept: bool = False
    ) -> tuple[StatusReport, dict[str, Finding]]:
        """What is seen of these, and what is to be done about each."""
        with self._lock:
            in_hand = dict(self._in_hand)  # what ends while we look may be seen as it was before
        report = self._engine.status(replications, Request(cancel=self._wakes.stop, kept=kept))
        now, operations = self._clock.now(), self._open_operations()
        findings = {
            each.replication.key: self._find(each, operations, in_hand, now) for each in report.replications
        }
        return report, findings

    def _open_operations(self) -> dict[str, OperationRecord]:
        records = self._store.operations(open_only=True, limit=OPERATIONS_SEEN)
        return {record.replication: record for record in reversed(records)}

    def _find(
        self,
        status: ReplicationStatus,
        operations: Mapping[str, OperationRecord],
        in_hand: Mapping[str, str],
        now: float,
    ) -> Finding:
        key = status.replication.key
        begun = self._begun(operations.get(key))
        with self._lock:
            if status.hold is not None and self._edits.get(key) == "":
                self._edits[key] = "while it was held"
            edit = self._edits.get(key)
            known = replace(
                begun,
                settled=self._settled.get(key),
                edited=edit == "",
                lapsed=edit or "",
                in_hand=in_hand.get(key, ""),
            )
        return reconciling.find(status, known, self._autonomy, now)

    def _begun(self, record: OperationRecord | None) -> Known:
        """What is known of an open operation."""
        if record is None:
            return NOTHING_BEGUN
        if tuple(record.command.split()[:2]) == COMMAND:
            new_source = record.new_source if record.course is Course.SWITCH else None
            return Known(own=Begun(operation=record.operation_id, new_source=new_source))
        holder = self._store.holder(record.replication)
        return Known(foreign=record.operation_id, at_work=str(holder.who) if holder is not None else "")

    def _keep_settled(self, findings: Mapping[str, Finding]) -> None:
        at_rest = {key: found.settled for key, found in findings.items() if found.settled is not None}
        with self._lock:
            changed = {key: settled for key, settled in at_rest.items() if self._settled.get(key) != settled}
            self._settled.update(changed)
            self._edits = {key: lapsed for key, lapsed in self._edits.items() if key not in at_rest}
        if changed:
            self._written(lambda: self._store.remember_settled(changed))

    def _written(self, write: Callable[[], None]) -> bool:
        """Whether the store took it. One that does not, ends no tick: looking and telling go on without it."""
        try:
            write()
        except ReplctlError as error:
            self._came_to(outcome_of(error.exit_code))
            self._book.counted(ours=True)
            self._log.error("the store cannot be written: %s", error)
            return False
        return True

    def _flush_now_and_then(self) -> None:
        if self._clock.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self._flushed_at = self._clock.monotonic()
            self._tally.flush(self._store.add_counts)

    # -- doing -----------------------------------------------------------------------------------------------

    def _act(self, findings: Mapping[str, Finding], unread: frozenset[str]) -> dict[str, Finding]:
        """What was begun goes on first, then what keeps copies fresh, then at most so many role changes.

        Returns what became of it: what could not begin now is put off, and a hold that was not written down is none.
        """
        done = dict(findings)
        for key, found in findings.items():
            if found.kind is Kind.RELEASE:
                self._release(key, found)
            if found.kind is Kind.HOLD and not self._hold(key, found):
                why = f"{found.why}; it could not be held"
                done[key] = replace(found, kind=Kind.WAITS, why=why, settled=None)
        deeds = [(key, found) for key, found in findings.items() if found.kind in (Kind.RESUME, Kind.ACT)]
        for key, found in sorted(deeds, key=lambda deed: (deed[1].kind is Kind.ACT, deed[1].turns_roles)):
            against = self._against_beginning(key, found) or self._begin(key, found, unread)
            if against:
                self._came_to(Outcome.CONFLICT)
                done[key] = found.put_off(against)
        return done

    def _hold(self, key: str, found: Finding) -> bool:
        hold = reconciling.hold_for(found, self._clock.now())

        def take() -> None:
            if self._store.hold(key) is None:  # else whoever changed the role has taken one since the look
                self._store.set_hold(key, hold)

        held = self._written(take)
        if held:
            self._log.warning("%s is held: %s; replctl release %s", key, found.why, key)
        return held

    def _release(self, key: str, found: Finding) -> None:
        def end() -> None:
            hold = self._store.hold(key)
            if hold is not None and hold.ends_with_difference:
                self._store.remove_hold(key)

        if self._written(end):
            self._log.info("%s is no longer held: %s", key, found.why)

    def _against_beginning(self, key: str, found: Finding) -> str:
        """Why it cannot begin now; empty when it can."""
        with self._lock:
            left = self._not_before.get(key, 0.0) - self._clock.monotonic()
            if left > 0:
                error = self._attempts[key].error if key in self._attempts else None
                return f"again in {format_duration(left)}, for it failed: {error}"
            if found.turns_roles and len(self._turning) >= self._most_turns:
                return f"{', '.join(sorted(self._turning))} goes first"
        return ""

    def _begin(self, key: str, found: Finding, unread: frozenset[str]) -> str:
        """Have it done; why not, when no hand is free. What waits for an `unread` end holds none that others need."""
        replication = self._file.current[key]
        with self._lock:
            self._in_hand[key] = f"{found.verb or found.operation}: {found.why}"
            if found.turns_roles:
                self._turning.add(key)
        if self._hands.take(key, lambda: self._carry(replication, found), unread):
            return ""
        self._let_go(key)
        return "every hand is full"

    def _let_go(self, key: str) -> None:
        with self._lock:
            self._in_hand.pop(key, None)
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
            self._came_to(outcome_of(error.exit_code))
            self._failed(key, error)
        except Exception as error:
            self._book.counted(ours=True)
            self._log.exception(
                "%s: a mistake of replctl itself", key, extra=about(namespace=namespace, name=name)
            )
            self._came_to(Outcome.FAILED)
            self._failed(key, ReplctlError(str(error)))
        else:
            self._ended(key, found, result)
        finally:
            self._let_go(key)

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
        self._came_to(result.outcome)
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
                self._edits.pop(key, None)

    def _failed(self, key: str, error: ReplctlError) -> None:
        """Not again before the retry policy's delay; when its attempts are used up an edit waits for a person."""
        with self._lock:
            tally = self._attempts.failed(key, error, self._clock.chance())
            delay = (
                self._services.settings.retry.max_delay_seconds if tally.exhausted else tally.delay_seconds
            )
            self._not_before[key] = self._clock.monotonic() + delay
            if tally.exhausted and self._edits.get(key) == "":
                self._edits[key] = f"and {tally.failures} attempts failed, the last with: {error}"

    def _discover(self) -> None:
        """Ask what is there, where that is not known still; in a hand, for it may take its time."""
        self._asking.take(DISCOVERY, self._ask_what_is_there)

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
        with self.garbage.left():
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


def _unread(report: StatusReport) -> frozenset[str]:
    return frozenset(
        each.replication.key
        for each in report.replications
        if not (each.local.reachable and each.peer.reachable)
    )


def _found(error: ReplctlError) -> str:
    """What is wrong with a file, all of it."""
    findings = getattr(error, "findings", ())
    return "; ".join(str(each) for each in findings) or str(error)


def _nothing() -> None:
    """What is done after a look, unless somebody wants something done."""
