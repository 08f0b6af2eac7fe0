"""What every store must do, whatever it is made of: one class of tests over the fixtures `store` and `again`.

`again()` gives another store over the same place, as another process would open it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from store.values import (
    ABSENT,
    HOLDER,
    LEDGER,
    NOW,
    OBSERVATION,
    ORDERS,
    SILENT,
    WHO,
    operation,
    step,
    transition,
)

from replctl.core.breaker import BreakerState, Position
from replctl.core.errors import Conflict, Locked, NotFound
from replctl.core.journal import Proof, StepPhase
from replctl.core.model import Hold, Holder, State
from replctl.core.outcomes import OPEN, Outcome
from replctl.core.reconciling import Settled
from replctl.core.waiting import DaemonWord, Waiting
from replctl.store.sqlite import SqliteStore

Again = Callable[[], SqliteStore]


class EmptyStore:
    def test_it_knows_nothing_and_says_so(self, store: SqliteStore) -> None:
        assert store.operations() == []
        assert store.operation("op-1") is None
        assert store.transitions() == store.transitions(LEDGER) == []
        assert store.verify() == store.verify(LEDGER) == []
        assert store.holder(LEDGER) is store.hold(LEDGER) is store.survivor(LEDGER) is None
        assert store.unverified(LEDGER) == frozenset()
        assert store.breaker("west", "read") is None
        for mapping in (store.holds(), store.identities(LEDGER), store.observations(), store.breakers()):
            assert dict(mapping) == {}
        assert dict(store.proofs(LEDGER)) == dict(store.all_proofs()) == {}
        for mapping in (
            store.survivors(),
            store.all_unverified(),
            store.all_identities(),
            store.names(["a"]),
        ):
            assert dict(mapping) == {}
        assert store.journalled() == store.journalled(open_only=True) == frozenset()
        assert dict(store.counts()) == {}
        assert not store.still_stands("op-1")


class Locks:
    def test_the_second_store_loses_and_learns_who_won(self, store: SqliteStore, again: Again) -> None:
        other = again()
        with store.lock(LEDGER, HOLDER):
            with pytest.raises(Locked) as lost, other.lock(LEDGER, replace(HOLDER, command="second")):
                pass
            assert lost.value.holder == HOLDER
            assert lost.value.exit_code == 7
            assert other.holder(LEDGER) == store.holder(LEDGER) == HOLDER
        assert other.holder(LEDGER) is None

    def test_a_second_thread_of_the_same_process_loses_too(self, store: SqliteStore) -> None:
        lost: list[Holder | None] = []

        def second() -> None:
            try:
                with store.lock(LEDGER, replace(HOLDER, command="second")):
                    lost.append(None)
            except Locked as error:
                lost.append(error.holder)

        with store.lock(LEDGER, HOLDER):
            thread = threading.Thread(target=second)
            thread.start()
            thread.join()
        assert lost == [HOLDER]

    def test_the_same_thread_cannot_take_it_twice(self, store: SqliteStore) -> None:
        with store.lock(LEDGER, HOLDER):
            with pytest.raises(Locked), store.lock(LEDGER, HOLDER):
                pass
            assert store.holder(LEDGER) == HOLDER

    def test_it_is_free_again_after_an_error_inside(self, store: SqliteStore, again: Again) -> None:
        with pytest.raises(ZeroDivisionError), store.lock(LEDGER, HOLDER):
            raise ZeroDivisionError
        newcomer: Holder = replace(HOLDER, command="next")
        with again().lock(LEDGER, newcomer):
            assert store.holder(LEDGER) == newcomer

    def test_an_error_of_the_operating_system_inside_is_left_alone(self, store: SqliteStore) -> None:
        with pytest.raises(ConnectionResetError), store.lock(LEDGER, HOLDER):
            raise ConnectionResetError

    def test_replications_do_not_get_in_each_others_way(self, store: SqliteStore, again: Again) -> None:
        names = ["a/b", "a_b", "a/b.", "A/B", "a/" + "x" * 252, "a/" + "x" * 251 + "y", "../../etc/passwd"]
        other = again()
        with store.lock(names[0], HOLDER), store.lock(names[1], HOLDER):
            for name in names[2:]:
                with other.lock(name, HOLDER):
                    assert store.holder(name) == HOLDER


class Operations:
    def test_what_was_begun_is_known_to_the_next_process(self, store: SqliteStore, again: Again) -> None:
        begun = operation()
        store.begin(begun)
        assert again().operation("op-1") == begun

    def test_newest_first_by_replication_open_only_and_limited(self, store: SqliteStore) -> None:
        for number in range(6):
            store.begin(operation(f"op-{number}", ORDERS if number % 2 else LEDGER))
        store.finish("op-2", Outcome.SUCCEEDED, NOW)
        ids = [each.operation_id for each in store.operations()]
        assert ids == ["op-5", "op-4", "op-3", "op-2", "op-1", "op-0"]
        assert [each.operation_id for each in store.operations(LEDGER)] == ["op-4", "op-2", "op-0"]
        assert [each.operation_id for each in store.operations(LEDGER, open_only=True)] == ["op-4", "op-0"]
        assert [each.operation_id for each in store.operations(limit=2)] == ["op-5", "op-4"]
        assert store.journalled() == store.journalled(open_only=True) == {LEDGER, ORDERS}
        for number in (0, 4):
            store.finish(f"op-{number}", Outcome.SUCCEEDED, NOW)
        assert store.journalled(open_only=True) == {ORDERS}

    def test_an_id_is_given_once(self, store: SqliteStore) -> None:
        store.begin(operation())
        with pytest.raises(Conflict):
            store.begin(operation(replication=ORDERS))
        assert store.operations() == [operation()]

    def test_a_step_is_written_over_by_its_number(self, store: SqliteStore, again: Again) -> None:
        store.begin(operation())
        sent = step(1, phase=StepPhase.ACCEPTED, sends=1, receipt="job-9", started=NOW)
        lost = step(2, phase=StepPhase.LOST, outcome=Outcome.UNKNOWN, error_code="timed-out")
        new = step(3, name="reprotect")
        for each in (lost, new, sent):
            store.write_step("op-1", each)
        found = again().operation("op-1")
        assert found is not None
        assert found.steps == (sent, lost, new)

    @pytest.mark.parametrize("outcome", list(Outcome))
    def test_an_open_outcome_leaves_it_open(self, store: SqliteStore, outcome: Outcome) -> None:
        store.begin(operation())
        store.finish("op-1", outcome, NOW + 5, "timed-out", "no answer")
        found = store.operation("op-1")
        assert found is not None
        assert (found.outcome, found.error_code, found.error_message) == (outcome, "timed-out", "no answer")
        assert found.is_open == (outcome in OPEN) == bool(store.operations(open_only=True))
        assert found.finished == (None if outcome in OPEN else NOW + 5)

    def test_an_open_one_ends_later(self, store: SqliteStore) -> None:
        store.begin(operation())
        store.finish("op-1", Outcome.UNKNOWN, NOW, "timed-out", "no answer")
        store.finish("op-1", Outcome.SUCCEEDED, NOW + 9)
        found = store.operation("op-1")
        assert found == operation(outcome=Outcome.SUCCEEDED, finished=NOW + 9)

    def test_what_has_ended_is_not_rewritten(self, store: SqliteStore) -> None:
        store.begin(operation())
        store.finish("op-1", Outcome.FAILED, NOW)
        with pytest.raises(Conflict):
            store.finish("op-1", Outcome.SUCCEEDED, NOW)
        with pytest.raises(Conflict):
            store.abandon("op-1", "mara", NOW)
        found = store.operation("op-1")
        assert found is not None
        assert (found.outcome, found.abandoned_by) == (Outcome.FAILED, None)

    def test_what_is_not_there_is_not_found(self, store: SqliteStore) -> None:
        with pytest.raises(NotFound):
            store.write_step("op-9", step())
        with pytest.raises(NotFound):
            store.finish("op-9", Outcome.FAILED, NOW)
        with pytest.raises(NotFound):
            store.abandon("op-9", "mara", NOW)

    def test_abandoning_is_refused_while_the_holder_lives(self, store: SqliteStore, again: Again) -> None:
        store.begin(operation())
        with store.lock(LEDGER, HOLDER):
            with pytest.raises(Conflict) as refused:
                again().abandon("op-1", "noor", NOW)
            assert "mara" in str(refused.value)
            assert store.still_stands("op-1")
        again().abandon("op-1", "noor", NOW + 1)
        found = store.operation("op-1")
        assert found == operation(abandoned_by="noor", finished=NOW + 1)
        assert store.operations(open_only=True) == []

    def test_its_own_holder_may_abandon_and_repeating_it_changes_nothing(self, store: SqliteStore) -> None:
        store.begin(operation())
        with store.lock(LEDGER, HOLDER):
            store.abandon("op-1", "mara", NOW)
            store.abandon("op-1", "noor", NOW + 5)
        found = store.operation("op-1")
        assert found is not None
        assert (found.abandoned_by, found.finished) == ("mara", NOW)

    def test_an_abandoned_one_sends_nothing_more_but_what_came_is_kept(self, store: SqliteStore) -> None:
        store.begin(operation())
        store.abandon("op-1", "noor", NOW)
        with pytest.raises(Conflict, match="no change was sent"):
            store.write_step("op-1", step(1, phase=StepPhase.INTENDED))
        late = step(1, phase=StepPhase.ACCEPTED, receipt="job-9")
        store.write_step("op-1", late)
        store.finish("op-1", Outcome.SUCCEEDED, NOW + 3)
        found = store.operation("op-1")
        assert found is not None
        assert found.steps[0] == late
        assert (found.outcome, found.abandoned_by, found.is_open) == (Outcome.SUCCEEDED, "noor", False)

    def test_it_stands_until_it_ends_or_is_abandoned(self, store: SqliteStore) -> None:
        for name in ("op-1", "op-2", "op-3"):
            store.begin(operation(name))
        store.finish("op-1", Outcome.SUCCEEDED, NOW)
        store.abandon("op-2", "noor", NOW)
        store.finish("op-3", Outcome.IN_PROGRESS, NOW)
        assert [store.still_stands(f"op-{number}") for number in (1, 2, 3, 4)] == [False, False, True, False]


class Transitions:
    def test_the_last_hundred_of_each_in_order(self, store: SqliteStore, again: Again) -> None:  # R18
        for number in range(1, 131):
            store.record(transition(number))
            if number <= 3:
                store.record(transition(number, ORDERS))
        shown = again().transitions(LEDGER)
        assert [each.sequence for each in shown] == list(range(31, 131))
        assert shown == [replace(transition(number), sequence=number) for number in range(31, 131)]
        assert len(store.transitions(ORDERS)) == 3
        assert len(store.transitions()) == 103
        assert [each.sequence for each in store.transitions(LEDGER, limit=2)] == [129, 130]

    def test_what_is_returned_is_a_copy(self, store: SqliteStore) -> None:  # R18
        store.record(transition())
        store.transitions(LEDGER).clear()
        shown = store.transitions(LEDGER)
        assert len(shown) == 1
        with pytest.raises(AttributeError):
            shown[0].reason = "forged"  # type: ignore[misc]  # that it cannot be done is the point

    def test_an_entry_says_what_who_when_and_why(self, store: SqliteStore, again: Again) -> None:  # R19
        store.record(transition(7, origin=State.NONE, target=State.REPLICA))
        (entry,) = again().transitions(LEDGER)
        assert (entry.replication, entry.origin, entry.target) == (LEDGER, State.NONE, State.REPLICA)
        assert (entry.at, entry.reason, entry.request_id) == (NOW + 7, "user_requested 7", "bank-ledger-7")
        assert entry.who == str(WHO)

    def test_all_together_keep_each_ones_order_when_the_clock_jumps(self, store: SqliteStore) -> None:
        for at, name in ((10, LEDGER), (5, LEDGER), (7, ORDERS), (20, LEDGER), (30, ORDERS)):
            store.record(transition(0, name, at=NOW + at))
        shown = [(each.replication, each.at - NOW) for each in store.transitions()]
        assert [at for name, at in shown if name == LEDGER] == [10, 5, 20]
        assert [at for name, at in shown if name == ORDERS] == [7, 30]
        assert shown[0] == (ORDERS, 7)

    def test_filtered_by_state_from_or_to(self, store: SqliteStore) -> None:  # R20
        moves = [
            (State.REPLICA, State.PROMOTING),
            (State.PROMOTING, State.SOURCE),
            (State.SOURCE, State.DEMOTING),
        ]
        for number, (origin, target) in enumerate(moves, 1):
            store.record(transition(number, origin=origin, target=target))
        assert [each.sequence for each in store.transitions(LEDGER, state=State.SOURCE)] == [2, 3]
        assert [each.sequence for each in store.transitions(LEDGER, 1, state=State.PROMOTING)] == [2]
        assert [each.sequence for each in store.transitions(state=State.FAILED)] == []

    def test_clear_removes_and_says_so_and_the_chain_goes_on(  # R20
        self, store: SqliteStore, again: Again
    ) -> None:
        for number in range(1, 6):
            store.record(transition(number))
            store.record(transition(number, ORDERS))
        assert store.clear(LEDGER, who="mara") == 5
        assert again().transitions(LEDGER) == []
        assert len(store.transitions(ORDERS)) == 5
        store.record(transition(6))
        assert [each.sequence for each in store.transitions(LEDGER)] == [7]  # 6 says that 1 to 5 were cleared
        assert store.verify() == []
        assert "up to 5 were removed" in store.unproven(LEDGER)
        assert store.clear("no/such", who="mara") == 0


class Memory:
    def test_holds(self, store: SqliteStore, again: Again) -> None:
        hold = Hold(owner="mara", reason="maintenance", since=NOW, ends_at=NOW + 3600)
        store.set_hold(LEDGER, hold)
        store.set_hold(ORDERS, replace(hold, ends_at=None))
        assert again().hold(LEDGER) == hold
        assert dict(store.holds()) == {LEDGER: hold, ORDERS: replace(hold, ends_at=None)}
        assert store.remove_hold(LEDGER)
        assert not store.remove_hold(LEDGER)
        assert again().hold(LEDGER) is None

    def test_survivors(self, store: SqliteStore, again: Again) -> None:
        store.set_survivor(LEDGER, "west")
        assert again().survivor(LEDGER) == "west"
        store.set_survivor(LEDGER, None)
        store.set_survivor(ORDERS, None)
        assert again().survivor(LEDGER) is None

    def test_how_each_was_at_rest(self, store: SqliteStore, again: Again) -> None:
        turned = Settled(role=State.SOURCE, desired=State.REPLICA)
        store.remember_settled({LEDGER: turned, ORDERS: turned})
        store.remember_settled({LEDGER: replace(turned, desired=State.SOURCE)})
        assert again().settled() == {LEDGER: replace(turned, desired=State.SOURCE), ORDERS: turned}
        store.forget_settled({LEDGER, "not/there"})
        assert again().settled() == {ORDERS: turned}

    def test_what_the_daemon_said(self, store: SqliteStore, again: Again) -> None:
        assert again().daemon_word() is None
        word = DaemonWord(looked_at=NOW, every_seconds=30.0, said="saw 2", trouble="line 3", since=NOW - 5)
        waits = Waiting(why="unadopted", next="replctl promote bank/ledger", since=NOW)
        assert store.tell(word, {LEDGER: waits, ORDERS: waits})
        assert (again().daemon_word(), again().waiting()) == (word, {LEDGER: waits, ORDERS: waits})
        later = replace(word, looked_at=NOW + 30, trouble="", since=None)
        assert store.tell(later, {ORDERS: None, "not/there": None})
        assert (again().daemon_word(), again().waiting()) == (later, {LEDGER: waits})

    def test_unverified_ends(self, store: SqliteStore, again: Again) -> None:
        store.set_unverified(LEDGER, ["west", "east"])
        store.set_unverified(ORDERS, ["west"])
        assert again().unverified(LEDGER) == {"west", "east"}
        store.set_unverified(LEDGER, iter(["east"]))
        assert again().unverified(LEDGER) == {"east"}
        store.set_unverified(LEDGER, [])
        assert again().unverified(LEDGER) == frozenset()
        assert store.unverified(ORDERS) == {"west"}

    def test_all_of_a_kind_at_once(self, store: SqliteStore) -> None:
        store.set_unverified(LEDGER, ["west", "east"])
        store.set_survivor(ORDERS, "east")
        store.remember_identity(LEDGER, "west", "5b6f")
        assert store.all_unverified() == {LEDGER: {"west", "east"}}
        assert store.survivors() == {ORDERS: "east"}
        assert store.all_identities() == {LEDGER: {"west": "5b6f"}}

    def test_names_and_what_they_no_longer_mean(self, store: SqliteStore, again: Again) -> None:
        many = {f"volume v{number} on west": str(number) for number in range(1200)}
        store.remember_names(many)
        store.remember_names({"volume v7 on west": None, "volume v8 on west": "eight"})
        kept = again().names([*many, "volume other on west"])
        assert "volume v7 on west" not in kept
        assert kept["volume v8 on west"] == "eight"
        assert len(kept) == len(many) - 1

    def test_observations_of_some(self, store: SqliteStore) -> None:
        keys = [f"bank/n{number}" for number in range(6000)]
        store.remember_observations({(key, "west"): OBSERVATION for key in keys})
        assert dict(store.observations(keys[:2])) == {(key, "west"): OBSERVATION for key in keys[:2]}
        assert {key for key, _ in store.observations(keys[:5500])} == set(keys[:5500])
        assert dict(store.observations([])) == {}

    def test_identities(self, store: SqliteStore, again: Again) -> None:
        store.remember_identity(LEDGER, "west", "5b6f")
        store.remember_identity(LEDGER, "east", "77aa")
        store.remember_identity(LEDGER, "west", "0000")
        assert dict(again().identities(LEDGER)) == {"west": "0000", "east": "77aa"}
        assert dict(store.identities(ORDERS)) == {}

    def test_proofs(self, store: SqliteStore, again: Again) -> None:
        seen = Proof(claim="uid-1 2 2031-02-03T04:05:06Z", copied_at=NOW)
        store.remember_proof(LEDGER, "west", Proof(copied_at=NOW - 5))
        store.remember_proof(LEDGER, "west", seen)
        store.remember_proof(ORDERS, "east", Proof())
        assert dict(again().proofs(LEDGER)) == {"west": seen}
        assert dict(again().all_proofs()) == {LEDGER: {"west": seen}, ORDERS: {"east": Proof()}}

    def test_the_last_readable_observations(self, store: SqliteStore, again: Again) -> None:
        seen = {(LEDGER, "west"): OBSERVATION, (LEDGER, "east"): ABSENT, (ORDERS, "west"): OBSERVATION}
        store.remember_observations(seen)
        assert dict(again().observations()) == seen
        newer = replace(OBSERVATION, observed_at=NOW + 9)
        store.remember_observations({(LEDGER, "west"): newer, (LEDGER, "east"): SILENT})
        assert again().observations()[LEDGER, "west"] == newer
        assert again().observations()[LEDGER, "east"] == ABSENT  # silence teaches nothing

    def test_breakers_are_known_to_the_next_process(self, store: SqliteStore, again: Again) -> None:  # R38
        opened = BreakerState(
            position=Position.OPEN,
            failures=5,
            generation=3,
            opened_at=NOW,
            retry_at=NOW + 60,
            last_failure_at=NOW,
            last_success_at=NOW - 5,
            last_error="connection refused",
        )
        store.save_breaker("east", "read", opened)
        store.save_breaker("east", "change", BreakerState())
        store.save_breaker("west", "read", replace(opened, position=Position.HALF_OPEN))
        other = again()
        assert other.breaker("east", "read") == opened
        assert other.breaker("west", "change") is None
        assert dict(other.breakers()) == {
            ("east", "read"): opened,
            ("east", "change"): BreakerState(),
            ("west", "read"): replace(opened, position=Position.HALF_OPEN),
        }

    def test_counters_add_up(self, store: SqliteStore, again: Again) -> None:
        assert store.add_counts({'reconcile_total{name="ledger"}': 1.0, "retries": 2.0})
        again().add_counts({"retries": 0.5})
        assert dict(again().counts()) == {'reconcile_total{name="ledger"}': 1.0, "retries": 2.5}


class StoreContract(EmptyStore, Locks, Operations, Transitions, Memory):
    """All of it."""
