"""What people type: what was printed last, or something else, with flags right and wrong."""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from fuzz.deeds import LOOKING, Deed
from fuzz.worldmaking import BACKENDS
from replctl.simulator.scene import POWERSTORE

TIMEOUTS = ("0s", "1s", "8s", "30s", "2m", "2m", "5m", "10m")
BOUNDS = ("unknown", "10d", "1s", "2020-01-01T00:00:00Z", None)
WORDS = {"--peer-is-fenced=HOW": "--peer-is-fenced=switch ports down"}
TAKE_UP = ("promote", "demote", "failover", "reprotect", "resync", "resume", "pause", "sync", "op", "drill")
QUIET = (*LOOKING, "release", "hold")


class People:
    """Draws command lines, for the replications of one world; `sources` tells which ends of one are sources."""

    def __init__(
        self,
        chance: random.Random,
        vendor_of: dict[str, str],
        stores: Sequence[Path],
        sources: Callable[[str], Sequence[str]],
    ) -> None:
        self._chance = chance
        self._vendor_of = vendor_of
        self._stores = stores
        self._sources = sources
        self.next: list[str] = []  # what was printed last, as it would be typed
        self.next_at: Path | None = None

    def command(self, done: Sequence[Deed]) -> tuple[list[str], Path]:
        """A command line, and in which store's reach it is typed."""
        if self.next and self.next_at is not None and self._chance.random() < 0.5:
            argv, store = self.next, self.next_at
        else:
            store = self._chance.choices(self._stores, (4, 1))[0]
            known = _operations(done, store)
            about = known and self._chance.random() < 0.2
            argv = self._about_an_operation(known) if about else self._fresh()
        return [*argv, *self._manner(argv)], store

    def _fresh(self) -> list[str]:
        name = self._chance.choice(list(self._vendor_of))
        backends = BACKENDS[self._vendor_of[name]]
        kinds: list[tuple[Callable[[], list[str]], int]] = [
            (lambda: ["promote", name], 7),
            (lambda: ["demote", name], 3),
            (lambda: ["failover", name, "--to", self._chance.choice(backends)], 3),
            (lambda: ["failover", name, "--to", self._replica_of(name)], 5),
            (lambda: ["reprotect", name], 3),
            (lambda: ["reprotect", name, "--survivor", self._chance.choice(backends)], 1),
            (lambda: [self._chance.choice(["pause", "resume", "sync", "resync"]), name], 2),
            (lambda: ["drill", self._chance.choice(["start", "stop"]), name], 1),
            (
                lambda: [self._chance.choice(["promote", "demote"]), "--all"],
                1 if len(self._vendor_of) > 1 else 0,
            ),
            (lambda: self._looking(name), 1),
        ]
        functions, weights = zip(*kinds, strict=True)
        (pick,) = self._chance.choices(functions, weights)
        argv = pick()
        if argv[0] in ("promote", "failover") and self._chance.random() < 0.25:
            argv += self._rash()
        if argv[0] in ("reprotect", "resync") and self._chance.random() < 0.25:
            argv += ["--discard-local-changes"]
        if argv[0] in ("promote", "demote", "failover") and self._chance.random() < 0.1:
            argv += ["--source-quiesced"]
        return argv

    def _replica_of(self, name: str) -> str:
        """The end that is not the source, so that something is to be done."""
        backends = BACKENDS[self._vendor_of[name]]
        sources = self._sources(name)
        return next((backend for backend in backends if backend not in sources), backends[0])

    def _rash(self) -> list[str]:
        flags = ["--peer-is-down", "--peer-is-fenced=cables out", "--from-replica", "--from-failed"]
        chosen = self._chance.sample(flags, self._chance.choice([1, 1, 2, 3]))
        bound = self._chance.choice(BOUNDS)
        return [*chosen, *([f"--accept-data-loss={bound}"] if bound else [])]

    def _about_an_operation(self, known: Sequence[str]) -> list[str]:
        what = self._chance.choice(["resume", "resume", "wait", "abandon"])
        flags = self._rash() if what == "resume" and self._chance.random() < 0.3 else []
        return ["op", what, self._chance.choice(known[-3:]), *flags]

    def _looking(self, name: str) -> list[str]:
        return self._chance.choice([["status"], ["explain", name], ["promote", name, "--dry-run"]])

    def _manner(self, argv: Sequence[str]) -> list[str]:
        """How it is to be carried out."""
        if argv[0] in QUIET or argv[:2] == ["op", "abandon"]:
            return []
        more = []
        if self._chance.random() < 0.8 and "--timeout" not in argv:
            more += ["--timeout", self._chance.choice(TIMEOUTS)]
        if argv[0] != "op" and self._chance.random() < 0.1:
            more += ["--no-wait"]
        if "--probe" not in argv and self._chance.random() < 0.5:
            more += ["--probe"]
        if "--all" in argv:
            more += self._chance.choice([["--keep-going"], []]) + self._chance.choice(
                [["--max-parallel", "1"], []]
            )
        return more

    def read(self, deed: Deed) -> None:
        """Take up what a command prints as the way on."""
        operation = deed.operations[0] if deed.operations else {}
        refusal, error = operation.get("refusal") or {}, operation.get("error") or {}
        text = refusal.get("next") or error.get("remedy") or ""
        self.next, self.next_at = [], deed.store
        if not text.startswith("replctl ") or ";" in text:
            return
        words = [WORDS.get(word, word) for word in shlex.split(text)[1:]]
        backends = BACKENDS[self._vendor_of.get(f"{operation['namespace']}/{operation['name']}", POWERSTORE)]
        words = [word.replace("BACKEND", self._chance.choice(backends)) for word in words]
        if words[0] in TAKE_UP:
            self.next = words
        if words[:2] in (["op", "list"], ["op", "show"]):
            self.next = ["op", "resume", words[2]] if len(words) > 2 else []


def _operations(done: Sequence[Deed], store: Path) -> list[str]:
    """The operations that a person may have read of in a store."""
    found = (each.get("operation_id") for deed in done if deed.store == store for each in deed.operations)
    return list(dict.fromkeys(each for each in found if each))
