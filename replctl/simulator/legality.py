"""What an array lets a client do with a session, by state and side (CP §7.1), and how it says no (CP §7.2).

One table: state -> action -> verdict. A verdict is yes, no, or the name of the assumption that decides. Error codes
that the contract does not know begin with SIM.
"""

from collections.abc import Mapping

from replctl.simulator.conditions import Conditions
from replctl.simulator.replication import (
    DESTINATION,
    FAILED_OVER,
    FRACTURED,
    METRO,
    NON_PREFERRED,
    PAUSED,
    SOURCE,
    SYNCHRONOUS,
    End,
    Refusal,
    Replication,
)

Body = Mapping[str, object]

ALREADY_FAILED_OVER = "0xE0201005000C"
WRONG_STATE = "SIM00000010"
WRONG_SIDE = "SIM00000011"
TEST_RUNNING = "SIM00000012"
NO_TEST = "SIM00000013"
WRONG_TYPE = "SIM00000014"
BAD_COMBINATION = "SIM00000015"
NO_SNAPSHOT = "SIM00000016"

YES = "yes"
_PLANNED, _UNPLANNED, _START, _STOP = "planned", "unplanned", "start_failover_test", "stop_failover_test"
_TESTS = {_START: YES, _STOP: YES}
_ERROR = dict.fromkeys(("sync", "pause", "resume", "reprotect", _START, _STOP), "action_from_error")
_IN_TRANSIENT = {_UNPLANNED: "unplanned_in_transient", _STOP: "stop_test_in_unlisted_state"}
_PAUSED_FOR_SYSTEM = {_UNPLANNED: "unplanned_from_paused_for_system", _STOP: "stop_test_in_unlisted_state"}

# State -> action -> verdict; what is missing is refused. Wrong sides and running tests are judged apart.
LEGAL: dict[str, dict[str, str]] = {
    "Initializing": {_UNPLANNED: "unplanned_from_initializing"},
    "OK": {"sync": YES, "pause": YES, _PLANNED: YES, _UNPLANNED: YES, "modify": YES, **_TESTS},
    "Synchronizing": {"pause": YES, _PLANNED: YES, _UNPLANNED: YES, **_TESTS},
    "System_Paused": {
        "sync": YES,
        "pause": YES,
        _PLANNED: "planned_failover_from_system_paused",
        _UNPLANNED: YES,
        **_TESTS,
    },
    "Paused": {
        "pause": "pause_when_paused",
        "resume": YES,
        _PLANNED: "planned_failover_from_paused",
        _UNPLANNED: YES,
        "promote": YES,
        "demote": YES,
        **_TESTS,
    },
    "Paused (local only)": {
        "pause": YES,
        "resume": "resume_after_local_pause",
        _UNPLANNED: YES,
        "promote": YES,
        "demote": YES,
        **_TESTS,
    },
    "Paused_For_NDU": _PAUSED_FOR_SYSTEM,
    "Paused_For_Migration": _PAUSED_FOR_SYSTEM,
    "Pausing": _IN_TRANSIENT,
    "Resuming": _IN_TRANSIENT,
    "Reprotecting": _IN_TRANSIENT,
    "Failing_Over": {_UNPLANNED: YES},
    "Failing_Over_For_DR": {},
    "Failed_Over": {_UNPLANNED: "forced", "reprotect": YES},
    "Fractured": {"pause": YES, "promote": YES, "demote": YES, _UNPLANNED: "unplanned_from_fractured"},
    "Switching_To_Metro_Sync": {"pause": "pause_while_switching"},
    "Switching_To_Synchronous": {},
    "Deleting": {},
    "Modify_Role_In_Progress": {},
    "Error": {_PLANNED: "failover_from_error", _UNPLANNED: "failover_from_error", **_ERROR},
}
_SIDE = {"sync": SOURCE, _PLANNED: SOURCE, _UNPLANNED: DESTINATION, "reprotect": SOURCE}
_SIDE |= {_START: DESTINATION, _STOP: DESTINATION}
_METRO_ACTIONS = ("pause", "resume", "promote", "demote", "modify")


def judge(r: Replication, c: Conditions, end: End, action: str, body: Body) -> Refusal | None:
    """Why the array refuses this action on its end of the session now, or None."""
    kind = action
    if action == "failover":
        kind = _PLANNED if body.get("is_planned", True) else _UNPLANNED
    return (
        _judge_body(r, c, kind, body)
        or _judge_type(c, end, kind)
        or _judge_already(c, end, kind, body)
        or _judge_side(c, end, kind)
        or _judge_state(r, c, end, kind, body)
        or _judge_test(r, c, kind, body)
        or _judge_metro(c, end, kind, body)
    )


def effective_state(r: Replication, c: Conditions, end: End) -> str:
    """The state that the array acts on: its own, or the transient that its peer is in and that it knows of."""
    op = end.operation
    if op is not None and op.transient and end.array != op.array:
        return op.transient
    if end.state == PAUSED and r.local_pause == end.array:
        return "Paused (local only)"
    return end.state


def _refuse(c: Conditions, code: str, text: str, status: str | None = None) -> Refusal:
    return Refusal(int(status or c.assume["refusal_status"]), code, text)


def _judge_body(r: Replication, c: Conditions, kind: str, body: Body) -> Refusal | None:
    if kind == _PLANNED and (
        body.get("use_test_copy") or body.get("failover_snapshot_id") or body.get("force")
    ):
        return Refusal(
            400, BAD_COMBINATION, "force, use_test_copy and failover_snapshot_id are for unplanned failover."
        )
    if kind == _UNPLANNED and body.get("reverse") and c.assume["unplanned_with_reverse"] == "refuse":
        return Refusal(400, BAD_COMBINATION, "reverse is for planned failover.")
    snapshot = body.get("failover_snapshot_id") or body.get("snapshot_id")
    if snapshot and snapshot not in r.snapshots:
        return _refuse(c, NO_SNAPSHOT, f"There is no snapshot {snapshot} of this resource.")
    return None


def _judge_type(c: Conditions, end: End, kind: str) -> Refusal | None:
    if end.type == METRO:
        legal = kind in _METRO_ACTIONS
    elif kind in ("promote", "demote", "modify"):
        legal = False
    elif end.type == SYNCHRONOUS:
        legal = _legal_on_synchronous(c, kind)
    else:
        legal = True
    return (
        None if legal else _refuse(c, WRONG_TYPE, f"{kind} does not apply to a session of type {end.type}.")
    )


def _legal_on_synchronous(c: Conditions, kind: str) -> bool:
    if kind in (_PLANNED, _UNPLANNED, "reprotect"):
        return c.assume["failover_on_synchronous"] == "accept"
    if kind == "sync":
        return c.assume["sync_on_synchronous"] == "accept"
    return kind not in (_START, _STOP) or c.assume["test_on_synchronous"] == "accept"


def _judge_already(c: Conditions, end: End, kind: str, body: Body) -> Refusal | None:
    if kind not in (_PLANNED, _UNPLANNED) or end.state != FAILED_OVER:
        return None
    if kind == _UNPLANNED and body.get("force") and end.role == DESTINATION:
        return None
    return _refuse(
        c, ALREADY_FAILED_OVER, "The session is already failed over.", c.assume["already_failed_over_status"]
    )


def _judge_side(c: Conditions, end: End, kind: str) -> Refusal | None:
    side = _SIDE.get(kind)
    if end.type == METRO or side is None or end.role == side:
        return None
    if kind == "sync" and c.assume["sync_at_destination"] == "accept":
        return None
    status = c.assume["wrong_side_failover_status"] if kind in (_PLANNED, _UNPLANNED) else None
    return _refuse(c, WRONG_SIDE, f"{kind} is not possible on the side whose role is {end.role}.", status)


def _judge_state(r: Replication, c: Conditions, end: End, kind: str, body: Body) -> Refusal | None:
    state = effective_state(r, c, end)
    verdict = LEGAL.get(state, {}).get(kind, "no")
    if end.operation is not None and not end.operation.transient:
        verdict = "no"  # a command that waits for its peer is still the one operation of the session
    if verdict == "forced":
        legal = bool(body.get("force"))
    elif verdict in (YES, "no"):
        legal = verdict == YES
    else:
        legal = c.assume[verdict] in ("accept", "no_op")
    if legal and kind == "reprotect":
        legal = _may_reprotect(r, c, end)
    if not legal:
        return _refuse(c, WRONG_STATE, f"{kind} is not possible while the session is {state}.")
    forced = kind == _UNPLANNED and body.get("force") and end.state != FAILED_OVER
    if forced and c.assume["force_when_not_failed_over"] == "refuse":
        return _refuse(c, WRONG_STATE, "force is for a session that is failed over.")
    return None


def _may_reprotect(r: Replication, c: Conditions, end: End) -> bool:
    if not c.both_links:
        return True  # the command itself will find that out
    return r.peer(end).role == DESTINATION or c.assume["reprotect_before_flip"] == "accept"


def _judge_test(r: Replication, c: Conditions, kind: str, body: Body) -> Refusal | None:
    if kind == _STOP:
        if r.test is None:
            return _refuse(c, NO_TEST, "No failover test is in progress.")
        needs_force = not c.both_links and not body.get("force")
        return (
            _refuse(c, WRONG_STATE, "The peer cannot be reached; force is needed.") if needs_force else None
        )
    if r.test is not None and kind in (_PLANNED, _START):
        return _refuse(c, TEST_RUNNING, "A failover test is in progress.")
    if kind != _UNPLANNED:
        return None
    if r.test is not None and (not body.get("use_test_copy") or body.get("failover_snapshot_id")):
        return _refuse(c, TEST_RUNNING, "A failover test is in progress; use_test_copy is needed.")
    if r.test is None and body.get("use_test_copy") and c.assume["use_test_copy_without_test"] == "refuse":
        return _refuse(c, NO_TEST, "No failover test is in progress.")
    return None


def _judge_metro(c: Conditions, end: End, kind: str, body: Body) -> Refusal | None:
    if (
        kind == "demote"
        and c.assume["demote_needs_fracture"] == "yes"
        and end.state not in (FRACTURED, PAUSED)
    ):
        return _refuse(c, WRONG_STATE, "demote needs a fractured or paused session.")
    if kind != "modify":
        return None
    role = body.get("role")
    if role == NON_PREFERRED and c.assume["patch_role_to_non_preferred"] == "refuse":
        return Refusal(400, BAD_COMBINATION, "The role can only be set to Metro_Preferred.")
    if role == end.role:
        return _refuse(c, WRONG_SIDE, f"The role is already {role}.")
    return None
