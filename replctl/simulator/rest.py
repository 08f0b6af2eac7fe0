"""The REST interface of one array: who asks, what for, and the answer (CP §1-§7).

Takes requests from a server and gives replies; the world does the rest. A synchronous action holds its connection,
in virtual time, until the command has ended.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, unquote

from replctl.simulator import actions
from replctl.simulator.chance import identifier
from replctl.simulator.clock import LONGEST_NAP_SECONDS, VirtualClock
from replctl.simulator.conditions import Conditions
from replctl.simulator.faults import Faults, carry_out
from replctl.simulator.jobs import Job, Jobs, error_body, refusal_body
from replctl.simulator.listing import Collection, list_collections
from replctl.simulator.logins import COOKIE, TOKEN_HEADER, Admission, Login, Logins
from replctl.simulator.policies import patch_resource
from replctl.simulator.query import BadQuery, BadRange, Getter, Query, parse
from replctl.simulator.replication import Command, End, Refusal
from replctl.simulator.requestlog import Logged, RequestLog
from replctl.simulator.server import Reply, Request
from replctl.simulator.world import World

PREFIX = "/api/rest/"
NO_INSTANCE = "0xE04040020009"
BAD_REQUEST = "0xE04040010005"
NOT_ALLOWED = "SIM00000020"
NOT_ADMITTED = "SIM00000021"
# A prime, so that rows without an order come in another one each time.
ROTATION = 7919


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str, text: str, *arguments: str) -> None:
        super().__init__(text)
        self.status = status
        self.body = error_body(code, text, *arguments)


class Api:
    """What one array answers."""

    def __init__(self, array: str, world: World, clock: VirtualClock, logins: Logins, faults: Faults) -> None:
        self.array = array
        self.logins = logins
        self.jobs = Jobs(float(world.conditions.assume["job_retention"]))
        self._world = world
        self._conditions: Conditions = world.conditions
        self._clock = clock
        self._faults = faults
        self._collections = list_collections(world, world.sites[array], self.jobs, logins)
        self._jobs_made = 0

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
            self._world.catch_up(now)
            logged = log.add(self.array, now, request)
            state = self._conditions.arrays[self.array]
            if not state.alive or state.isolated:
                return Reply(then="silence")  # it fell while the request was on its way
            fault = self._faults.pick(self.array, request)
        if fault is None:
            reply = self._perform(request, logged, is_serving, True)
        else:
            reply = carry_out(
                fault,
                lambda hold: self._perform(request, logged, is_serving, hold),
                lambda seconds: self._perform_later(request, logged, seconds),
                wait_real,
            )
        logged.answered(reply, is_serving())
        return reply

    # One request

    def _perform(self, request: Request, logged: Logged, is_serving: Callable[[], bool], hold: bool) -> Reply:
        with self._clock.lock:
            reply, command = self._begin(request, logged, self._clock.now())
        if command is None or reply is not None:
            return reply or Reply(500)
        if hold and not self._hold(command, is_serving):
            return Reply(then="reset")
        return _reply_to(command)

    def _perform_later(self, request: Request, logged: Logged, seconds: float) -> None:
        def deed(at: float) -> None:
            if self._conditions.arrays[self.array].alive:
                self._begin(request, logged, at)

        with self._clock.lock:
            self._world.later(self._clock.now() + seconds, deed)

    def _begin(self, request: Request, logged: Logged, now: float) -> tuple[Reply | None, Command | None]:
        """Do what a request asks: a reply, or the command that is to end first."""
        admission = self.logins.admit(request.method, request.path, request.headers, now)
        if admission.login is None:
            return _not_admitted(admission), None
        try:
            _check_media(request)
            found = self._route(request, logged, admission.login, now)
        except Refused as refused:
            return _json_reply(refused.status, refused.body), None
        if isinstance(found, Command):
            return None, found
        self._hand_out(request, admission, found)
        return found, None

    def _hand_out(self, request: Request, admission: Admission, reply: Reply) -> None:
        """Give the token with every answer to a GET, and the cookie with the first."""
        if admission.login is None:
            return
        if request.method == "GET":
            reply.headers.append((TOKEN_HEADER, self.logins.token(admission.login)))
        if admission.is_new:
            cookie = f"{COOKIE}={admission.login.cookie}; Path=/; Secure; HttpOnly"
            reply.headers.append(("Set-Cookie", cookie))

    def _route(self, request: Request, logged: Logged, login: Login, now: float) -> Reply | Command:
        if not request.path.startswith(PREFIX):
            raise Refused(404, BAD_REQUEST, f"There is nothing at {request.path}.")
        parts = [unquote(part) for part in request.path[len(PREFIX) :].strip("/").split("/")]
        if parts == ["logout"]:
            return self._log_out(request, login)
        collection = self._collections.get(parts[0])
        if collection is None or len(parts) > 3:
            raise Refused(404, BAD_REQUEST, f"There is nothing at {request.path}.")
        if request.method == "GET" and len(parts) <= 2:
            return self._read(collection, parts[1:], request, login, logged.n, now)
        if parts[0] == "replication_session" and len(parts) > 1:
            return self._act(request, parts[1], parts[2:], logged, now)
        if request.method == "PATCH" and parts[0] in ("volume", "volume_group") and len(parts) == 2:
            return self._patch(collection, parts[1], request, logged, now)
        raise Refused(405, NOT_ALLOWED, f"{request.method} is not possible on {request.path}.")

    def _log_out(self, request: Request, login: Login) -> Reply:
        if request.method != "POST":
            raise Refused(405, NOT_ALLOWED, "logout takes POST.")
        self.logins.close(login)
        return Reply(int(self._conditions.assume["logout_status"]))

    # Reading

    def _read(
        self, collection: Collection, key: list[str], request: Request, login: Login, number: int, now: float
    ) -> Reply:
        lenient = self._conditions.assume["unknown_select"] == "ignore"
        try:
            query = parse(
                collection.schema,
                self._conditions.version,
                request.query,
                request.headers.get("range"),
                lenient,
            )
            collection.caller = login
            return (
                self._read_one(collection, key[0], query, now)
                if key
                else self._list(collection, query, number, now)
            )
        except BadQuery as e:
            raise Refused(400, BAD_REQUEST, f"The query is not valid: {e}.") from e
        except BadRange as e:
            raise Refused(416, BAD_REQUEST, f"The range is not valid: {e}.") from e

    def _read_one(self, collection: Collection, key: str, query: Query, now: float) -> Reply:
        row = collection.find(key, now)
        if row is None:
            raise Refused(404, NO_INSTANCE, f"No instance with id {key} was found.", key)
        return _json_reply(200, query.build(row))

    def _list(self, collection: Collection, query: Query, number: int, now: float) -> Reply:
        keys: list[Any] = self._select_rows(collection, query, now)
        total = len(keys)
        if query.offset and query.offset >= total:
            raise BadRange(f"offset {query.offset} is past the end, {total}")
        if not query.order and total > 1 and self._conditions.assume["unordered_rows"] == "rotated":
            turn = number * ROTATION % total
            keys = keys[turn:] + keys[:turn]
        page = keys[query.offset : query.offset + query.limit]
        rows = page if query.tests or query.order else [collection.find(key, now) for key in page]
        reply = _json_reply(200, [query.build(row) for row in rows if row is not None])
        if len(page) < total:
            reply.status = 206
            reply.headers.append(("content-range", f"{query.offset}-{query.offset + len(page) - 1}/{total}"))
        return reply

    def _select_rows(self, collection: Collection, query: Query, now: float) -> list[Any]:
        """The rows that pass the filters, in order; only their ids when nothing needs the rows themselves."""
        by_id = [(name, descending) for name, _, descending in query.order] == [("id", False)]
        keys = collection.candidates(query.equals, now)
        if not query.tests and not query.order:
            return keys
        if by_id and not query.tests:
            page = [collection.find(key, now) for key in keys[query.offset : query.offset + query.limit]]
            return [*keys[: query.offset], *page, *keys[query.offset + query.limit :]]
        rows: Iterable[Any] = (collection.find(key, now) for key in keys)
        kept = [row for row in rows if row is not None and all(test(row) for test in query.tests)]
        for name, get, descending in reversed(query.order):
            if name != "id" or not by_id:
                kept.sort(key=_by(get), reverse=descending)
        return kept

    # Changing

    def _act(
        self, request: Request, key: str, rest: list[str], logged: Logged, now: float
    ) -> Reply | Command:
        end = self._world.sites[self.array].sessions.get(key)
        if end is None:
            raise Refused(404, NO_INSTANCE, f"No instance with id {key} was found.", key)
        action = "modify" if request.method == "PATCH" and not rest else (rest or [""])[0]
        known = actions.ACTIONS.get(action)
        if known is None or known.since > self._conditions.version:
            raise Refused(404, BAD_REQUEST, f"There is nothing at {request.path}.")
        if request.method != ("PATCH" if action == "modify" else "POST"):
            raise Refused(405, NOT_ALLOWED, f"{request.method} is not possible on {request.path}.")
        body = _read_json(request)
        refusal = actions.check_body(action, self._conditions.version, body)
        if refusal is not None:
            return _refusal_reply(refusal)
        return self._command(request, end, action, body or {}, logged, now)

    def _command(
        self, request: Request, end: End, action: str, body: dict[str, Any], logged: Logged, now: float
    ) -> Reply | Command:
        command = self._world.act(end, action, body, now)
        refusal = command.refusal
        if refusal is None:
            logged.took_effect(now)
        if not _is_async(request.query):
            return command
        direct = self._conditions.assume["refusal_place"] == "direct"
        if refusal is not None and (direct or refusal.status in (400, 404)):
            return _refusal_reply(refusal)
        self._jobs_made += 1
        job = Job(
            identifier(self._conditions.seed, self.array, "job", self._jobs_made),
            command,
            end,
            self.logins.username,
        )
        self.jobs.add(job)
        return _json_reply(202, {"id": job.id})

    def _patch(self, collection: Collection, key: str, request: Request, logged: Logged, now: float) -> Reply:
        row = collection.find(key, now)
        if row is None:
            raise Refused(404, NO_INSTANCE, f"No instance with id {key} was found.", key)
        refusal = patch_resource(self._world, row.it, _read_json(request), now)
        if refusal is not None:
            return _refusal_reply(refusal)
        logged.took_effect(now)
        return Reply(204)

    def _hold(self, command: Command, is_serving: Callable[[], bool]) -> bool:
        """Wait until a command has ended; False when nobody can be answered any more."""
        if command.ended_at is not None:
            return True
        end = self._world.sites[self.array].sessions.get(command.session_id)

        def over(now: float) -> float | None:
            self._world.catch_up(now)
            if end is not None:
                self._world.settle(self._world.owner(end), now)
            if command.ended_at is not None or not is_serving():
                return None
            at = self._world.next_event_at(end) if end is not None else None
            return now + LONGEST_NAP_SECONDS if at is None else at

        return self._clock.wait(over) and command.ended_at is not None


def _json_reply(status: int, body: object) -> Reply:
    return Reply(status, json.dumps(body, separators=(",", ":")).encode())


def _refusal_reply(refusal: Refusal) -> Reply:
    return _json_reply(refusal.status, refusal_body(refusal))


def _reply_to(command: Command) -> Reply:
    if command.refusal is not None:
        return _refusal_reply(command.refusal)
    return _json_reply(200, command.body) if command.body else Reply(204)


def _not_admitted(admission: Admission) -> Reply:
    reply = _json_reply(admission.status, error_body(NOT_ADMITTED, admission.text))
    if admission.status == 302:
        reply.headers.append(("Location", "/#/login"))
    return reply


def _check_media(request: Request) -> None:
    accept = request.headers.get("accept", "*/*")
    if "*/*" not in accept and "json" not in accept and "application/*" not in accept:
        raise Refused(406, BAD_REQUEST, "Only JSON can be had.")
    if request.body and "json" not in request.headers.get("content-type", ""):
        raise Refused(415, BAD_REQUEST, "Only JSON is understood.")


def _read_json(request: Request) -> Any:
    if not request.body.strip():
        return None
    try:
        return json.loads(request.body)
    except ValueError as e:
        raise Refused(400, BAD_REQUEST, "The body is not JSON.") from e


def _is_async(query: str) -> bool:
    """`is_async=true`, in whatever case, also as `eq.true` (CP §5)."""
    if not query:
        return False
    values = parse_qs(query).get("is_async", [])
    return any(value.lower().removeprefix("eq.") == "true" for value in values)


def _by(get: Getter) -> Callable[[Any], tuple[bool, Any]]:
    """A sort key: values in order, missing ones last."""

    def key(row: Any) -> tuple[bool, Any]:
        value = get(row)
        return (True, "") if value is None else (False, value)

    return key
