"""The read-only REST of an ONTAP system: SnapMirror relationships as their destination has them (CT §4.1, §14)."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from replctl.simulator.clock import VirtualClock
from replctl.simulator.faults import Faults, carry_out
from replctl.simulator.kubernetes.stamps import duration, http_date
from replctl.simulator.ontap.fabric import POLICIES, Fabric, Relationship, System
from replctl.simulator.requestlog import RequestLog
from replctl.simulator.server import Reply, Request

RELATIONSHIPS = "/api/snapmirror/relationships"
CLUSTER = "/api/cluster"
_NOT_FOUND, _NOT_ALLOWED, _DENIED, _INTERNAL = "4", "3", "6691623", "1"
_ALWAYS = ("uuid", "source.path", "destination.path")
_OPTIONS = ("fields", "return_records", "return_timeout", "max_records", "order_by", "list_destinations_only")
# What is read only when it is asked for by name.
_COSTLY = ("lag_time",)


class OntapApi:
    """What one ONTAP system answers."""

    def __init__(
        self,
        site: str,
        fabric: Fabric,
        clock: VirtualClock,
        faults: Faults,
        login: tuple[str, str],
        catch_up: Callable[[float], float | None],
    ) -> None:
        self.name = f"ontap-{site}"
        self._system = fabric.systems[site]
        self._clock = clock
        self._faults = faults
        self._secret = base64.b64encode(":".join(login).encode()).decode()
        self._catch_up = catch_up

    def serve(
        self,
        request: Request,
        log: RequestLog,
        is_serving: Callable[[], bool],
        wait_real: Callable[[float], bool],
    ) -> Reply:
        """Answer a request, or do to it what a fault says; called in the connection's own thread."""
        with self._clock.lock:
            now = self._clock.now()
            self._catch_up(now)
            logged = log.add(self.name, now, request)
            fault = self._faults.pick(self.name, request)
        if fault is None:
            reply = self._perform(request)
        else:
            reply = carry_out(
                fault,
                lambda hold: self._perform(request),
                lambda seconds: None,  # nothing here changes anything, late or not
                wait_real,
                lambda ordered: _error(ordered.status or 500, _INTERNAL, "ordered"),
            )
        reply.headers.append(("Date", http_date(now + self._system.skew)))
        logged.answered(reply, is_serving())
        return reply

    def _perform(self, request: Request) -> Reply:
        with self._clock.lock:
            now = self._clock.now()
            word, _, secret = request.headers.get("authorization", "").partition(" ")
            if word.lower() != "basic" or secret.strip() != self._secret:
                return _error(401, _DENIED, "User is not authorized")
            if request.method != "GET":
                return _error(405, _NOT_ALLOWED, "Only reading is possible")
            if request.path == CLUSTER:
                version = {"full": "NetApp Release 9.16.1", "generation": 9, "major": 16, "minor": 1}
                return _json(200, {"name": self.name, "version": version})
            if not self._system.readable:
                return _error(500, _INTERNAL, "Internal error")
            if request.path == RELATIONSHIPS:
                return self._list(request, now)
            if request.path.startswith(RELATIONSHIPS + "/"):
                return self._show(request, now)
            return _error(404, _NOT_FOUND, f"There is nothing at {request.path}")

    def _list(self, request: Request, now: float) -> Reply:
        query = dict(parse_qsl(request.query))
        fields = query.get("fields", "").split(",") if query.get("fields") else []
        rows = [_row(each, self._system, now) for each in self._system.relationships.values()]
        tests = {name: value for name, value in query.items() if name not in _OPTIONS}
        kept = [row for row in rows if all(_matches(row.get(name), value) for name, value in tests.items())]
        records = [_record(row, fields) for row in sorted(kept, key=lambda row: str(row["destination.path"]))]
        return _json(200, {"records": records, "num_records": len(records)})

    def _show(self, request: Request, now: float) -> Reply:
        query = dict(parse_qsl(request.query))
        key = request.path.rsplit("/", 1)[-1]
        found = next((each for each in self._system.relationships.values() if each.id == key), None)
        if found is None:
            return _error(404, _NOT_FOUND, "entry doesn't exist")
        fields = query.get("fields", "*").split(",")
        return _json(200, _record(_row(found, self._system, now), fields))


def _row(relation: Relationship, system: System, now: float) -> dict[str, Any]:
    """Every field of a relationship, by dotted name; None is not shown."""
    return {
        "uuid": relation.id,
        "source.path": relation.source,
        "source.svm.name": relation.source.partition(":")[0],
        "destination.path": relation.destination,
        "destination.svm.name": relation.destination.partition(":")[0],
        "state": relation.state,
        "healthy": relation.healthy,
        "unhealthy_reason": [{"message": relation.unhealthy_reason}] if relation.unhealthy_reason else None,
        "lag_time": duration(now - relation.base.at) if relation.base is not None else None,
        "exported_snapshot": relation.base.name if relation.base is not None else None,
        "last_transfer_type": relation.last_transfer_type or None,
        "policy.name": relation.policy,
        "policy.type": POLICIES[relation.policy].type,
        "transfer_schedule.name": relation.schedule or None,
        "transfer.state": relation.transfer_state or None,
        "transfer.end_time": system.stamp(relation.end_time) if relation.end_time is not None else None,
    }


def _record(row: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    """A row as it is shown: what was asked for, nested."""
    shown: dict[str, Any] = {}
    for name, value in row.items():
        asked = name in _ALWAYS or any(name == each or name.startswith(each + ".") for each in fields)
        if value is None or not (asked or ("*" in fields and name not in _COSTLY)):
            continue
        *way, last = name.split(".")
        place = shown
        for word in way:
            place = place.setdefault(word, {})
        place[last] = value
    return shown


def _matches(value: Any, asked: str) -> bool:
    said = str(value).lower() if isinstance(value, bool) else str(value)
    return any(said == each or each == "*" for each in asked.split("|"))


def _json(status: int, body: object) -> Reply:
    return Reply(status, json.dumps(body).encode(), media_type="application/hal+json")


def _error(status: int, code: str, message: str) -> Reply:
    return _json(status, {"error": {"code": code, "message": message}})
