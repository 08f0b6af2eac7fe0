"""Lists: selectors, pages, tokens to go on with, and versions to list at (CT §12.5)."""

import base64
import binascii
import json
from collections.abc import Iterator
from typing import NamedTuple

from replctl.simulator.kubernetes.kinds import Kind
from replctl.simulator.kubernetes.selectors import Test, by_fields, by_labels, named_by
from replctl.simulator.kubernetes.statuses import Cause, Object, bad_request, expired, timed_out
from replctl.simulator.kubernetes.store import Kept, Key, Store

RETRY_SECONDS = 1


class Listing(NamedTuple):
    """What a list answers: its metadata and the objects of this page."""

    metadata: Object
    kept: list[Kept]


def read_listing(store: Store, kind: Kind, namespace: str, query: dict[str, str], now: float) -> Listing:
    """One page of a list. Raises Refused."""
    tests = [*by_labels(query.get("labelSelector", "")), *by_fields(kind, query.get("fieldSelector", ""))]
    limit = _read_limit(query.get("limit", ""))
    revision, after = _begin(store, query, now)
    name = named_by(query.get("fieldSelector", ""))
    if name is not None and namespace:
        kept = store.get(kind, (namespace, name))
        found = [kept] if kept is not None and all(test(kept.read()) for test in tests) else []
        return Listing({"resourceVersion": str(revision)}, found)
    total, rows = store.listed(kind, namespace or None, revision, after)
    page, more = _take(rows, tests, limit)
    metadata: Object = {"resourceVersion": str(revision)}
    if more:
        last = page[-1].read()["metadata"]
        metadata["continue"] = token(revision, (last.get("namespace", ""), last["name"]))
        if not tests:
            metadata["remainingItemCount"] = total - len(page)
    return Listing(metadata, page)


def _take(rows: Iterator[Kept], tests: list[Test], limit: int) -> tuple[list[Kept], bool]:
    """The first rows that pass, and whether there are more."""
    page: list[Kept] = []
    for kept in rows:
        if tests and not all(test(kept.read()) for test in tests):
            continue
        if limit and len(page) == limit:
            return page, True
        page.append(kept)
    return page, False


def _read_limit(text: str) -> int:
    if text and not text.isdigit():
        raise bad_request(f"limit: {text!r} is not a number")
    return int(text or 0)


def _begin(store: Store, query: dict[str, str], now: float) -> tuple[int, Key | None]:
    """At which version to list, and after which object."""
    if query.get("continue"):
        if query.get("resourceVersion") not in (None, "", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        revision, after = _read_token(query["continue"])
        if store.is_expired(revision, now):
            text = "The provided continue parameter is too old to display a consistent list result."
            raise expired(text, resume=token(store.revision, after))
        return revision, after
    version = query.get("resourceVersion", "")
    if version in ("", "0"):
        return store.revision, None
    revision = read_revision(version, store)
    if query.get("resourceVersionMatch") != "Exact":
        return store.revision, None
    if store.is_expired(revision, now):
        raise expired(f"The resourceVersion for the provided list is too old: {revision}")
    return revision, None


def read_revision(text: str, store: Store) -> int:
    """A version as a client names it; refused with 400, or 504 where it lies in the future (CT §17)."""
    if not text.isdigit():
        raise bad_request(f"invalid resource version {text!r}")
    revision = int(text)
    if revision > store.revision:
        text = f"Too large resource version: {revision}, current: {store.revision}"
        raise timed_out(RETRY_SECONDS, Cause("ResourceVersionTooLarge", text, ""))
    return revision


def token(revision: int, after: Key) -> str:
    """What a client hands back to go on after an object."""
    said = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": list(after)})
    return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def _read_token(text: str) -> tuple[int, Key]:
    try:
        said = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return int(said["rv"]), (str(said["start"][0]), str(said["start"][1]))
    except (binascii.Error, ValueError, KeyError, TypeError, IndexError) as e:
        raise bad_request(f"continue key is not valid: {text!r}") from e
