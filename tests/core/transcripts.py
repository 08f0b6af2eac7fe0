"""Planner transcripts: a world, a command, the expected answer, as text that needs no Python to be read.

A file holds cases. Each begins with a title and two lines that say what the arrays answer, and perhaps what the
journal remembers; then commands with what the planner says to them in that very world. `$ next` types the command
that the answer before it printed. The grammar of the lines:

    ## title, what it shows
    west (local): Destination OK; copied 5m ago in 30s; link lost
    east: unread silent: connection refused
    journal: survivor is west

    $ replctl promote bank/ledger
    refused (6)
      …
    next: replctl promote bank/ledger --peer-is-down …
    $ next with HOW=cables out

`west` is the local end. `east: mirror promoted; attached 2` is one of Trident's. What is not said of an end is as
on a healthy day (`DEFAULTS`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from replctl.core.durations import format_duration, parse_bound, parse_duration
from replctl.core.loss import extent
from replctl.core.model import (
    Acknowledgements,
    End,
    Intent,
    Observation,
    Pair,
    Replication,
    Side,
    State,
    Trouble,
    TroubleKind,
    Verb,
)
from replctl.core.planner import decide
from replctl.core.plans import Context, Course, Decision, GuardRefusal, Plan, Recipe, Refusal, Step
from replctl.core.states import shown
from replctl.drivers.powerstore.recipe import PowerStoreRecipe
from replctl.drivers.powerstore.sessions import Row, Surroundings, no_session, session_seen
from replctl.drivers.powerstore.stamps import ClockReading
from replctl.drivers.trident.mirrors import Mirror, mirror_seen
from replctl.drivers.trident.mirrors import Surroundings as Around
from replctl.drivers.trident.recipe import TridentRecipe

NOW = datetime(2031, 2, 3, 2, 0, tzinfo=UTC).timestamp()
KEY = "bank/ledger"
DEFAULTS = {
    "type": "Asynchronous",
    "link": "ok",
    "copied": "5m ago in 30s",
}
CLOCK = ClockReading(offset=0.0, margin=0.0)
RECIPE = PowerStoreRecipe()
REPLICATION = Replication(
    namespace="bank",
    name="ledger",
    desired_state=State.REPLICA,
    local=End("west", "powerstore", (("volume", "ledger"),)),
    peer=End("east", "powerstore", (("volume", "ledger"),), (("policy", "gold"),)),
)


@dataclass(frozen=True)
class World:
    """What the arrays say and the journal remembers."""

    pair: Pair
    context: Context
    recipe: Recipe = RECIPE

    def answer(self, command: str) -> Decision:
        return decide(intent_of(command), self.pair, self.context, self.recipe)


@dataclass(frozen=True)
class Exchange:
    """A command as typed, and the answer that is expected."""

    typed: str
    expected: str


@dataclass
class Case:
    title: str
    ends: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)

    def world(self) -> World:
        local, peer = (observation(line) for line in self.ends)
        mirrors = any(": mirror " in line for line in self.ends)
        recipe: Recipe = TridentRecipe() if mirrors else RECIPE
        return World(Pair(local, peer), context_of(self.journal), recipe)

    def play(self) -> Iterator[tuple[str, str]]:
        """What the planner answers to each command, beside what is expected."""
        world, following = self.world(), ""
        for exchange in self.exchanges:
            given = world.answer(typed(exchange.typed, following))
            following = given.next if isinstance(given, Refusal) else ""
            yield told(given, world.pair), exchange.expected


# -- reading a file ------------------------------------------------------------------------------------------


def cases(path: Path) -> list[Case]:
    """The cases of one file. Lines before the first title are its preface."""
    found: list[Case] = []
    answer: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            found.append(Case(line.removeprefix("## ")))
            answer = []
        elif found and line.startswith("$ "):
            answer = []
            found[-1].exchanges.append(Exchange(line.removeprefix("$ "), ""))
        elif found and found[-1].exchanges:
            answer.append(line)
            last = found[-1].exchanges[-1]
            found[-1].exchanges[-1] = replace(last, expected="\n".join(answer).strip())
        elif found and line.startswith("journal: "):
            found[-1].journal.append(line.removeprefix("journal: "))
        elif found and line.strip():
            found[-1].ends.append(line)
    return found


def typed(command: str, following: str) -> str:
    """The command itself; for `next`, the one printed before, with its placeholders filled in."""
    if not command.startswith("next"):
        return command
    for name, value in re.findall(r"([A-Z]+)=([^,]+)", command):
        following = following.replace(f"={name}", f"={shlex.quote(value)}")
    return following


# -- what an end says ----------------------------------------------------------------------------------------


def observation(line: str) -> Observation:
    """`west (local): Destination OK; copied 5m ago in 30s` as the driver would read it."""
    head, _, rest = line.partition(": ")
    backend = head.removesuffix(" (local)")
    first, *more = [part.strip() for part in rest.split(";")]
    facts = {**DEFAULTS, **dict(_fact(part) for part in more)}
    read_at = NOW - parse_duration(facts.pop("read", "0s"))
    if first.startswith("unread "):
        kind, _, message = first.removeprefix("unread ").partition(": ")
        trouble = Trouble(kind=TroubleKind(kind), code=kind, message=message)
        return Observation(backend=backend, observed_at=read_at, trouble=trouble)
    if first.startswith("mirror "):
        return _mirror(backend, first.removeprefix("mirror "), facts, read_at)
    if first == "no session":
        return no_session(backend, facts.get("id", f"{backend}-volume"), read_at)
    return _session(backend, first, facts, read_at)


def _fact(text: str) -> tuple[str, str]:
    """`link lost` and the like; the last word of a `… ago` goes."""
    word, _, value = text.removesuffix(" ago").partition(" ")
    return ("copied", "never") if text == "never copied" else (word, value)


def _session(backend: str, words: str, facts: dict[str, str], read_at: float) -> Observation:
    role, _, state = words.partition(" ")
    other = {"west": "east-volume", "east": "west-volume"}[backend]
    values: dict[str, Any] = {
        **_stamps(facts["copied"]),
        "id": "session-1",
        "role": role,
        "state": state,
        "local_resource_id": facts.get("id", f"{backend}-volume"),
        "remote_resource_id": facts.get("counterpart", other),
        "failover_test_in_progress": "test" in facts,
    }
    values["type"] = facts["type"]
    values["data_transfer_state"] = facts.get("transfer", str(values["type"]).removeprefix("Metro_"))
    links = {"lost": "Complete_Data_Connection_Loss", "impaired": "Data_Connection_Unstable"}
    links |= {"unknown": "Status_Not_Available", "ok": "OK"}
    values["data_connection_state"] = links[facts["link"]]
    clock = None if facts.get("clock") == "unreadable" else CLOCK
    return session_seen(Row(values, read_at, read_at), Surroundings(backend=backend, clock=clock))


def _mirror(backend: str, words: str, facts: dict[str, str], read_at: float) -> Observation:
    """`mirror established`, or where another state is asked for `mirror promoted wanted reestablished`."""
    state, _, wanted = words.partition(" wanted ")
    other = {"west": "svm_east:v", "east": "svm_west:v"}[backend]
    remote = {"none": ""}.get(facts.get("remote", ""), facts.get("remote", other))
    place = {"localPVCName": "ledger", "remoteVolumeHandle": remote, "promotedSnapshotHandle": ""}
    policy = {"none": ""}.get(facts.get("policy", ""), facts.get("policy", "MirrorAllSnapshots"))
    said = {"state": state, "localVolumeHandle": f"svm_{backend}:v", "remoteVolumeHandle": remote}
    body = {
        "metadata": {"name": "ledger", "namespace": "bank", "uid": f"uid-{backend}", "generation": 1},
        "spec": {"state": wanted or state, "replicationPolicy": policy, "volumeMappings": [place]},
        "status": {"conditions": [{**said, "replicationPolicy": policy}]},
    }
    claim = {"spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}}
    count = facts.get("attached", "0")
    attached = None if count == "unreadable" else {"pv-1": int(count)}
    end = End(backend, "trident", (("namespace", "bank"), ("mirror", "ledger")))
    around = Around(backend=backend, read_at=read_at, attached=attached)
    return mirror_seen(end, Mirror(body), claim, around, watched="watched" in facts)


def _stamps(copied: str) -> dict[str, Any]:
    """`5m ago in 30s`: the last copy ended five minutes ago and took half a minute."""
    if copied == "never":
        return {"last_sync_timestamp": None, "last_sync_duration": None}
    ended, _, lasted = copied.replace(" ago", "").partition(" in ")
    at = NOW + 3600.0 if ended == "tomorrow" else NOW - parse_duration(ended)
    milliseconds = parse_duration(lasted) * 1000 if lasted else None
    return {
        "last_sync_timestamp": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "last_sync_duration": milliseconds,
    }


# -- what the journal remembers ------------------------------------------------------------------------------


def context_of(lines: list[str]) -> Context:
    context = Context(now=NOW)
    for line in lines:
        context = _remembering(context, line)
    return context


def _remembering(context: Context, line: str) -> Context:
    match line.split():
        case ["survivor", "is", backend]:
            return replace(context, survivor=backend)
        case ["a", course, "was", "interrupted"]:
            return replace(context, interrupted=Course(course))
        case ["the", "transient", "is", "ours"]:
            return replace(context, own_transient=True)
        case ["operation", operation, "is", "open"]:
            return replace(context, other_operation=operation)
        case ["held", "by", *words]:
            return replace(context, held_by=" ".join(words))
        case [backend, "was", identity]:
            return replace(context, identities={**context.identities, backend: identity})
        case [backend, "read", "as", "source", duration, "ago"]:
            at = NOW - parse_duration(duration)
            return replace(context, last_contact={**context.last_contact, backend: at})
    raise ValueError(f"the journal cannot say: {line}")


# -- what is typed -------------------------------------------------------------------------------------------


def intent_of(command: str) -> Intent:
    """The intent of a command line; `--flag=value` and `--flag value` alike."""
    program, verb, key, *words = shlex.split(command.replace("drill ", "drill_", 1))
    assert (program, key) == ("replctl", KEY), command
    given = _options(words)
    bound = given.pop("--accept-data-loss", None)
    acknowledged = Acknowledgements(
        accept_data_loss=None if bound is None else parse_bound(bound),
        peer_is_fenced=given.pop("--peer-is-fenced", None),
        **{
            name: given.pop("--" + name.replace("_", "-"), None) is not None
            for name in (
                "peer_is_down",
                "from_failed",
                "from_replica",
                "discard_local_changes",
                "use_test_copy",
                "source_quiesced",
                "override_hold",
            )
        },
    )
    intent = Intent(
        verb=Verb(verb.replace("_", " ")),
        replication=REPLICATION,
        acknowledged=acknowledged,
        to=given.pop("--to", None),
        survivor=given.pop("--survivor", None),
        snapshot=given.pop("--snapshot", None),
        keep_test_data=given.pop("--keep", None) is not None,
    )
    given.pop("--probe", None)  # how to look, not what to do
    assert not given, f"no such option: {', '.join(given)}"
    return intent


VALUED = {"--accept-data-loss", "--peer-is-fenced", "--to", "--survivor", "--snapshot"}


def _options(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, separator, value = word.partition("=")
        assert name.startswith("--"), word
        found[name] = value if separator else next(rest) if name in VALUED else ""
    return found


# -- what is answered ----------------------------------------------------------------------------------------


def told(decision: Decision, pair: Pair) -> str:
    """The answer as a transcript shows it."""
    lines = _refusal(decision) if isinstance(decision, Refusal) else _plan(decision, pair)
    return "\n".join(lines)


def _refusal(refusal: Refusal) -> Iterator[str]:
    yield f"refused ({7 if refusal.conflict else 6})"
    for guard in refusal.guards:
        yield from _guard(guard)
    yield f"next: {refusal.next}"


def _guard(guard: GuardRefusal) -> Iterator[str]:
    yield f"  {guard.name}" + (f", answered by {guard.override}" if guard.override else "")
    for evidence in guard.evidence:
        place = f" on {evidence.backend}" if evidence.backend else ""
        age = "" if evidence.as_of in (None, NOW) else f", {format_duration(NOW - evidence.as_of)} old"
        yield f"    {evidence.fact}{place}{age}: {evidence.value}"


def _plan(plan: Plan, pair: Pair) -> Iterator[str]:
    goal = ", ".join(_wanted(plan, pair, side) for side in plan.goal.sides)
    if plan.unchanged:
        yield f"unchanged: {goal}"
        return
    yield f"{plan.course}: {pair.end(plan.new_source).backend} shall be the source"
    for number, step in enumerate(plan.steps, 1):
        yield f"  {number}. {_step(step, pair)}"
    yield f"done when: {goal}"
    if plan.data_loss is not None:
        accepted = f"; accepted: {plan.data_loss.accepted}" if plan.data_loss.accepted else ""
        yield f"loses: {extent(plan.data_loss)}{accepted}"


def _step(step: Step, pair: Pair) -> str:
    if step.action is None:
        return f"wait: {step.sentence}"
    told_to = ", ".join(f"{name} {value}" for name, value in step.arguments.items())
    unplanned = " (unplanned)" if step.unplanned else ""
    return f"{step.action} on {pair.end(step.side).backend}{unplanned}" + (f": {told_to}" if told_to else "")


def _wanted(plan: Plan, pair: Pair, side: Side) -> str:
    goal = plan.goal.of(side)
    assert goal is not None
    return f"{pair.end(side).backend} {' or '.join(sorted(shown(state) for state in goal.states))}"
