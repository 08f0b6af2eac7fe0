"""The actions of a replication session: which body each takes, and which operation each begins (CP §7)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from replctl.simulator import mirrors, operations
from replctl.simulator.conditions import Conditions
from replctl.simulator.legality import Body, judge
from replctl.simulator.replication import PAUSED, Command, End, Refusal, Replication

BAD_BODY = "0xE04040030001"

Begin = Callable[[Replication, Conditions, End, float, Command, Body], None]


@dataclass(frozen=True, slots=True)
class Action:
    """An action: the release that brought it, its body properties with type and release, what it begins."""

    begin: Begin
    since: tuple[int, ...] = (1,)
    properties: Mapping[str, tuple[type, tuple[int, ...]]] = field(default_factory=dict)


def _sync(r: Replication, c: Conditions, end: End, at: float, command: Command, body: Body) -> None:
    operations.begin_sync(r, c, end, at, command)


def _pause(r: Replication, c: Conditions, end: End, at: float, command: Command, body: Body) -> None:
    if end.state == PAUSED and r.local_pause is None:
        command.end(at)
        return
    operations.begin_pause(r, c, end, at, command)


def _resume(r: Replication, c: Conditions, end: End, at: float, command: Command, body: Body) -> None:
    operations.begin_resume(r, c, end, at, command)


def _failover(r: Replication, c: Conditions, end: End, at: float, command: Command, body: Body) -> None:
    if body.get("is_planned", True):
        operations.begin_planned_failover(r, c, end, at, command, reverse=bool(body.get("reverse")))
        return
    snapshot = body.get("failover_snapshot_id")
    operations.begin_unplanned_failover(
        r,
        c,
        end,
        at,
        command,
        use_test_copy=bool(body.get("use_test_copy")),
        snapshot=str(snapshot) if snapshot else None,
    )


def _reprotect(r: Replication, c: Conditions, end: End, at: float, command: Command, body: Body) -> None:
    operations.begin_reprotect(r, c, end, at, command)


def _start_test(r: Replication, c: Conditions, end: End, at: float, command: Command, body: Body) -> None:
    snapshot = body.get("snapshot_id")
    operations.begin_test(r, c, end, at, command, str(snapshot) if snapshot else None)


def _stop_test(r: Replication, c: Conditions, end: End, at: float, command: Command, body: Body) -> None:
    operations.begin_test_stop(r, c, end, at, command, bool(body.get("create_end_of_test_snapshot")))


def _promote(r: Replication, c: Conditions, end: End, at: float, command: Command, body: Body) -> None:
    mirrors.promote(r, c, end, at, command)


def _demote(r: Replication, c: Conditions, end: End, at: float, command: Command, body: Body) -> None:
    mirrors.demote(r, c, end, at, command)


def _modify(r: Replication, c: Conditions, end: End, at: float, command: Command, body: Body) -> None:
    mirrors.begin_role_swap(r, c, end if body.get("role") == "Metro_Preferred" else r.peer(end), at, command)


_V1, _V2, _V3, _V4 = (1,), (2,), (3,), (4,)

ACTIONS: dict[str, Action] = {
    "sync": Action(_sync),
    "pause": Action(_pause),
    "resume": Action(_resume),
    "failover": Action(
        _failover,
        properties={
            "is_planned": (bool, _V1),
            "reverse": (bool, _V1),
            "force": (bool, _V1),
            "use_test_copy": (bool, _V2),
            "failover_snapshot_id": (str, _V2),
        },
    ),
    "reprotect": Action(_reprotect, properties={"discard_changes_after_failover": (bool, _V4)}),
    "start_failover_test": Action(_start_test, _V2, {"snapshot_id": (str, _V2)}),
    "stop_failover_test": Action(
        _stop_test, _V2, {"create_end_of_test_snapshot": (bool, _V2), "force": (bool, _V2)}
    ),
    "promote": Action(_promote, _V3),
    "demote": Action(_demote, _V3),
    "modify": Action(_modify, _V3, {"role": (str, _V3)}),
}


def check_body(action: str, version: tuple[int, ...], body: object) -> Refusal | None:
    """Whether a body fits the schema of an action in a release; an absent one does."""
    if body is None:
        body = {}
    if not isinstance(body, dict):
        return Refusal(400, BAD_BODY, "The body is not a JSON object.")
    properties = ACTIONS[action].properties
    for name, value in body.items():
        kind, since = properties.get(name, (None, _V1))
        if kind is None or since > version:
            return Refusal(400, BAD_BODY, f"Unknown property {name}.")
        if not isinstance(value, kind):
            return Refusal(400, BAD_BODY, f"The property {name} must be a {kind.__name__}.")
    if action == "modify" and body.get("role") not in ("Metro_Preferred", "Metro_Non_Preferred"):
        return Refusal(400, BAD_BODY, "The property role must be Metro_Preferred or Metro_Non_Preferred.")
    return None


def act(r: Replication, c: Conditions, end: End, at: float, action: str, body: Body) -> Command:
    """Judge an action and begin it if it is legal. The command tells how it goes on."""
    command = Command(action, end.array, end.session_id, at)
    refusal = judge(r, c, end, action, body)
    if refusal is None and body.get("discard_changes_after_failover"):
        refusal = Refusal(422, "SIM00000018", "discard_changes_after_failover is for NAS servers.")
    if refusal is not None:
        command.end(at, refusal)
        return command
    ACTIONS[action].begin(r, c, end, at, command, body)
    return command
