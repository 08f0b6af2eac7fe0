"""What commands give back: plain values that screens and JSON are made of (design §9).

The outermost layer prints; everything below returns these. `None` seconds mean "not known".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from replctl.core.journal import Drill, StepRecord
from replctl.core.model import (
    Health,
    Hold,
    Holder,
    Mode,
    Observation,
    Pair,
    Replication,
    State,
    StateNote,
    Verb,
    Volume,
    Who,
)
from replctl.core.outcomes import CODES, ExitCode, Outcome
from replctl.core.plans import DataLoss, Decision, Plan, Refusal
from replctl.core.values import dataclass
from replctl.core.waiting import DaemonWord, Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an operation did not end well, and what its reader can do; `code` is documented and stable."""

    code: str
    message: str
    remedy: str = ""
    retry_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftToDo:
    """What a person, or a program, still has to do; `volumes` are what is to be mapped, empty when nothing is."""

    task: str
    backend: str
    volumes: tuple[Volume, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationResult:
    """One entry of `operations` in the JSON of an action."""

    operation_id: str | None
    correlation_id: str
    verb: str
    namespace: str
    name: str
    backend: str | None
    outcome: Outcome
    from_state: State | None
    to_state: State | None
    started: float | None
    finished: float | None
    who: Who
    reason: str | None = None
    group: str | None = None
    acknowledged: tuple[str, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    data_loss: DataLoss | None = None
    refusal: Refusal | None = None
    holder: Holder | None = None
    failure: Failure | None = None
    plan: Plan | None = None
    pair: Pair | None = None
    left_to_do: tuple[LeftToDo, ...] = ()
    drill: Drill | None = None

    @property
    def exit_code(self) -> ExitCode:
        return CODES[self.outcome]

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndStatus:
    """One end in the JSON of status; `remembered` is the store's memory of an end that was not read now."""

    backend: str
    state: State | None
    state_note: StateNote | None
    reachable: bool
    unverified: bool
    observed_at: float | None
    as_of: float | None
    seen: Observation
    remembered: Observation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationStatus:
    """One line of `status`; `point_*` is the last consistent point, `in_sync` None when it cannot be told.

    `drill`: a failover test runs now; `last_drill` is the last that the store knows, perhaps that one. `waiting` is
    what the daemon said that it leaves to a person, unless what is seen now shows that it is over.
    """

    replication: Replication
    state: State | None
    state_note: StateNote | None
    mode: Mode | None
    health: Health
    message: str
    in_sync: bool | None
    point_at: float | None
    point_source: str | None
    point_as_of: float | None
    hold: Hold | None
    drill: bool
    operation_id: str | None
    local: EndStatus
    peer: EndStatus
    last_drill: Drill | None = None
    waiting: Waiting | None = None

    @property
    def state_shown(self) -> str:
        """The state in one word, also where there is none or it is not known."""
        return (self.state or self.state_note or StateNote.ABSENT).value


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """All of `status`: the lines, which of the backends asked have answered, and the daemon's last word."""

    observed_at: float
    replications: tuple[ReplicationStatus, ...]
    answered: frozenset[str]
    silent: frozenset[str]
    daemon: DaemonWord | None = None

    def with_lines(self, lines: Iterable[ReplicationStatus]) -> StatusReport:
        """The same with newer lines in the places of those of the same replications."""
        newer = {line.replication.key: line for line in lines}
        every = tuple(newer.get(line.replication.key, line) for line in self.replications)
        return replace(self, replications=every)

    @property
    def states_shown(self) -> Mapping[str, str]:
        """The states of local ends in a word each, by key."""
        return {line.replication.key: line.state_shown for line in self.replications}

    @property
    def exit_code(self) -> ExitCode:
        if not self.silent:
            return ExitCode.DONE
        return ExitCode.PARTIAL if self.answered else ExitCode.UNREACHABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`explain NAME`: the line of status, the pair behind it, and what each verb would do now."""

    status: ReplicationStatus
    pair: Pair
    verbs: tuple[tuple[Verb, Decision], ...]
