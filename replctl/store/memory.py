"""What is remembered between commands beside the journal: small facts by kind, subject and detail.

Holds, survivors, ends that are not verified, proofs, identities, breakers; last observations, counters, what the
daemon said. The last three are kept as well as may be and never stop anybody; all others are on disk when the method
returns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import TypeVar, cast

from replctl.core.breaker import BreakerState
from replctl.core.errors import ReplctlError
from replctl.core.journal import Drill, Proof
from replctl.core.model import Hold, Observation
from replctl.core.reconciling import Settled
from replctl.core.waiting import DaemonWord, Waiting
from replctl.store import records
from replctl.store.database import NOT_WRITTEN, Backed, Connection

BEST_EFFORT_SECONDS = 0.2  # how long a look waits for a busy store before it does without

HOLD, SURVIVOR, UNVERIFIED, IDENTITY = "hold", "survivor", "unverified", "identity"
OBSERVATION, BREAKER, DRILL, SETTLED = "observation", "breaker", "drill", "settled"
NAME, PROOF = "name", "proof"
DAEMON, WAITING = "daemon", "waiting"
SUBJECTS_AT_ONCE = 500  # of one query; SQLite takes so many values in any release
WHOLE_FROM = 5000  # subjects; reading a kind whole is quicker then

_PUT = "INSERT OR REPLACE INTO facts (kind, subject, detail, body) VALUES (?, ?, ?, ?)"
_FORGET = "DELETE FROM facts WHERE kind = ? AND subject = ?"

V = TypeVar("V")


class Memory(Backed):
    """One table of facts, and the counters."""

    def hold(self, replication: str) -> Hold | None:
        text = self._fact(HOLD, replication)
        return None if text is None else self._read(records.hold, text, HOLD, replication)

    def holds(self) -> Mapping[str, Hold]:
        return {
            subject: self._read(records.hold, text, HOLD, subject) for subject, _, text in self._facts(HOLD)
        }

    def set_hold(self, replication: str, hold: Hold) -> None:
        self._put(HOLD, replication, "", records.encode(hold))

    def remove_hold(self, replication: str) -> bool:
        """Whether there was one."""
        return self._remove(HOLD, replication)

    def survivor(self, replication: str) -> str | None:
        """The source since an acknowledged unplanned promotion of ours, until it is reprotected."""
        return self._fact(SURVIVOR, replication)

    def survivors(self) -> Mapping[str, str]:
        return {subject: backend for subject, _, backend in self._facts(SURVIVOR)}

    def set_survivor(self, replication: str, backend: str | None) -> None:
        if backend is None:
            self._remove(SURVIVOR, replication)
        else:
            self._put(SURVIVOR, replication, "", backend)

    def drill(self, replication: str) -> Drill | None:
        """The last failover test of it, running or ended."""
        text = self._fact(DRILL, replication)
        return None if text is None else self._read(records.drill, text, DRILL, replication)

    def drills(self) -> Mapping[str, Drill]:
        """The last of each; one that this replctl cannot understand is left out."""
        found: dict[str, Drill] = {}
        for replication, _, text in self._facts(DRILL):
            with suppress(records.Unreadable):
                found[replication] = records.drill(text)
        return found

    def set_drill(self, replication: str, drill: Drill) -> None:
        self._put(DRILL, replication, "", records.encode(drill))

    def settled(self) -> Mapping[str, Settled]:
        """How the daemon last saw each at rest; what it cannot understand is left out."""
        found: dict[str, Settled] = {}
        for replication, _, text in self._facts(SETTLED):
            with suppress(records.Unreadable):
                found[replication] = records.settled(text)
        return found

    def remember_settled(self, settled: Mapping[str, Settled]) -> None:
        rows = [(SETTLED, replication, "", records.encode(each)) for replication, each in settled.items()]
        with self._database.transaction(NOT_WRITTEN) as connection:
            connection.executemany(_PUT, rows)

    def forget_settled(self, replications: Collection[str]) -> None:
        rows = [(SETTLED, replication) for replication in replications]
        with self._database.transaction(NOT_WRITTEN) as connection:
            connection.executemany(_FORGET, rows)

    def daemon_word(self) -> DaemonWord | None:
        """What the daemon said last, as far as this replctl can understand it."""
        text = self._fact(DAEMON, "")
        if text is not None:
            with suppress(records.Unreadable):
                return records.daemon_word(text)
        return None

    def waiting(self) -> Mapping[str, Waiting]:
        """What the daemon leaves to a person; what it cannot understand is left out."""
        found: dict[str, Waiting] = {}
        for replication, _, text in self._facts(WAITING):
            with suppress(records.Unreadable):
                found[replication] = records.waiting(text)
        return found

    def tell(self, word: DaemonWord, waiting: Mapping[str, Waiting | None]) -> bool:
        """Keep the daemon's word, and what is new of what waits; False where the store cannot be written now."""
        kept = [(WAITING, key, "", records.encode(each)) for key, each in waiting.items() if each is not None]
        gone = [(WAITING, key) for key, each in waiting.items() if each is None]
        try:
            with self._best_effort() as connection:
                connection.executemany(_PUT, [(DAEMON, "", "", records.encode(word)), *kept])
                connection.executemany(_FORGET, gone)
        except ReplctlError:
            return False
        return True

    def unverified(self, replication: str) -> frozenset[str]:
        found = self._database.rows(
            "SELECT detail FROM facts WHERE kind = ? AND subject = ?", UNVERIFIED, replication
        )
        return frozenset(cast(str, detail) for (detail,) in found)

    def all_unverified(self) -> Mapping[str, frozenset[str]]:
        """Of every replication that has such ends."""
        return {
            subject: frozenset(backends) for subject, backends in _by_subject(self._facts(UNVERIFIED)).items()
        }

    def set_unverified(self, replication: str, backends: Iterable[str]) -> None:
        wanted = frozenset(backends)
        if wanted == self.unverified(replication):
            return
        with self._database.transaction(NOT_WRITTEN) as connection:
            connection.execute("DELETE FROM facts WHERE kind = ? AND subject = ?", (UNVERIFIED, replication))
            connection.executemany(_PUT, [(UNVERIFIED, replication, backend, "") for backend in wanted])

    def identities(self, replication: str) -> Mapping[str, str]:
        found = self._database.rows(
            "SELECT detail, body FROM facts WHERE kind = ? AND subject = ?", IDENTITY, replication
        )
        return {cast(str, backend): cast(str, identity) for backend, identity in found}

    def all_identities(self) -> Mapping[str, Mapping[str, str]]:
        """Of every replication that has any."""
        return _by_subject(self._facts(IDENTITY))

    def remember_identity(self, replication: str, backend: str, identity: str) -> None:
        if self._fact(IDENTITY, replication, backend) != identity:
            self._put(IDENTITY, replication, backend, identity)

    def proofs(self, replication: str) -> Mapping[str, Proof]:
        """By backend."""
        return {
            backend: self._read(records.proof, text, PROOF, replication)
            for _, backend, text in self._facts(PROOF, [replication])
        }

    def all_proofs(self) -> Mapping[str, Mapping[str, Proof]]:
        """Of every replication that has any; one that this replctl cannot understand is left out."""
        found: dict[str, dict[str, Proof]] = {}
        for replication, backend, text in self._facts(PROOF):
            with suppress(records.Unreadable):
                found.setdefault(replication, {})[backend] = records.proof(text)
        return found

    def remember_proof(self, replication: str, backend: str, proof: Proof) -> None:
        text = records.encode(proof)
        if self._fact(PROOF, replication, backend) != text:
            self._put(PROOF, replication, backend, text)

    def remember_observations(self, seen: Mapping[tuple[str, str], Observation]) -> None:
        """Keep what could be read, by (replication, backend); quietly not, where the store cannot be written."""
        rows = [
            (OBSERVATION, replication, backend, records.encode(observation))
            for (replication, backend), observation in seen.items()
            if observation.readable
        ]
        with suppress(ReplctlError), self._best_effort() as connection:
            connection.executemany(_PUT, rows)

    def observations(
        self, replications: Collection[str] | None = None
    ) -> Mapping[tuple[str, str], Observation]:
        """The last of each, of all or of those named; one that this replctl cannot understand is left out."""
        found: dict[tuple[str, str], Observation] = {}
        for replication, backend, text in self._facts(OBSERVATION, replications):
            with suppress(records.Unreadable):
                found[replication, backend] = records.observation(text)
        return found

    def names(self, subjects: Collection[str]) -> Mapping[str, str]:
        """What was kept of these names, in the words of whoever kept it; they can be found anew."""
        return {subject: body for subject, _, body in self._facts(NAME, subjects)}

    def remember_names(self, names: Mapping[str, str | None]) -> None:
        """Keep what names were found to mean, or forget it; quietly not, where the store cannot be written."""
        kept = [(NAME, subject, "", body) for subject, body in names.items() if body is not None]
        gone = [(NAME, subject) for subject, body in names.items() if body is None]
        with suppress(ReplctlError), self._best_effort() as connection:
            connection.executemany(_PUT, kept)
            connection.executemany(_FORGET, gone)

    def breaker(self, backend: str, call_class: str) -> BreakerState | None:
        text = self._fact(BREAKER, backend, call_class)
        return None if text is None else self._read(records.breaker, text, BREAKER, backend)

    def breakers(self) -> Mapping[tuple[str, str], BreakerState]:
        return {
            (backend, call_class): self._read(records.breaker, text, BREAKER, backend)
            for backend, call_class, text in self._facts(BREAKER)
        }

    def save_breaker(self, backend: str, call_class: str, state: BreakerState) -> None:
        self._put(BREAKER, backend, call_class, records.encode(state))

    def add_counts(self, counts: Mapping[str, float]) -> bool:
        """Add to the counters kept for the daemon; False where the store cannot be written now."""
        try:
            with self._best_effort() as connection:
                connection.executemany(
                    "INSERT INTO counters (name, value) VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                    counts.items(),
                )
        except ReplctlError:
            return False
        return True

    def counts(self) -> Mapping[str, float]:
        return {
            cast(str, name): cast(float, value)
            for name, value in self._database.rows("SELECT name, value FROM counters")
        }

    def _fact(self, kind: str, subject: str, detail: str = "") -> str | None:
        found = self._database.rows(
            "SELECT body FROM facts WHERE kind = ? AND subject = ? AND detail = ?", kind, subject, detail
        )
        return cast(str, found[0][0]) if found else None

    def _facts(self, kind: str, subjects: Collection[str] | None = None) -> list[tuple[str, str, str]]:
        """Those of a kind: all, or of some subjects, in as few queries as that takes."""
        if subjects is None or len(subjects) >= WHOLE_FROM:
            found = self._database.rows("SELECT subject, detail, body FROM facts WHERE kind = ?", kind)
            rows = cast(list[tuple[str, str, str]], found)
            wanted = None if subjects is None else frozenset(subjects)
            return [row for row in rows if wanted is None or row[0] in wanted]
        every, found = list(subjects), []
        for first in range(0, len(every), SUBJECTS_AT_ONCE):
            some = every[first : first + SUBJECTS_AT_ONCE]
            places = ",".join("?" * len(some))
            sql = f"SELECT subject, detail, body FROM facts WHERE kind = ? AND subject IN ({places})"  # noqa: S608 - marks
            found += self._database.rows(sql, kind, *some)
        return cast(list[tuple[str, str, str]], found)

    def _put(self, kind: str, subject: str, detail: str, body: str) -> None:
        with self._database.transaction(NOT_WRITTEN) as connection:
            connection.execute(_PUT, (kind, subject, detail, body))

    def _remove(self, kind: str, subject: str) -> bool:
        if self._fact(kind, subject) is None:
            return False
        with self._database.transaction(NOT_WRITTEN) as connection:
            gone = connection.execute("DELETE FROM facts WHERE kind = ? AND subject = ?", (kind, subject))
            return gone.rowcount > 0

    def _read(self, reader: Callable[[str], V], text: str, kind: str, subject: str) -> V:
        try:
            return reader(text)
        except records.Unreadable as error:
            raise self._database.damaged(f"the {kind} of {subject} cannot be read: {error}") from error

    def _best_effort(self) -> AbstractContextManager[Connection]:
        return self._database.transaction(NOT_WRITTEN, busy_seconds=BEST_EFFORT_SECONDS)


def _by_subject(facts: Iterable[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    """Bodies by detail, by subject."""
    found: dict[str, dict[str, str]] = {}
    for subject, detail, body in facts:
        found.setdefault(subject, {})[detail] = body
    return found
