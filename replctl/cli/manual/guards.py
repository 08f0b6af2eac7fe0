"""replctl-guards(7): what each guard saves from, which flag answers it, and when that is right to type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from replctl.cli.manual import mdoc
from replctl.cli.manual.pages import Page
from replctl.core.guards import GUARDS, Guard


@dataclass(frozen=True, slots=True)
class Advice:
    """What would happen without the guard, and when its flag is right; without a flag, what to do instead."""

    saves: str
    then: str


ADVICE: Mapping[str, Advice] = MappingProxyType(
    {
        "peer-not-demoted": Advice(
            "Two writable sides. The other end cannot be read, and silence proves nothing: dead and cut off look "
            "alike, and an array whose management is silent may serve its hosts.",
            "Right when you know, from somewhere else than replctl, that the other site is down: the power, the "
            "people there, its hosts. Not when only its management is silent.",
        ),
        "peer-is-up": Advice(
            "Two writable sides. The other end answers, so --peer-is-down is not true; hosts may be writing "
            "to it now.",
            "Right when its hosts cannot reach it any more, and you say how you made sure of that: switch "
            "ports shut, hosts powered off, the volume gone. Where the roles could simply be swapped, that "
            "command is printed.",
        ),
        "data-loss": Advice(
            "Losing more than you know of. Everything written after the last consistent point is lost by an "
            "unplanned promotion.",
            "Right when the loss that the refusal states is one that the owner of the data agrees to. Paste the time "
            "that it prints: it is refused if the point turns out to be older. `unknown` is taken only where it is "
            "unknown.",
        ),
        "source-in-use": Advice(
            "Two writable sides, and writes that vanish. With Trident the new source is promoted before the old one "
            "steps down, so nobody may use the old one in between.",
            "Right when who uses it cannot be read, and you have stopped it yourself. What is seen attached "
            "no flag answers: stop the workload.",
        ),
        "discards-local-data": Advice(
            "Dropping the only copy of what was written to the end that is to become the replica.",
            "Right when whoever owns those writes agrees to lose them, or has saved them elsewhere.",
        ),
        "delete-promotes": Advice(
            "A second writable volume. With Trident, to delete a mirror relationship opens the replica's "
            "volume to hosts.",
            "Right when nothing at the replica's site is going to use that volume by mistake.",
        ),
        "state-failed": Advice(
            "Promoting a copy that the backend itself calls failed; what is on it is not vouched for.",
            "Right when there is nothing better, the other side is down, and somebody will check the data.",
        ),
        "no-source": Advice(
            "Promoting without anybody to hand over. Neither end is the source, so that nothing says which one was "
            "written to last.",
            "Right when you know which end has the newer data, and this is it.",
        ),
        "held": Advice(
            "Getting in the way of somebody's work: they asked for hands off, and said why.",
            "Right once you have spoken with whoever set it; `replctl status` names them and their reason. A hold "
            "that was set by the daemon stops no person.",
        ),
        "split-brain": Advice(
            "Making two writable sides worse. Both ends read as the source, and each may have writes of its own.",
            "Find out who writes where. Then `replctl reprotect NAME` makes the old source the replica; where the "
            "journal does not know which one to keep, --survivor=BACKEND says so.",
        ),
        "incomplete-copy": Advice(
            "Serving a copy that was never whole: half of one moment and half of another one.",
            "Wait until the copy is complete, or keep the source.",
        ),
        "operation-open": Advice(
            "Two changes of one replication at once, or on top of one whose end nobody knows.",
            "`replctl op show ID` tells what it is; `replctl op wait ID`, `op resume` or `op abandon` end it.",
        ),
        "foreign-operation": Advice(
            "Cutting short what somebody else began, on the array or from the other site.",
            "Wait for its end; `replctl explain NAME` tells in the vendor's words what it is.",
        ),
        "stale-observation": Advice(
            "Deciding by what was so a while ago.",
            "Mend the way to the backend; `replctl doctor` tells what ails it. Behind an open circuit breaker "
            "--probe asks all the same.",
        ),
        "backend-state": Advice(
            "Sending what the backend does not take in this state, or what its documentation does not cover.",
            "The refusal names what leads on, if replctl knows; `replctl explain NAME` tells what each verb "
            "would do.",
        ),
        "drill-running": Advice(
            "Serving what a test wrote as if it were production's data.",
            "`replctl drill stop NAME` first. The flag is right in an unplanned promotion only, when what the test "
            "wrote is what you want to keep.",
        ),
        "identity-changed": Advice(
            "Changing another volume than you mean: the name was given to something else since it was last seen.",
            "Look at both on the backend, and put an id into the desired-state file instead of the name.",
        ),
        "undeclared": Advice(
            "Making something by a guess.",
            "Say in the desired-state file how it is to be made; replctl-replications(5) has the keys for `create`.",
        ),
        "not-a-pair": Advice(
            "Hitting a third volume: an end replicates with something else than the file says.",
            "Mend the entry; `replctl import --dry-run` shows how the ends belong together.",
        ),
        "unsupported": Advice(
            "Pretending. Metro sessions, NAS servers, pausing with Trident, and states that this version does "
            "not know.",
            "Do it with the vendor's own tools; the refusal says what.",
        ),
        "hook-vetoed": Advice(
            "Demoting a source whose application did not agree to be stopped.",
            "Read what the hook said, mend that, and type the command again. Nobody was told to step down.",
        ),
        "confirmation": Advice(
            "A change that was begun by a slip, or by a script that nobody thought about.",
            "Right in scripts, and wherever you have read what the command is going to do. It answers no "
            "other guard.",
        ),
    }
)


def page() -> Page:
    return Page(
        name="replctl-guards",
        section="7",
        about="what replctl refuses to do, and what answers it",
        parts=(
            ("DESCRIPTION", _description()),
            ("GUARDS WITH A FLAG", _list(each for each in GUARDS.values() if each.override)),
            ("GUARDS WITHOUT A FLAG", _list(each for each in GUARDS.values() if not each.override)),
        ),
        related=(("replctl-promote", "1"), ("replctl-explain", "1"), ("replctl-exit-codes", "7")),
    )


def _description() -> list[str]:
    return mdoc.paragraphs(
        (
            "A guard is a named check that can refuse a change. All that stand in the way are told at once, "
            "each with what was seen, where it was read and how old it is; the command ends with 6, and "
            "nothing was changed. Where time alone would answer, as for `operation-open` and "
            "`foreign-operation`, it ends with 7.",
            "Each guard is answered by its own flag, for this one operation, and the journal keeps that it "
            "was. There is no flag that answers all of them, and -y answers none but the question whether you "
            "are sure. The last line of a refusal is the command to type next; where flags can answer, it has "
            "them.",
            "The names are promised: scripts find them in the JSON as `operations[].refusal.guards[].name`, with "
            "`evidence` and `override`, the flag or null.",
        )
    )


def _list(guards: Iterator[Guard]) -> list[str]:
    return mdoc.tagged((mdoc.command(each.name), _said(each)) for each in guards)


def _said(guard: Guard) -> list[str]:
    advice = ADVICE[guard.name]
    sentence = mdoc.begun(guard.sentence)
    said = [*mdoc.prose(f"{sentence}."), ".Pp", *mdoc.prose(f"Saves from: {_lower(advice.saves)}"), ".Pp"]
    if guard.override:
        return [*said, *mdoc.prose(f"Answered by {guard.override}. {advice.then}")]
    return [*said, *mdoc.prose(f"Instead: {_lower(advice.then)}")]


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
