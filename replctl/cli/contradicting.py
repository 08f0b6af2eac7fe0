"""A command that makes what the desired-state file contradicts: the daemon must not go by the file (design §10).

By default the command takes a hold, which stops the daemon alone and goes by itself once file and role agree again;
`--hold REASON` names it, and then it stays; `--update-file` writes the new state into the file instead. The hold is
there before the first change is sent, so that it stands whatever becomes of the change, and is given back where
nothing changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from replctl.cli.lines import UNLIMITED, line, strong, wrapped
from replctl.cli.session import Session, owner_of
from replctl.core.errors import ReplctlError
from replctl.core.events import Noticed
from replctl.core.model import Hold, State, Verb
from replctl.core.outcomes import Outcome
from replctl.core.results import Failure, OperationResult

if TYPE_CHECKING:
    from replctl.cli.options import Keeping
    from replctl.engine import Proposal

TURNING = frozenset({Verb.PROMOTE, Verb.DEMOTE, Verb.FAILOVER, Verb.REPROTECT})
CHANGED = frozenset(
    {Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.IN_PROGRESS, Outcome.UNKNOWN, Outcome.INTERRUPTED}
)
"""Outcomes after which the role is another one, or may be."""


@dataclass(slots=True)
class Contradictions:
    """What the file says otherwise than the command; one for a command, for the threads that carry it out."""

    session: Session
    keeping: Keeping
    _told: dict[str, str] = field(default_factory=dict)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, session: Session, offers: Sequence[Proposal], keeping: Keeping) -> Contradictions:
        """Judged before anything changes; raises NotEditable, with the patch told, for a file that is not ours."""
        found = cls(session, keeping)
        wanted = {_key(offer): offer.plan.to_state for offer in offers if _contradicts(offer)}
        if keeping.update_file and wanted:
            found._refuse_unless_ours(wanted)
        return found

    def around(self, offer: Proposal, carry_out: Callable[[], OperationResult]) -> OperationResult:
        """Carry one out between its hold and what becomes of that."""
        if offer.intent.verb not in TURNING:
            return carry_out()
        key, differs = _key(offer), _contradicts(offer)
        wanted = self._hold_for(offer, differs)
        before = self.session.services.store.hold(key)
        taken = wanted is not None and (before is None or _gives_way(before, wanted))
        if taken and wanted is not None:
            self.session.services.store.set_hold(key, wanted)
        result = carry_out()
        if result.outcome not in CHANGED:
            if taken:
                self._give_back(key, wanted, before)
            return result
        return self._settled(offer, result, wanted if taken else None)

    def tell(self) -> None:
        """What was held, or released, or written, once all have ended."""
        output, log = self.session.output, self.session.progress.log
        for key in sorted(self._told):
            if log is not None:
                log(Noticed(topic="hold", message=f"{key}: {self._told[key]}"))
                continue
            head = line(strong(key), ": ")
            width = output.message_width or UNLIMITED
            output.tell(wrapped(self._told[key], width, first=head, indent=4))

    # -- before ----------------------------------------------------------------------------------------------

    def _refuse_unless_ours(self, wanted: dict[str, State]) -> None:
        from replctl.settings.editing import NotEditable, edited, refuse_unless_ours

        try:
            refuse_unless_ours(edited(self.session.services.replications, wanted))
        except NotEditable as error:
            self.session.output.say_text(error.patch)
            raise

    def _hold_for(self, offer: Proposal, differs: bool) -> Hold | None:
        named = self.keeping.reason
        if not differs and not named:
            return None
        return Hold(
            owner=owner_of(self.session.who),
            reason=named or self._why(offer),
            since=self.session.now,
            daemon_only=True,
            ends_with_difference=not named,
        )

    def _why(self, offer: Proposal) -> str:
        desired = offer.intent.replication.desired_state.value
        return f"replctl {offer.intent.verb.value} made it {offer.plan.to_state.value}, and the file says {desired}"

    # -- after -----------------------------------------------------------------------------------------------

    def _give_back(self, key: str, ours: Hold | None, before: Hold | None) -> None:
        store = self.session.services.store
        if store.hold(key) != ours:
            return
        if before is None:
            store.remove_hold(key)
        else:
            store.set_hold(key, before)

    def _settled(self, offer: Proposal, result: OperationResult, ours: Hold | None) -> OperationResult:
        """What is told, and what becomes of the hold, after a change that was made, or may have been."""
        key, store = _key(offer), self.session.services.store
        done = result.outcome is Outcome.SUCCEEDED
        if not _contradicts(offer):
            self._agrees(key, done=done)
        elif done and self.keeping.update_file:
            return self._updated(offer, result)
        if ours is not None:
            if store.hold(key) is None:  # a daemon that looked before the change may have ended it
                store.set_hold(key, ours)
            self._told[key] = self._of_hold(offer, ours)
        return result

    def _of_hold(self, offer: Proposal, ours: Hold) -> str:
        key = _key(offer)
        if not _contradicts(offer):
            return f"held from the daemon, {ours.reason}; replctl release {key}"
        place = self.session.services.replications.place(key)
        desired = offer.intent.replication.desired_state.value
        named = f", {ours.reason}" if not ours.ends_with_difference else ""
        said = f"held from the daemon{named}: {place} says {desired}"
        return f"{said}; change it there, or: replctl release {key}"

    def _agrees(self, key: str, *, done: bool) -> None:
        """File and role agree again: what was held for their difference alone is not held any more."""
        found = self.session.services.store.hold(key)
        if done and found is not None and found.ends_with_difference:
            self.session.services.store.remove_hold(key)
            self._told[key] = "no longer held: it is what the file says"

    def _updated(self, offer: Proposal, result: OperationResult) -> OperationResult:
        from replctl.settings.editing import update

        key, state = _key(offer), offer.plan.to_state
        known = self.session.services.replications
        try:
            with self._writing:
                update(known, {key: state})
        except ReplctlError as error:
            told = f"{known.shown} was not updated, and it is held from the daemon: {error}"
            failure = Failure(code="file-not-updated", message=told, remedy=f"replctl release {key}")
            return replace(result, outcome=Outcome.PARTIAL, failure=failure)
        found = self.session.services.store.hold(key)
        if found is not None and not found.asks_people:
            self.session.services.store.remove_hold(key)
        self._told[key] = f"{known.place(key)} says {state.value} now"
        return result


def _key(offer: Proposal) -> str:
    return offer.intent.replication.key


def _contradicts(offer: Proposal) -> bool:
    """Whether the file wants the local end in another role than the command gives it."""
    return (
        offer.intent.verb in TURNING
        and not offer.plan.unchanged
        and offer.plan.to_state is not offer.intent.replication.desired_state
    )


def _gives_way(found: Hold, wanted: Hold) -> bool:
    """Whether a hold that is there already gives way: what a person said in so many words to what nobody did."""
    return not found.asks_people and not wanted.ends_with_difference
