"""The file of `plan --out`: what a plan was made on, for `apply --plan` to compare with what is seen then.

Nothing in the file is carried out. `apply` judges anew, as always, and goes on only where what it sees and what it
would do are what the file says: the file can hold it back and can lead it nowhere else. It holds no secret and no
acknowledgement; what a guard asks is answered when it is applied.
"""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from replctl.cli import shaped
from replctl.cli.documents import SCHEMA_VERSION, rfc3339, state_word
from replctl.cli.shapes import (
    SavedBackendDocument,
    SavedEndDocument,
    SavedEntryDocument,
    SavedPlanDocument,
    SavedStepDocument,
)
from replctl.core.errors import Conflict, Finding, InvalidInput, excerpt
from replctl.core.model import End, Observation, Pair, Replication
from replctl.core.plans import Plan, Step, backend_of
from replctl.core.results import Failure, OperationResult
from replctl.core.states import shown
from replctl.settings import files

if TYPE_CHECKING:
    from replctl.cli.session import Session
    from replctl.settings import Settings

KIND: Literal["replctl plan"] = "replctl plan"
LARGEST_BYTES = 64 * 1024 * 1024  # a kilobyte a replication, of more than ten thousand
MOST_TOLD = 3  # of what a plan no longer fits, the first few


def entry(replication: Replication, verb: str, planned: Plan, pair: Pair) -> SavedEntryDocument:
    """What shall be done about one, and what was seen of it."""
    return SavedEntryDocument(
        namespace=replication.namespace,
        name=replication.name,
        verb=verb,
        local=_end(replication.local, pair.local),
        peer=_end(replication.peer, pair.peer),
        steps=[_step(each, pair) for each in planned.steps],
    )


def _end(end: End, seen: Observation) -> SavedEndDocument:
    return SavedEndDocument(
        backend=end.backend,
        named=str(end),
        state=state_word(seen.known_state),
        resource=seen.resource,
        identity=seen.identity,
        counterpart=seen.counterpart,
    )


def _step(step: Step, pair: Pair) -> SavedStepDocument:
    hook = step.hook.hook.program if step.hook is not None else None
    return SavedStepDocument(name=step.name, backend=backend_of(step, pair), action=step.action, hook=hook)


# -- writing -------------------------------------------------------------------------------------------------


def refuse_to_replace(path: Path) -> None:
    """Raises InvalidInput when something else than a plan is there already: it is not ours to overwrite."""
    if not path.exists():
        if not path.parent.is_dir():
            raise InvalidInput(f"--out {path}: {path.parent} is no directory")
        return
    try:
        is_ours = _parsed(path, "--out").get("kind") == KIND
    except InvalidInput:
        is_ours = False
    if not is_ours:
        raise InvalidInput(f"--out {path}: there is another file already, and it is no plan")


def save(session: Session, results: Sequence[OperationResult], group: str | None, path: Path) -> None:
    """Write the plan of what was judged, whole or not at all, for its owner alone; raises InvalidInput."""
    text = json.dumps(_document(session, results, group), indent=1) + "\n"
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        raise InvalidInput(f"--out {path}: cannot be written: {error.strerror or error}") from error


def _document(session: Session, results: Sequence[OperationResult], group: str | None) -> SavedPlanDocument:
    services = session.services
    entries = []
    for each in results:
        assert each.plan is not None
        assert each.pair is not None
        entries.append(entry(services.replications[each.key], each.verb, each.plan, each.pair))
    used = sorted({end["backend"] for each in entries for end in (each["local"], each["peer"])})
    return SavedPlanDocument(
        schema_version=SCHEMA_VERSION,
        kind=KIND,
        made_at=rfc3339(session.now),
        made_by=str(session.who),
        state_dir=_store_of(services.settings),
        backends={name: _backend(services.settings, name) for name in used},
        group=group,
        replications=entries,
    )


def _store_of(settings: Settings) -> str:
    return str(settings.state_dir.resolve())


def _backend(settings: Settings, name: str) -> SavedBackendDocument:
    configured: Any = settings.backends[name]
    if configured.kind != "trident":
        return SavedBackendDocument(kind=configured.kind, place=str(configured.url))
    context = f", context {configured.context}" if configured.context else ""
    place = "in_cluster" if configured.in_cluster else f"{configured.kubeconfig}{context}"
    return SavedBackendDocument(kind=configured.kind, place=place)


# -- reading -------------------------------------------------------------------------------------------------


def _parsed(path: Path, option: str) -> dict[str, Any]:
    try:
        content, _ = files.slurp(path, LARGEST_BYTES)
    except files.Unreadable as error:
        raise InvalidInput(f"{option} {path}: cannot be read: {error}") from None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(f"{option} {path}: it is no plan; replctl plan --out FILE makes one")
    return found


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan that was read, with where it was read."""

    path: Path
    document: SavedPlanDocument
    entries: Mapping[str, SavedEntryDocument]

    @classmethod
    def read(cls, path: Path) -> SavedPlan:
        """Raises InvalidInput, with place, value and what is allowed, for anything else than a plan of ours."""
        found = _parsed(path, "--plan")
        if found.get("kind") != KIND:
            raise InvalidInput(f"--plan {path}: it is no plan; replctl plan --out FILE makes one")
        version = found.get("schema_version")
        if version != SCHEMA_VERSION:
            said = excerpt(str(version))
            finding = Finding(f"{path}: schema_version", said, str(SCHEMA_VERSION))
            raise InvalidInput(f"--plan {path}: another replctl made it", findings=[finding])
        shaped.check(SavedPlanDocument, found, str(path))
        document = cast(SavedPlanDocument, found)
        entries = {f"{each['namespace']}/{each['name']}": each for each in document["replications"]}
        return cls(path, document, entries)

    def chosen(self, session: Session) -> list[Replication]:
        """The replications that it was made for.

        Raises InvalidInput when it was made for another configuration or store, Conflict when the desired-state file
        has one of them no longer.
        """
        self._refuse_others(session.services.settings)
        known = session.services.replications
        gone = [key for key in self.entries if key not in known]
        if gone:
            raise Conflict(
                f"{self.path} was made for {', '.join(gone[:MOST_TOLD])}, which {known.shown} no longer names",
                remedy=self._anew,
            )
        return [known[key] for key in self.entries]

    def _refuse_others(self, settings: Settings) -> None:
        store = _store_of(settings)
        if self.document["state_dir"] != store:
            raise InvalidInput(
                f"{self.path} was made over the store {excerpt(self.document['state_dir'], 200)}, "
                f"and this configuration's is {store}",
                remedy=self._anew,
            )
        for name, then in self.document["backends"].items():
            now = _backend(settings, name) if name in settings.backends else None
            if now != then:
                is_now = "has no such backend" if now is None else f"says {now['kind']} at {now['place']}"
                was = f"{excerpt(then['kind'])} at {excerpt(then['place'], 200)}"
                raise InvalidInput(
                    f"{self.path} was made for another configuration: {excerpt(name)} was {was}, "
                    f"and {settings.config_path} {is_now}",
                    remedy=self._anew,
                )

    @property
    def _anew(self) -> str:
        return f"make it anew: replctl plan --out {shlex.quote(str(self.path))}"

    @property
    def rest(self) -> str:
        """What leads on to members that were not begun: with the others turned, this plan fits no longer."""
        return f"replctl plan --out {shlex.quote(str(self.path))} makes the plan of the rest"

    def still_fits(self, replication: Replication, verb: str, planned: Plan | None, pair: Pair | None) -> str:
        """What is not as it was when the plan was made; empty when all is. What was not read proves no change.

        Without a plan something else stands in the way, and only what was seen is compared.
        """
        if pair is None or any(end.trouble is not None and not end.absent for end in (pair.local, pair.peer)):
            return ""
        then = self.entries[replication.key]
        now = entry(replication, verb, planned, pair) if planned is not None else None
        seen = [
            *_changes(then["local"], _end(replication.local, pair.local)),
            *_changes(then["peer"], _end(replication.peer, pair.peer)),
        ]
        if then["verb"] != verb:
            seen.insert(0, f"the file asks to {verb} it, and it was planned to {then['verb']} it")
        if not seen and now is not None and now["steps"] != then["steps"]:
            seen.append(f"it would take {_steps(now)}, and {_steps(then)} was planned")
        return "; ".join(seen[:MOST_TOLD])

    def outdated(self, why: str) -> Failure:
        return Failure(
            code="world-changed", message=f"it is not what the plan was made on: {why}", remedy=self._anew
        )


def _changes(then: SavedEndDocument, now: SavedEndDocument) -> Iterator[str]:
    """What of one end is another than it was."""
    backend = now["backend"]
    if (then["backend"], then["named"]) != (backend, now["named"]):
        yield f"the file means {now['named']}, and meant {excerpt(then['named'])}"
        return
    if then["state"] != now["state"]:
        yield f"{backend} was {shown(then['state'] or '')}, and is {shown(now['state'] or '')}"
    ids = (("resource", "the copy"), ("identity", "the session"), ("counterpart", "what it replicates with"))
    for key, what in ids:
        before, after = then[key], now[key]  # type: ignore[literal-required]  # three keys of it
        if before != after:
            yield f"{backend}: {what} was {excerpt(before or 'none')}, and is {after or 'none'}"


def _steps(of: SavedEntryDocument) -> str:
    return " then ".join(
        f"{excerpt(each['name'])} on {excerpt(each['backend'])}" for each in of["steps"]
    ) or ("nothing")
