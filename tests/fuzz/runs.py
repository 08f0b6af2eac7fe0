"""One run: a world, some commands in its weather, fair weather at the end, and a verdict; told as a transcript."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from contextvars import Context
from pathlib import Path

from worlds import World

from fuzz import worldmaking
from fuzz.daemons import a_daemon
from fuzz.deeds import OTHER, Deed
from fuzz.oracle import COUNTED, Fault, Oracle
from fuzz.people import People
from fuzz.turns import Killed, Process, TurnClock, running_as, taking_turns
from fuzz.weather import Weather
from replctl.clock import Cancel
from replctl.core.counts import sample
from replctl.simulator.scene import POWERSTORE
from replctl.store.sqlite import SqliteStore

DEEDS = (2, 5)  # commands of a run, at least and at most
CALM_SECONDS = 200.0
SETTLING = 0.25  # of the runs are settled in fair weather at their end
ROUNDS_TO_SETTLE = 6
KILLED, MEANWHILE, AT_A_MOMENT, CTRL_C, SECOND, TICK = 0.12, 0.5, 0.2, 0.05, 0.12, 0.12
LATEST_MOMENT = 120
LATEST_CHANGE = 10
STUCK = "stuck"


class Run:
    """Plays one seed. `said` is its story, `faults` what was wrong with it."""

    def __init__(self, drawn: worldmaking.Drawn, world: World, clock: TurnClock) -> None:
        self.drawn = drawn
        self.world = world
        self.clock = clock
        self.chance = random.Random(drawn.seed)
        self.weather = Weather(world, drawn, self.chance)
        self.stores = [world.directory / "state", world.directory / worldmaking.SECOND_STORE]
        self.oracle = Oracle(world, self.weather, clock)
        self.people = People(self.chance, self.weather.vendor_of, self.stores, self._sources)
        self.said: list[str] = []
        self.faults: list[Fault] = []
        self.deeds: list[Deed] = []
        self.stuck = False
        self._began = clock.now()
        self._running: list[Deed] = []
        self._truths_told: dict[str, str] = {}

    def _sources(self, name: str) -> list[str]:
        return list(self.oracle.truths()[name]["sources"])

    # -- telling ---------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        indent = "    " * len(self._running)
        text = text.replace(f"pid {os.getpid()}", "pid 1")  # or the same run would be told differently
        self.said.append(f"{self.clock.now() - self._began:9.1f}  {indent}{text}")

    def _blame(self, faults: Sequence[Fault]) -> None:
        for fault in faults:
            self.say(str(fault))
        self.faults += faults

    # -- the course of it ------------------------------------------------------------------------------------

    def play(self) -> None:
        self.say(f"seed {self.drawn.seed}: {self.drawn}")
        for name in self.weather.vendor_of:
            if self.weather.vendor_of[name] != POWERSTORE and self.chance.random() < 0.8:
                self.world.control.stop_pods(name)
                self.say(f"nobody uses {name}")
        for _ in range(self.chance.randint(*DEEDS)):
            for _ in range(self.chance.choice([0, 0, 1, 1, 2, 3])):
                self.say(self.weather.change())
            if self.chance.random() < 0.04:
                self._lose_a_store()
            self.clock.wait(self.chance.choice([0.0, 2.0, 15.0, self.chance.uniform(0, 400)]))
            self._one_deed()
            if self.faults:
                return
        if self.chance.random() < SETTLING:
            self._settle()
        self._blame(self.oracle.judge_all(self.deeds, self.stores))

    def _one_deed(self) -> None:
        if self.chance.random() < TICK:
            self._tick()
            return
        argv, store = self.people.command(self.deeds)
        process = Process("replctl " + " ".join(argv))
        if self.chance.random() < KILLED:
            if self.chance.random() < 0.5:
                process.dies_at = self.chance.randint(1, LATEST_MOMENT)
            else:
                process.dies_at_change = self.chance.randint(1, LATEST_CHANGE)
        self._brew(process)
        self._run(argv, store, process)
        self.clock.forget()

    def _brew(self, process: Process) -> None:
        """What will happen while the next command is at work: at a time on its way, or at one of its moments."""
        chance = self.chance
        if chance.random() < MEANWHILE:
            for _ in range(chance.choice([1, 1, 2, 3])):
                self.clock.schedule(chance.uniform(0, 30), lambda cancel: self.say(self.weather.change()))
        if chance.random() < AT_A_MOMENT:
            self._at_a_moment(process, lambda: self.say(self.weather.change()))
        if chance.random() < SECOND:
            argv, store = self.people.command(self.deeds)
            second = Process("replctl " + " ".join(argv))
            if chance.random() < 0.5:
                self._at_a_moment(process, lambda: self._meanwhile(argv, store, second))
            else:
                self.clock.schedule(
                    chance.uniform(0, 25), lambda cancel: self._meanwhile(argv, store, second)
                )
        if chance.random() < TICK / 2:
            self.clock.schedule(chance.uniform(0, 25), lambda cancel: self._tick())
        if chance.random() < CTRL_C:
            self.clock.schedule(chance.uniform(0, 25), self._press_ctrl_c)

    def _at_a_moment(self, process: Process, deed: Callable[[], None]) -> None:
        """At any of them, or at one right before or after a change."""
        if self.chance.random() < 0.5:
            process.deeds[self.chance.randint(1, LATEST_MOMENT)] = deed
        else:
            process.deeds_at_change[self.chance.randint(1, LATEST_CHANGE)] = deed

    def _press_ctrl_c(self, cancel: Cancel | None) -> None:
        if threading.current_thread() is threading.main_thread() and len(self._running) == 1:
            self.say("Ctrl-C")
            signal.raise_signal(signal.SIGINT)

    def _lose_a_store(self) -> None:
        store = self.chance.choice(self.stores)
        shutil.rmtree(store, ignore_errors=True)
        self.oracle.lost_stores.add(store)
        self.say(f"{store.name} is deleted")

    # -- commands --------------------------------------------------------------------------------------------

    def _meanwhile(self, argv: list[str], store: Path, process: Process) -> None:
        """Another operator's whole command, while somebody else's waits or is about to send."""
        Context().run(self._run, argv, store, process)

    def _run(self, argv: list[str], store: Path, process: Process) -> Deed:
        """Run a command and judge what it says by what is."""
        deed = self._begin(argv, store, process)
        yes = [] if argv[0] in ("status", "explain") or argv[:2] == ["op", "wait"] else ["-y"]
        before = self._counts(store)
        self._running.append(deed)
        try:
            with running_as(process):
                deed.ran = self.world.run(*argv, *yes, "-o", "json", state_dir=store)
        except Killed:
            process.close()
        finally:
            self._running.pop()
        after = self._counts(store)
        if before is not None and after is not None and deed.ran is not None:
            process.counted = after - before
        self._end(deed)
        return deed

    def _begin(self, argv: Sequence[str], store: Path, process: Process) -> Deed:
        deed = Deed(
            number=len(self.deeds) + 1,
            argv=tuple(argv),
            store=store,
            process=process,
            names=tuple(self.weather.vendor_of),
            before=self.oracle.truths(),
            began=self.clock.now(),
            since=self.weather.requests_so_far(),
            nested=bool(self._running),
        )
        for outer in self._running:
            outer.interrupted_by.append(deed)
        self.say(f"[{store.name}] $ {process.name}{process.fate}")
        return deed

    def _end(self, deed: Deed) -> None:
        deed.ended, deed.until = self.clock.now(), self.weather.requests_so_far()
        if deed.ran is not None and not deed.is_daemon:
            try:
                deed.document = json.loads(deed.ran.out)
            except ValueError:
                deed.document = {}
        self.deeds.append(deed)
        self._tell(deed)
        self._blame(self.oracle.judge(deed, [*self._running, *self.deeds]))
        if not deed.is_daemon and not deed.nested:
            self.people.read(deed)

    def _counts(self, store: Path) -> Counter[tuple[str, bool]] | None:
        """How many reconciles of each replication a store has counted, by success; None where there is no store."""
        if not store.exists():
            return Counter()
        with closing(SqliteStore(store, clock=self.clock)) as opened:
            counts = opened.counts()
        found: Counter[tuple[str, bool]] = Counter()
        for full in self.weather.vendor_of:
            namespace, _, name = full.partition("/")
            for word, well in (("success", True), ("error", False)):
                key = sample("reconcile_total", namespace=namespace, name=name, result=word)
                assert key.startswith(COUNTED)
                found[full, well] = int(counts.get(key, 0))
        return found

    def _tell(self, deed: Deed) -> None:
        if deed.ran is None:
            self.say(f"-> killed at moment {deed.process.moments}")
        elif not deed.is_daemon:
            self.say(f"-> {deed.code} {deed.document.get('outcome', '')}")
        for operation in deed.operations:
            error, refusal = operation.get("error") or {}, operation.get("refusal") or {}
            guards = [guard["name"] for guard in refusal.get("guards", ())]
            name = f"{operation['namespace']}/{operation['name']}"
            said = f"{error.get('code', '')} {error.get('message', '')}"
            self.say(
                f"   {name}: {operation['outcome']} {operation['operation_id'] or ''} {guards or ''} {said}"
            )
        for each in self.oracle.of(deed, self.oracle.changes()):
            self.say(
                f"   accepted: {each.action} of {each.name} on {each.backend} at {each.at - self._began:.1f}"
            )
        for name, truth in self.oracle.truths().items():
            roles = truth.get("role") or truth["volume_type"]
            told = f"{roles} {truth['state']} lost={truth['lost_writes']} both={truth['both_wrote']}"
            if self._truths_told.get(name) != told:
                self._truths_told[name] = told
                self.say(f"   truth of {name}: {told}")

    # -- the daemon ------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """A daemon that starts, looks, is perhaps shown an edited file, acts, and stops."""
        edit = None
        if self.chance.random() < 0.5:
            edit = (
                self.chance.choice(list(self.weather.vendor_of)),
                self.chance.choice(["source", "replica"]),
            )
        process = Process(f"daemon (the file is edited: {edit})" if edit else "daemon")
        Context().run(self._ticked, process, edit)

    def _ticked(self, process: Process, edit: tuple[str, str] | None) -> None:
        store = self.stores[0]
        deed = self._begin(("daemon",), store, process)
        self._running.append(deed)
        try:
            with running_as(process):
                said = a_daemon(self.world, edit, self.clock)
        finally:
            self._running.pop()
        deed.ran = said
        self.say("-> " + said.out)
        self._end(deed)

    # -- fair weather ----------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Everything that was begun can be ended, and a planned promotion goes."""
        self.weather.calm()
        self.say("fair weather")
        self.clock.wait(CALM_SECONDS)
        for store in self.stores:
            self._close_the_books(store)
        for name in self.weather.vendor_of:
            if not self.faults and not self._promoted(name):
                self.stuck = True
                self.say(f"STUCK: a planned promotion of {name} does not go in fair weather")

    def _close_the_books(self, store: Path) -> None:
        for identity in self._open_operations(store):
            deed = self._typed(["op", "resume", identity, "--timeout", "20m", "--probe"], store)
            if deed.code in (2, 5, 6, 8, 9, 11) or not deed.operations:
                self._typed(["op", "abandon", identity], store)
        left = self._open_operations(store)
        if left and not self.faults:
            self._blame([Fault("violation", f"operations stay open: {left}")])

    def _typed(self, argv: list[str], store: Path) -> Deed:
        return self._run(argv, store, Process("replctl " + " ".join(argv)))

    def _open_operations(self, store: Path) -> list[str]:
        listed = self.world.run("op", "list", "--open", "-o", "json", state_dir=store).json["operations"]
        return [each["operation_id"] for each in listed]

    def _promoted(self, name: str) -> bool:
        argv, store = ["promote", name, "--probe"], self.stores[0]
        for _ in range(ROUNDS_TO_SETTLE):
            self._mend(name)
            self.clock.wait(70)
            deed = self._typed(argv, store)
            if self.faults or (deed.code == 0 and not deed.takes_over and deed.argv[0] == "promote"):
                return True
            argv = [*self.people.next] if self.people.next else ["promote", name]
            argv = list(dict.fromkeys([*argv, "--probe"]))
        return False

    def _mend(self, name: str) -> None:
        """What only the array's own people can do."""
        truth = self.oracle.truths()[name]
        if "role" not in truth:
            return
        for array in OTHER:
            if truth["state"].get(array) == "Paused":
                self.world.control.gui(name, array, "pause")
                self.clock.wait(5)
                status = self.world.control.gui(name, array, "resume")["status"]
                self.say(f"another client resumes {name} on {array}: {status}")
            if truth["state"].get(array) == "System_Paused" and truth["role"][array] == "Source":
                self.say(f"another client syncs: {self.world.control.gui(name, array, 'sync')['status']}")


def play(seed: int, directory: Path) -> Run:
    """One run, from its seed alone."""
    drawn = worldmaking.draw(seed)
    with worldmaking.made(drawn, directory) as world:
        clock = TurnClock(world.control, seed)
        world.clock = clock  # type: ignore[assignment]  # the same, with what happens on the way
        run = Run(drawn, world, clock)
        with taking_turns(clock, seed):
            run.play()
        return run
