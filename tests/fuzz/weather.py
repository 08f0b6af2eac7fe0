"""What happens to a world: faults before and after effect, lost links and sites, expiry, hosts, other clients.

Each deed is drawn, done at once, and told in words. `calm` takes all of it back.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from worlds import World

from fuzz.worldmaking import BACKENDS, Drawn
from replctl.simulator.control import ControlError
from replctl.simulator.scene import POWERSTORE, TRIDENT

STATUSES = (500, 502, 503, 401, 403, 302, 404, 408, 409, 422, 429)
CLUSTER_STATUSES = (429, 500, 503, 504, 401, 403, 409)
TRANSIENTS = ("Failing_Over", "Failing_Over_For_DR", "Reprotecting", "Synchronizing")
PATHS = ("/failover$", "/reprotect$", "replication_session", "/job")
KINDS = ("tridentmirrorrelationships", "volumesnapshots", "tridentactionmirrorupdates", "volumeattachments")
ACTIONS = ("pause", "resume", "sync", "failover", "reprotect")
ARRAY_FAULTS = (
    *("reset", "reset", "reset", "status", "status", "html", "empty", "truncated", "late", "late", "hang"),
    *("vanish", "null_stamps", "unknown_enum", "empty_list", "messages_string"),
)
REAL_SECONDS = 0.05  # how long a silence lasts that is kept in real time


class Weather:
    """The weather of one world. `foreign`: what other clients had changed, and when; `attached`: which pods came."""

    def __init__(self, world: World, drawn: Drawn, chance: random.Random) -> None:
        self._world = world
        self._control = world.control
        self._chance = chance
        self._drawn = drawn
        entries = world.simulator._entries
        self.vendor_of = {entry.full_name: entry.vendor for entry in entries}
        self._claims = {entry.full_name: (entry.namespace, f"{entry.name}-data") for entry in entries}
        self.foreign: dict[str, list[tuple[float, str]]] = {name: [] for name in self.vendor_of}
        self.attached: list[tuple[int, str, str]] = []  # after which request, which replication, where
        self._deeds: dict[str, list[tuple[Callable[[], str], int]]] = {
            POWERSTORE: [
                (self._array_fault, 9),
                (self._link, 3),
                (self._kill, 2),
                (self._isolate, 2),
                (self._revive, 5),
                (self._slow_copy, 2),
                (self._stick, 1),
                (self._unstick, 2),
                (self._expire, 2),
                (self._foreign_client, 2),
                (self._hosts, 1),
            ],
            TRIDENT: [
                (self._cluster_fault, 8),
                (self._ontap, 3),
                (self._attach, 2),
                (self._detach, 4),
                (self._touch, 1),
                (self._controller, 2),
                (self._store, 2),
                (self._kill_cluster, 2),
                (self._revive_cluster, 4),
                (self._token, 1),
                (self._ontap_link, 1),
                (self._transfers, 1),
            ],
        }

    def requests_so_far(self) -> int:
        return self._world.simulator._log._count

    def change(self) -> str:
        """One deed, in words."""
        vendor = self._chance.choice(self._drawn.vendors)
        functions, weights = zip(*self._deeds[vendor], strict=True)
        (pick,) = self._chance.choices(functions, weights)
        try:
            return pick()
        except ControlError as error:
            return f"nothing: {error}"

    def calm(self) -> None:
        """Fair weather: whatever was taken is given back, and nobody uses what shall step down."""
        self._control.clear_faults()
        self._control.link("up") if POWERSTORE in self._drawn.vendors else None
        for vendor in self._drawn.vendors:
            for backend in BACKENDS[vendor]:
                self._control.revive(backend)
        for name, vendor in self.vendor_of.items():
            if vendor == POWERSTORE:
                self._control.unstick(name)
                self._control.slow_copy(name, None)
                for array in BACKENDS[POWERSTORE]:
                    self._control.hosts(name, array, True)
            else:
                self._control.stop_pods(name)
                self._control.stick_transfers(name, False)
                self._control.fail_transfers(name, False)
        if TRIDENT in self._drawn.vendors:
            self._control.ontap_link(True)
            for cluster in BACKENDS[TRIDENT]:
                self._control.thaw(cluster)
                self._control.ontap(cluster, "alive")
                self._control.busy_ontap(cluster, 0)
                self._control.controller(cluster, "resume")

    # -- what is drawn for all -------------------------------------------------------------------------------

    def _name(self, vendor: str) -> str:
        return self._chance.choice([name for name, found in self.vendor_of.items() if found == vendor])

    def _array(self) -> str:
        return self._chance.choice(BACKENDS[POWERSTORE])

    def _cluster(self) -> str:
        return self._chance.choice(BACKENDS[TRIDENT])

    # -- arrays ----------------------------------------------------------------------------------------------

    def _array_fault(self) -> str:
        chance = self._chance
        kind = chance.choice(ARRAY_FAULTS)
        settings: dict[str, Any] = {
            "times": chance.choice([1, 1, 1, 2, 4, 10]),
            "skip": chance.choice([0, 0, 0, 1, 3, 7]),
            "effect": chance.choice(["before", "after"]),
        }
        if kind == "status":
            settings["status"] = chance.choice(STATUSES)
        if settings.get("status", 500) < 500 or kind in ("vanish", "messages_string"):
            settings["effect"] = "before"  # an array that says no does not lie
        if kind == "status" and chance.random() < 0.2:
            settings["header"] = chance.choice(["1", "7", "4000"])
        if kind == "late":
            settings |= {"seconds": round(chance.uniform(0.1, 9), 1), "method": "change"}
        if kind == "hang":
            settings |= {"seconds": REAL_SECONDS, "times": 1}
        if kind in ("null_stamps", "unknown_enum", "empty_list"):
            settings |= {"times": chance.choice([1, 3, 50]), "method": "GET"}
        where = chance.choice([*PATHS, None, None])
        if where is not None and "method" not in settings:
            settings["path"] = where
        array = self._array()
        self._control.fault(array, kind, **settings)
        return f"fault at {array}: {kind} {settings}"

    def _link(self) -> str:
        state = self._chance.choice(["up", "up", "data_down", "management_down", "down"])
        self._control.link(state)
        return f"the link between the arrays: {state}"

    def _kill(self) -> str:
        array = self._array()
        self._control.kill(array, mode="refuse")
        return f"{array} loses power"

    def _isolate(self) -> str:
        array, link_up, hosts = self._array(), self._chance.random() < 0.4, self._chance.random() < 0.6
        self._control.isolate(array, mode="refuse", hosts_alive=hosts, link_up=link_up)
        return f"{array} is cut off from us (its hosts live: {hosts}, its link is up: {link_up})"

    def _revive(self) -> str:
        array = self._array()
        self._control.revive(array)
        return f"{array} is back"

    def _slow_copy(self) -> str:
        name, seconds = self._name(POWERSTORE), self._chance.choice([None, 1.0, 40.0, 300.0])
        fail = self._chance.random() < 0.3
        self._control.slow_copy(name, seconds, fail=fail)
        return f"copies of {name} take {seconds or 'as long as usual'}, and fail: {fail}"

    def _stick(self) -> str:
        name, state = self._name(POWERSTORE), self._chance.choice(TRANSIENTS)
        self._control.stick(name, state)
        return f"{name} will stick at {state}"

    def _unstick(self) -> str:
        name = self._name(POWERSTORE)
        return f"{name} is freed, if it stuck: {self._control.unstick(name)}"

    def _expire(self) -> str:
        array, reply = self._array(), self._chance.choice(["401", "403", "302"])
        self._control.expire_logins(array, reply)
        return f"the logins of {array} expire, answered {reply}"

    def _foreign_client(self) -> str:
        name, action, array = self._name(POWERSTORE), self._chance.choice(ACTIONS), self._array()
        body = {"is_planned": True, "reverse": self._chance.random() < 0.5} if action == "failover" else None
        answer = self._control.gui(name, array, action, body)
        if answer["status"] == 202:
            self.foreign[name].append((self._control.now(), action))
        return f"another client asks {array} for {action} of {name}: {answer['status']}"

    def _hosts(self) -> str:
        name, array, active = self._name(POWERSTORE), self._array(), self._chance.random() < 0.7
        self._control.hosts(name, array, active)
        return f"hosts at {array} write to {name} where they can: {active}"

    # -- clusters --------------------------------------------------------------------------------------------

    def _cluster_fault(self) -> str:
        chance, cluster = self._chance, self._cluster()
        place = {
            "method": chance.choice(["GET", "POST", "PATCH", "DELETE", None]),
            "path": chance.choice([*KINDS, "persistentvolumeclaims", None]),
            "skip": chance.randint(0, 6),
        }
        kind = chance.choice(["status", "status", "reset", "html", "empty", "truncated", "late", "hang"])
        more: dict[str, Any] = {}
        if kind == "late":
            more = {"seconds": round(chance.uniform(0.1, 20), 1)}
        elif kind == "status":
            status = chance.choice(CLUSTER_STATUSES)
            more = {
                "status": status,
                "effect": chance.choice(["before", "after"]) if status >= 500 else "before",
            }
        elif kind == "html":
            more = {"status": chance.choice([404, 502])}
        elif kind in ("reset", "hang"):
            more = {"effect": chance.choice(["before", "after"]), "seconds": REAL_SECONDS}
        times = 1 if kind == "hang" else chance.randint(1, 3)
        self._control.fault(cluster, kind, times=times, **place, **more)
        return f"fault at {cluster}: {kind} {times} times {place} {more}"

    def _ontap(self) -> str:
        cluster, state = self._cluster(), self._chance.choice(["alive", "unreadable", "dead", "busy"])
        if state == "busy":
            self._control.busy_ontap(cluster, 1)
        else:
            self._control.ontap(cluster, state)
        return f"the ONTAP system under {cluster}: {state}"

    def _attach(self) -> str:
        name, cluster = self._name(TRIDENT), self._cluster()
        self._control.attach(cluster, *self._claims[name], pod=f"app-{self._chance.randint(0, 1)}")
        self.attached.append((self.requests_so_far(), name, cluster))
        return f"a pod starts on {name} in {cluster}"

    def _detach(self) -> str:
        name = self._name(TRIDENT)
        self._control.stop_pods(name)
        return f"all pods of {name} end"

    def _touch(self) -> str:
        name, cluster = self._name(TRIDENT), self._cluster()
        mirror = name.partition("/")[2] + ("-dr" if cluster == "k8s-west" else "")
        self._control.touch(cluster, KINDS[0], self._claims[name][0], mirror)
        return f"somebody writes to the mirror relationship of {name} in {cluster}"

    def _controller(self) -> str:
        cluster, deed = self._cluster(), self._chance.choice(["restart", "pause", "resume", "resume"])
        self._control.controller(cluster, deed)
        return f"Trident in {cluster}: {deed}"

    def _store(self) -> str:
        cluster, deed = self._cluster(), self._chance.choice(["freeze", "thaw", "thaw", "compact"])
        getattr(self._control, deed)(cluster)
        return f"the store under {cluster}: {deed}"

    def _kill_cluster(self) -> str:
        cluster, dies = self._cluster(), self._chance.random() < 0.5
        (self._control.kill if dies else self._control.isolate)(cluster, mode="refuse")
        return f"{cluster} {'loses power' if dies else 'is cut off from us'}"

    def _revive_cluster(self) -> str:
        cluster = self._cluster()
        self._control.revive(cluster)
        return f"{cluster} is back"

    def _token(self) -> str:
        cluster = self._cluster()
        self._control.expire_token(cluster)
        self._control.rotate_token(cluster)
        return f"the token of {cluster} expires, and a new one is in its file"

    def _ontap_link(self) -> str:
        up = self._chance.random() < 0.6
        self._control.ontap_link(up)
        return f"the ONTAP systems reach each other: {up}"

    def _transfers(self) -> str:
        name, deed = self._name(TRIDENT), self._chance.choice(["stick_transfers", "fail_transfers"])
        bad = self._chance.random() < 0.5
        getattr(self._control, deed)(name, bad)
        return f"{deed.replace('_', ' ')} of {name}: {bad}"
