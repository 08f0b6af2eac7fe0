"""A small world under the command line: one or more replications, and an engine's surface that answers from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

from fakes import START

from replctl.core.errors import Locked, ReplctlError
from replctl.core.events import OperationBegan, OperationEnded, StepBegan, StepEnded, StepWaits
from replctl.core.guards import GUARDS
from replctl.core.journal import StepPhase, StepRecord
from replctl.core.model import (
    End,
    Flow,
    Health,
    Hold,
    Intent,
    Link,
    Mode,
    Observation,
    Pair,
    Point,
    Progress,
    Replication,
    Side,
    State,
    Trouble,
    TroubleKind,
    Who,
)
from replctl.core.outcomes import Outcome, outcome_of
from replctl.core.plans import Course, DataLoss, EndGoal, Evidence, Goal, Plan, Refusal, Step
from replctl.core.results import EndStatus, Failure, OperationResult, ReplicationStatus, StatusReport
from replctl.core.secrets import Secrets
from replctl.engine import Proposal, Request

WHO = Who(user="ann", host="runner", pid=4711)
SOURCE, REPLICA = EndGoal(frozenset({State.SOURCE})), EndGoal(frozenset({State.REPLICA}))


def replication(key: str = "bank/ledger", **changes: Any) -> Replication:
    namespace, _, name = key.partition("/")
    end = (("volume_group", f"{name}-vg"),)
    made = Replication(
        namespace=namespace,
        name=name,
        desired_state=State.REPLICA,
        local=End("west", "powerstore", end),
        peer=End("east", "powerstore", end),
        mode=Mode.ASYNCHRONOUS,
        rpo_seconds=300.0,
    )
    return replace(made, **changes)


def to_be_promoted(key: str = "bank/ledger", **changes: Any) -> Replication:
    """One that the file wants as a promotion makes it, so that it is not held from the daemon."""
    return replication(key, desired_state=State.SOURCE, **changes)


def seen(backend: str, state: State | None, **changes: Any) -> Observation:
    made = Observation(
        backend=backend,
        observed_at=START - 1,
        as_of=START - 2,
        state=state,
        mode=Mode.ASYNCHRONOUS,
        flow=Flow.RUNNING,
        healthy=True,
        word="OK",
        sentence="copies arrive",
        link=Link.OK,
        vendor={"state": "OK", "role": "Destination"},
    )
    return replace(made, **changes)


PAIR = Pair(
    seen(
        "west",
        State.REPLICA,
        point=Point(at=START - 47, source="last_sync_timestamp - last_sync_duration", read_at=START - 1),
    ),
    seen("east", State.SOURCE),
)
SILENT = Trouble(kind=TroubleKind.SILENT, code="timed-out", message="no answer within 3s")
DEAD = Pair(PAIR.local, Observation(backend="east", observed_at=START, trouble=SILENT))
LOSS = DataLoss(
    point=START - 47,
    at_least_seconds=12.0,
    at_most_seconds=47.0,
    source="last_sync_timestamp - last_sync_duration",
    read_at=START - 1,
    clock_offset_seconds=0.25,
)


def step(name: str, side: Side, sentence: str, **changes: Any) -> Step:
    made = Step(
        name=name,
        side=side,
        action=name,
        goal=Goal(local=SOURCE, peer=REPLICA),
        begins=Goal(),
        deadline_seconds=1800.0,
        sentence=sentence,
    )
    return replace(made, **changes)


SWITCH = Plan(
    course=Course.SWITCH,
    new_source=Side.LOCAL,
    steps=(
        step(
            "failover",
            Side.PEER,
            "east hands the source role over after a last copy; hosts lose write access there",
        ),
        step("reprotect", Side.LOCAL, "west replicates to east from now on"),
    ),
    goal=Goal(local=SOURCE, peer=REPLICA),
    from_state=State.REPLICA,
    to_state=State.SOURCE,
)
TAKEOVER = replace(
    SWITCH,
    course=Course.TAKEOVER,
    steps=(step("failover", Side.LOCAL, "west becomes the source alone", unplanned=True),),
    goal=Goal(local=SOURCE),
    data_loss=LOSS,
)
REFUSAL = Refusal(
    guards=(
        GUARDS["peer-not-demoted"].says_no(
            Evidence(
                fact="peer",
                value="it does not answer, and the link is lost: dead and cut off look alike",
                backend="east",
                as_of=START - 3,
            )
        ),
        GUARDS["data-loss"].says_no(
            Evidence(
                fact="loss", value="at least 12s, at most 47s of writes", backend="west", as_of=START - 1
            ),
            override="--accept-data-loss=2031-02-03T00:59:13Z",
        ),
    ),
    next="replctl promote bank/ledger --peer-is-down --accept-data-loss=2031-02-03T00:59:13Z",
    data_loss=LOSS,
)


def line_of(each: Replication, pair: Pair = PAIR, **changes: Any) -> ReplicationStatus:
    made = ReplicationStatus(
        replication=each,
        state=pair.local.state or None,
        state_note=None,
        mode=pair.local.mode,
        health=Health.HEALTHY,
        message="replicates from east",
        in_sync=True,
        point_at=START - 47,
        point_source="last_sync_timestamp - last_sync_duration",
        point_as_of=START - 1,
        hold=None,
        drill=False,
        operation_id=None,
        local=_end(pair.local),
        peer=_end(pair.peer),
    )
    return replace(made, **changes)


def _end(observed: Observation) -> EndStatus:
    return EndStatus(
        backend=observed.backend,
        state=observed.state or None,
        state_note=None,
        reachable=observed.readable,
        unverified=False,
        observed_at=observed.observed_at if observed.readable else None,
        as_of=observed.as_of,
        seen=observed,
    )


def result(intent: Intent, outcome: Outcome, **changes: Any) -> OperationResult:
    each = intent.replication
    made = OperationResult(
        operation_id=None,
        correlation_id=f"{each.namespace}-{each.name}-1927846800000",
        verb=intent.verb.value,
        namespace=each.namespace,
        name=each.name,
        backend=each.local.backend,
        outcome=outcome,
        from_state=State.REPLICA,
        to_state=State.SOURCE,
        started=None,
        finished=None,
        who=WHO,
        acknowledged=intent.acknowledged.flags,
    )
    return replace(made, **changes)


STEPS = (
    StepRecord(
        number=1,
        name="failover",
        backend="east",
        phase=StepPhase.ENDED,
        outcome=Outcome.SUCCEEDED,
        started=START,
        finished=START + 12,
        sends=1,
    ),
    StepRecord(
        number=2,
        name="reprotect",
        backend="west",
        phase=StepPhase.ENDED,
        outcome=Outcome.SUCCEEDED,
        started=START + 12,
        finished=START + 31,
        sends=1,
    ),
)


@dataclass
class World:
    """What the engine finds; `answers` by key decide what `propose` gives, `ends` what `carry_out` gives."""

    replications: list[Replication] = field(default_factory=lambda: [to_be_promoted()])
    answers: dict[str, Plan | Refusal | Outcome | ReplctlError] = field(default_factory=dict)
    ends: dict[str, Outcome | BaseException] = field(default_factory=dict)
    status: StatusReport | None = None
    carried: list[Intent] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    assembled: list[Mapping[str, Any]] = field(default_factory=list)
    broken: BaseException | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    during: Any = None
    state_dir: Path = Path("/nonexistent")

    def assemble(self, **given: Any) -> Services:
        self.assembled.append(given)
        if self.broken is not None:
            raise self.broken
        return Services(self, given["report"])


class Holds:
    """As much of a store as a command wants that changes roles."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}

    def hold(self, key: str) -> Hold | None:
        return self._holds.get(key)

    def set_hold(self, key: str, hold: Hold) -> None:
        self._holds[key] = hold

    def remove_hold(self, key: str) -> bool:
        return self._holds.pop(key, None) is not None


class Entries(dict[str, Replication]):
    """The file's entries."""

    def place(self, key: str) -> str:
        return f"replications.yaml:{list(self).index(key) + 1}"


class Services:
    def __init__(self, world: World, report: Any) -> None:
        self.world = world
        self.replications = Entries({each.key: each for each in world.replications})
        self.engine = Engine(world, report)
        self.secrets = Secrets()
        self.store = Holds()
        self.settings = SimpleNamespace(state_dir=world.state_dir)

    def keep_names(self, replications: object, states: Mapping[str, str]) -> None:
        self.world.states = dict(states)

    def __enter__(self) -> Services:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        return None


class Engine:
    def __init__(self, world: World, report: Any) -> None:
        self.world = world
        self.report = report

    def status(self, chosen: Sequence[Replication], request: Request) -> StatusReport:
        if self.world.status is not None:
            return self.world.status
        return StatusReport(
            observed_at=START,
            replications=tuple(line_of(each) for each in chosen),
            answered=frozenset({"west", "east"}),
            silent=frozenset(),
        )

    def propose(self, intent: Intent, request: Request) -> Proposal | OperationResult:
        self.world.requests.append(request)
        answer = self.world.answers.get(intent.replication.key, SWITCH)
        if isinstance(answer, ReplctlError):
            raise answer
        if isinstance(answer, Refusal):
            return result(intent, Outcome.REFUSED, refusal=answer, data_loss=answer.data_loss)
        if isinstance(answer, Outcome):
            failure = None if answer is Outcome.UNCHANGED else Failure(code="timed-out", message="no answer")
            return result(intent, answer, failure=failure)
        return Proposal(intent=intent, plan=answer, pair=PAIR, correlation_id="bank-ledger-1")

    def propose_all(
        self, intents: Sequence[Intent], request: Request, *, dry: bool = False
    ) -> list[Proposal | OperationResult]:
        return [self._judge(intent, request) for intent in intents]

    def _judge(self, intent: Intent, request: Request) -> Proposal | OperationResult:
        try:
            return self.propose(intent, request)
        except ReplctlError as error:
            failure = Failure(code=error.code, message=str(error), remedy=error.remedy)
            holder = error.holder if isinstance(error, Locked) else None
            return result(intent, outcome_of(error.exit_code), failure=failure, holder=holder)

    def carry_out(self, proposal: Proposal, request: Request) -> OperationResult:
        intent, key = proposal.intent, proposal.intent.replication.key
        self.world.carried.append(intent)
        self._tell(key, intent.verb.value)
        end = self.world.ends.get(key, Outcome.SUCCEEDED)
        if isinstance(end, BaseException):
            raise end
        return result(
            intent,
            end,
            operation_id=f"op-{intent.replication.name}",
            started=START,
            finished=START + 31,
            steps=STEPS,
            plan=proposal.plan,
            data_loss=proposal.plan.data_loss,
        )

    def _tell(self, key: str, verb: str) -> None:
        common = {"operation_id": f"op-{key}", "replication": key}
        self.report(OperationBegan(verb=verb, steps=("failover", "reprotect"), **common))
        self.report(
            StepBegan(step="failover", number=1, of=2, backend="east", sentence="east hands over", **common)
        )
        self.report(
            StepWaits(
                step="failover",
                local_word="OK",
                peer_word="Failing_Over",
                elapsed_seconds=5.0,
                progress=Progress(percent=43.0),
                **common,
            )
        )
        if self.world.during is not None:
            self.world.during()
        self.report(StepEnded(step="failover", backend="east", outcome="succeeded", seconds=12.0, **common))
        self.report(OperationEnded(outcome="succeeded", seconds=12.0, **common))
