"""`hold` and `release`: hands off a replication, written into the store of this site and into nothing else.

A person's hold stops the daemon, and asks everybody who would change something for --override-hold, its owner too.
Its end only reminds: it holds until it is released. The owner is who the machine says runs the command; claimed,
not proven. Neither touches a backend, and both are undone by the other, so that neither asks for `-y`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from replctl.cli.options import Common, HoldGuard, OneName, seconds

if TYPE_CHECKING:
    from replctl.cli.session import Session
    from replctl.core.model import Hold, Replication
    from replctl.core.outcomes import Outcome
    from replctl.core.plans import Refusal
    from replctl.core.results import OperationResult


def hold(
    context: typer.Context,
    *,
    name: OneName,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; whoever is stopped reads it.")
    ],
    lasts: Annotated[
        str | None,
        typer.Option("--for", metavar="DURATION", help="When to remind; it holds until it is released."),
    ] = None,
    guard: HoldGuard,
    common: Common,
) -> int:
    """Ask for hands off; changes then need --override-hold.

    Written into this site's store at once, without -y, and seen by status; no backend is touched, and what is on
    its way goes on. --override-hold replaces the hold of somebody else.
    """
    from replctl.cli.session import opened
    from replctl.core.errors import InvalidInput

    if not reason.strip():
        raise InvalidInput("--reason: it is empty; say why, for whoever is stopped")
    with opened(context.obj, common) as session:
        book = _Book.of(session, name)
        ends_at = None if (length := seconds("--for", lasts)) is None else session.now + length
        return _tell(session, book.take(reason.strip(), ends_at, override=guard.override_hold))


def release(context: typer.Context, *, name: OneName, guard: HoldGuard, common: Common) -> int:
    """End a hold, your own or one that stops the daemon alone.

    Written into this site's store at once, without -y; no backend is touched. --override-hold ends the hold of
    somebody else.
    """
    from replctl.cli.session import opened

    with opened(context.obj, common) as session:
        return _tell(session, _Book.of(session, name).give_back(override=guard.override_hold))


@dataclass(frozen=True, slots=True)
class _Told:
    """What became of it, and the sentence that says so."""

    result: OperationResult
    sentence: str


@dataclass(frozen=True, slots=True)
class _Book:
    """The hold of one replication, as the store has it."""

    session: Session
    replication: Replication
    found: Hold | None

    @classmethod
    def of(cls, session: Session, name: str) -> _Book:
        from replctl.cli import names

        known = list(session.services.replications.values())
        replication = names.resolve_one(name, known, session.common.namespace)
        return cls(session, replication, session.services.store.hold(replication.key))

    @property
    def is_somebody_elses(self) -> bool:
        found = self.found
        return found is not None and found.asks_people and found.owner != self._asker

    @property
    def _asker(self) -> str:
        from replctl.cli.session import owner_of

        return owner_of(self.session.who)

    def take(self, reason: str, ends_at: float | None, *, override: bool) -> _Told:
        from replctl.core.model import Hold
        from replctl.core.outcomes import Outcome

        if self.is_somebody_elses and not override:
            return self._refused("hold")
        owner = self._asker
        wanted = Hold(owner=owner, reason=reason, since=self.session.now, ends_at=ends_at)
        if self.found is not None and replace(self.found, since=wanted.since) == wanted:
            return self._done(
                "hold", Outcome.UNCHANGED, f"held by {owner} already, for the same reason", reason
            )
        self.session.services.store.set_hold(self.replication.key, wanted)
        return self._done("hold", Outcome.SUCCEEDED, _held(wanted), reason)

    def give_back(self, *, override: bool) -> _Told:
        from replctl.core.outcomes import Outcome

        if self.found is None:
            return self._done("release", Outcome.UNCHANGED, "nobody holds it")
        if self.is_somebody_elses and not override:
            return self._refused("release")
        self.session.services.store.remove_hold(self.replication.key)
        was = f"released; it was held by {self.found.owner}: {self.found.reason}"
        return self._done("release", Outcome.SUCCEEDED, was)

    def _done(self, verb: str, outcome: Outcome, sentence: str, reason: str | None = None) -> _Told:
        return _Told(self._result(verb, outcome, reason=reason), sentence)

    def _refused(self, verb: str) -> _Told:
        from replctl.cli.session import command_line
        from replctl.core.guards import GUARDS
        from replctl.core.outcomes import Outcome
        from replctl.core.plans import Evidence, Refusal

        assert self.found is not None
        evidence = Evidence(fact="hold", value=f"{self.found.owner}: {self.found.reason}")
        guard = GUARDS["held"].says_no(evidence)
        refusal = Refusal(guards=(guard,), next=command_line(self.session.here.argv, "--override-hold"))
        return _Told(self._result(verb, Outcome.REFUSED, refusal=refusal), "")

    def _result(
        self, verb: str, outcome: Outcome, *, reason: str | None = None, refusal: Refusal | None = None
    ) -> OperationResult:
        from replctl.core.results import OperationResult

        return OperationResult(
            operation_id=None,
            correlation_id="",
            verb=verb,
            namespace=self.replication.namespace,
            name=self.replication.name,
            backend=None,
            outcome=outcome,
            from_state=None,
            to_state=None,
            started=None,
            finished=None,
            who=self.session.who,
            reason=reason,
            group=self.replication.group,
            refusal=refusal,
        )


def _held(hold: Hold) -> str:
    from replctl.core.durations import format_time

    until = f"; reminds from {format_time(hold.ends_at)} on" if hold.ends_at is not None else ""
    return f"held by {hold.owner}: {hold.reason}{until}"


def _tell(session: Session, told: _Told) -> int:
    """A refusal and a document as those of the verbs; what was done as one line."""
    from replctl.cli import screens
    from replctl.cli.acting import show
    from replctl.cli.lines import UNLIMITED, line, strong, wrapped
    from replctl.cli.output import Format

    result, output = told.result, session.output
    if not told.sentence or output.format.is_document or output.format is Format.NAME:
        return show(session, result.verb, [result], result.exit_code)
    head = line(screens.mark(result.outcome), " ", strong(result.key), ": ")
    output.data(wrapped(told.sentence, output.width or UNLIMITED, first=head, indent=4))
    for each in session.services.store.operations(result.key, open_only=True):
        output.say([line(f"operation {each.operation_id} is open; a hold does not stop it")])
    return int(result.exit_code)
