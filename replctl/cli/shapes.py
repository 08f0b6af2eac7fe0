"""The shapes of all documents that `-o json` prints, as types.

The type checker holds `documents` to them, and the JSON Schemas that ship in the package are generated from them.
Null seconds, points and states mean "not known"; times are RFC 3339 in UTC.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from replctl.core.breaker import Position
from replctl.core.differences import Aspect
from replctl.core.matching import Reason
from replctl.core.model import Flow, Health, Mode, Scalar, StateNote
from replctl.core.outcomes import Outcome

Time = Annotated[str, "date-time"]
StateWord = Literal["replica", "promoting", "source", "demoting", "syncing", "failed"]


class StepDocument(TypedDict):
    name: str
    backend: str
    outcome: Outcome | None
    started: Time | None
    finished: Time | None


class DataLossDocument(TypedDict):
    point: Time | None
    at_least_seconds: float | None
    at_most_seconds: float | None
    source: str
    read_at: Time
    clock_offset_seconds: float | None
    accepted: str | None


class EvidenceDocument(TypedDict):
    fact: str
    value: str
    backend: str | None
    as_of: Time | None


class GuardDocument(TypedDict):
    name: str
    evidence: list[EvidenceDocument]
    override: str | None


class RefusalDocument(TypedDict):
    guards: list[GuardDocument]
    next: str


class HolderDocument(TypedDict):
    user: str
    host: str
    pid: int
    since: Time
    operation_id: str | None


class ConflictDocument(TypedDict):
    holder: HolderDocument


class ErrorDocument(TypedDict):
    code: str
    message: str
    remedy: str | None
    retry_at: Time | None


class DrillDocument(TypedDict):
    """A failover test. `role_changes` are production's while it ran; null: not known, and so is a null time."""

    operation_id: str
    backend: str
    production: str
    tested: str
    last_consistent_point: Time | None
    snapshot: str | None
    started: Time | None
    finished: Time | None
    seconds: float | None
    kept_data: bool
    role_changes: int | None
    production_state: StateWord | None
    came_back: StateWord | None
    copying: Flow | None
    last_consistent_point_after: Time | None


class VolumeDocument(TypedDict):
    id: str
    name: str | None
    wwn: str | None


class LeftToDoDocument(TypedDict):
    """What replctl leaves to others; `volumes` are what is to be mapped to hosts on `backend`."""

    task: str
    backend: str
    volumes: list[VolumeDocument]


class OperationDocument(TypedDict):
    operation_id: str | None
    correlation_id: str
    namespace: str
    name: str
    backend: str | None
    outcome: Outcome | None
    exit_code: int | None
    from_state: StateWord | None
    to_state: StateWord | None
    started: Time | None
    finished: Time | None
    who: str
    reason: str | None
    group: str | None
    acknowledged: list[str]
    steps: list[StepDocument]
    data_loss: DataLossDocument | None
    refusal: RefusalDocument | None
    conflict: ConflictDocument | None
    error: ErrorDocument | None
    drill: DrillDocument | None
    left_to_do: list[LeftToDoDocument]


class _ActionDocument(TypedDict):
    schema_version: Literal[1]
    command: str
    outcome: Outcome
    exit_code: int
    operations: list[OperationDocument]


class ActionDocument(_ActionDocument, total=False):
    """`error` is there only when the command ended before it came to any operation."""

    error: ErrorDocument


class PointDocument(TypedDict):
    at: Time | None
    source: str
    as_of: Time | None


class HoldDocument(TypedDict):
    owner: str
    reason: str
    since: Time
    ends_at: Time | None


class EndDocument(TypedDict):
    backend: str
    state: StateWord | None
    state_note: StateNote | None
    reachable: bool
    unverified: bool
    observed_at: Time | None
    as_of: Time | None
    vendor: dict[str, Scalar]


class WaitingDocument(TypedDict):
    """What the daemon leaves to a person, as of its last look: why, the command to type, since when."""

    why: str
    next: str | None
    since: Time


class ReplicationDocument(TypedDict):
    namespace: str
    name: str
    group: str | None
    desired_state: StateWord
    state: StateWord | None
    mode: Mode | None
    health: Health
    message: str
    in_sync: bool | None
    last_consistent_point: PointDocument | None
    rpo_seconds: float | None
    hold: HoldDocument | None
    drill: bool
    last_drill: DrillDocument | None
    operation: str | None
    waiting: WaitingDocument | None
    local: EndDocument
    peer: EndDocument | None


class DaemonDocument(TypedDict):
    """The daemon's last word on this store: null where none ever ran.

    `late` says that it should have looked again by now; `trouble` why the desired-state file is not in force, null
    when it is, and `next` what helps.
    """

    looked_at: Time
    late: bool
    said: str
    trouble: str | None
    next: str | None
    since: Time | None


class StatusDocument(TypedDict):
    schema_version: Literal[1]
    observed_at: Time
    daemon: DaemonDocument | None
    replications: list[ReplicationDocument]


class DifferenceDocument(TypedDict):
    """One thing that the file says otherwise; `verb` brings it about, null where none does."""

    what: Aspect
    wanted: str
    seen: str
    verb: str | None


class ComparisonDocument(TypedDict):
    """A replication that differs, or of which it cannot be told (`same` null, `message` says why)."""

    namespace: str
    name: str
    group: str | None
    same: bool | None
    differences: list[DifferenceDocument]
    hold: HoldDocument | None
    message: str


class DifferencesDocument(TypedDict):
    """`diff`: of so many `compared` those that are not, or not certainly, as the file says."""

    schema_version: Literal[1]
    observed_at: Time
    compared: int
    replications: list[ComparisonDocument]


class SavedBackendDocument(TypedDict):
    """A backend of the configuration that a plan was made for; `place` is its address, or its kubeconfig."""

    kind: str
    place: str


class SavedEndDocument(TypedDict):
    """One end as it was seen; `named` is how the file names it, ids are the backend's."""

    backend: str
    named: str
    state: StateWord | None
    resource: str | None
    identity: str | None
    counterpart: str | None


class SavedStepDocument(TypedDict):
    """One step; `action` null is a wait, `hook` the program that it runs instead."""

    name: str
    backend: str
    action: str | None
    hook: str | None


class SavedEntryDocument(TypedDict):
    """What shall be done about one replication, and what that was judged by; no steps: it is so already."""

    namespace: str
    name: str
    verb: str
    local: SavedEndDocument
    peer: SavedEndDocument
    steps: list[SavedStepDocument]


class SavedPlanDocument(TypedDict):
    """The file of `plan --out`: compared with what is seen when it is applied, never carried out by itself."""

    schema_version: Literal[1]
    kind: Literal["replctl plan"]
    made_at: Time
    made_by: str
    state_dir: str
    backends: dict[str, SavedBackendDocument]
    group: str | None
    replications: list[SavedEntryDocument]


class TransitionDocument(TypedDict):
    at: Time
    namespace: str
    name: str
    backend: str
    from_state: StateWord | None
    to_state: StateWord | None
    reason: str
    request_id: str
    who: str
    operation_id: str | None


class FaultDocument(TypedDict):
    namespace: str
    name: str
    sequence: int | None
    fault: str


class HistoryDocument(TypedDict):
    schema_version: Literal[1]
    transitions: list[TransitionDocument]


class VerificationDocument(TypedDict):
    """`history --verify`; `not_proven` says by replication what an unbroken chain leaves open."""

    schema_version: Literal[1]
    intact: bool
    faults: list[FaultDocument]
    not_proven: dict[str, str]


class PlannedStepDocument(TypedDict):
    name: str
    backend: str
    sentence: str


class VerbDocument(TypedDict):
    """What a verb would do now: `steps`, nothing (`unchanged`), or the guards that refuse it."""

    verb: str
    outcome: Outcome
    steps: list[PlannedStepDocument]
    data_loss: DataLossDocument | None
    refusal: RefusalDocument | None


class ExplainedEndDocument(TypedDict):
    backend: str
    word: str
    sentence: str
    flow: str
    link: str
    peer_management: str
    resource: str | None
    identity: str | None
    trouble: ErrorDocument | None
    vendor: dict[str, Scalar]


class ExplanationDocument(TypedDict):
    schema_version: Literal[1]
    observed_at: Time
    replication: ReplicationDocument
    local: ExplainedEndDocument
    peer: ExplainedEndDocument
    verbs: list[VerbDocument]


class RecordDocument(OperationDocument):
    """An operation as the journal has it; `outcome` null: its end was never written down."""

    verb: str
    open: bool
    deadline_at: Time
    command: str
    abandoned_by: str | None


class OperationsDocument(TypedDict):
    schema_version: Literal[1]
    operations: list[RecordDocument]


BreakerDocument = TypedDict(
    "BreakerDocument",
    {
        "backend": str,
        "class": str,
        "state": Position,
        "failures": int,
        "successes": int,
        "opened_at": Time | None,
        "retry_at": Time | None,
        "last_failure_at": Time | None,
        "last_success_at": Time | None,
        "last_error": str | None,
    },
)


class BreakersDocument(TypedDict):
    schema_version: Literal[1]
    breakers: list[BreakerDocument]


class SettingDocument(TypedDict):
    key: str
    value: Scalar
    origin: str


class ConfigurationDocument(TypedDict):
    schema_version: Literal[1]
    settings: list[SettingDocument]


class PathDocument(TypedDict):
    schema_version: Literal[1]
    config: str


class ValidationDocument(TypedDict):
    """`config validate` when both files are right; when one is wrong, the action document of a failure."""

    schema_version: Literal[1]
    files: list[str]
    backends: int
    replications: int
    notices: list[str]


class AssumptionDocument(TypedDict):
    name: str
    values: list[str]
    default: str
    section: str
    sentence: str


class AssumptionsDocument(TypedDict):
    schema_version: Literal[1]
    assumptions: list[AssumptionDocument]


class BackendDocument(TypedDict):
    """One backend; `reachable` says that it answered, `error` what kept us from all or a part of it."""

    name: str
    kind: str
    url: str | None
    reachable: bool
    version: str | None
    clock_offset_seconds: float | None
    clock_margin_seconds: float | None
    latency_seconds: float | None
    sessions: int | None
    capabilities: list[str]
    breakers: dict[str, Position]
    error: ErrorDocument | None


class BackendsDocument(TypedDict):
    schema_version: Literal[1]
    observed_at: Time
    backends: list[BackendDocument]


class ThingDocument(TypedDict):
    """One thing on a backend; `replicates` is the id of what a session copies, `managed_by` its name in the file."""

    kind: str
    id: str
    name: str
    replicates: str | None
    replicated: bool
    managed_by: str | None
    facts: dict[str, Scalar]


class InventoryDocument(TypedDict):
    """What is on one backend; `missing` says by kind what could not be read there."""

    backend: str
    kind: str
    presence: Literal["everything", "partly", "nothing", "unknown"]
    version: str | None
    read_at: Time
    things: list[ThingDocument]
    missing: dict[str, ErrorDocument]


class DiscoveryDocument(TypedDict):
    schema_version: Literal[1]
    backends: list[InventoryDocument]


class ImportedDocument(TypedDict):
    """A new entry; `local` and `peer` as the file has them, each with its `backend`."""

    namespace: str
    name: str
    state: StateWord | None
    mode: Mode | None
    local: dict[str, str]
    peer: dict[str, str]


class LeftOutDocument(TypedDict):
    """A session or mirror that is in no entry, and why."""

    backend: str
    kind: str
    name: str
    reason: Reason
    message: str


class ImportDocument(TypedDict):
    """`import`: what was added to the file, or would be (`written` false); `known` were in it already."""

    schema_version: Literal[1]
    file: str
    written: bool
    known: int
    added: list[ImportedDocument]
    left_out: list[LeftOutDocument]


AlarmWord = Literal["OK", "WARNING", "CRITICAL", "UNKNOWN"]


class ReasonDocument(TypedDict):
    level: AlarmWord
    message: str


class AlarmDocument(TypedDict):
    """One replication; null: its age is not known, or it has no such limit."""

    namespace: str
    name: str
    level: AlarmWord
    age_seconds: float | None
    warning_seconds: float | None
    critical_seconds: float | None
    reasons: list[ReasonDocument]


class AlarmsDocument(TypedDict):
    """`check`; `level` is the worst of all, `exit_code` its number."""

    schema_version: Literal[1]
    observed_at: Time
    level: AlarmWord
    exit_code: int
    replications: list[AlarmDocument]


class CheckDocument(TypedDict):
    """One check; `subject` is what was checked, `cure` a command or an edit, null when nothing is to be done."""

    name: str
    subject: str
    level: Literal["ok", "warn", "fail"]
    sentence: str
    cure: str | None


class DiagnosisDocument(TypedDict):
    """`level` is the worst of all checks."""

    schema_version: Literal[1]
    observed_at: Time
    level: Literal["ok", "warn", "fail"]
    checks: list[CheckDocument]
