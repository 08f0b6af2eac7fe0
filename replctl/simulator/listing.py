"""The collections of one array as its interface lists them: ids in order, rows by id or name, candidates by index."""

from collections.abc import Callable, Mapping
from typing import Any

from replctl.simulator import resources
from replctl.simulator.jobs import Jobs
from replctl.simulator.logins import IDLE_TIMEOUT_SECONDS, Login, Logins
from replctl.simulator.query import Field, Schema
from replctl.simulator.resources import Item, session_row
from replctl.simulator.site import Site, Table
from replctl.simulator.world import World

NAME_PREFIX = "name:"
Names = Mapping[str, list[Any]]
Find = Callable[[str, float], Any]

LOGIN = Schema(
    "login_session",
    {
        "id": Field(lambda r: r.it[0].id),
        "user": Field(lambda r: r.it[1].username),
        "role_ids": Field(lambda r: ["3"], kind="json"),
        "idle_timeout": Field(lambda r: r.it[1].idle_timeout(r.it[0], r.now), kind="number"),
        "is_password_change_required": Field(lambda r: False, kind="bool"),
        "is_built_in_user": Field(lambda r: False, kind="bool"),
    },
    simple=True,
    select="*",
)


class Collection:
    """A resource type of one array: its schema, its ids, and how to make a row of an id."""

    def __init__(self, schema: Schema, ids: Callable[[float], list[str]], find: Find) -> None:
        self.schema = schema
        self.caller: Login | None = None
        self._ids = ids
        self._find = find
        self._indexes: dict[str, Callable[[str], list[str]]] = {"id": self._by_id}

    def index(self, name: str, look_up: Callable[[str], list[str]]) -> None:
        """Let filters for equality of a field be answered without looking at every row."""
        self._indexes[name] = look_up

    def candidates(self, equals: Mapping[str, tuple[str, ...]], now: float) -> list[str]:
        """The ids among which all rows are that equal the given values."""
        for name, values in equals.items():
            if name in self._indexes:
                return sorted({key for value in values for key in self._indexes[name](value)})
        return self._ids(now)

    def find(self, key: str, now: float) -> Any:
        """The row with this id, or with this name in the form `name:<name>` where the resource allows that."""
        if key.startswith(NAME_PREFIX) and self.schema.by_name:
            found = self._by_name(key[len(NAME_PREFIX) :], now)
            return self._find(found, now) if found else None
        return self._find(key, now)

    def _by_id(self, key: str) -> list[str]:
        return [key]

    def _by_name(self, name: str, now: float) -> str | None:
        if "name" in self._indexes:
            return next(iter(self._indexes["name"](name)), None)
        get, key = self.schema.fields["name"].get, self.schema.fields["id"].get
        rows = (self._find(each, now) for each in self._ids(now))
        return next((key(row) for row in rows if get(row).lower() == name.lower()), None)


def list_collections(world: World, site: Site, jobs: Jobs, logins: Logins) -> dict[str, Collection]:
    """Everything that one array lists, by resource name."""

    def item(it: Any, now: float) -> Item | None:
        return None if it is None else Item(it, site, world, now)

    def find_job(key: str, now: float) -> Item | None:
        job = jobs.get(key, now)
        if job is not None:
            world.settle(world.owner(job.end), now)
        return item(jobs.get(key, now), now)

    rules = {rule.id: rule for rule in site.rules}
    policies = {rule.policy_id: rule for rule in site.rules}
    software = ["software-A1", "software-cluster"]
    made = [
        _sessions(world, site),
        _resources(resources.VOLUME, site.volumes, site.volume_names, item),
        _resources(resources.GROUP, site.groups, site.group_names, item),
        Collection(resources.RULE, lambda now: sorted(rules), lambda key, now: item(rules.get(key), now)),
        Collection(
            resources.POLICY, lambda now: sorted(policies), lambda key, now: item(policies.get(key), now)
        ),
        _single(resources.REMOTE_SYSTEM, site.remote_system_id, lambda now: item(site, now)),
        _single(resources.CLUSTER, "0", lambda now: item(site, now)),
        _single(resources.APPLIANCE, "A1", lambda now: item(site, now)),
        _single(resources.SECURITY, "1", lambda now: item(int(IDLE_TIMEOUT_SECONDS), now)),
        Collection(
            resources.SOFTWARE,
            lambda now: software,
            lambda key, now: item(key, now) if key in software else None,
        ),
        _alerts(world, site, item),
        Collection(resources.JOB, jobs.ids, find_job),
    ]
    login = Collection(LOGIN, lambda now: ["login"], lambda key, now: item((login.caller, logins), now))
    return {collection.schema.name: collection for collection in [*made, login]}


def _single(schema: Schema, key: str, get: Callable[[float], Any]) -> Collection:
    return Collection(schema, lambda now: [key], lambda asked, now: get(now) if asked == key else None)


def _alerts(world: World, site: Site, item: Callable[[Any, float], Any]) -> Collection:
    found: dict[str, resources.Alert] = {}

    def ids(now: float) -> list[str]:
        """Works them all out, once for all rows of an answer."""
        nonlocal found
        found = resources.list_alerts(world, site, now)
        return sorted(found)

    def find(key: str, now: float) -> Any:
        if key not in found:
            ids(now)
        return item(found.get(key), now)

    return Collection(resources.ALERT, ids, find)


def _sessions(world: World, site: Site) -> Collection:
    def find(key: str, now: float) -> Any:
        end = site.sessions.get(key)
        return None if end is None else session_row(world, end, now)

    def of_resource(key: str) -> list[str]:
        resource = site.volumes.get(key) or site.groups.get(key)
        end = resource.end if resource else None
        return [end.session_id] if end is not None and site.sessions.get(end.session_id) is end else []

    collection = Collection(resources.SESSION, lambda now: site.sessions.ids(), find)
    collection.index("local_resource_id", of_resource)
    return collection


def _resources(
    schema: Schema, table: Table[Any], names: Names, item: Callable[[Any, float], Any]
) -> Collection:
    collection = Collection(schema, lambda now: table.ids(), lambda key, now: item(table.get(key), now))
    collection.index("name", lambda name: [found.id for found in names.get(name.lower(), [])])
    return collection
