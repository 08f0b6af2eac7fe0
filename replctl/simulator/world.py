"""The world: two linked arrays, their replications, and the truth about both.

Everything that moves is settled when it is looked at; nothing runs by itself. All methods expect the clock's lock to
be held and take `now` from whoever calls. Changes of links and arrays settle every session first, so that what was
due before the change happens under the conditions of before.
"""

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from itertools import count

from replctl.simulator import operations
from replctl.simulator.actions import act
from replctl.simulator.chance import identifier
from replctl.simulator.conditions import ARRAYS, Conditions
from replctl.simulator.lineage import common, first_write, lacking, unite, writes
from replctl.simulator.links import conditions_changed
from replctl.simulator.replication import (
    DESTINATION,
    PREFERRED,
    SOURCE,
    Command,
    End,
    Operation,
    Replication,
    Resource,
)
from replctl.simulator.scene import Entry
from replctl.simulator.site import Site
from replctl.simulator.steps import cycle_period, enter, stamp_sync

# Hosts have been writing for so long when a world begins.
PAST_SECONDS = 3600.0
RPO_SECONDS = 300.0
MEMBERS_OF_GROUP = 2
GIB = 2**30
# Volumes without replication that an array has besides.
BYSTANDERS = 3


class World:
    """Two arrays and what they replicate."""

    def __init__(self, conditions: Conditions, entries: list[Entry]) -> None:
        self.conditions = conditions
        self.sites = {name: Site(conditions.seed, name) for name in ARRAYS}
        self.replications: dict[str, Replication] = {}
        self._later: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = count(1)
        for index, entry in enumerate(entries):
            self._found(index, entry)
        for site in self.sites.values():
            for number in range(BYSTANDERS):
                self._found_bystander(site, number)

    # What time does

    def catch_up(self, now: float) -> None:
        """Do what was put off until a time that has come."""
        while self._later and self._later[0][0] <= now:
            at, _, deed = heappop(self._later)
            deed(at)

    def later(self, at: float, deed: Callable[[float], None]) -> None:
        """Have something done at a virtual time."""
        heappush(self._later, (at, next(self._numbers), deed))

    def next_deed_at(self) -> float | None:
        """When the next of those is due."""
        return self._later[0][0] if self._later else None

    def settle(self, r: Replication, now: float) -> None:
        """Bring one replication up to now."""
        operations.settle(r, self.conditions, now)

    def settle_all(self, now: float) -> None:
        """Bring every replication up to now."""
        for r in self.replications.values():
            operations.settle(r, self.conditions, now)

    def change(self, now: float, deed: Callable[[Conditions], None]) -> None:
        """Change a link or an array, and let every session notice."""
        self.settle_all(now)
        deed(self.conditions)
        self.conditions.changed(now)
        for r in self.replications.values():
            conditions_changed(r, self.conditions, now)
        self.settle_all(now)

    # What clients do

    def act(self, end: End, action: str, body: Mapping[str, object], now: float) -> Command:
        """Do, or refuse, an action on an array's end of a session."""
        r = self.owner(end)
        self.settle(r, now)
        command = act(r, self.conditions, end, now, action, body)
        self.conditions.note(now, r.name, end.array, action, "refused" if command.refusal else "accepted")
        self.settle(r, now)
        return command

    def next_event_at(self, end: End) -> float | None:
        """When something is due next that may concern an end; None when nothing is."""
        events = self.owner(end).events
        times = [at for at in (self.next_deed_at(), events[0][0] if events else None) if at is not None]
        return min(times, default=None)

    def owner(self, end: End) -> Replication:
        """The replication that an end belongs to."""
        return self.replications[end.replication]

    def remove_session(self, r: Replication, now: float) -> None:
        """The policy was removed: both ends are being deleted, then gone."""
        self.settle(r, now)
        for end in r.ends.values():
            operations.cancel(r, end, now)
            enter(r, self.conditions, end, now, "policy removed", state="Deleting")
        self.later(now + self.conditions.durations["delete"], lambda at: self._forget(r))

    def lose_session(self, end: End) -> None:
        """Its array no longer has the session; what it protected stays."""
        site = self.sites[end.array]
        if site.sessions.get(end.session_id) is end:
            site.sessions.remove(end.session_id)
        end.resource.end = None
        end.resource.was_destination = end.role == DESTINATION

    def _forget(self, r: Replication) -> None:
        for end in r.ends.values():
            self.lose_session(end)

    def assign_session(self, r: Replication, array: str, now: float) -> None:
        """The policy was assigned on an array: a session with another id, which copies everything once from there."""
        self.settle(r, now)
        self._forget(r)
        source = r.ends[array]
        r.generation += 1
        r.events.clear()
        r.timer = r.orphan = r.unborn = r.test = r.stuck = r.local_pause = None
        for array, end in r.ends.items():
            end.role = SOURCE if end is source else DESTINATION
            end.access = end is source
            end.operation = None
            end.session_id = self._session_id(r.index, array, r.generation)
            self._appear(end.resource)
            end.resource.end = end
            end.views = []
            self.sites[array].sessions.add(end.session_id, end)
        r.settle_writers(self.conditions, now)
        operations.begin_initial_copy(r, self.conditions, source, now)

    def strip(self, r: Replication, now: float, keep_copy: bool) -> None:
        """As if it had never been replicated: no session, no policy; without `keep_copy` nothing at the other end."""
        self.settle(r, now)
        self._forget(r)
        r.events.clear()
        for end in r.ends.values():
            end.resource.policy_id = None
            end.resource.was_destination = False
            if end.role == DESTINATION and not keep_copy:
                self.sites[end.array].remove(end.resource)

    def _appear(self, resource: Resource) -> None:
        """The array makes the volume, or the group with its members, that receives the copies."""
        site = self.sites[resource.array]
        if site.has(resource):
            return
        for each in (resource, *resource.members):
            site.add(each)

    # The truth

    def truth(self, r: Replication, now: float) -> dict[str, object]:
        """What nobody in the world can see as a whole: who may write, who wrote, and what is lost.

        `sources`: arrays whose role says so; `source`: the only one, or None. `lost_writes`, `lost_since`:
        acknowledged writes that are in no copy which hosts use now, counting only sources within reach; `missing`,
        `missing_since`: those that are not in an array's own copy; `lost_at_failover`, `…_since`: those that the
        last unplanned failover gave up. `written`: from when until when hosts wrote; `both_wrote`: seconds in which
        they did on both sides. `consistent_at`: when the data of the common base were taken, None while there is no
        complete copy. Times are world time.
        """
        self.settle(r, now)
        written = {array: r.copies[array].written(now) for array in ARRAYS}
        contents = {array: r.content(array, now) for array in ARRAYS}
        lost = lacking(written, unite(contents[array] for array in self._in_use(r)))
        missing = {array: lacking(written, contents[array]) for array in ARRAYS}
        sources = [end.array for end in r.ends.values() if end.role in (SOURCE, PREFERRED)]
        return {
            "name": r.name,
            "source": sources[0] if len(sources) == 1 else None,
            "sources": sources,
            "role": {array: r.ends[array].role for array in ARRAYS},
            "state": {array: r.ends[array].state for array in ARRAYS},
            "writable": {array: self.is_writable(r.ends[array]) for array in ARRAYS},
            "testing": r.test is not None,
            "writes": {array: writes(written[array]) for array in ARRAYS},
            "written": {array: [list(stretch) for stretch in written[array]] for array in ARRAYS},
            "lost_writes": writes(lost),
            "lost_since": first_write(lost),
            "missing": {array: writes(missing[array]) for array in ARRAYS},
            "missing_since": {array: first_write(missing[array]) for array in ARRAYS},
            "lost_at_failover": r.failover_loss[0],
            "lost_at_failover_since": r.failover_loss[1],
            "both_wrote": writes(common(written["east"], written["west"])),
            "role_changes": r.role_changes,
            "consistent_at": r.base_at if r.base_complete else None,
            "session_id": {array: r.ends[array].session_id for array in ARRAYS},
        }

    def is_writable(self, end: End) -> bool:
        """Whether hosts at an array can write there now."""
        return end.access and self.conditions.arrays[end.array].alive

    def _in_use(self, r: Replication) -> list[str]:
        """The copies that hosts use: those of sources within reach, else of any source, else both."""
        sources = [end.array for end in r.ends.values() if end.role in (SOURCE, PREFERRED)]
        states = self.conditions.arrays
        reachable = [array for array in sources if states[array].alive and not states[array].isolated]
        living = [array for array in sources if states[array].alive]
        return reachable or living or sources or list(ARRAYS)

    # How it begins

    def _found(self, index: int, entry: Entry) -> None:
        ends = {array: self._found_end(index, entry, array) for array in ARRAYS}
        r = Replication(index, entry.full_name, entry.kind, RPO_SECONDS, ends)
        self.replications[r.name] = r
        self._begin_past(r, ends[entry.source])

    def _found_end(self, index: int, entry: Entry, array: str) -> End:
        site = self.sites[array]
        resource = self._found_resource(site, index, entry)
        is_source = entry.source == array
        resource.policy_id = site.rule(replica=not is_source).policy_id
        end = End(
            array,
            self._session_id(index, array, 0),
            resource,
            SOURCE if is_source else DESTINATION,
            replication=entry.full_name,
            rule_id=site.rule(replica=not is_source).id,
            access=is_source,
        )
        resource.end = end
        site.sessions.add(end.session_id, end, bulk=True)
        return end

    def _found_resource(self, site: Site, index: int, entry: Entry) -> Resource:
        seed = self.conditions.seed
        created_at = self.conditions.start_at - PAST_SECONDS
        size = (10 + index % 90) * GIB
        key = identifier(seed, site.name, entry.kind, index)
        resource = Resource(key, entry.resource, entry.kind, site.name, size=size, created_at=created_at)
        resource.owner = entry.full_name
        site.add(resource, bulk=True)
        for number in range(MEMBERS_OF_GROUP if entry.kind == "volume_group" else 0):
            key = identifier(seed, site.name, "member", index, number)
            name = f"{entry.resource.removesuffix('-vg')}-lun{number + 1}"
            member = Resource(
                key, name, "volume", site.name, size=size, created_at=created_at, group=resource
            )
            resource.members.append(member)
            site.add(member, bulk=True)
        return resource

    def _found_bystander(self, site: Site, number: int) -> None:
        key = identifier(self.conditions.seed, site.name, "bystander", number)
        created_at = self.conditions.start_at - PAST_SECONDS
        site.add(
            Resource(key, f"scratch-{number + 1}", "volume", site.name, size=GIB, created_at=created_at),
            bulk=True,
        )

    def _session_id(self, index: int, array: str, generation: int) -> str:
        same = self.conditions.assume["session_id_same_on_peer"] == "yes"
        return identifier(self.conditions.seed, "session", index, generation, "" if same else array)

    def _begin_past(self, r: Replication, source: End) -> None:
        """Hosts have written for a while, and the last cycle is over."""
        c = self.conditions
        r.copies[source.array].since = c.start_at - PAST_SECONDS
        period, seconds = cycle_period(r, c), c.durations["cycle"]
        age = min(seconds * 1.5 + (period - seconds * 1.5) * c.chance(r.index), period)
        started_at = c.start_at - max(age, 0.0)
        past = Operation("cycle", source.array, started_at)
        past.snapshot = r.copies[source.array].content(started_at)
        stamp_sync(r, c, min(started_at + seconds, c.start_at), past)
        for end in r.ends.values():
            r.publish(c, end, c.start_at)
        operations.plan_cycle(r, c, source, c.start_at, started_at + period)
