"""Changing a cluster: mirror relationships, and what a change makes beside them (CT §6, §8, §13).

Everything is changed on the object as the plan was made on it: what is another one by now is left alone, and looked
at again. What makes something gives it the operation's name, so that making it twice makes it once. No status is
ever written, and no finalizer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from replctl.core.errors import (
    AlreadyExists,
    BackendUnwell,
    Forbidden,
    NeverSent,
    NotFound,
    Outdated,
    Rejected,
    Unsupported,
)
from replctl.core.model import End, Observation, Scalar
from replctl.core.plans import Errand
from replctl.drivers.kubernetes.client import KubernetesClient
from replctl.drivers.kubernetes.objects import Body, Resource, Seen, part, text
from replctl.drivers.trident import changes, errands, making, words
from replctl.drivers.trident.errands import Errands
from replctl.drivers.trident.lookup import mirror_key
from replctl.drivers.trident.mirrors import Mirror
from replctl.drivers.trident.reading import CLAIMS, CONTENTS, MIRRORS, SNAPSHOT_CLASSES, SNAPSHOTS, UPDATES
from replctl.drivers.trident.recipe import (
    COPY,
    CREATE_CLAIM,
    CREATE_MIRROR,
    CREATE_SOURCE,
    DELETE,
    NUDGE,
    PROMOTE,
    REESTABLISH,
    RESET,
    SNAPSHOT,
)
from replctl.resilience import Look

MOST_DELETES = 3  # of one object that its controller changes meanwhile
_MAKES = frozenset({CREATE_SOURCE, CREATE_MIRROR, CREATE_CLAIM})
_AT_REST = frozenset({words.ESTABLISHED, words.REESTABLISHED})


class Writer:
    """Changes of one cluster. `snapshot_class` is the configured one, if there is any."""

    def __init__(self, client: KubernetesClient, snapshot_class: str | None) -> None:
        self._client = client
        self._snapshot_class = snapshot_class

    def act(
        self, end: End, action: str, arguments: Mapping[str, Scalar], seen: Observation, look: Look
    ) -> None:
        """Do one change, at most once; raises what changes raise, and Outdated where somebody else was faster."""
        word = _words(arguments)
        if action == SNAPSHOT:
            self._take_snapshot(end, _errands(word), look)
        elif action == COPY:
            self._copy(end, _errands(word), word.get("snapshot", ""), seen, look)
        elif action in _MAKES:
            self._make_end(end, action, word, look)
        elif action == DELETE:
            kept, _ = self._as_planned(end, seen, look)
            self._client.delete(kept, look)
        else:
            kept, since = self._as_planned(end, seen, look)
            self._client.patch(kept, _wanted(action, Mirror(kept.body), word, since), look)

    def errand(
        self,
        end: End,
        action: str,
        arguments: Mapping[str, Scalar],
        look: Look,
        ahead_seconds: Callable[[Look], float | None],
    ) -> Errand:
        """What became of what was made; `ahead_seconds` says how far the cluster's clock may be ahead of ours."""
        made = _errands(_words(arguments))
        if action == SNAPSHOT:
            return self._snapshot_told(end, made, look)
        found = self._copies(end, made, look)
        if not found:
            return Errand(there=False)
        told = errands.copy_told(found[-1].body, None)
        return errands.copy_told(found[-1].body, ahead_seconds(look)) if told.done else told

    def tidy(self, end: End, operation: str, look: Look, *, in_vain: bool) -> None:
        """Copies go when the operation is over, with those of operations that nobody ended; snapshots when it was in
        vain, or once their volume is the source.

        The snapshot of a volume that became a replica cannot be removed (CT §8.4, U8): its turn comes next time.
        """
        namespace, name = mirror_key(end)
        copies = [each for each in self._ours(UPDATES, namespace, look) if errands.copies(each.body, name)]
        gone = [each for each in copies if errands.is_of(each.body, operation) or errands.is_over(each.body)]
        if in_vain:
            gone += [
                each for each in self._ours(SNAPSHOTS, namespace, look) if errands.is_of(each.body, operation)
            ]
        else:
            gone += self._spent(namespace, name, operation, look)
        for each in gone:
            self._delete(each, look)

    # -- mirror relationships --------------------------------------------------------------------------------

    def _as_planned(self, end: End, seen: Observation, look: Look) -> tuple[Seen, str]:
        """The relationship, if it is still what was observed, and the version of all that it was read at.

        An object's own version may be older than what the API server keeps the history of; that of a list is not.
        """
        kept, since = self._read_first(end, look)
        if (kept.uid, kept.version) != (seen.identity, seen.vendor.get("resource_version")):
            raise Outdated(
                "nothing was sent: the mirror relationship is no longer what was looked at",
                remedy="somebody else changed it: look again",
                backend=self._client.backend,
            )
        return kept, since

    def _read_first(self, end: End, look: Look) -> tuple[Seen, str]:
        namespace, name = mirror_key(end)
        try:
            listing = self._client.list(MIRRORS, look, namespace=namespace, name=name)
        except BackendUnwell as error:
            raise NeverSent(
                f"nothing was sent: the look before the change failed: {error.message}",
                backend=self._client.backend,
                operation="look before a change",
            ) from error
        if not listing.items:
            raise NotFound(
                f"there is no mirror relationship {namespace}/{name}", backend=self._client.backend
            )
        return listing.items[0], listing.version

    # -- snapshots -------------------------------------------------------------------------------------------

    def _take_snapshot(self, end: End, made: Errands, look: Look) -> None:
        kept, _ = self._read_first(end, look)
        body = errands.new_snapshot(made, Mirror(kept.body).claim, self._class(look))
        self._make(SNAPSHOTS, kept.namespace, body, made.operation, look)

    def _class(self, look: Look) -> str:
        """The snapshot class to use; raises Unsupported where it is not known, before anything is sent."""
        if self._snapshot_class is not None:
            return self._snapshot_class
        why = "its account may not list them"
        with suppress(Forbidden):
            listed = [each for each in self._client.list(SNAPSHOT_CLASSES, look).items]
            ours = [each.name for each in listed if text(each.body, "driver") == errands.PROVISIONER]
            if len(ours) == 1:
                return ours[0]
            why = f"it has {len(ours)} of Trident's"
        raise Unsupported(
            f"which VolumeSnapshotClass to use is not known: {why}",
            remedy=f"name it: backends.{self._client.backend}.snapshot_class",
            backend=self._client.backend,
        )

    def _snapshot_told(self, end: End, made: Errands, look: Look) -> Errand:
        try:
            found = self._client.get(SNAPSHOTS, mirror_key(end)[0], made.name(), look)
        except NotFound:
            return Errand(there=False)
        if not errands.is_of(found.body, made.operation):
            return Errand(failure=_foreign(found))
        name = errands.content_name(found.body)
        if not name:
            return Errand()
        try:
            return errands.snapshot_told(self._client.get(CONTENTS, "", name, look).body)
        except NotFound:
            return Errand()

    def _spent(self, namespace: str, name: str, operation: str, look: Look) -> list[Seen]:
        """The snapshots of earlier operations, where their volume is the source."""
        try:
            mirror = Mirror(self._client.get(MIRRORS, namespace, name, look).body)
        except NotFound:
            return []
        if text(mirror.condition, "state") != words.PROMOTED:
            return []
        return [
            each
            for each in self._ours(SNAPSHOTS, namespace, look)
            if text(part(each.spec, "source"), "persistentVolumeClaimName") == mirror.claim
            and not errands.is_of(each.body, operation)
        ]

    # -- copies ----------------------------------------------------------------------------------------------

    def _copy(self, end: End, wanted: Errands, handle: str, seen: Observation, look: Look) -> None:
        """Ask for one, by the first name that is free. Never of a relationship that has said nothing yet (CT §6)."""
        kept, _ = self._read_first(end, look)
        if kept.uid != seen.identity or text(Mirror(kept.body).condition, "state") not in _AT_REST:
            raise Outdated(
                "nothing was sent: the mirror relationship is no longer an established one",
                backend=self._client.backend,
            )
        made = self._copies(end, wanted, look)
        if made and errands.copy_told(made[-1].body, None).failure is None:
            return  # it is there already, under way or done
        body = errands.new_copy(wanted, len(made) + 1, kept.name, handle)
        self._make(UPDATES, kept.namespace, body, wanted.operation, look)

    def _copies(self, end: End, made: Errands, look: Look) -> list[Seen]:
        """Those that the operation asked for, in their order."""
        found: list[Seen] = []
        for attempt in range(1, errands.MOST_COPIES + 1):
            try:
                each = self._client.get(UPDATES, mirror_key(end)[0], made.name(attempt), look)
            except NotFound:
                break
            found.append(each)
        return found

    # -- ends that are not there yet -------------------------------------------------------------------------

    def _make_end(self, end: End, action: str, word: Mapping[str, str], look: Look) -> None:
        """Make an object, or find it made; raises Rejected where what bears its name is something else."""
        namespace, name = mirror_key(end)
        claim = end.words["pvc"]
        if action == CREATE_CLAIM:
            body = making.new_claim(claim, name, word)
            self._make_or_find(CLAIMS, namespace, body, lambda found: making.is_for(found, name), look)
            return
        if action == CREATE_SOURCE:
            body = making.new_source(name, claim, word)
        else:
            body = making.new_replica(name, claim, word["counterpart"], word)
        self._make_or_find(MIRRORS, namespace, body, lambda found: making.asks_the_same(found, body), look)

    def _make_or_find(
        self, resource: Resource, namespace: str, body: Body, fits: Callable[[Body], bool], look: Look
    ) -> None:
        try:
            self._client.create(resource, namespace, body, look)
        except AlreadyExists as error:
            found = self._client.get(resource, namespace, text(part(body, "metadata"), "name"), look)
            if not fits(found.body):
                raise Rejected(_foreign(found), backend=self._client.backend) from error

    # -- what bears the operation's name ---------------------------------------------------------------------

    def _make(
        self, resource: Resource, namespace: str, body: dict[str, Any], operation: str, look: Look
    ) -> None:
        try:
            self._client.create(resource, namespace, body, look)
        except AlreadyExists as error:
            found = self._client.get(resource, namespace, body["metadata"]["name"], look)
            if not errands.is_of(found.body, operation):
                raise Rejected(_foreign(found), backend=self._client.backend) from error

    def _ours(self, resource: Resource, namespace: str, look: Look) -> list[Seen]:
        chosen = f"{errands.MANAGER}={errands.OURS}"
        listing = self._client.list(resource, look, namespace=namespace, labels=chosen)
        return [each for each in listing.items if not each.is_going]

    def _delete(self, seen: Seen, look: Look) -> None:
        """Delete it, whoever wrote its status meanwhile; what is gone is gone."""
        with suppress(NotFound):
            for _ in range(MOST_DELETES - 1):
                try:
                    self._client.delete(seen, look)
                    return
                except Outdated:
                    latest = self._client.get(seen.resource, seen.namespace, seen.name, look)
                    if not latest.is_same(seen):
                        return
                    seen = latest
            self._client.delete(seen, look)


def _words(arguments: Mapping[str, Scalar]) -> dict[str, str]:
    return {name: str(value) for name, value in arguments.items() if value is not None}


def _errands(word: Mapping[str, str]) -> Errands:
    return Errands(word["operation"], int(word.get("round", "0")))


def _wanted(action: str, mirror: Mirror, word: Mapping[str, str], since: str) -> Body:
    if action == PROMOTE:
        return changes.promotion(mirror, word["operation"], word.get("snapshot", ""), since)
    if action == REESTABLISH:
        return changes.re_establishment(
            mirror, word["remote"], word.get("policy", ""), word.get("schedule", ""), since
        )
    if action == RESET:
        return changes.clearing(mirror)
    if action == NUDGE:
        return making.nudge(word["operation"])
    raise ValueError(f"there is no action {action}")


def _foreign(seen: Seen) -> str:
    return f"there is a {seen.resource.kind} {seen.namespace}/{seen.name} that this operation did not make"
