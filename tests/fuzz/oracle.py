"""The judge: what a command said, against what was accepted, what is written down, and what is true.

Three kinds of fault are told apart. A false success says 0 where the truth, or what was looked at, does not bear it
out. A false failure says that nothing was changed though something was, or failed though all is as it was asked. A
violation breaks another promise: two sides written to, a loss larger than stated, a change that the journal does not
know or that was made twice, a broken chain, a secret told, a mistake of ours, an exit code other than the document's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from worlds import World

from fuzz.deeds import NOTHING_CHANGED, OTHER, STILL_OPEN, TESTS, Accepted, Deed, accepted
from fuzz.safety import Change, History, Kind, two_sides_written
from fuzz.weather import Weather
from fuzz.worldmaking import secrets_of
from replctl.clock import Clock
from replctl.core.journal import OperationRecord
from replctl.simulator.scene import POWERSTORE
from replctl.store.sqlite import SqliteStore

# As the design has them; not read from replctl, which may be wrong.
CODES = {
    **dict.fromkeys(("succeeded", "unchanged", "planned"), 0),
    **dict.fromkeys(("refused", "unsupported"), 6),
    **{"failed": 1, "invalid": 2, "partial": 3, "unauthorized": 4, "not_found": 5, "conflict": 7},
    **{"in_progress": 8, "unknown": 9, "unreachable": 11, "interrupted": 130},
}
VIEWS_LAG_SECONDS = 5.0  # until what another one has just changed can be seen by all
WELL = frozenset({"OK", "Synchronizing"})
TURNING = ("promote", "demote", "failover", "reprotect")
VERBS = (*TURNING, "pause", "resume", "sync", "resync", "drill")
FALSE_SUCCESS, FALSE_FAILURE, VIOLATION = "false success", "false failure", "violation"
COUNTED = "unified_replication_reconcile_total"


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it was promised."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind.upper()}: {self.text}"


Faults = Iterator[Fault]


class Oracle:
    """Judges the deeds of one run, in their order."""

    def __init__(self, world: World, weather: Weather, clock: Clock) -> None:
        self._world = world
        self._weather = weather
        self._clock = clock
        self._secrets = set(secrets_of(world))
        entries = world.simulator._entries
        self._names = [entry.full_name for entry in entries]
        self._mirrors = {
            (entry.namespace, mirror): entry.full_name
            for entry in entries
            if entry.vendor != POWERSTORE
            for mirror in (entry.name, f"{entry.name}-dr")
        }
        self._sessions: dict[str, str] = {}
        self.answered_for: set[str] = (
            set()
        )  # replications whose two sides, or lost writes, a person answered for
        self.lost_stores: set[Path] = set()
        self._told: set[tuple[str, float]] = set()

    # -- what happened ---------------------------------------------------------------------------------------

    def truths(self) -> dict[str, dict[str, Any]]:
        found = self._world.control.truths()
        for name, truth in found.items():
            self._sessions.update(dict.fromkeys(truth.get("session_id", {}).values(), name))
        return found

    def changes(self) -> list[Accepted]:
        """All that was accepted so far, from whomever it came over the wire."""
        found = (accepted(each, self._sessions, self._mirrors) for each in self._world.changes())
        return [each for each in found if each is not None]

    def of(self, deed: Deed, changes: Sequence[Accepted]) -> list[Accepted]:
        return [each for each in changes if each.correlation in deed.process.correlations]

    # -- one deed --------------------------------------------------------------------------------------------

    def judge(self, deed: Deed, done: Sequence[Deed]) -> list[Fault]:
        """Everything that can be said right after it; `done` are the deeds so far, this one included."""
        truths, changes = self.truths(), self.changes()
        case = _Case(self, deed, done, truths, changes)
        return [fault for rule in case.rules() for fault in rule()]

    def judge_all(self, done: Sequence[Deed], stores: Sequence[Path]) -> list[Fault]:
        """What only the end can tell: late deliveries, changes made twice, chains, secrets at rest."""
        changes = self.changes()
        faults = [fault for deed in done for fault in self._late(deed, done, changes)]
        faults += list(self._twice(done, changes))
        for store in stores:
            faults += list(self._at_rest(store))
        return faults

    def _late(self, deed: Deed, done: Sequence[Deed], changes: Sequence[Accepted]) -> Faults:
        mine = [each for each in self.of(deed, changes) if not each.errand]
        for operation in deed.operations:
            name = f"{operation['namespace']}/{operation['name']}"
            if operation["exit_code"] in NOTHING_CHANGED and any(each.name == name for each in mine):
                yield Fault(
                    FALSE_FAILURE, f"{operation['exit_code']} of {deed.command}, and later it was changed"
                )

    def _twice(self, done: Sequence[Deed], changes: Sequence[Accepted]) -> Faults:
        for identity, deeds in _by_operation(done).items():
            made = [each for deed in deeds for each in self.of(deed, changes) if not each.errand]
            counts = Counter((each.name, each.backend, each.action) for each in made)
            for (name, backend, action), times in counts.items():
                if times > 1:
                    yield Fault(
                        VIOLATION, f"operation {identity} did {action} of {name} on {backend} {times} times"
                    )

    def _at_rest(self, store: Path) -> Faults:
        if not store.exists():
            return
        ran = self._world.run("history", "--verify", "-o", "json", state_dir=store)
        if ran.code != 0:
            yield Fault(VIOLATION, f"history --verify: {ran.code} {ran.out[:500]} {ran.err[-300:]}")
        self._secrets |= secrets_of(self._world)
        for path in store.rglob("*"):
            if path.is_file() and any(secret in path.read_bytes() for secret in self._secrets):
                yield Fault(VIOLATION, f"a secret is in {path.relative_to(store.parent)}")

    # -- safety ----------------------------------------------------------------------------------------------

    def history_of(self, name: str, done: Sequence[Deed], changes: Sequence[Accepted], truth: Any) -> History:
        """What was accepted and who wrote, for the checker."""
        kinds = []
        for each in changes:
            if each.name == name and each.turns:
                kinds.append(self._judged(each, done))
        for at, action in self._weather.foreign.get(name, ()):
            if action == "failover":
                kinds.append(Change(at, Kind.FOREIGN, ""))
        written = {side: [(start, end) for start, end in found] for side, found in truth["written"].items()}
        return History(kinds, written)

    def _judged(self, each: Accepted, done: Sequence[Deed]) -> Change:
        deed = self._deed_of(each, done)
        by_person = deed is not None and deed.consents
        if each.action == "failover":
            return Change(each.at, Kind.SWITCH, OTHER[each.backend])
        if each.action in TESTS:
            return Change(each.at, Kind.TEST if each.action == TESTS[0] else Kind.REST, "")
        alone = each.action == "takeover" or (deed is not None and deed.takes_over)
        kind = Kind.TAKEOVER if alone else Kind.PROMOTION
        return Change(each.at, kind, each.backend, acknowledged=by_person)

    def came_later(self, name: str, done: Sequence[Deed], changes: Sequence[Accepted]) -> bool:
        """Whether a pod came to the old source when nobody could see it any more before the change that was made.

        That is after the last look before the promotion; and, where the old source was told to follow then, after the
        last look before that, unless a person had said that what it alone holds may go.
        """
        mine = [each for each in changes if each.name == name]
        for promotion in (each for each in mine if each.action == "promoted"):
            old = OTHER[promotion.backend]
            deed = self._deed_of(promotion, done)
            if deed is not None and "--source-quiesced" in deed.argv:
                return True
            looked = self._last_look(old, promotion)
            came = [
                n
                for n, pod, cluster in self._weather.attached
                if (pod, cluster) == (name, old) and n >= looked
            ]
            back = next((one for one in mine if one.n > promotion.n and one.action == "reestablished"), None)
            if came and (back is None or self._was_blind(back, min(came), done)):
                return True
        return False

    def _was_blind(self, back: Accepted, came: int, done: Sequence[Deed]) -> bool:
        deed = self._deed_of(back, done)
        return came >= self._last_look(back.backend, back) or (deed is not None and deed.consents)

    def _deed_of(self, change: Accepted, done: Sequence[Deed]) -> Deed | None:
        return next((one for one in done if change.correlation in one.process.correlations), None)

    def _last_look(self, cluster: str, change: Accepted) -> int:
        looks = [
            int(each["n"])
            for each in self._world.control.requests(cluster)
            if each["path"].endswith("/volumeattachments")
            and each["n"] < change.n
            and each["correlation_id"] == change.correlation
        ]
        return max(looks, default=0)


@dataclass
class _Case:
    """One deed with all that is known when it has ended."""

    oracle: Oracle
    deed: Deed
    done: Sequence[Deed]
    truths: Mapping[str, Any]
    all_changes: Sequence[Accepted]

    def __post_init__(self) -> None:
        self.changes = self.oracle.of(self.deed, self.all_changes)

    def rules(self) -> list[Callable[[], Faults]]:
        always = [self._journal, self._safety, self._lock]
        if self.deed.ran is None:
            return always
        return [self._codes, self._telling, self._looking, self._each, self._folded, self._metrics, *always]

    # -- what it says ----------------------------------------------------------------------------------------

    def _codes(self) -> Faults:
        deed, ran = self.deed, self.deed.ran
        assert ran is not None
        if deed.is_daemon:
            return
        if not deed.document:
            yield Fault(VIOLATION, f"stdout is not one document: {ran.out[:200]!r} {ran.err[-300:]!r}")
        elif deed.document.get("exit_code", ran.code) != ran.code:
            yield Fault(VIOLATION, f"exit code {ran.code}, the document says {deed.document['exit_code']}")
        for operation in deed.operations:
            if operation["exit_code"] != CODES[operation["outcome"]]:
                yield Fault(VIOLATION, f"{operation['outcome']} with exit code {operation['exit_code']}")

    def _folded(self) -> Faults:
        """The code of several: unknown, else still running, else mixed, else the common one (design §9)."""
        operations = [each for each in self.deed.operations if each["outcome"] != "planned"]  # held back
        if not any(
            each["operation_id"] for each in operations
        ):  # of a judgement, what stands in the way decides
            operations = [each for each in operations if each["outcome"] != "unchanged"]
        codes = [each["exit_code"] for each in operations]
        if not codes or self.deed.looks_only:
            return
        changed = any(each["outcome"] in ("succeeded", "partial") for each in self.deed.operations)
        worst = next((code for code in (9, 130, 8) if code in codes), None)
        common = codes[0] if len(set(codes)) == 1 else 3 if changed else 1
        expected = worst if worst is not None else common
        if self.deed.code != expected and self.deed.code != 143:
            yield Fault(VIOLATION, f"exit code {self.deed.code} of {codes}, which make {expected}")

    def _telling(self) -> Faults:
        ran = self.deed.ran
        assert ran is not None
        text = ran.out + ran.err
        error = str(self.deed.document.get("error"))
        if (
            "Traceback" in text
            or "mistake of replctl" in text
            or "made a mistake" in text
            or "'internal'" in error
        ):
            reports = [each.read_text() for each in self.deed.store.glob("report-*.txt")]
            yield Fault(VIOLATION, f"a mistake of ours: {ran.err[-300:]}\n{''.join(reports)[-3000:]}")
        if any(secret in text.encode() for secret in self.oracle._secrets):
            yield Fault(VIOLATION, "a secret is printed")

    def _looking(self) -> Faults:
        if self.deed.looks_only and self.changes:
            yield Fault(VIOLATION, f"a looking command changed something: {self.changes}")
        if not self.deed.looks_only and not self.deed.operations and self.changes and not self.deed.is_daemon:
            yield Fault(VIOLATION, "changes were made by a command that tells of no operation")

    # -- each replication ------------------------------------------------------------------------------------

    def _each(self) -> Faults:
        if self.deed.looks_only or self.deed.argv[:2] == ("op", "abandon"):
            return
        for operation in self.deed.operations:
            one = _One(self, operation)
            yield from one.judge()

    # -- what is written down --------------------------------------------------------------------------------

    def _journal(self) -> Faults:
        """Every change is in the journal, with its intent; and what was printed is what is written."""
        if self.deed.store in self.oracle.lost_stores or not self.deed.store.exists():
            return
        with closing(SqliteStore(self.deed.store, clock=self.oracle._clock)) as store:
            for name in {each.name for each in self.changes}:
                yield from self._written_down(name, store.operations(name))
            for operation in self.deed.operations:
                if operation["operation_id"] and not self.deed.looks_only:
                    yield from self._as_printed(operation, store.operation(operation["operation_id"]))

    def _written_down(self, name: str, records: Sequence[OperationRecord]) -> Faults:
        made = Counter(
            each.backend
            for deed in self.done
            if deed.store == self.deed.store
            for each in self.oracle.of(deed, self.all_changes)
            if each.name == name and not each.errand and each.action != "reprotect"
        )
        for backend, times in made.items():
            sends = sum(s.sends for record in records for s in record.steps if not s.errand)
            if sum(made.values()) > sends:
                yield Fault(
                    VIOLATION, f"{times} changes of {name} on {backend}, and the journal knows {sends}"
                )

    def _as_printed(self, operation: Mapping[str, Any], record: OperationRecord | None) -> Faults:
        if record is None:
            yield Fault(VIOLATION, f"the journal does not know {operation['operation_id']}")
            return
        if record.abandoned_by or self.deed.argv[:2] == ("op", "abandon") or self._was_touched(operation):
            return
        if record.outcome is not None and record.outcome.value != operation["outcome"]:
            yield Fault(VIOLATION, f"the journal says {record.outcome}, printed was {operation['outcome']}")

    def _was_touched(self, operation: Mapping[str, Any]) -> bool:
        """Whether others went on with it meanwhile, or did not carry it out but refuse."""
        others = (each for other in self.deed.interrupted_by for each in other.operations)
        same = any(each["operation_id"] == operation["operation_id"] for each in others)
        return same or operation["outcome"] in ("refused", "conflict")

    def _lock(self) -> Faults:
        if self.deed.nested or not self.deed.store.exists():
            return
        with closing(SqliteStore(self.deed.store, clock=self.oracle._clock)) as store:
            for name in self.deed.names:
                holder = store.holder(name)
                if holder is not None:
                    yield Fault(VIOLATION, f"the lock of {name} is still held by {holder}")

    def _metrics(self) -> Faults:
        counted = self.deed.process.counted
        verb = self.deed.argv[0] in VERBS and not self.deed.looks_only
        if not verb or counted is None or self.deed.interrupted_by or self.deed.nested:
            return
        told = Counter(
            (f"{each['namespace']}/{each['name']}", each["outcome"] in ("succeeded", "unchanged"))
            for each in self.deed.operations
            if each["outcome"] != "planned"  # held back, and not even begun
        )
        if +told != +counted:
            yield Fault(VIOLATION, f"the metrics count {dict(counted)}, the document tells {dict(told)}")

    # -- what is true ----------------------------------------------------------------------------------------

    def _safety(self) -> Faults:
        oracle = self.oracle
        for name, truth in self.truths.items():
            self._answer_for(name)
            history = oracle.history_of(name, self.done, self.all_changes, truth)
            blind = "attached" in truth and oracle.came_later(name, self.done, self.all_changes)
            later = {name} if blind else set()
            for found in two_sides_written(history):
                if (name, found.since) not in oracle._told and name not in later:
                    oracle._told.add((name, found.since))
                    yield Fault(VIOLATION, f"{found.why} ({name}, {found.writes} writes since {found.since})")
            if truth["lost_writes"] and self._all_is_there() and name not in oracle.answered_for | later:
                oracle.answered_for.add(name)
                yield Fault(
                    VIOLATION, f"{truth['lost_writes']} writes of {name} are lost, and nobody answered for it"
                )
        for each in self.changes:
            if each.action == "takeover" and not self.deed.consents:
                yield Fault(VIOLATION, f"an unplanned failover that nobody acknowledged: {each}")
            accepted_loss = any(word.startswith("--accept-data-loss") for word in self.deed.argv)
            if (
                each.action == "takeover"
                and self.deed.argv[0] in ("promote", "failover")
                and not accepted_loss
            ):
                yield Fault(VIOLATION, f"an unplanned failover whose loss nobody accepted: {each}")

    def _all_is_there(self) -> bool:
        """Whether each copy can be reached: what is on one that is cut off, or has no power, is not lost yet."""
        world = self.oracle._world.simulator._world.conditions
        return all(array.alive and not array.isolated for array in world.arrays.values())

    def _answer_for(self, name: str) -> None:
        for deed in self.done:
            if deed.consents and any(
                each.name == name and not each.errand for each in self.oracle.of(deed, self.all_changes)
            ):
                self.oracle.answered_for.add(name)
        if any(action == "failover" for _, action in self.oracle._weather.foreign.get(name, ())):
            self.oracle.answered_for.add(name)


class _One:
    """What a command said of one replication."""

    def __init__(self, case: _Case, operation: Mapping[str, Any]) -> None:
        self.case = case
        self.deed = case.deed
        self.operation = operation
        self.name = f"{operation['namespace']}/{operation['name']}"
        self.truth = case.truths.get(self.name, {})
        self.before = case.deed.before.get(self.name, {})
        self.outcome = operation["outcome"]
        self.code = operation["exit_code"]
        self.on_arrays = "role" in self.truth

    def judge(self) -> Faults:
        if self.outcome in ("succeeded", "unchanged"):
            yield from self._success()
        if self.outcome == "succeeded":
            yield from self._observed()
        yield from self._loss()
        yield from self._nothing_changed()
        yield from self._failed_in_vain()
        if self.code == 3:
            yield from self._partial()

    # -- who did what ----------------------------------------------------------------------------------------

    def _of_operation(self) -> list[Accepted]:
        """What was accepted of this operation, from all commands that worked on it."""
        oracle, deeds = self.case.oracle, self._deeds_of_operation()
        made = (each for deed in deeds for each in oracle.of(deed, self.case.all_changes))
        return [each for each in made if each.name == self.name and not each.errand]

    def _deeds_of_operation(self) -> list[Deed]:
        """The commands that worked on it, this one last."""
        identity = self.operation["operation_id"]
        return [
            deed
            for deed in self.case.done
            if deed is self.deed
            or (identity and any(each["operation_id"] == identity for each in deed.operations))
        ]

    def _somebody_else_just_did(self) -> bool:
        """Whether another one had something changed that nobody can see yet."""
        looked = (
            self.deed.began if self.outcome == "unchanged" else self.deed.ended
        )  # of many, the first look
        since = looked - VIEWS_LAG_SECONDS
        others = [
            each.at
            for each in self.case.all_changes
            if each.name == self.name and each.correlation not in self.deed.process.correlations
        ]
        others += [at for at, _ in self.case.oracle._weather.foreign.get(self.name, ())]
        return any(at >= since for at in others)

    def _acknowledged(self) -> bool:
        words = [*self.deed.argv, *self.operation.get("acknowledged", ())]
        return any(
            word.split("=")[0] in ("--peer-is-down", "--peer-is-fenced", "--from-replica") for word in words
        )

    @property
    def new_source(self) -> str | None:
        """The backend that the command shall make, or leave, the source."""
        verb, local = self.deed.argv[0], self.operation["backend"]
        if verb == "failover":
            return self.deed.argv[self.deed.argv.index("--to") + 1]
        if verb in ("promote", "demote"):
            here = _local(local)
            return here if verb == "promote" else OTHER[here]
        verb = self._verb_begun() if verb == "op" else verb
        if verb not in TURNING or self.operation["to_state"] is None:
            return None
        return local if self.operation["to_state"] == "source" else OTHER[local]

    def _verb_begun(self) -> str:
        """Of an operation that is gone on with."""
        with closing(SqliteStore(self.deed.store, clock=self.case.oracle._clock)) as store:
            record = store.operation(self.operation["operation_id"])
        return record.verb if record is not None else ""

    def _was_over(self) -> bool:
        """Whether the command only told how an operation had ended before."""
        identity = self.operation["operation_id"]
        before = (each for deed in self.case.done if deed is not self.deed for each in deed.operations)
        ended = [
            each
            for each in before
            if each["operation_id"] == identity and each["exit_code"] not in STILL_OPEN
        ]
        return self.deed.argv[0] == "op" and any(each["outcome"] == self.outcome for each in ended)

    # -- false success ---------------------------------------------------------------------------------------

    def _success(self) -> Faults:
        new = self.new_source
        if new is None or self._was_over() or self._somebody_else_just_did():
            return
        alone = self._acknowledged() and self.deed.argv[0] != "reprotect"
        other, said = OTHER[new], f"{self.outcome} of {self.deed.command}"
        if self.on_arrays:
            roles, states = self.truth["role"], set(self.truth["state"].values())
            right = roles[new] == "Source" and (alone or roles[other] == "Destination")
            if not right:
                yield Fault(FALSE_SUCCESS, f"{said}, yet roles are {roles}")
            if not alone and self.outcome == "succeeded" and not states <= WELL:
                yield Fault(FALSE_SUCCESS, f"{said}, yet states are {states}")
        else:
            types = self.truth["volume_type"]
            if types.get(new) != "rw" or not (alone or types.get(other) == "dp"):
                yield Fault(FALSE_SUCCESS, f"{said}, yet volumes are {types}")
        if not alone and self.truth["writable"].get(other):
            yield Fault(FALSE_SUCCESS, f"{said}, yet the replica can be written to")

    def _observed(self) -> Faults:
        """Each named end was read, with an answer, after the last change that this command had accepted."""
        new = self.new_source
        mine = [each for each in self.case.changes if each.name == self.name and not each.errand]
        if new is None or not mine:
            return
        last = max(each.n for each in mine)
        alone = self._acknowledged() and self.deed.argv[0] != "reprotect"
        for backend in (new,) if alone else (new, OTHER[new]):
            read = any(
                each["n"] > last and each["method"] == "GET" and each["status"] == 200
                for each in self.case.oracle._world.control.requests(backend, since=last)
                if each["correlation_id"] in self.deed.process.correlations
            )
            if not read:
                yield Fault(
                    FALSE_SUCCESS, f"{self.outcome}, and {backend} was not read after the last change"
                )

    # -- false failure ---------------------------------------------------------------------------------------

    def _nothing_changed(self) -> Faults:
        if self.code not in NOTHING_CHANGED or self.deed.argv[:2] == ("op", "abandon"):
            return
        made = self._of_operation() if self.operation["operation_id"] else []
        made = made or [each for each in self.case.changes if each.name == self.name and not each.errand]
        if made:
            yield Fault(
                FALSE_FAILURE, f"{self.code} of {self.deed.command}, and something was changed: {made}"
            )

    def _failed_in_vain(self) -> Faults:
        """Failed, or partly, though all is as it was asked, and was not before, and nobody else did it."""
        new = self.new_source
        if new is None or self.code not in (1, 3) or self.deed.argv[0] == "op" or self._acknowledged():
            return
        if (
            not self._holds(self.truth, new)
            or self._holds(self.before, new)
            or self._somebody_else_just_did()
        ):
            return
        if "after_promote" in str(self.operation.get("error")):
            return
        looked = self.case.oracle._world.run("status", self.name, "-o", "json", state_dir=self.deed.store)
        (line,) = looked.json["replications"]
        if looked.code == 0 and line["health"] == "healthy":
            yield Fault(
                FALSE_FAILURE, f"{self.code} of {self.deed.command}, and all is as it was asked, and seen"
            )

    def _holds(self, truth: Mapping[str, Any], new: str) -> bool:
        if self.on_arrays:
            well = set(truth["state"].values()) == {"OK"}
            return well and truth["role"] == {new: "Source", OTHER[new]: "Destination"}
        types = truth["volume_type"]
        return (types.get(new), types.get(OTHER[new])) == ("rw", "dp") and truth["state"][new] == "promoted"

    def _partial(self) -> Faults:
        foreign = self.case.oracle._weather.foreign.get(self.name)
        others = any(each.name == self.name for each in self.case.all_changes)
        first = self._deeds_of_operation()[0].before.get(self.name, {})
        if not (others or foreign or first.get("state") != self.truth.get("state")):
            yield Fault(FALSE_FAILURE, "partial, and nothing was changed by anybody")

    # -- loss ------------------------------------------------------------------------------------------------

    def _loss(self) -> Faults:
        """What is stated bounds what would be, or was, lost; and unknown is no number."""
        loss = self.operation.get("data_loss")
        new = self.new_source
        if not loss or new is None or not self.operation.get("refusal") or self.truth.get("testing"):
            return
        at_least, at_most = loss["at_least_seconds"], loss["at_most_seconds"]
        if any(seconds is not None and seconds < 0 for seconds in (at_least, at_most)):
            yield Fault(VIOLATION, f"a negative loss is stated: {loss}")
        if None not in (at_least, at_most) and at_least > at_most:
            yield Fault(VIOLATION, f"at least more than at most: {loss}")
        if loss["point"] is None:
            if at_most is not None:
                yield Fault(VIOLATION, f"an unknown point with a known loss: {loss}")
            return
        if self._somebody_else_just_did() or self._is_source(new):
            return
        point, first = _stamp(loss["point"]), self.truth["missing_since"].get(new)
        if first is not None and first < point:
            yield Fault(
                VIOLATION, f"stated is a point {point - first:.1f} s after the first lost write: {loss}"
            )
        read_at = _stamp(loss["read_at"]) if loss["read_at"] else self.deed.ended
        if first is not None and at_most is not None and read_at - first > at_most + 1.0:
            yield Fault(VIOLATION, f"{read_at - first:.1f} s would be lost, stated is {loss}")

    def _is_source(self, side: str) -> bool:
        if self.on_arrays:
            return bool(self.truth["role"][side] == "Source")
        return bool(self.truth["volume_type"].get(side) == "rw")


def _local(backend: str) -> str:
    """The local end of every entry is in the west."""
    return "k8s-west" if backend.startswith("k8s-") else "west"


def _stamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _by_operation(done: Sequence[Deed]) -> dict[str, list[Deed]]:
    found: dict[str, list[Deed]] = {}
    for deed in done:
        for operation in deed.operations:
            identity = operation["operation_id"]
            if identity and deed not in found.setdefault(identity, []):
                found[identity].append(deed)
    return found
