"""Storms: seeded random weather over two simulated arrays, and random commands in it, judged one by one.

A storm is a world of its own with assumptions, durations and clocks drawn at random. Between its commands, and while
they wait, links and arrays fail and come back, answers are lost, late or foreign, other clients act, people press
Ctrl-C. `blow(seed, directory)` plays one; what broke a promise is in `broken`, everything that happened in `said`.
"""

from __future__ import annotations

import heapq
import json
import random
import shlex
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worlds import LEDGER, Ran, SimulatorClock, World, a_world

from replctl.clock import Cancel
from replctl.core.outcomes import CODES, Outcome
from replctl.simulator.assumptions import list_assumptions
from replctl.store.sqlite import SqliteStore

START_AT = 1_924_992_000.0  # 2031-01-01T00:00:00Z
LOCAL, PEER = "west", "east"  # of every entry
ARRAYS = (LOCAL, PEER)
WARM_UP_SECONDS = 900.0  # so that the stamps of the last copy are by the clocks as they are set
CALM_SECONDS = 200.0
VIEWS_LAG_SECONDS = 5.0  # the array's answers, and a look that had to be repeated
DEEDS = (3, 7)  # commands of a storm, at least and at most
ROUNDS_TO_SETTLE = 8
STUCK = "a planned promotion does not go in fair weather"
UNPLANNED = ("--peer-is-down", "--peer-is-fenced", "--from-replica")
STILL_OPEN = frozenset({8, 9, 130})
NOTHING_CHANGED = frozenset({1, 2, 4, 5, 6, 7, 11})
WELL = frozenset({"OK", "Synchronizing"})
HURRIED = {
    f"REPLCTL_BACKENDS__{array.upper()}__TIMEOUTS__{kind}": "700ms"
    for array in ARRAYS
    for kind in ("CONNECT", "READ")
} | {"REPLCTL_OBSERVE_TIMEOUT": "2s"}
STATUSES = (500, 502, 503, 401, 403, 302, 404, 408, 409, 422, 429)
WORDS = {"--peer-is-fenced=HOW": "--peer-is-fenced=switch ports down"}


def other(array: str) -> str:
    return PEER if array == LOCAL else LOCAL


class StormClock(SimulatorClock):
    """The world's clock, on whose way things happen: each is done when its time has come, in order."""

    def __init__(self, control: Any, seed: int) -> None:
        super().__init__(control, seed)
        self._due: list[tuple[float, int, Callable[[Cancel | None], None]]] = []
        self._turn = threading.RLock()

    def schedule(self, seconds: float, deed: Callable[[Cancel | None], None]) -> None:
        heapq.heappush(self._due, (self.monotonic() + seconds, len(self._due), deed))

    def forget(self) -> None:
        self._due.clear()

    def wait(self, seconds: float, cancel: Cancel | None = None) -> bool:
        target = self.monotonic() + max(0.0, seconds)
        with self._turn:
            while self._due and self._due[0][0] <= target and not (cancel is not None and cancel.is_set):
                at, _, deed = heapq.heappop(self._due)
                super().wait(at - self.monotonic(), cancel)
                deed(cancel)
        return super().wait(target - self.monotonic(), cancel)


@dataclass
class Deed:
    """A command that was run: what it said, and the requests that were made meanwhile."""

    argv: tuple[str, ...]
    store: Path
    ran: Ran
    before: dict[str, Any]
    since: int
    until: int = 0
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def operation(self) -> dict[str, Any] | None:
        operations = self.document.get("operations") or [None]
        return operations[0]

    @property
    def identity(self) -> str | None:
        return self.operation["operation_id"] if self.operation else None

    @property
    def outcome(self) -> str:
        return str(self.document.get("outcome"))

    @property
    def flags(self) -> list[str]:
        return [*self.argv, *(self.operation or {}).get("acknowledged", ())]

    def speaks_of(self, *words: str) -> bool:
        return self.argv[: len(words)] == words

    @property
    def new_source(self) -> str | None:
        """The array that the command shall make, or leave, the source; None when it has not come so far."""
        if self.argv[0] == "failover":
            return self.argv[self.argv.index("--to") + 1]
        if self.argv[0] in ("promote", "demote"):
            return LOCAL if self.argv[0] == "promote" else PEER
        if not self.operation or self.operation["to_state"] is None:
            return None
        here = self.operation["backend"]
        return here if self.operation["to_state"] == "source" else other(here)


class Storm:
    """One world in bad weather."""

    def __init__(self, seed: int, world: World) -> None:
        self.seed = seed
        self.world = world
        self.chance = random.Random(seed)
        self.clock = StormClock(world.control, seed)
        world.clock = self.clock
        self.said: list[str] = []
        self.broken: list[str] = []
        self.deeds: list[Deed] = []
        self.stores = [world.directory / "store-west", world.directory / "store-east"]
        self.hurried = self.chance.random() < 0.15
        self.unplanned = False
        self.foreign = False
        self.foreign_at = 0.0
        self.next: list[str] = []
        self.began = self.clock.now()

    # -- telling ---------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        self.said.append(f"{self.clock.now() - self.began:10.1f}  {text}")

    def breaks(self, promise: str) -> None:
        self.say(f"BROKEN: {promise}")
        self.broken.append(promise)

    # -- weather ---------------------------------------------------------------------------------------------

    def change_weather(self, when: str = "") -> None:
        kinds = (
            (self._fault, 8),
            (self._link, 3),
            (self._kill, 2),
            (self._lighten, 5),
            (self._isolate, 2),
            (self._slow_copy, 2),
            (self._stick, 1),
            (self._unstick, 2),
            (self._expire, 1),
            (self._foreign_client, 2),
            (self._hosts, 1),
            (self._lose_store, 0 if when else 1),
        )
        functions, weights = zip(*kinds, strict=True)
        (pick,) = self.chance.choices(functions, weights)
        self.say(f"{when}{pick()}")

    def _fault(self) -> str:
        kind = self.chance.choice(
            ["reset", "reset", "reset", "status", "status", "html", "empty", "truncated", "late", "late"]
            + ["vanish", "null_stamps", "unknown_enum", "empty_list", "messages_string"]
            + (["hang", "slow", "hang"] if self.hurried else [])
        )
        settings: dict[str, Any] = {
            "times": self.chance.choice([1, 1, 1, 2, 4, 10]),
            "skip": self.chance.choice([0, 0, 0, 1, 3, 7]),
            "effect": self.chance.choice(["before", "after"]),
        }
        if kind == "status":
            settings["status"] = self.chance.choice(STATUSES)
        if settings.get("status", 500) < 500 or kind in ("vanish", "messages_string"):
            settings["effect"] = "before"  # an array that says no does not lie
        if kind == "status" and self.chance.random() < 0.2:
            settings["header"] = self.chance.choice(["1", "7", "4000"])
        if kind == "late":
            settings |= {"seconds": self.chance.uniform(0.1, 9), "method": "change"}
        if kind in ("hang", "slow"):
            settings |= {"seconds": self.chance.choice([0.2, 1.0]), "times": 1}
        if kind in ("null_stamps", "unknown_enum", "empty_list"):
            settings |= {"times": self.chance.choice([1, 3, 50]), "method": "GET"}
        where = self.chance.choice(["/failover$", "/reprotect$", "replication_session", "/job", None, None])
        if where is not None and "method" not in settings:
            settings["path"] = where
        array = self.chance.choice([*ARRAYS, None])
        self.world.control.fault(array, kind, **settings)
        return f"fault {kind} at {array or 'any'} {settings}"

    def _link(self) -> str:
        state = self.chance.choice(["up", "up", "data_down", "management_down", "down"])
        self.world.control.link(state)
        return f"link {state}"

    def _kill(self) -> str:
        array, mode = self.chance.choice(ARRAYS), self._mode()
        self.world.control.kill(array, mode=mode)
        return f"kill {array} ({mode})"

    def _isolate(self) -> str:
        array, mode = self.chance.choice(ARRAYS), self._mode()
        link_up, hosts = self.chance.random() < 0.4, self.chance.random() < 0.6
        self.world.control.isolate(array, mode=mode, hosts_alive=hosts, link_up=link_up)
        return f"isolate {array} ({mode}, hosts_alive={hosts}, link_up={link_up})"

    def _mode(self) -> str:
        return "silent" if self.hurried and self.chance.random() < 0.3 else "refuse"

    def _lighten(self) -> str:
        array = self.chance.choice(ARRAYS)
        self.world.control.revive(array)
        return f"revive {array}"

    def _slow_copy(self) -> str:
        seconds, fail = self.chance.choice([None, 1.0, 40.0, 300.0]), self.chance.random() < 0.3
        self.world.control.slow_copy(LEDGER, seconds, fail=fail)
        return f"slow copy {seconds}, fail={fail}"

    def _stick(self) -> str:
        state = self.chance.choice(["Failing_Over", "Failing_Over_For_DR", "Reprotecting", "Synchronizing"])
        self.world.control.stick(LEDGER, state)
        return f"stick at {state}"

    def _unstick(self) -> str:
        return f"unstick: {self.world.control.unstick(LEDGER)}"

    def _expire(self) -> str:
        array, reply = self.chance.choice(ARRAYS), self.chance.choice(["401", "403", "302"])
        self.world.control.expire_logins(array, reply)
        return f"logins of {array} expire, {reply}"

    def _foreign_client(self) -> str:
        action = self.chance.choice(["pause", "resume", "sync", "failover", "reprotect"])
        array = self.chance.choice(ARRAYS)
        body = {"is_planned": True, "reverse": self.chance.random() < 0.5} if action == "failover" else None
        answer = self.world.control.gui(LEDGER, array, action, body)
        if answer["status"] == 202:
            self.foreign, self.foreign_at = True, self.clock.now()
        return f"another client: {action} on {array}: {answer['status']}"

    def _hosts(self) -> str:
        array, active = self.chance.choice(ARRAYS), self.chance.random() < 0.7
        self.world.control.hosts(LEDGER, array, active)
        return f"hosts at {array} write: {active}"

    def _lose_store(self) -> str:
        store = self.chance.choice(self.stores)
        shutil.rmtree(store, ignore_errors=True)
        return f"{store.name} is deleted"

    def brew(self) -> None:
        """What will happen while the next command waits."""
        for _ in range(self.chance.choice([0, 0, 1, 1, 2, 3])):
            self.clock.schedule(self.chance.uniform(0, 30), lambda cancel: self.change_weather("meanwhile: "))
        if self.chance.random() < 0.07:
            self.clock.schedule(self.chance.uniform(0, 25), self._press_ctrl_c)

    def _press_ctrl_c(self, cancel: Cancel | None) -> None:
        self.say("meanwhile: Ctrl-C")
        if cancel is not None:
            cancel.set()

    # -- commands --------------------------------------------------------------------------------------------

    def command(self) -> tuple[list[str], Path]:
        """What a person may type, and where: what was printed last, or something else."""
        if self.next and self.chance.random() < 0.55:
            return self.next, self.deeds[-1].store
        if self.chance.random() < 0.2 and any(deed.identity for deed in self.deeds):
            return self._about_an_operation()
        return self._fresh_command(), self.chance.choices(self.stores, (4, 1))[0]

    def _fresh_command(self) -> list[str]:
        kinds: list[tuple[Callable[[], list[str]], int]] = [
            (lambda: ["promote", LEDGER], 6),
            (lambda: ["demote", LEDGER], 3),
            (lambda: ["failover", LEDGER, "--to", self.chance.choice(ARRAYS)], 3),
            (lambda: ["reprotect", LEDGER], 3),
            (lambda: ["reprotect", LEDGER, "--survivor", self.chance.choice(ARRAYS)], 1),
            (self._looking, 1),
        ]
        functions, weights = zip(*kinds, strict=True)
        (pick,) = self.chance.choices(functions, weights)
        argv = pick()
        if argv[0] in ("promote", "failover") and self.chance.random() < 0.25:
            argv += self._rash_flags()
        if argv[0] == "reprotect" and self.chance.random() < 0.2:
            argv += ["--discard-local-changes"]
        return argv

    def _rash_flags(self) -> list[str]:
        flags = ["--peer-is-down", "--peer-is-fenced=cables out", "--from-replica", "--from-failed"]
        chosen = self.chance.sample(flags, self.chance.choice([1, 1, 2, 3]))
        bound = self.chance.choice(["unknown", "10d", "1s", "2020-01-01T00:00:00Z", None])
        return [*chosen, *([f"--accept-data-loss={bound}"] if bound else [])]

    def _about_an_operation(self) -> tuple[list[str], Path]:
        deed = self.chance.choice([deed for deed in self.deeds if deed.identity][-3:])
        what = self.chance.choice(["resume", "resume", "wait", "abandon"])
        flags = self._rash_flags() if what == "resume" and self.chance.random() < 0.5 else []
        return ["op", what, str(deed.identity), *flags], deed.store

    def _looking(self) -> list[str]:
        return self.chance.choice([["status"], ["explain", LEDGER], ["promote", LEDGER, "--dry-run"]])

    def manner(self, argv: list[str]) -> list[str]:
        """How it is to be carried out."""
        if argv[0] in ("status", "explain") or argv[:2] == ["op", "abandon"]:
            return []
        more = []
        if self.chance.random() < 0.9 and "--timeout" not in argv:
            more += ["--timeout", self.chance.choice(["0s", "1s", "8s", "30s", "2m", "2m", "5m", "10m"])]
        if argv[0] != "op" and self.chance.random() < 0.15:
            more += ["--no-wait"]
        if "--probe" not in argv and self.chance.random() < 0.5:
            more += ["--probe"]
        return more

    def run(self, argv: list[str], store: Path) -> Deed:
        """Run a command and judge what it says by what is."""
        deed = self._run(argv, store)
        self.deeds.append(deed)
        self._tell(deed)
        self._judge(deed)
        self._read_next(deed)
        return deed

    def _run(self, argv: list[str], store: Path) -> Deed:
        before, since = self.world.truth(), self._requests_so_far()
        yes = [] if argv[0] in ("status", "explain") or argv[:2] == ["op", "wait"] else ["-y"]
        words = [*argv, *yes, "-o", "json"]
        environ = HURRIED if self.hurried else {}
        ran = self.world.run(*words, state_dir=store, environ=environ)
        deed = Deed(tuple(argv), store, ran, before, since, self._requests_so_far())
        try:
            deed.document = json.loads(ran.out)
        except ValueError:
            self.breaks(f"stdout of {argv} is not one document: {ran.out[:200]!r} {ran.err[-500:]}")
        return deed

    def _requests_so_far(self) -> int:
        found = self.world.control.requests()
        return int(found[-1]["n"]) if found else 0

    def _tell(self, deed: Deed) -> None:
        operation = deed.operation or {}
        error = operation.get("error") or deed.document.get("error") or {}
        refusal = operation.get("refusal") or {}
        guards = [guard["name"] for guard in refusal.get("guards", ())]
        truth = self.world.truth()
        self.say(
            f"$ [{deed.store.name}] replctl {shlex.join(deed.argv)} -> {deed.ran.code} {deed.outcome}"
            f" {deed.identity or ''} {guards or ''} {error.get('code', '')}: {error.get('message', '')}"
        )
        for change in self._changes(deed):
            self.say(
                f"    sent {change['array']} {change['path'].rsplit('/', 1)[-1]} {change['body']}"
                f" -> {change['status']} effect={change['effect']} at {change['at'] - self.began:.1f}"
            )
        self.say(
            f"    truth: {truth['role']} {truth['state']} writable={truth['writable']}"
            f" lost={truth['lost_writes']} both={truth['both_wrote']}"
        )

    def _read_next(self, deed: Deed) -> None:
        refusal = (deed.operation or {}).get("refusal") or {}
        error = (deed.operation or {}).get("error") or {}
        text = refusal.get("next") or error.get("remedy") or ""
        words = shlex.split(text) if text.startswith("replctl ") else []
        self.next = [WORDS.get(word, word) for word in words[1:] if "BACKEND" not in word]
        if any("BACKEND" in word for word in words):
            self.next += ["--survivor", self.chance.choice(ARRAYS)]
        if not self.next or self.next[0] not in ("promote", "demote", "failover", "reprotect", "op"):
            self.next = []
        if self.next[:2] in (["op", "list"], ["op", "show"]):
            self.next = ["op", "resume", self.next[2]] if len(self.next) > 2 else []

    # -- judging ---------------------------------------------------------------------------------------------

    def _of_one(self, deed: Deed) -> list[Deed]:
        """The commands that worked on one operation, this one last."""
        if deed.identity is None:
            return [deed]
        return [each for each in self.deeds if each.identity == deed.identity]

    def _acknowledged(self, deed: Deed) -> bool:
        words = [word.split("=")[0] for each in self._of_one(deed) for word in each.flags]
        return any(word in UNPLANNED for word in words)

    def _was_over(self, deed: Deed) -> bool:
        """Whether the command only told how an operation had ended before."""
        ended = [each.outcome for each in self._of_one(deed)[:-1] if each.ran.code not in STILL_OPEN]
        return deed.argv[0] == "op" and deed.outcome in ended

    def _changes(self, deed: Deed) -> list[dict[str, Any]]:
        return [change for change in self.world.changes(since=deed.since) if change["n"] <= deed.until]

    def _effective(self, deed: Deed) -> list[dict[str, Any]]:
        return [change for change in self._changes(deed) if change["effect"]]

    def _judge(self, deed: Deed) -> None:
        self._judge_codes(deed)
        if deed.argv[0] in ("status", "explain") or "--dry-run" in deed.argv:
            if self._changes(deed):
                self.breaks("a looking command changed something")
            return
        self._note_unplanned(deed)
        if deed.outcome in ("succeeded", "unchanged"):
            self._judge_success(deed)
        if deed.outcome == "succeeded":
            self._judge_loss(deed)
        if deed.ran.code == 3:
            self._judge_partial(deed)
        self._judge_nothing_changed(deed)
        self._judge_journal(deed)
        self._judge_truth()
        self._judge_lock(deed)

    def _judge_codes(self, deed: Deed) -> None:
        document = deed.document
        if document and document["exit_code"] != deed.ran.code if "exit_code" in document else False:
            self.breaks(f"exit code {deed.ran.code}, document says {document['exit_code']}")
        if "made a mistake" in deed.ran.err or "internal" in str(document.get("error")):
            reports = [each.read_text() for each in deed.store.glob("report-*.txt")]
            self.breaks(f"an internal error: {deed.ran.err[-300:]}\n{''.join(reports)[-3000:]}")
        if deed.operation and "outcome" in deed.operation:
            outcome = Outcome(deed.operation["outcome"])
            if int(CODES[outcome]) != deed.ran.code:
                self.breaks(f"{outcome} with exit code {deed.ran.code}")
            strange = {change["correlation_id"] for change in self._changes(deed)} - {
                deed.operation["correlation_id"]
            }
            if strange:
                self.breaks(f"changes of other correlation ids: {strange}")
        elif self._changes(deed):
            self.breaks("changes were sent by a command that tells of no operation")

    def _note_unplanned(self, deed: Deed) -> None:
        for change in self._changes(deed):
            body = change["body"] or {}
            if change["path"].endswith("/failover") and body.get("is_planned") is not True:
                if not self._acknowledged(deed) and "--discard-local-changes" not in deed.flags:
                    self.breaks("an unplanned failover that nobody acknowledged")
                self.unplanned = True

    def _judge_success(self, deed: Deed) -> None:
        new = deed.new_source
        if new is None or deed.speaks_of("op", "abandon") or self._was_over(deed):
            return
        if deed.outcome == "unchanged" and self.clock.now() - self.foreign_at < VIEWS_LAG_SECONDS:
            return  # nobody can see yet what another client has just set going
        truth = self.world.truth()
        alone = self._acknowledged(deed) and deed.argv[0] != "reprotect"
        right = truth["role"][new] == "Source" and (alone or truth["role"][other(new)] == "Destination")
        if not right:
            self.breaks(f"false success: {deed.outcome}, yet roles are {truth['role']}")
        if not alone and deed.outcome == "succeeded" and not set(truth["state"].values()) <= WELL:
            self.breaks(f"false success: succeeded, yet states are {truth['state']}")
        if not alone and truth["writable"][other(new)]:
            self.breaks(f"false success: the replica is writable: {truth['writable']}")

    def _judge_loss(self, deed: Deed) -> None:
        loss = (deed.operation or {}).get("data_loss") or {}
        failovers = [each for each in self._effective(deed) if each["path"].endswith("/failover")]
        if not failovers or (failovers[0]["body"] or {}).get("is_planned") is True:
            return
        since = self.world.truth()["lost_at_failover_since"]
        point = loss.get("point")
        if point is None or since is None:
            return
        if since < _stamp(point):
            self.breaks(f"more was lost than was stated: since {since}, stated {point}")

    def _judge_partial(self, deed: Deed) -> None:
        moved = bool(self._changes(deed)) and deed.before["state"] != self.world.truth()["state"]
        if not (moved or self.foreign or any(self._effective(each) for each in self._of_one(deed))):
            self.breaks("partial, and nothing was changed")

    def _judge_nothing_changed(self, deed: Deed) -> None:
        if deed.ran.code not in NOTHING_CHANGED:
            return
        for each in self._of_one(deed):
            if self._effective(each):
                self.breaks(f"exit {deed.ran.code} of {deed.argv}, and something was changed")

    def _judge_journal(self, deed: Deed) -> None:
        if deed.identity is None or deed.speaks_of("op", "abandon"):
            return
        ran = self.world.run("op", "show", deed.identity, "-o", "json", state_dir=deed.store)
        shown = json.loads(ran.out)
        if ran.code != 0:
            self.breaks(f"op show: {ran.code} {ran.err}")
            return
        (record,) = shown["operations"]
        only_looked = deed.speaks_of("op", "wait") and deed.ran.code in STILL_OPEN and record["open"]
        if record["outcome"] != deed.outcome and not record["abandoned_by"] and not only_looked:
            self.breaks(f"the journal says {record['outcome']}, printed was {deed.outcome}")

    def _judge_truth(self) -> None:
        truth = self.world.truth()
        if self.unplanned:
            return
        if truth["both_wrote"]:
            self.breaks(f"hosts wrote on both sides for {truth['both_wrote']} s")
        if truth["lost_writes"]:
            self.breaks(f"{truth['lost_writes']} writes were lost without an unplanned promotion")
        if all(truth["writable"].values()):
            self.breaks("both sides are writable without an unplanned promotion")

    def _judge_lock(self, deed: Deed) -> None:
        holder = SqliteStore(deed.store, clock=self.clock).holder(LEDGER)
        if holder is not None:
            self.breaks(f"the lock is still held by {holder}")

    def judge_all(self) -> None:
        """What only the end can tell: late deliveries, and that no operation did one thing twice."""
        by_operation: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for deed in self.deeds:
            if deed.ran.code in NOTHING_CHANGED and self._effective(deed):
                self.breaks(f"exit {deed.ran.code} of {deed.argv}, and later something was changed")
            for change in self._effective(deed):
                by_operation[deed.identity or ""].append((change["array"], change["path"].rsplit("/", 1)[-1]))
        for identity, changes in by_operation.items():
            if len(changes) != len(set(changes)):
                self.breaks(f"operation {identity} did one thing twice: {changes}")
        self._judge_truth()
        for store in self.stores:
            ran = self.world.run("history", "--verify", "-o", "json", state_dir=store)
            if ran.code != 0:
                self.breaks(f"history --verify: {ran.code} {ran.out[:500]} {ran.err[-300:]}")

    # -- the course of it ------------------------------------------------------------------------------------

    def play(self) -> None:
        for array in ARRAYS:
            self.world.control.skew(array, self.chance.choice([0.0, self.chance.uniform(-90, 90)]))
        self.clock.wait(WARM_UP_SECONDS)
        for _ in range(self.chance.randint(*DEEDS)):
            for _ in range(self.chance.choice([0, 0, 1, 1, 2, 3])):
                self.change_weather()
            self.clock.wait(self.chance.choice([0.0, 2.0, 15.0, self.chance.uniform(0, 400)]))
            self.brew()
            argv, store = self.command()
            self.run([*argv, *self.manner(argv)], store)
            self.clock.forget()
            if self.broken:
                return
        self.settle()
        self.judge_all()

    def settle(self) -> None:
        """Fair weather again: everything that was begun can be ended, and a planned promotion goes."""
        control = self.world.control
        control.clear_faults()
        control.link("up")
        for array in ARRAYS:
            control.revive(array)
            control.hosts(LEDGER, array, True)
        control.unstick(LEDGER)
        control.slow_copy(LEDGER, None)
        self.say("fair weather")
        self.clock.wait(CALM_SECONDS)
        for store in self.stores:
            self._close_the_books(store)
        argv = ["promote", LEDGER, "--probe"]
        for _ in range(ROUNDS_TO_SETTLE):
            self._resume_what_others_paused()
            self.clock.wait(70)
            deed = self.run(argv, self.stores[0])
            if deed.ran.code == 0 and not self._acknowledged(deed):
                break
            argv = [*self.next, "--probe"] if self.next else ["promote", LEDGER, "--probe"]
            argv = list(dict.fromkeys(argv))
        else:
            self.breaks(STUCK)

    def _close_the_books(self, store: Path) -> None:
        listed = self.world.run("op", "list", "--open", "-o", "json", state_dir=store).json["operations"]
        for each in listed:
            identity = each["operation_id"]
            deed = self.run(["op", "resume", identity, "--timeout", "20m", "--probe"], store)
            if deed.ran.code in (8, 9, 11, 2) or not deed.operation:
                self.run(["op", "abandon", identity], store)
        left = self.world.run("op", "list", "--open", "-o", "json", state_dir=store).json["operations"]
        if left:
            self.breaks(f"operations stay open: {[each['operation_id'] for each in left]}")

    def _resume_what_others_paused(self) -> None:
        truth = self.world.truth()
        for array in ARRAYS:
            if truth["state"][array] == "Paused":
                self.world.control.gui(LEDGER, array, "pause")
                self.clock.wait(5)
                self.say(
                    f"another client resumes {self.world.control.gui(LEDGER, array, 'resume')['status']}"
                )
            if truth["state"][array] == "System_Paused" and truth["role"][array] == "Source":
                self.say(f"another client syncs: {self.world.control.gui(LEDGER, array, 'sync')['status']}")


def _stamp(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def draw_assumptions(chance: random.Random) -> dict[str, str]:
    """A value for each named assumption: its default half of the time, else any."""
    drawn = {}
    for name, values, default, _, _ in list_assumptions():
        drawn[name] = default if chance.random() < 0.5 else chance.choice(values)
    return drawn


def draw_durations(chance: random.Random) -> dict[str, float]:
    """How long things take: usually as ever, sometimes at once or long."""
    durations = {
        "failover": (0.0, 8.0, 25.0),
        "failover_dr": (0.0, 5.0, 20.0),
        "reprotect": (0.0, 10.0, 40.0),
    }
    durations |= {"flip": (0.0, 20.0, 60.0), "role_gap": (0.0, 1.0, 4.0), "detection": (0.0, 10.0)}
    durations |= {"lag_west": (0.0, 1.5, 3.0), "lag_east": (0.0, 1.5, 3.0)}
    return {name: chance.choice(values) for name, values in durations.items() if chance.random() < 0.5}


def blow(seed: int, directory: Path) -> Storm:
    """One storm, from its seed alone."""
    chance = random.Random(f"world {seed}")
    assumptions, durations = draw_assumptions(chance), draw_durations(chance)
    options: dict[str, Any] = {"seed": seed, "replications": 1, "start_at": START_AT}
    with a_world(directory, assumptions=assumptions, durations=durations, **options) as world:
        storm = Storm(seed, world)
        storm.say(f"seed {seed}; hurried {storm.hurried}; durations {durations}")
        storm.say(f"assumptions {assumptions}")
        storm.play()
        return storm


def storms(first: int, runs: int, directory: Path) -> Iterator[Storm]:
    """Storms of consecutive seeds, each in a directory of its own that is removed again."""
    for seed in range(first, first + runs):
        place = directory / str(seed)
        place.mkdir()
        yield blow(seed, place)
        shutil.rmtree(place)
