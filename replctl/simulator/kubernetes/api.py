"""What one API server answers over HTTP: paths, verbs, media types, queries (CT §12, §17).

Who asks is known before what is asked for is looked up, so that a stranger learns nothing of what there is.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, unquote

from replctl.simulator.agenda import Agenda
from replctl.simulator.assumptions import Assumptions
from replctl.simulator.chance import between, chance
from replctl.simulator.clock import VirtualClock
from replctl.simulator.faults import Fault, Faults, carry_out
from replctl.simulator.kubernetes import discovery, watches
from replctl.simulator.kubernetes.access import User, Wish, forbidden
from replctl.simulator.kubernetes.cluster import Cluster
from replctl.simulator.kubernetes.kinds import REVIEW, Kind
from replctl.simulator.kubernetes.listing import Listing, read_listing, read_revision
from replctl.simulator.kubernetes.selectors import by_fields, by_labels
from replctl.simulator.kubernetes.stamps import http_date
from replctl.simulator.kubernetes.statuses import (
    REASONS,
    Object,
    Refused,
    bad_request,
    failure,
    no_such_path,
    no_such_subresource,
    not_acceptable,
    not_allowed,
    timed_out,
    too_large,
)
from replctl.simulator.kubernetes.tables import table
from replctl.simulator.kubernetes.writing import read_object, write
from replctl.simulator.requestlog import Logged, RequestLog
from replctl.simulator.server import Reply, Request

LARGEST_BODY_BYTES = 3 * 2**20
LANDED_SHARE = 2 / 3  # of the writes that a frozen store did not answer, the contract saw so many land
_FROZEN = 4  # a key of chance
_HEALTH = ("/readyz", "/livez", "/healthz")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Api:
    """The API server of one cluster."""

    def __init__(
        self,
        cluster: Cluster,
        clock: VirtualClock,
        faults: Faults,
        assume: Assumptions,
        agenda: Agenda,
        catch_up: Callable[[float], float | None],
    ) -> None:
        self.cluster = cluster
        self._clock = clock
        self._faults = faults
        self._assume = assume
        self._agenda = agenda
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
            logged = log.add(self.cluster.name, now, request)
            self._faults.fire(self.cluster.name, request, "before")
            fault = self._faults.pick(self.cluster.name, request)
        if fault is None:
            reply = self._perform(request, logged)
        else:
            reply = carry_out(
                fault,
                lambda hold: self._perform(request, logged),
                lambda seconds: self._perform_later(request, logged, seconds),
                wait_real,
                _ordered,
            )
        reply.headers.append(("Date", http_date(now + self.cluster.registry.skew)))
        logged.answered(reply, is_serving())
        return reply

    def _perform(self, request: Request, logged: Logged) -> Reply:
        with self._clock.lock:
            reply = self._do(request, logged, self._clock.now())
            self._faults.fire(self.cluster.name, request, "after")
            return reply

    def _perform_later(self, request: Request, logged: Logged, seconds: float) -> None:
        def deed(at: float) -> None:
            self._do(request, logged, at)

        with self._clock.lock:
            self._agenda.later(self._clock.now() + seconds, deed)

    def _do(self, request: Request, logged: Logged, now: float) -> Reply:
        store = self.cluster.registry.store
        before = store.revision
        try:
            return self._answer(request, now)
        except Refused as refused:
            return _refusal(refused)
        finally:
            if store.revision != before:
                logged.took_effect(now)
                self._catch_up(now)
                self._clock.wake()

    # One request

    def _answer(self, request: Request, now: float) -> Reply:
        wish = _read_wish(request)
        user = self.cluster.access.who(request.headers, request.subject)
        if not self.cluster.access.allows(user, wish):
            raise forbidden(user, wish)
        if len(request.body) > LARGEST_BODY_BYTES:
            raise too_large()
        if not wish.resource:
            return self._describe(request)
        kind = self._kind(request.path, wish)
        if kind is REVIEW:
            return self._review(user, request)
        if wish.verb not in kind.verbs and not (wish.subresource and wish.verb != "create"):
            raise not_allowed(request.method, request.path)
        if self.cluster.frozen is not None and wish.verb != "watch":
            return self._fail_frozen(kind, wish, request, now)
        return self._act(kind, wish, request, now)

    def _act(self, kind: Kind, wish: Wish, request: Request, now: float) -> Reply:
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        if wish.verb == "list":
            return self._list(kind, wish, request, query, now)
        if wish.verb == "watch":
            return self._watch(kind, wish, request, query, now)
        if wish.verb == "get":
            body = self.cluster.registry.found(kind, wish.namespace, wish.name)
            return self._show(kind, [body], {}, request, query, now)
        status, body, headers = write(self.cluster, kind, wish, request, query, now)
        reply = (
            _json(status, body)
            if body["kind"] == "Status"
            else self._show(kind, [body], {}, request, query, now)
        )
        reply.status, reply.headers = status, headers
        return reply

    def _kind(self, path: str, wish: Wish) -> Kind:
        parts = path.strip("/").split("/")
        version = parts[1] if parts[0] == "api" else parts[2]
        kind = self.cluster.find_kind(wish.group, version, wish.resource)
        if kind is None or (bool(wish.namespace) and not kind.namespaced):
            raise no_such_path()
        if kind.namespaced and not wish.namespace and (wish.name or wish.verb == "create"):
            raise no_such_path()
        if wish.subresource and not (wish.subresource == "status" and kind.has_status):
            raise no_such_subresource()
        return kind

    def _describe(self, request: Request) -> Reply:
        """What is no resource: health, version, discovery."""
        if request.method != "GET":
            raise not_allowed(request.method, request.path)
        if request.path in _HEALTH:
            return Reply(200, b"ok", media_type="text/plain; charset=utf-8")
        if request.path == "/version":
            return _json(200, discovery.VERSION)
        found = discovery.find(self.cluster.kinds, request.path)
        if found is None:
            raise no_such_path()
        return _json(200, found)

    def _review(self, user: User, request: Request) -> Reply:
        """What a user may do, answered in the object that asks (SelfSubjectAccessReview)."""
        spec = read_object(REVIEW, request).get("spec") or {}
        asked = spec.get("resourceAttributes") or {}
        wish = Wish(
            asked.get("verb", ""),
            (spec.get("nonResourceAttributes") or {}).get("path", ""),
            asked.get("group", ""),
            asked.get("resource", ""),
            asked.get("subresource", ""),
            asked.get("namespace", ""),
            asked.get("name", ""),
        )
        allowed = self.cluster.access.allows(user, wish)
        status = {"allowed": allowed, **({} if allowed else {"reason": ""})}
        head = {"kind": REVIEW.name, "apiVersion": REVIEW.api_version, "metadata": {}}
        return _json(201, {**head, "spec": spec, "status": status})

    def _fail_frozen(self, kind: Kind, wish: Wish, request: Request, now: float) -> Reply:
        """The store does not answer: nobody knows whether a write has landed (CT §17)."""
        cluster = self.cluster
        if wish.verb not in ("get", "list"):
            cluster.frozen_writes += 1
            drawn = chance(cluster.seed, _FROZEN, cluster.frozen_writes) < LANDED_SHARE
            if cluster.frozen == "landed" or (cluster.frozen == "drawn" and drawn):
                with suppress(Refused):  # nobody hears of that either
                    self._act(kind, wish, request, now)
        raise timed_out()

    # Reading

    def _show(
        self,
        kind: Kind,
        bodies: list[Object],
        metadata: Object,
        request: Request,
        query: dict[str, str],
        now: float,
    ) -> Reply:
        """One object, plain or as a Table."""
        if _wants_table(request):
            said = metadata or {"resourceVersion": bodies[0]["metadata"]["resourceVersion"]}
            return _json(200, table(kind, bodies, said, query.get("includeObject", "Metadata"), now))
        return _json(200, bodies[0])

    def _list(self, kind: Kind, wish: Wish, request: Request, query: dict[str, str], now: float) -> Reply:
        wants_table = _wants_table(request)
        found: Listing = read_listing(self.cluster.registry.store, kind, wish.namespace, query, now)
        if wants_table:
            bodies = [kept.read() for kept in found.kept]
            return _json(
                200, table(kind, bodies, found.metadata, query.get("includeObject", "Metadata"), now)
            )
        head = json.dumps(
            {"kind": f"{kind.name}List", "apiVersion": kind.api_version, "metadata": found.metadata},
            separators=(",", ":"),
        ).encode()
        return Reply(200, head[:-1] + b',"items":[' + b",".join(kept.body for kept in found.kept) + b"]}")

    def _watch(self, kind: Kind, wish: Wish, request: Request, query: dict[str, str], now: float) -> Reply:
        include, as_table = query.get("includeObject", "Metadata"), _wants_table(request)
        store = self.cluster.registry.store

        def dress(body: Object, at: float) -> Object:
            said = {"resourceVersion": body["metadata"]["resourceVersion"]}
            return table(kind, [body], said, include, at) if as_table else body

        watch = watches.Watch(
            kind,
            wish.namespace,
            [*by_labels(query.get("labelSelector", "")), *by_fields(kind, query.get("fieldSelector", ""))],
            store.revision,
            query.get("allowWatchBookmarks") in ("true", "1"),
            now + self._watch_seconds(query),
            dress,
        )
        gone = self._begin(watch, query, now)
        if gone is not None:
            if self._assume["watch_from_expired_version"] == "http":
                raise gone
            return Reply(200, stream=watches.failed_stream(gone.status()))
        watch.turn = self.cluster.order.turn
        watch.next_bookmark_at = now + watches.BOOKMARK_SECONDS
        return Reply(200, stream=self._stream(watch))

    def _begin(self, watch: watches.Watch, query: dict[str, str], now: float) -> Refused | None:
        """Where a watch begins: at a version, or with everything that is there; a Refused if that is gone."""
        store = self.cluster.registry.store
        version = query.get("resourceVersion", "")
        initial = query.get("sendInitialEvents") in ("true", "1")
        if initial and query.get("resourceVersionMatch") != "NotOlderThan":
            raise bad_request("sendInitialEvents needs resourceVersionMatch=NotOlderThan")
        if version in ("", "0") or initial:
            _, listed = store.listed(watch.kind, watch.namespace or None, store.revision)
            bodies = [kept.read() for kept in listed]
            watch.first = [{"type": "ADDED", "object": body} for body in bodies if watch.matches(body)]
            watch.ends_first = initial
            return None
        watch.revision = read_revision(version, store)
        return watches.gone(watch.revision) if store.is_expired(watch.revision, now) else None

    def _stream(self, watch: watches.Watch) -> Iterator[bytes]:
        with self._clock.lock:
            self.cluster.watches += 1
        try:
            yield from watches.stream(
                watch, self.cluster.registry.store, self._clock, self.cluster.order, self._catch_up
            )
        finally:
            with self._clock.lock:
                self.cluster.watches -= 1

    def _watch_seconds(self, query: dict[str, str]) -> float:
        said = query.get("timeoutSeconds", "")
        if said.isdigit() and int(said):
            return float(said)
        return between(watches.LEAST_SECONDS, watches.MOST_SECONDS, self.cluster.seed, self.cluster.watches)


def _read_wish(request: Request) -> Wish:
    """What a request asks for, by its path alone."""
    parts = [unquote(part) for part in request.path.strip("/").split("/")]
    method = (
        "get" if request.method in ("GET", "HEAD") else _VERBS.get(request.method, request.method.lower())
    )
    group, rest = "", parts[2:]
    if parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    elif parts[0] != "api" or len(parts) < 3:
        return Wish(method, request.path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and not (len(rest) == 3 and rest[2] == "status"):
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    verb = method
    watched = dict(parse_qsl(request.query)).get("watch") in ("1", "true")
    if method == "get" and not name:
        verb = "watch" if watched else "list"
    elif method == "delete" and not name:
        verb = "deletecollection"
    return Wish(verb, request.path, group, resource, subresource, namespace, name)


def _wants_table(request: Request) -> bool:
    """The form of answer that a client takes first, of those that there are; refused with 406 if none."""
    for part in request.headers.get("accept", "*/*").split(","):
        media, _, parameters = part.strip().partition(";")
        if media.strip() not in ("application/json", "application/*", "*/*"):
            continue
        said = dict(pair.strip().partition("=")[::2] for pair in parameters.split(";") if pair)
        if said.get("as") == "Table":
            return True
        if "as" not in said:
            return False
    raise not_acceptable()


def _json(status: int, body: object) -> Reply:
    return Reply(status, json.dumps(body, separators=(",", ":")).encode())


def _refusal(refused: Refused) -> Reply:
    if refused.text:
        return Reply(refused.code, str(refused).encode(), refused.headers, "text/plain; charset=utf-8")
    reply = _json(refused.code, refused.status())
    reply.headers = refused.headers
    return reply


def _ordered(fault: Fault) -> Reply:
    """A status that a fault orders, in a Status."""
    code = fault.status or 500
    details: dict[str, Any] = {"retryAfterSeconds": 1} if code in (429, 503) else {}
    headers = {"Retry-After": "1"} if code == 429 else {}
    body = failure(code, REASONS.get(code), f"ordered status {code}", details)
    reply = _json(code, body)
    reply.headers = list({**headers, **fault.header}.items())
    return reply
