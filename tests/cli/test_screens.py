"""Screens as plain text: what a person reads, at the widths that people have."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

import pytest
from cli import stage
from fakes import START

from replctl.cli import explaining, screens, tables
from replctl.cli.lines import Line, plain
from replctl.core.breaker import BreakerState, Position
from replctl.core.journal import ChainFault, OperationRecord, TransitionRecord
from replctl.core.model import (
    Health,
    Hold,
    Holder,
    Intent,
    Progress,
    State,
    Trouble,
    TroubleKind,
    Verb,
    Volume,
)
from replctl.core.outcomes import Outcome
from replctl.core.plans import Course
from replctl.core.results import Explanation, Failure, LeftToDo, StatusReport
from replctl.core.waiting import DaemonWord, Waiting

LEDGER = stage.replication()
PROMOTE = Intent(verb=Verb.PROMOTE, replication=LEDGER)


def shows(lines: list[Line], expected: str) -> None:
    assert plain(lines) == dedent(expected).lstrip("\n")


def report(*lines: object, silent: frozenset[str] = frozenset()) -> StatusReport:
    return StatusReport(
        observed_at=START,
        replications=lines,  # type: ignore[arg-type]  # each a ReplicationStatus
        answered=frozenset({"west", "east"}) - silent,
        silent=silent,
    )


SPLIT = stage.line_of(
    stage.replication("shop/orders"),
    replace(stage.PAIR, local=stage.seen("west", State.SOURCE)),
    health=Health.SPLIT_BRAIN,
    message="west and east read as source",
    point_at=None,
)
DARK = stage.line_of(LEDGER, stage.DEAD, health=Health.UNKNOWN, message="east: no answer within 3s")


def test_status_at_80_columns_puts_messages_below_the_lines() -> None:
    shows(
        tables.status(
            report(stage.line_of(stage.replication("bank/audit")), DARK, SPLIT, silent=frozenset({"east"})),
            80,
        ),
        """
        NAME         STATE    MODE   HEALTH       POINT    LOCAL         PEER
        shop/orders  source   async  split brain  unknown  west source   east source
        bank/ledger  replica  async  unknown      47s ago  west replica  east silent
        bank/audit   replica  async  healthy      47s ago  west replica  east source

        shop/orders: west and east read as source

        3 replications: 1 split brain, 1 unknown, 1 healthy
        east did not answer: no answer within 3s; last read 1s ago
        next: both sides are sources
          replctl explain shop/orders
          replctl reprotect shop/orders
        """,
    )


def test_status_tells_what_the_daemon_leaves_to_a_person_and_how_old_its_word_is() -> None:
    waits = Waiting(why="unadopted: it is replica", next="replctl promote bank/ledger", since=START - 7200)
    word = DaemonWord(
        looked_at=START - 12,
        every_seconds=30.0,
        said="saw 1 replication",
        trouble="r.yaml:3: forgets 3 of 4 entries",
        next="systemctl restart replctl",
        since=START - 60,
    )
    told = replace(report(replace(stage.line_of(LEDGER), waiting=waits)), daemon=word)
    shows(
        tables.status(told, 80)[3:],
        """
        1 replication: 1 healthy
        the daemon waits for a person (it looked 12s ago):
          the file that lies there is not in force: r.yaml:3: forgets 3 of 4 entries
            systemctl restart replctl
          bank/ledger: unadopted: it is replica (for 2h)
            replctl promote bank/ledger
        """,
    )
    late = replace(told, daemon=replace(word, looked_at=START - 3600, trouble=""))
    assert "(it looked 1h ago, and may not run any more):" in plain(tables.status(late, None))
    none = replace(told, replications=())
    assert "    systemctl restart replctl" in plain(tables.status(none, 80))
    nothing = replace(told, replications=(stage.line_of(LEDGER),), daemon=replace(word, trouble=""))
    assert "daemon" not in plain(tables.status(nothing, 80))
    many = tuple(replace(stage.line_of(stage.replication(f"web/{n}")), waiting=waits) for n in range(12))
    assert "  and 2 more: replctl status -o json" in plain(
        tables.status(replace(late, replications=many), 80)
    )


def test_status_does_not_call_our_own_trouble_silence() -> None:
    refused = Trouble(kind=TroubleKind.CREDENTIALS, code="unauthorized", message="it answered 401: No.")
    pair = replace(stage.DEAD, peer=replace(stage.DEAD.peer, trouble=refused))
    line = stage.line_of(LEDGER, pair, health=Health.UNKNOWN, message="east: it answered 401: No.")
    shows(
        tables.status(report(line, silent=frozenset({"east"})), 120),
        """
        NAME         STATE    MODE   HEALTH   POINT    LOCAL         PEER           MESSAGE
        bank/ledger  replica  async  unknown  47s ago  west replica  east not read  east: it answered 401: No.

        1 replication: 1 unknown
        east was not read: it answered 401: No; never read before
        next: not everything could be read
          replctl explain bank/ledger
        """,
    )


def test_status_does_not_call_unread_what_was_read_and_tells_nothing() -> None:
    """As with Trident, whose word does not say when a copy arrived."""
    line = stage.line_of(LEDGER, health=Health.UNKNOWN, message="west: when a copy arrived is not told")
    shown = plain(tables.status(report(line), None))
    assert "next: whether it is well is not told by what was read\n  replctl explain bank/ledger\n" in shown
    assert "could be read" not in shown


def test_status_at_120_columns_puts_messages_beside() -> None:
    shows(
        tables.status(report(stage.line_of(stage.replication("bank/audit")), SPLIT), 120),
        """
        NAME         STATE    MODE   HEALTH       POINT    LOCAL         PEER         MESSAGE
        shop/orders  source   async  split brain  unknown  west source   east source  west and east read as source
        bank/audit   replica  async  healthy      47s ago  west replica  east source

        2 replications: 1 split brain, 1 healthy
        next: both sides are sources
          replctl explain shop/orders
          replctl reprotect shop/orders
        """,
    )


def test_a_piped_status_is_one_line_a_replication() -> None:
    lines = plain(tables.status(report(DARK, SPLIT), None)).splitlines()
    assert lines[1].endswith("west and east read as source")
    assert lines[2].endswith("east: no answer within 3s")


def test_a_healthy_line_still_says_what_is_special() -> None:
    hold = Hold(owner="ann", reason="maintenance", since=START)
    held = stage.line_of(LEDGER, hold=hold, drill=True, operation_id="op-1", in_sync=False)
    text = plain(tables.status(report(replace(held, state=State.SOURCE)), None))
    for words in (
        "operation op-1 is open",
        "held by ann: maintenance",
        "test is running",
        "the file wants replica",
    ):
        assert words in text


def test_wide_status_has_the_target_and_the_difference() -> None:
    text = plain(tables.status(report(stage.line_of(LEDGER)), None, wide=True)).splitlines()
    assert text[0].endswith(
        "GROUP  WANTED   IN SYNC  RPO  OPERATION  TESTED  READ    LOCAL SAYS  PEER SAYS  MESSAGE"
    )
    assert "-      replica  yes      5m   -          -       1s ago" in text[1]


def test_no_replications_is_said() -> None:
    shows(tables.status(report(), 80), "no replications are configured\n")


def test_a_plan_is_numbered_with_backend_sentence_and_goal() -> None:
    shows(
        screens.plan("bank/ledger", "promote", stage.SWITCH, stage.PAIR, START, 80),
        """
        → bank/ledger: promote: replica → source
           1  failover   east  east hands the source role over after a last copy; hosts
                               lose write access there
           2  reprotect  west  west replicates to east from now on
          done when observed: west source, east replica
        """,
    )


def test_an_unplanned_plan_says_what_is_lost() -> None:
    shows(
        screens.plan("bank/ledger", "promote", stage.TAKEOVER, stage.PAIR, START, 80),
        """
        → bank/ledger: promote (unplanned): replica → source
           1  failover  west  west becomes the source alone
          done when observed: west source
          what is lost: everything written after 2031-02-03T00:59:13Z: at least 12s, at
            most 47s of writes
            from last_sync_timestamp - last_sync_duration, read 1s ago, the backend's
            clock is +0.250s from ours
        """,
    )


def test_an_unchanged_plan_says_so() -> None:
    unchanged = replace(stage.SWITCH, steps=())
    shows(
        screens.plan("bank/ledger", "promote", unchanged, stage.PAIR, START, 80),
        "= bank/ledger: promote: it is source already, and proven; nothing to do\n",
    )


def test_a_refusal_at_80_columns() -> None:
    shows(
        screens.refusal("bank/ledger", "promote", stage.REFUSAL, START, 80),
        """
        ✗ bank/ledger: promote refused, nothing was changed

          peer-not-demoted: the other end is not proven to have stopped being the source
            peer: it does not answer, and the link is lost: dead and cut off look alike
              (east, read 3s ago)
            answered by --peer-is-down

          data-loss: what was written after the last consistent point is lost
            answered by --accept-data-loss=2031-02-03T00:59:13Z

          what is lost: everything written after 2031-02-03T00:59:13Z: at least 12s, at
            most 47s of writes
            from last_sync_timestamp - last_sync_duration, read 1s ago, the backend's
            clock is +0.250s from ours

          next:
            replctl promote bank/ledger --peer-is-down --accept-data-loss=2031-02-03T00:59:13Z
        """,
    )


def test_an_unknown_loss_is_said_as_unknown() -> None:
    stated = replace(
        stage.LOSS,
        point=None,
        at_least_seconds=None,
        at_most_seconds=None,
        source="last_sync_timestamp is null",
    )
    text = plain(screens.loss(stated, START, 200))
    assert "unknown: the last consistent point is not known (last_sync_timestamp is null)" in text
    assert "at least" not in text


def test_an_upper_bound_is_never_rounded_down() -> None:
    stated = replace(stage.LOSS, at_most_seconds=3599.5)
    assert "at most 1h of writes" in plain(screens.loss(stated, START, 200))


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome.SUCCEEDED, "✓ bank/ledger: promote: source on west (was replica), 31s"),
        (Outcome.UNCHANGED, "= bank/ledger: promote: source on west already, and proven; nothing to do"),
        (Outcome.IN_PROGRESS, "… bank/ledger: promote: still in progress on west, 31s"),
        (Outcome.INTERRUPTED, "… bank/ledger: promote: no longer waiting; the operation on west goes on"),
        (Outcome.UNKNOWN, "? bank/ledger: promote: the outcome is not known on west"),
        (
            Outcome.PARTIAL,
            "! bank/ledger: promote: partly done on west: something changed and something did not",
        ),
        (Outcome.FAILED, "✗ bank/ledger: promote failed on west; no change was accepted"),
        (Outcome.CONFLICT, "✗ bank/ledger: promote: somebody else is at it; nothing was changed"),
        (Outcome.UNREACHABLE, "✗ bank/ledger: promote: unreachable; nothing was changed"),
    ],
)
def test_every_outcome_has_its_sentence(outcome: Outcome, words: str) -> None:
    done = stage.result(PROMOTE, outcome, operation_id="op-7", started=START, finished=START + 31)
    assert plain(screens.result(done, START, None)).splitlines()[0] == words


def test_an_open_outcome_says_how_to_wait_for_it() -> None:
    for outcome in (Outcome.IN_PROGRESS, Outcome.INTERRUPTED, Outcome.UNKNOWN):
        done = stage.result(PROMOTE, outcome, operation_id="op-7")
        assert "next: replctl op wait op-7" in plain(screens.result(done, START, None))


def test_a_result_shows_steps_failure_holder_and_what_is_left() -> None:
    done = stage.result(
        PROMOTE,
        Outcome.PARTIAL,
        operation_id="op-7",
        started=START,
        finished=START + 31,
        steps=(
            stage.STEPS[0],
            replace(stage.STEPS[1], outcome=Outcome.FAILED, error_message="the array said no"),
        ),
        holder=Holder(
            who=stage.WHO, since=START - 60, command="replctl demote bank/ledger", operation_id="op-6"
        ),
        failure=Failure(
            code="rejected",
            message="the array said no",
            remedy="replctl explain bank/ledger",
            retry_at=START + 60,
        ),
        left_to_do=(
            LeftToDo(
                task="map to the hosts that use west",
                backend="west",
                volumes=(Volume("v-1", "ledger-1", "naa.01"), Volume("v-10", "ledger-10")),
            ),
            LeftToDo(task="tell the team", backend="west"),
        ),
    )
    shows(
        screens.result(done, START, 80),
        """
        ! bank/ledger: promote: partly done on west: something changed and something did
            not
           1  failover   east  succeeded  12s
           2  reprotect  west  failed  19s
          held by ann on runner, pid 4711: replctl demote bank/ledger, since 1m ago
          next: replctl op wait op-6
          rejected: the array said no
          not before 2031-02-03T01:01:00Z
          → replctl explain bank/ledger
          left to do: map to the hosts that use west:
            ledger-1   naa.01  v-1
            ledger-10  (its WWN is not known)  v-10
          left to do: tell the team
          operation op-7
        """,
    )


def test_the_loser_of_a_lock_reads_once_who_holds_it_and_what_to_type() -> None:
    holder = Holder(
        who=stage.WHO, since=START - 60, command="replctl demote bank/ledger", operation_id="op-6"
    )
    locked = Failure(code="locked", message="held by ann", remedy="wait for it, or look: replctl op list")
    done = stage.result(PROMOTE, Outcome.CONFLICT, holder=holder, failure=locked)
    shows(
        screens.result(done, START, 80),
        """
        ✗ bank/ledger: promote: somebody else is at it; nothing was changed
          held by ann on runner, pid 4711: replctl demote bank/ledger, since 1m ago
          next: replctl op wait op-6
        """,
    )
    early = replace(done, holder=replace(holder, operation_id=None))
    assert "→ wait for it, or look: replctl op list" in plain(screens.result(early, START, 80))


def test_a_full_disk_is_not_told_as_a_wrong_password() -> None:
    full = Failure(code="store-refused", message="the disk is full", remedy="make room")
    shows(
        screens.result(stage.result(PROMOTE, Outcome.UNAUTHORIZED, failure=full), START, 80),
        """
        ✗ bank/ledger: promote: not without a store to write to; nothing was changed
          store-refused: the disk is full
          → make room
        """,
    )


def explanation() -> Explanation:
    verbs = (
        (Verb.PROMOTE, stage.SWITCH),
        (Verb.DEMOTE, replace(stage.SWITCH, steps=())),
        (Verb.REPROTECT, stage.REFUSAL),
    )
    return Explanation(
        status=stage.line_of(LEDGER, stage.DEAD, health=Health.UNKNOWN, message="east: no answer"),
        pair=stage.DEAD,
        verbs=verbs,
    )


def test_explain_says_all_about_one() -> None:
    shows(
        explaining.explanation(explanation(), START, 80),
        """
        bank/ledger: unknown
          east: no answer
          file         as the file wants it

        local: west  replica
          it says      OK: copies arrive
          copying      running
          link         ok   remote system unknown
          read         1s ago, as of 2s ago
          vendor       state OK, role Destination

        peer: east  unknown
          not read     no answer within 3s

        last consistent point
          at           2031-02-03T00:59:13Z, 47s ago
          from         last_sync_timestamp - last_sync_duration
          target       5m, kept

        what each verb would do now
          promote      failover on east, then reprotect on west
          demote       nothing to do
          reprotect    refused by peer-not-demoted, data-loss
                       replctl promote bank/ledger --peer-is-down --accept-data-loss=2031-02-03T00:59:13Z

        why they are refused
          peer-not-demoted: reprotect
            peer: it does not answer, and the link is lost: dead and cut off look alike
              (east, read 3s ago)
          data-loss: reprotect
            loss: at least 12s, at most 47s of writes  (west, read 1s ago)
        """,
    )


MOVE = TransitionRecord(
    replication="bank/ledger",
    backend="west",
    origin=State.REPLICA,
    target=State.PROMOTING,
    at=START,
    reason="user_requested",
    request_id="bank-ledger-1",
    who="ann on runner, pid 4711",
    operation_id="op-7",
)


def test_history_tells_every_move() -> None:
    shows(
        tables.history([MOVE, replace(MOVE, origin=State.NONE, target=State.SOURCE, reason="external")], 120),
        """
        TIME                  NAME         BACKEND  FROM     TO         REASON          WHO
        2031-02-03T01:00:00Z  bank/ledger  west     replica  promoting  user requested  ann on runner, pid 4711
        2031-02-03T01:00:00Z  bank/ledger  west     absent   source     external        ann on runner, pid 4711
        """,
    )
    narrow = plain(tables.history([MOVE], 80))
    assert narrow.splitlines()[1].endswith("promoting  user requested")
    assert len(narrow.splitlines()) == 2
    assert "ann on runner" in plain(tables.history([MOVE], 80, wide=True))
    shows(tables.history([], 80), "no state changes are recorded\n")


def test_verification_names_faults_and_what_it_cannot_prove() -> None:
    fault = ChainFault(
        replication="bank/ledger", sequence=3, fault="it does not follow from the entry before it"
    )
    shows(
        tables.verification([fault], {"bank/ledger": "after entry 4 nothing is anchored"}, 80),
        """
        ✗ 1 fault in the history
          bank/ledger, entry 3: it does not follow from the entry before it
          not proven for bank/ledger: after entry 4 nothing is anchored
        """,
    )
    assert plain(tables.verification([], {"a/b": "x"}, 80)).startswith(
        "✓ nothing wrong is found in 1 chain\n"
    )


def record(outcome: Outcome | None, **changes: object) -> OperationRecord:
    made = OperationRecord(
        operation_id="op-7",
        correlation_id="bank-ledger-1",
        replication="bank/ledger",
        verb="promote",
        signature="promote:west:",
        backend="west",
        course=Course.SWITCH,
        new_source="west",
        who=stage.WHO,
        command="replctl promote bank/ledger",
        reason="maintenance",
        group=None,
        acknowledged=("--peer-is-down",),
        from_state=State.REPLICA,
        to_state=State.SOURCE,
        began=START - 60,
        deadline_at=START + 1800,
        steps=(stage.STEPS[0], replace(stage.STEPS[1], outcome=None, finished=None)),
        outcome=outcome,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # names are OperationRecord's own


def test_operations_are_listed_with_their_progress() -> None:
    shows(
        tables.operations(
            [record(None), record(Outcome.SUCCEEDED), record(None, abandoned_by="bob")], START, 120
        ),
        """
        ID    NAME         VERB     BACKEND  OUTCOME    BEGAN   STEP  REASON
        op-7  bank/ledger  promote  west     open       1m ago  1/2   maintenance
        op-7  bank/ledger  promote  west     succeeded  1m ago  1/2   maintenance
        op-7  bank/ledger  promote  west     abandoned  1m ago  1/2   maintenance
        """,
    )
    shows(tables.operations([], START, 80), "no operations are recorded\n")


def test_an_operation_is_shown_with_what_to_do_about_it() -> None:
    text = plain(screens.operation(record(None), None, START, 80))
    assert "no process carries it out" in text
    assert "next: replctl op resume op-7" in text
    assert "acknowledged: --peer-is-down" in text
    holder = Holder(
        who=stage.WHO, since=START - 60, command="replctl promote bank/ledger", operation_id="op-7"
    )
    assert "held by ann on runner" in plain(screens.operation(record(None), holder, START, 80))
    assert "abandoned by bob" in plain(screens.operation(record(None, abandoned_by="bob"), None, START, 80))


def test_breakers_say_until_when() -> None:
    state = BreakerState(
        position=Position.OPEN,
        failures=5,
        retry_at=START + 60,
        last_failure_at=START - 5,
        last_error="no answer",
    )
    shows(
        tables.breakers([("east", "read", state)], START, 120),
        """
        BACKEND  CLASS  POSITION  FAILURES  SUCCESSES  RETRY AT              LAST FAILURE  LAST ERROR
        east     read   open      5         0          2031-02-03T01:01:00Z  5s ago        no answer
        """,
    )


def test_a_guard_that_speaks_up_on_the_way_does_not_claim_that_nothing_changed() -> None:
    done = stage.result(
        PROMOTE, Outcome.PARTIAL, operation_id="op-7", steps=stage.STEPS, refusal=stage.REFUSAL
    )
    text = plain(screens.result(done, START, 80))
    assert "partly done" in text
    assert "nothing was changed" not in text
    assert "peer-not-demoted" in text
    assert stage.REFUSAL.next in text


def test_explain_shows_what_is_remembered_of_a_silent_end() -> None:
    status = explanation().status
    known = replace(stage.PAIR.local, backend="east", unsupported="metro", progress=Progress(percent=12.0))
    peer = replace(status.peer, state=State.REPLICA, remembered=known, seen=stage.DEAD.peer)
    local = replace(status.local, unverified=True)
    hold = Hold(owner="ann", reason="maintenance", since=START)
    more = replace(
        status,
        state=State.SOURCE,
        peer=peer,
        local=local,
        hold=hold,
        drill=True,
        operation_id="op-7",
        in_sync=False,
        point_at=None,
    )
    text = plain(explaining.explanation(replace(explanation(), status=more), START, 80))
    for words in (
        "peer: east  last seen as replica",
        "remembered   from 1s ago:",
        "progress     12 %",
        "unsupported  metro",
        "local: west  replica  unverified",
        "hold         ann: maintenance",
        "op-7 is open",
        "unknown      last_sync_timestamp - last_sync_duration",
        "the file wants replica",
    ):
        assert words in text
