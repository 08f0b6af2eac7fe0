"""Which session belongs to which end: names and ids of the file to ids of the array, and to rows (CP §4).

A few ends are looked up by filters, many by whole paged lists. What was found is remembered: for the time of
`ttl_seconds` a session is read by its id alone, after it the name is confirmed by id again. Nothing is called
absent but after a question for exactly it: a list whose pages shift while they are read may lack a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from replctl.clock import Clock
from replctl.core.model import End, Observation
from replctl.drivers.names import Known, Names
from replctl.drivers.powerstore import sessions
from replctl.drivers.powerstore.query import (
    GROUP_FIELDS,
    SESSION_FIELDS,
    VOLUME_FIELDS,
    Release,
    filters,
    looks_like_id,
    select,
)
from replctl.drivers.powerstore.reading import Reader
from replctl.drivers.powerstore.sessions import Row
from replctl.resilience import Look

WHOLE_LISTS_FROM = 50  # named ends; fewer are looked up by filters (design §12)
SESSION = "session"
VOLUME = "volume"
GROUP = "volume_group"
SHOWN = {VOLUME: "volume", GROUP: "volume group", SESSION: "replication session"}
SESSIONS = "/replication_session"
SNAPSHOT = "Snapshot"
Found = Row | Observation


def path_of(kind: str) -> str:
    """Where things of a locator's kind live."""
    return SESSIONS if kind == SESSION else f"/{kind}"


def locator(end: End) -> tuple[str, str]:
    """The kind and value that the file names an end by; both empty for what this driver does not know."""
    known = [(key, value) for key, value in end.locator if key in SHOWN and value]
    return known[0] if len(known) == 1 else ("", "")


def described(end: End) -> str:
    """An end as messages name it."""
    kind, value = locator(end)
    if kind:
        return f"{SHOWN[kind]} {value}"
    return f"end named by {dict(end.locator)}: one of {', '.join(SHOWN)} is wanted"


@dataclass(frozen=True, slots=True)
class Identity:
    """What an end was found to be; `confirmed_at` is monotonic, `here` whether this process saw it itself."""

    resource: str
    session: str | None
    confirmed_at: float
    here: bool = True


class Memory:
    """The identities of ends, shared by the threads that look; `names` are those of earlier processes."""

    def __init__(self, clock: Clock, ttl_seconds: float, names: Names) -> None:
        self._clock = clock
        self._ttl = ttl_seconds
        self._names = names
        self._lock = Lock()
        self._known: dict[End, Identity] = {}
        self._asked: set[End] = set()
        self._unsaved: dict[End, Known | None] = {}
        self._formerly: dict[End, str] = {}

    def load(self, ends: Sequence[End]) -> None:
        """Have at hand what earlier processes found of these; each is asked for once."""
        with self._lock:
            new = [end for end in ends if end not in self._asked]
            self._asked.update(new)
        kept = self._names.recall(new) if new else {}
        now, wall = self._clock.monotonic(), self._clock.now()
        with self._lock:
            for end, known in kept.items():
                age = wall - known.confirmed_at
                confirmed_at = now - (age if age >= 0 else self._ttl)  # of the future: a clock was set back
                identity = Identity(known.resource, known.session, confirmed_at, here=False)
                self._known.setdefault(end, identity)

    def save(self) -> None:
        """Keep what was found for the next process."""
        with self._lock:
            unsaved, self._unsaved = self._unsaved, {}
        self._names.keep(unsaved)

    def recall(self, end: End) -> Identity | None:
        with self._lock:
            return self._known.get(end)

    def recall_fresh(self, end: End, *, here: bool) -> Identity | None:
        """The identity if its name was confirmed within the time to live and its session is known; `here` asks
        for one that this process saw."""
        identity = self.recall(end)
        if identity is None or identity.session is None or (here and not identity.here):
            return None
        return identity if self._clock.monotonic() - identity.confirmed_at < self._ttl else None

    def confirmed_within(self, end: End, seconds: float) -> bool:
        """Whether this process saw the name confirmed so shortly ago."""
        identity = self.recall(end)
        return (
            identity is not None
            and identity.here
            and self._clock.monotonic() - identity.confirmed_at < seconds
        )

    def learn(self, end: End, resource: str, session: str | None) -> None:
        """The name was just seen to mean this."""
        with self._lock:
            self._known[end] = Identity(resource, session, self._clock.monotonic())
            if end not in self._formerly:
                self._unsaved[end] = Known(resource, session, self._clock.now())

    def renamed(self, end: End) -> None:
        """What the name stood for is there, and is called otherwise now. While that is news, it stays kept: typing
        a refused command again does not make the name mean what was refused."""
        with self._lock:
            known = self._known.get(end)
            if known is None or known.here or self._clock.monotonic() - known.confirmed_at >= self._ttl:
                return
            self._formerly[end] = known.resource

    def formerly(self, end: End) -> str | None:
        """The id that the name stood for a moment ago, if that was another one."""
        with self._lock:
            return self._formerly.get(end)

    def forget(self, end: End) -> None:
        with self._lock:
            if self._known.pop(end, None) is not None:
                self._unsaved[end] = None


class Source(Protocol):
    """Where rows come from: `rows` gives those of a collection whose field has one of the values."""

    def rows(self, path: str, field: str, values: Iterable[str]) -> list[Row]: ...


class Asking:
    """Asks for exactly the rows that are wanted."""

    def __init__(self, reader: Reader, release: Release | None, look: Look) -> None:
        self._reader = reader
        self._release = release
        self._look = look

    def rows(self, path: str, field: str, values: Iterable[str]) -> list[Row]:
        found: list[Row] = []
        for expression in filters(values):
            params = {"select": fields_of(path, self._release), field: expression}
            found.extend(self._reader.rows(path, params, self._look))
        return found


class Listing:
    """Reads each collection whole, once, and answers from it."""

    def __init__(self, reader: Reader, release: Release | None, look: Look) -> None:
        self._reader = reader
        self._release = release
        self._look = look
        self._lists: dict[str, list[Row]] = {}
        self._indexes: dict[tuple[str, str], dict[str, list[Row]]] = {}

    def rows(self, path: str, field: str, values: Iterable[str]) -> list[Row]:
        index = self._index(path, field)
        return [row for value in dict.fromkeys(values) for row in index.get(value, ())]

    def _index(self, path: str, field: str) -> dict[str, list[Row]]:
        if (path, field) not in self._indexes:
            index: dict[str, list[Row]] = defaultdict(list)
            for row in self._list(path):
                index[row.text(field) or ""].append(row)
            self._indexes[path, field] = index
        return self._indexes[path, field]

    def _list(self, path: str) -> list[Row]:
        if path not in self._lists:
            params = {"select": fields_of(path, self._release)}
            if path == path_of(VOLUME):
                params["type"] = f"neq.{SNAPSHOT}"
            self._lists[path] = self._reader.rows(path, params, self._look)
        return self._lists[path]


def fields_of(path: str, release: Release | None) -> str:
    """The field list of a collection for a release."""
    tables = {SESSIONS: SESSION_FIELDS, path_of(VOLUME): VOLUME_FIELDS, path_of(GROUP): GROUP_FIELDS}
    return select(tables[path], release)


class Lookup:
    """One look at many ends; made anew for each, so that nothing of an earlier one leaks in."""

    def __init__(self, reader: Reader, memory: Memory, release: Release | None, look: Look) -> None:
        self._reader = reader
        self._memory = memory
        self._look = look
        self._asking = Asking(reader, release, look)
        self._listing = Listing(reader, release, look)
        self._there: dict[End, str] = {}  # resources that were seen in this look

    def find(self, ends: Sequence[End]) -> dict[End, Found]:
        """A session's row for each end, or the observation of what stands in its place."""
        wanted = [end for end in dict.fromkeys(ends) if locator(end)[0]]
        whole = len(wanted) >= WHOLE_LISTS_FROM
        self._memory.load(wanted)
        thorough = self._look.retry  # before a change nothing is believed that this process has not seen
        fresh = {
            end: known
            for end in wanted
            if (known := self._memory.recall_fresh(end, here=thorough)) is not None
        }
        source: Source = self._listing if whole else self._asking
        found = self._by_session(fresh, source)
        if (
            whole
        ):  # what a list shows twice may only have changed while its pages came: that is asked again too
            listed = self._by_name([end for end in wanted if end not in fresh], source)
            found.update({end: row for end, row in listed.items() if isinstance(row, Row)})
        missing = [end for end in wanted if end not in found]
        found.update(self._by_name(missing, self._asking))
        found.update(self._absent([end for end in wanted if end not in found]))
        return {end: found.get(end) or self._nothing(end) for end in ends}

    def _by_session(self, fresh: Mapping[End, Identity], source: Source) -> dict[End, Found]:
        """Ends whose session we know, read by its id alone; those that are no longer so are left out."""
        ids = [known.session for known in fresh.values() if known.session]
        rows = {row.id: row for row in source.rows(SESSIONS, "id", ids)}
        found: dict[End, Found] = {}
        for end, known in fresh.items():
            row = rows.get(known.session or "")
            if row is not None and row.text("local_resource_id") == known.resource:
                found[end] = row
            else:
                self._memory.forget(end)
        return found

    def _by_name(self, ends: Sequence[End], source: Source) -> dict[End, Found]:
        """Ends by what the file says; those without a session row are left out, unless several things match."""
        found: dict[End, Found] = {}
        session_ids = {end: locator(end)[1] for end in ends if locator(end)[0] == SESSION}
        rows = {row.id: row for row in source.rows(SESSIONS, "id", session_ids.values())}
        found.update({end: rows[value] for end, value in session_ids.items() if value in rows})
        resources: dict[End, str] = {}
        for end, resource in self._resources(ends, source).items():
            if isinstance(resource, Observation):
                found[end] = resource
            else:
                resources[end] = resource.id
        found.update(self._sessions_on(resources, source))
        return found

    def _sessions_on(self, resources: Mapping[End, str], source: Source) -> dict[End, Found]:
        found: dict[End, Found] = {}
        on: dict[str, list[Row]] = defaultdict(list)
        for row in source.rows(SESSIONS, "local_resource_id", resources.values()):
            on[row.text("local_resource_id") or ""].append(row)
        for end, resource in resources.items():
            rows = _living(on[resource])
            self._there[end] = resource
            self._memory.learn(end, resource, rows[0].id if len(rows) == 1 else None)
            if len(rows) == 1:
                found[end] = rows[0]
            elif rows:
                what = f"the replication sessions of {described(end)}"
                found[end] = sessions.ambiguous(end.backend, what, (row.id for row in rows), rows[0].read_at)
        return found

    def _resources(self, ends: Iterable[End], source: Source) -> dict[End, Found]:
        found: dict[End, Found] = {}
        for kind in (VOLUME, GROUP):
            of_kind = [end for end in ends if locator(end)[0] == kind]
            if of_kind:
                found.update(self._resources_of(kind, of_kind, source))
        return found

    def _resources_of(self, kind: str, ends: Sequence[End], source: Source) -> dict[End, Found]:
        """By remembered id, then by what looks like an id, then by name, and last by id for odd ids."""
        path = path_of(kind)
        found: dict[End, Found] = {}
        likely = {end: known for end in ends if (known := self._likely_id(end)) is not None}
        by_id = {row.id: row for row in source.rows(path, "id", likely.values())}
        for end, resource in likely.items():
            if resource not in by_id:
                continue
            if locator(end)[1] in (resource, by_id[resource].text("name")):
                found[end] = by_id[resource]
            else:
                self._memory.renamed(end)
        found.update(self._named(path, [end for end in ends if end not in found], source))
        odd = [end for end in ends if end not in found and end not in likely]
        last = {row.id: row for row in source.rows(path, "id", (locator(end)[1] for end in odd))}
        found.update({end: last[locator(end)[1]] for end in odd if locator(end)[1] in last})
        return found

    def _likely_id(self, end: End) -> str | None:
        remembered = self._memory.recall(end)
        if remembered is not None:
            return remembered.resource
        value = locator(end)[1]
        return value if looks_like_id(value) else None

    def _named(self, path: str, ends: Sequence[End], source: Source) -> dict[End, Found]:
        """Exactly so named, for the array's own comparison may be laxer; snapshots do not count."""
        named: dict[str, dict[str, Row]] = defaultdict(dict)
        for row in source.rows(path, "name", (locator(end)[1] for end in ends)):
            if row.text("type") != SNAPSHOT:
                named[row.text("name") or ""][row.id] = row
        found: dict[End, Found] = {}
        for end in ends:
            rows = list(named[locator(end)[1]].values())
            if len(rows) == 1:
                found[end] = rows[0]
            elif rows:
                ids = (row.id for row in rows)
                found[end] = sessions.ambiguous(end.backend, described(end), ids, rows[0].read_at)
        return found

    # -- what has no session ---------------------------------------------------------------------------------

    def _absent(self, ends: Sequence[End]) -> dict[End, Found]:
        """Ends that are there without a session of their own; what is not there at all is left out."""
        there = {end: self._there[end] for end in ends if end in self._there}
        volumes = {resource for end, resource in there.items() if locator(end)[0] == VOLUME}
        groups = self._replicated_groups(volumes) if volumes else {}
        now = self._reader.now()
        found: dict[End, Found] = {}
        for end, resource in there.items():
            if resource in groups:
                found[end] = sessions.member_of(end.backend, resource, groups[resource], now)
            else:
                found[end] = sessions.no_session(end.backend, resource, now)
        return found

    def _replicated_groups(self, volumes: set[str]) -> dict[str, str]:
        """The name of the replicated volume group that each volume is a member of, if it is (R78)."""
        params = {"select": "id,name,volumes(id)"}
        groups = self._reader.rows(path_of(GROUP), params, self._look)
        holding = {group.id: group for group in groups if volumes & _members(group)}
        replicated = self._asking.rows(SESSIONS, "local_resource_id", holding)
        found: dict[str, str] = {}
        for row in replicated:
            group = holding.get(row.text("local_resource_id") or "")
            if group is not None:
                found.update(dict.fromkeys(volumes & _members(group), group.text("name") or group.id))
        return found

    def _nothing(self, end: End) -> Observation:
        self._memory.forget(end)
        return sessions.not_found(end.backend, described(end), self._reader.now())


def _living(rows: Sequence[Row]) -> list[Row]:
    """Each session once, and those being removed only when there is nothing else."""
    distinct = list({row.id: row for row in rows}.values())
    return [row for row in distinct if row.text("state") != "Deleting"] or distinct


def _members(group: Row) -> set[str]:
    volumes = group.values.get("volumes")
    if not isinstance(volumes, list):
        return set()
    return {str(volume["id"]) for volume in volumes if isinstance(volume, dict) and "id" in volume}
