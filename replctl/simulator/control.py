"""The hand of the test: time, faults, links, dead arrays, the request log and the truth (design §11).

The methods of `Control` are the interface; the control port offers each as `POST /<method>` with a JSON object of
keyword arguments. What cannot be done is ControlError, one sentence.
"""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from replctl.simulator import operations
from replctl.simulator.actions import ACTIONS, check_body
from replctl.simulator.clock import VirtualClock
from replctl.simulator.conditions import ARRAYS, Conditions
from replctl.simulator.estate import Estate
from replctl.simulator.faults import BadFault, Faults
from replctl.simulator.handle import ControlError, Handle
from replctl.simulator.jobs import refusal_body
from replctl.simulator.logins import Logins
from replctl.simulator.mirrors import settle_after_set
from replctl.simulator.replication import ASYNCHRONOUS, DESTINATION, OK, PAUSED, SOURCE, End, Replication
from replctl.simulator.requestlog import RequestLog
from replctl.simulator.server import Reply, Request, Server
from replctl.simulator.site import RPO_SECONDS
from replctl.simulator.world import World

LINK_STATES = {
    "up": (True, True),
    "data_down": (False, True),
    "management_down": (True, False),
    "down": (False, False),
}
MODES = {"refuse": "refuse", "silent": "silent"}
EXPIRED_REPLIES = ("401", "403", "302")
# What set_state can put, and the attribute of an end that it is.
SETTABLE = {
    "state": "state",
    "role": "role",
    "type": "type",
    "data_transfer_state": "transfer",
    "local_resource_state": "resource_state",
    "last_sync_timestamp": "last_sync_at",
    "last_sync_duration": "last_sync_ms",
    "next_sync_timestamp": "next_sync_at",
    "error_code": "error_code",
    "failover_test_in_progress": "testing",
    "witness_state": "witness",
}
TIMES = ("last_sync_timestamp", "next_sync_timestamp")


class Control(Handle):
    """Everything that can be done to a world from outside."""

    def __init__(
        self,
        world: World,
        clock: VirtualClock,
        faults: Faults,
        log: RequestLog,
        servers: dict[str, Server],
        logins: dict[str, Logins],
        estate: Estate | None,
        directory: Path,
    ) -> None:
        self._world = world
        self._conditions = world.conditions
        self._clock = clock
        self._faults = faults
        self._log = log
        self._servers = servers
        self._logins = logins
        self._estate = estate
        self._directory = directory

    # Time

    def now(self) -> float:
        """The virtual time, seconds since the epoch."""
        return self._clock.now()

    def advance(self, seconds: float) -> float:
        """Move the virtual time on; returns the new time."""
        if seconds < 0:
            raise ControlError("time cannot go back")
        with self._clock.lock:
            now = self._clock.advance(float(seconds))
            self._world.catch_up(now)
            self._settle()
            return now

    def set_speed(self, speed: float) -> None:
        """Virtual seconds in a real one; 0 stands still."""
        if speed < 0:
            raise ControlError("time cannot go back")
        self._clock.set_speed(float(speed))

    # Faults

    def fault(
        self,
        array: str | None,
        kind: str,
        method: str | None = None,
        path: str | None = None,
        times: int = 1,
        skip: int = 0,
        seconds: float = 0.0,
        status: int | None = None,
        effect: str | None = None,
        header: dict[str, str] | str | None = None,
        field: str | None = None,
        query: str | None = None,
    ) -> int:
        """Order a fault for requests to an array (None: to any); returns its id."""
        if array is not None:
            self._server(array)
        with self._clock.lock:
            try:
                return self._faults.add(
                    array,
                    kind,
                    method=method,
                    path=path,
                    times=times,
                    skip=skip,
                    seconds=seconds,
                    status=status,
                    effect=effect,
                    header=header,
                    field=field,
                    query=query,
                )
            except BadFault as e:
                raise ControlError(str(e)) from e

    def clear_faults(self) -> None:
        """Forget all faults that were ordered."""
        with self._clock.lock:
            self._faults.clear()

    def faults(self) -> list[dict[str, Any]]:
        """The faults that are left."""
        with self._clock.lock:
            return self._faults.left()

    # Links and arrays

    def link(self, state: str) -> None:
        """The links between the arrays: up, data_down, management_down or down."""
        if state not in LINK_STATES:
            raise ControlError(f"a link can be {', '.join(LINK_STATES)}, not {state!r}")
        data, management = LINK_STATES[state]

        def deed(c: Conditions) -> None:
            c.data_link, c.management_link = data, management

        self._change(deed)

    def kill(self, array: str, mode: str = "refuse") -> None:
        """An array, a cluster or an ONTAP system loses power: it serves nobody and does no work."""
        if self._is_of_estate(array):
            self._turn(array, mode, alive=False)
            return

        def deed(c: Conditions) -> None:
            c.arrays[array].alive = False

        self._darken(array, mode, deed)

    def revive(self, array: str) -> None:
        """It has power again; a cluster has forgotten all versions."""
        if self._is_of_estate(array):
            self._turn(array, "serve", alive=True)
            return
        self._lighten(array)

    def isolate(
        self, array: str, mode: str = "silent", hosts_alive: bool = True, link_up: bool = False
    ) -> None:
        """Cut an array off from us, and from its peer unless `link_up`; the array and its hosts live on.

        A cluster is cut off from us alone.
        """
        if self._is_of_estate(array):
            self._turn(array, mode)
            return

        def deed(c: Conditions) -> None:
            state = c.arrays[array]
            state.isolated, state.link_cut, state.hosts_alive = True, not link_up, hosts_alive

        self._darken(array, mode, deed)

    def rejoin(self, array: str) -> None:
        """Connect an isolated array or cluster again."""
        if self._is_of_estate(array):
            self._turn(array, "serve")
            return
        self._lighten(array)

    def skew(self, array: str, seconds: float) -> None:
        """Set the error of a clock, of an array, a cluster or an ONTAP system; stamps already written stay."""
        if self._is_of_estate(array):
            self._skew(array, float(seconds))
            return
        self._array(array)
        with self._clock.lock:
            self._world.settle_all(self._clock.now())
            self._conditions.arrays[array].skew = float(seconds)

    # Login sessions

    def expire_logins(self, array: str, reply: str | int | None = None) -> None:
        """All login sessions of an array are invalid; `reply` 401, 403 or 302 is what their next use is answered."""
        self._array(array)
        if reply is not None and str(reply) not in EXPIRED_REPLIES:
            raise ControlError(f"an expired login can be answered {', '.join(EXPIRED_REPLIES)}, not {reply}")
        with self._clock.lock:
            self._logins[array].expire_all(None if reply is None else str(reply))

    def logins(self, array: str) -> int:
        """How many login sessions the array has given, ever."""
        self._array(array)
        return self._logins[array].ever

    def sessions_open(self, array: str) -> int:
        """How many login sessions are open now."""
        self._array(array)
        with self._clock.lock:
            return self._logins[array].open_count(self._clock.now())

    # The request log

    def requests(
        self, array: str | None = None, since: int = 0, changes: bool = False
    ) -> list[dict[str, Any]]:
        """Requests with a number above `since`; `changes`: only those that change something."""
        with self._clock.lock:
            return self._log.read(array, since, changes)

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        with self._clock.lock:
            self._log.clear()

    # The truth

    def truth(self, name: str) -> dict[str, Any]:
        """What really is: who may write, who wrote what, what is lost."""
        with self._clock.lock:
            if self._estate is not None and name in self._estate.entries:
                return self._estate.truth(self._mirror(name), self._clock.now())
            return self._world.truth(self._replication(name), self._settled_now())

    def truths(self) -> dict[str, dict[str, Any]]:
        """The same of all replications, by name."""
        with self._clock.lock:
            now = self._settled_now()
            found = {name: self._world.truth(r, now) for name, r in self._world.replications.items()}
            mirrors = self._estate.entries if self._estate is not None else {}
            return found | {name: self.truth(name) for name in mirrors}

    def log(self) -> list[dict[str, Any]]:
        """What the world did, in the order in which it was worked out; `at` is when it happened."""
        with self._clock.lock:
            self._world.settle_all(self._settled_now())
            return [note._asdict() for note in self._conditions.notes]

    # Sessions

    def hosts(self, name: str, array: str, active: bool) -> None:
        """Whether hosts at an array try to write."""
        with self._clock.lock:
            end, r, now = self._end(name, array)
            end.hosts = active
            r.settle_writers(self._conditions, now)

    def set_state(self, name: str, array: str, **fields: Any) -> None:
        """Put a session end into a state, role, type …, visible at once; whatever was in flight there is off.

        Nothing is put in flight: a transient that is set stays until something else happens.
        """
        unknown = [field for field in fields if field not in SETTABLE]
        if unknown:
            raise ControlError(f"{unknown[0]!r} cannot be set; there are {', '.join(SETTABLE)}")
        for field in TIMES:
            if not isinstance(fields.get(field), int | float | None):
                raise ControlError(f"{field} is a number of seconds since the epoch, or null")
        with self._clock.lock:
            end, r, now = self._end(name, array)
            operations.cancel(r, end, now)
            self._put(r, end, now, {SETTABLE[field]: value for field, value in fields.items()})

    def pause(self, name: str, array: str | None = None) -> dict[str, Any]:
        """Pause as the array's own interface would, at the source unless told otherwise."""
        return self.gui(name, array or self._source(name), "pause")

    def resume(self, name: str, array: str | None = None) -> dict[str, Any]:
        """Resume likewise."""
        return self.gui(name, array or self._source(name), "resume")

    def failover(self, name: str, array: str, planned: bool = True) -> dict[str, Any]:
        """Fail over likewise, asked of an array."""
        return self.gui(name, array, "failover", {"is_planned": planned})

    def reprotect(self, name: str, array: str | None = None) -> dict[str, Any]:
        """Reprotect likewise."""
        return self.gui(name, array or self._source(name), "reprotect")

    def gui(self, name: str, array: str, action: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Have another client ask for an action, without waiting for its end: {"status", "body"}."""
        if action not in ACTIONS:
            raise ControlError(f"there is no action {action!r}; there are {', '.join(ACTIONS)}")
        with self._clock.lock:
            end, _, now = self._end(name, array)
            refusal = check_body(action, self._conditions.version, body)
            if refusal is None:
                refusal = self._world.act(end, action, body or {}, now).refusal
            self._clock.wake()
            if refusal is not None:
                return {"status": refusal.status, "body": refusal_body(refusal)}
            return {"status": 202, "body": None}

    def slow_copy(self, name: str, seconds: float | None, fail: bool = False) -> None:
        """The next copies take so long, and fail at their end if so wished; None: as usual again."""
        with self._clock.lock:
            r, now = self._replication(name), self._settled_now()
            self._world.settle(r, now)
            r.slow_copies, r.fail_copies = None if seconds is None else float(seconds), fail

    def rpo(self, word: str) -> None:
        """The rules of both arrays ask for this RPO from now on; a word without a length changes no cycle."""
        with self._clock.lock:
            now, seconds = self._settled_now(), RPO_SECONDS.get(word)
            for rule in (rule for site in self._world.sites.values() for rule in site.rules):
                rule.rpo = word
            for r in self._world.replications.values():
                self._world.settle(r, now)
                r.rpo = seconds or r.rpo

    def stick(self, name: str, state: str) -> None:
        """The next time that the session enters this transient it stays there until `unstick`."""
        with self._clock.lock:
            r = self._replication(name)
            self._world.settle(r, self._settled_now())
            r.stick_at = state

    def unstick(self, name: str) -> bool:
        """Let a stuck session go on; False when it was not stuck."""
        with self._clock.lock:
            r, now = self._replication(name), self._settled_now()
            self._world.settle(r, now)
            freed = operations.unstick(r, now)
            self._clock.wake()
            return freed

    def snapshot(self, name: str, array: str) -> str:
        """Keep the copy of an array as it is now; returns the id for failover_snapshot_id."""
        with self._clock.lock:
            _, r, now = self._end(name, array)
            return r.keep_snapshot(array, now, r.content(array, now), f"snap-{int(now)}").id

    def rename_volume(self, name: str, new: str, array: str | None = None) -> None:
        """Give the volume or group of a replication another name, on one array or both."""
        with self._clock.lock:
            r = self._replication(name)
            for each in ARRAYS if array is None else (self._array(array),):
                self._world.sites[each].rename(r.ends[each].resource, new)

    def replace_session(self, name: str) -> dict[str, str]:
        """Remove the policy and assign it anew: a session with new ids, which copies everything once."""
        with self._clock.lock:
            r, now = self._replication(name), self._settled_now()
            self._world.settle(r, now)
            self._world.assign_session(r, self._source(name), now)
            return {array: end.session_id for array, end in r.ends.items()}

    def strip(self, name: str, keep_copy: bool = False) -> None:
        """As if it had never been replicated: no session, no policy; without `keep_copy` nothing at the other end."""
        with self._clock.lock:
            self._world.strip(self._replication(name), self._settled_now(), keep_copy)

    def lose_session(self, name: str, array: str) -> None:
        """One array no longer knows of the session; the other one goes on as if it did."""
        with self._clock.lock:
            end, r, now = self._end(name, array)
            self._world.settle(r, now)
            self._world.lose_session(end)

    # How the above is done

    def _is_of_estate(self, name: str) -> bool:
        """Whether a name is a cluster's or an ONTAP system's; the arrays have their own ways."""
        return name not in ARRAYS and self._server(name) is not None

    def _turn(self, name: str, mode: str, alive: bool | None = None) -> None:
        """Let a cluster or an ONTAP system go dark, or serve again; `alive` says whether it works at all."""
        if mode not in (*MODES, "serve"):
            raise ControlError(f"mode can be {' or '.join(MODES)}, not {mode!r}")
        kind, _, site = name.rpartition("-")
        if alive is not None and kind == "ontap":
            self.ontap(f"k8s-{site}", "alive" if alive else "dead")
        elif alive is not None:
            self.controller(name, "resume" if alive else "pause")
            if alive:
                self.forget_versions(name)
        self._servers[name].turn(mode)
        self._clock.wake()

    def _server(self, name: str) -> Server:
        if name not in self._servers:
            raise ControlError(f"there is no array {name!r}; there are {' and '.join(self._servers)}")
        return self._servers[name]

    def _array(self, array: str) -> str:
        if array not in ARRAYS:
            raise ControlError(f"there is no array {array!r}; there are {' and '.join(ARRAYS)}")
        return array

    def _settled_now(self) -> float:
        now = self._settle()
        self._world.catch_up(now)
        return now

    def _replication(self, name: str) -> Replication:
        found = self._world.replications.get(name)
        if found is None:
            raise ControlError(f"there is no replication {name!r}")
        return found

    def _end(self, name: str, array: str) -> tuple[End, Replication, float]:
        r, now = self._replication(name), self._settled_now()
        self._world.settle(r, now)
        return r.ends[self._array(array)], r, now

    def _source(self, name: str) -> str:
        with self._clock.lock:
            r = self._replication(name)
            self._world.settle(r, self._settled_now())
            return next((end.array for end in r.ends.values() if end.role == SOURCE), ARRAYS[0])

    def _put(self, r: Replication, end: End, now: float, values: dict[str, Any]) -> None:
        before = end.role, end.state
        for name, value in values.items():
            setattr(end, name, value)
        if end.role != before[0]:
            r.role_changes += 1
            end.access = end.role == SOURCE
        if end.state != before[1]:
            r.base_complete = end.state != "Initializing"
        if "testing" in values and end.role == DESTINATION:
            r.test = (r.base, now) if end.testing else None
        paused = [each.array for each in r.ends.values() if each.state == PAUSED]
        r.local_pause = paused[0] if len(paused) == 1 else None
        self._conditions.note(now, r.name, end.array, f"{end.role} {end.state}", "set by hand")
        end.views = [(now, end.shown_now())]
        settle_after_set(r, self._conditions, now)
        if end.state == OK and end.role == SOURCE and end.type == ASYNCHRONOUS:
            operations.plan_cycle(r, self._conditions, end, now, now + r.rpo / 2)

    def _change(self, deed: Callable[[Conditions], None]) -> None:
        with self._clock.lock:
            self._world.change(self._settled_now(), deed)
            self._clock.wake()

    def _darken(self, array: str, mode: str, deed: Callable[[Conditions], None]) -> None:
        if mode not in MODES:
            raise ControlError(f"mode can be {' or '.join(MODES)}, not {mode!r}")
        self._array(array)
        # First the world, then the port: an answer that still goes out was given before the array fell.
        self._change(deed)
        self._servers[array].turn(MODES[mode])
        self._clock.wake()

    def _lighten(self, array: str) -> None:
        self._array(array)

        def deed(c: Conditions) -> None:
            state = c.arrays[array]
            state.alive = state.hosts_alive = True
            state.isolated = state.link_cut = False

        self._change(deed)
        self._servers[array].turn("serve")


def list_methods() -> dict[str, str]:
    """The control methods with the first line of what they do."""
    found = inspect.getmembers(Control, inspect.isfunction)
    return {
        name: (method.__doc__ or "").splitlines()[0] for name, method in found if not name.startswith("_")
    }


def serve_control(control: Control, request: Request) -> Reply:
    """Answer a request to the control port: `GET /`, or `POST /<method>`."""
    name = request.path.strip("/")
    if request.method == "GET" and not name:
        return _reply(200, {"methods": list_methods()})
    if request.method != "POST" or name not in list_methods():
        return _reply(404, {"error": f"there is no control method {name!r}; GET / lists them"})
    try:
        arguments = json.loads(request.body or b"{}")
        method = getattr(control, name)
        inspect.signature(method).bind(**arguments)
        return _reply(200, {"result": method(**arguments)})
    except (ControlError, TypeError, ValueError) as e:
        return _reply(400, {"error": f"{name}: {e}"})


def _reply(status: int, body: object) -> Reply:
    return Reply(status, json.dumps(body).encode())
