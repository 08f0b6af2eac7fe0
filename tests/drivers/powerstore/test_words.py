"""The mapping of PowerStore's words: total, and exactly design §3 and CP §7.1."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replctl.core.model import Flow, Link, Mode, State, StateNote
from replctl.drivers.powerstore import words
from replctl.drivers.powerstore.words import SessionWords, translate

# CP §6.1 and §6.2 once more, typed from the contract: the test's own copy.
STATES = [
    "Initializing",
    "OK",
    "Synchronizing",
    "System_Paused",
    "Paused",
    "Paused_For_Migration",
    "Paused_For_NDU",
    "Pausing",
    "Resuming",
    "Failing_Over",
    "Failing_Over_For_DR",
    "Failed_Over",
    "Reprotecting",
    "Switching_To_Metro_Sync",
    "Fractured",
    "Modify_Role_In_Progress",
    "Deleting",
    "Error",
    "Partial_OK",
    "Partial_Paused",
    "Partial_Failed_Over",
    "Partial_Reprotected",
    "Partial_Failed_Back",
    "Switching_To_Synchronous",
]
ROLES = ["Source", "Destination", "Metro_Preferred", "Metro_Non_Preferred"]
TYPES = ["Asynchronous", "Metro_Active_Active", "Synchronous"]
TRANSFERS = [
    "Asynchronous_Initial_Sync",
    "Asynchronous",
    "System_Asynchronous_Initial_Sync",
    "System_Asynchronous",
    "Switch_To_Sync_Diff_Copy",
    "Synchronous",
    "Active_Active",
    "Paused",
    "Faulted",
]


def of(role: str | None, state: str | None, **more: object) -> words.Translation:
    return translate(SessionWords(role=role, state=state, **more))  # type: ignore[arg-type]  # brevity


@pytest.mark.parametrize(
    ("state", "unified", "healthy"),
    [
        ("OK", State.REPLICA, True),
        ("Synchronizing", State.REPLICA, True),
        ("Pausing", State.REPLICA, False),
        ("Paused", State.REPLICA, False),
        ("Paused_For_Migration", State.REPLICA, False),
        ("Paused_For_NDU", State.REPLICA, False),
        ("Resuming", State.REPLICA, False),
        ("System_Paused", State.REPLICA, False),
        ("Fractured", State.REPLICA, False),
        ("Failed_Over", State.REPLICA, False),
        ("Initializing", State.SYNCING, False),
        ("Reprotecting", State.SYNCING, False),
        ("Switching_To_Synchronous", State.SYNCING, False),
        ("Failing_Over", State.PROMOTING, False),
        ("Failing_Over_For_DR", State.PROMOTING, False),
        ("Error", State.FAILED, False),
    ],
)
def test_a_destination(state: str, unified: State, healthy: bool) -> None:  # R74
    said = of("Destination", state)
    assert (said.state, said.healthy, said.unsupported) == (unified, healthy, None)


@pytest.mark.parametrize("state", [word for word in STATES if word not in ("Deleting", "Failing_Over")])
def test_a_source_is_a_source_and_the_fault_is_in_its_health(state: str) -> None:
    said = of("Source", state)
    assert said.state is State.SOURCE
    assert said.healthy is (state in ("OK", "Synchronizing"))


def test_a_source_that_fails_over_is_demoting() -> None:
    assert of("Source", "Failing_Over").state is State.DEMOTING
    assert of("Source", "Failing_Over_For_DR").state is State.SOURCE


@pytest.mark.parametrize("transfer", ["Asynchronous_Initial_Sync", "System_Asynchronous_Initial_Sync"])
@pytest.mark.parametrize("state", ["OK", "Synchronizing", "Paused", "System_Paused", "Failed_Over"])
def test_a_first_copy_is_not_a_replica(state: str, transfer: str) -> None:
    said = of("Destination", state, transfer=transfer)
    assert (said.state, said.complete, said.healthy) == (State.SYNCING, False, False)
    assert not said.permits & {"failover_unplanned", "failover_force", "start_test"}


def test_an_error_during_the_first_copy_leaves_no_way_to_take_over() -> None:
    said = of("Destination", "Error", transfer="Asynchronous_Initial_Sync")
    assert (said.state, said.permits, said.complete) == (State.FAILED, frozenset(), False)


@pytest.mark.parametrize(
    ("state", "flow"),
    [
        ("OK", Flow.RUNNING),
        ("Synchronizing", Flow.RUNNING),
        ("Paused", Flow.PAUSED),
        ("Paused_For_NDU", Flow.PAUSED),
        ("Paused_For_Migration", Flow.PAUSED),
        ("System_Paused", Flow.SUSPENDED),
        ("Fractured", Flow.SUSPENDED),
        ("Failed_Over", Flow.SEVERED),
        ("Error", Flow.BROKEN),
        *(
            (word, Flow.CHANGING)
            for word in [
                "Initializing",
                "Pausing",
                "Resuming",
                "Failing_Over",
                "Failing_Over_For_DR",
                "Reprotecting",
                "Deleting",
                "Switching_To_Synchronous",
                "Switching_To_Metro_Sync",
                "Modify_Role_In_Progress",
            ]
        ),
    ],
)
@pytest.mark.parametrize("role", ["Source", "Destination"])
def test_what_the_copying_does(role: str, state: str, flow: Flow) -> None:
    assert of(role, state).flow is flow


# CP §7.1, the rows as printed; "planned" and "reprotect" at the source, the takeovers and tests at the destination.
ALLOWED = {
    "Initializing": ("", ""),
    "OK": ("sync pause failover_planned", "pause failover_unplanned start_test"),
    "Synchronizing": ("pause failover_planned", "pause failover_unplanned start_test"),
    "System_Paused": ("sync pause", "pause failover_unplanned start_test"),
    "Paused": ("pause resume", "pause resume failover_unplanned start_test"),
    "Paused_For_NDU": ("", "failover_unplanned"),
    "Paused_For_Migration": ("", "failover_unplanned"),
    "Pausing": ("", ""),
    "Resuming": ("", ""),
    "Reprotecting": ("", ""),
    "Failing_Over": ("", "failover_unplanned"),
    "Failing_Over_For_DR": ("", ""),
    "Failed_Over": ("reprotect", "failover_force"),
    "Fractured": ("pause", "pause"),
    "Switching_To_Metro_Sync": ("", ""),
    "Switching_To_Synchronous": ("", ""),
    "Deleting": ("", ""),
    "Modify_Role_In_Progress": ("", ""),
    "Error": ("", "failover_unplanned"),
}


@pytest.mark.parametrize("state", ALLOWED)
def test_what_the_legality_table_permits(state: str) -> None:
    at_source, at_destination = ALLOWED[state]
    assert of("Source", state).permits == set(at_source.split())
    assert of("Destination", state).permits == set(at_destination.split())


def test_a_running_test_bars_planned_failover_and_a_second_test() -> None:
    assert of("Source", "OK", test_running=True).permits == {"sync", "pause"}
    replica = of("Destination", "OK", test_running=True).permits
    assert replica == {"pause", "failover_unplanned", "stop_test"}


def test_a_synchronous_session() -> None:
    said = of("Destination", "OK", type="Synchronous", transfer="Synchronous")
    assert (said.mode, said.healthy) == (Mode.SYNCHRONOUS, True)
    assert said.permits == {"pause", "failover_unplanned"}
    assert not of("Destination", "OK", type="Synchronous", transfer="System_Asynchronous").healthy
    assert "failover_unplanned" in of("Destination", "Fractured", type="Synchronous").permits


@pytest.mark.parametrize(
    ("type_", "mode"),
    [(None, Mode.ASYNCHRONOUS), ("Asynchronous", Mode.ASYNCHRONOUS), ("Synchronous", Mode.SYNCHRONOUS)],
)
def test_modes(type_: str | None, mode: Mode) -> None:
    assert of("Source", "OK", type=type_).mode is mode


@pytest.mark.parametrize("role", ["Metro_Preferred", "Metro_Non_Preferred", "Source", "Destination"])
@pytest.mark.parametrize("state", [word for word in STATES if word != "Deleting"])
def test_metro_is_shown_and_refused(role: str, state: str) -> None:
    said = of(role, state, type="Metro_Active_Active")
    assert (said.state, said.permits) == (None, frozenset())
    assert said.unsupported
    assert not said.strange


def test_a_session_that_is_being_removed() -> None:
    for role in ROLES:
        said = of(role, "Deleting")
        assert (said.state, said.note, said.permits) == (None, StateNote.REMOVING, frozenset())
        assert said.unsupported


@pytest.mark.parametrize("state", [word for word in STATES if word.startswith("Partial_")])
def test_nas_states_are_shown_and_refused(state: str) -> None:
    assert of("Source", state).state is State.SOURCE
    assert of("Destination", state).state is State.REPLICA
    assert of("Destination", state).unsupported
    assert not of("Source", state).permits


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (SessionWords(role="Source", state="Levitating"), ("state", "Levitating")),
        (SessionWords(role="Arbiter", state="OK"), ("role", "Arbiter")),
        (SessionWords(role=None, state="OK"), ("role", "null")),
        (SessionWords(role="Source", state=None), ("state", "null")),
        (SessionWords(role="Source", state="OK", type="Quantum"), ("type", "Quantum")),
        (SessionWords(role="Source", state="OK", transfer="Beaming"), ("data_transfer_state", "Beaming")),
    ],
)
def test_a_word_that_we_do_not_know(given: SessionWords, named: tuple[str, str]) -> None:
    said = translate(given)
    assert (said.state, said.note, said.permits) == (None, StateNote.UNKNOWN, frozenset())
    assert said.strange == (named,)
    assert said.unsupported is not None
    assert named[1] in said.unsupported


@pytest.mark.parametrize("role", [*ROLES, None, "x"])
@pytest.mark.parametrize("state", [*STATES, "Partial_Cutover_For_Migration", None, "x"])
def test_total_over_the_contract(role: str | None, state: str | None) -> None:
    for type_, transfer, test in product([*TYPES, None, "x"], [*TRANSFERS, None, "x"], [False, True]):
        said = of(role, state, type=type_, transfer=transfer, test_running=test)
        assert said.sentence
        assert (said.state is None) == (said.note is not None)
        assert not (said.unsupported and said.permits)
        assert (role == "x" or state == "x" or type_ == "x" or transfer == "x") <= bool(said.strange)


anything = st.none() | st.text()


@given(role=anything, state=anything, type_=anything, transfer=anything, test=st.booleans())
def test_total_over_anything(
    role: str | None, state: str | None, type_: str | None, transfer: str | None, test: bool
) -> None:
    said = of(role, state, type=type_, transfer=transfer, test_running=test)
    assert said.strange or role in ROLES


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("state", STATES),
        ("role", ROLES),
        ("type", TYPES),
        ("data_transfer_state", TRANSFERS),
        (
            "data_connection_state",
            [
                "OK",
                "Partial_Data_Connection_Loss",
                "Complete_Data_Connection_Loss",
                "Status_Not_Available",
                "No_Targets_Discovered",
                "Initializing",
                "Data_Connection_Unstable",
            ],
        ),
        ("remote_system_state", ["OK", "Update_Needed", "Management_Connection_Lost", "Partial_Delete"]),
        (
            "local_resource_state",
            ["System_Defined", "Promoted", "Demoted", "System_Demoted", "System_Promoted"],
        ),
    ],
)
def test_every_value_has_a_sentence(field: str, values: list[str]) -> None:
    unknown = words.sentence_of(field, "no such word")
    sentences = [words.sentence_of(field, value) for value in values]
    assert unknown not in sentences
    assert all(sentences)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("state", [state for state in State if state is not State.NONE])
def test_there_and_back_again(state: State, mode: Mode) -> None:  # R74
    vendor = words.vendor_words(state, mode)
    assert vendor is not None
    assert (translate(vendor).state, translate(vendor).mode) == (state, mode)


def test_no_session_has_no_word() -> None:  # R74
    assert words.vendor_words(State.NONE) is None


@pytest.mark.parametrize(
    ("values", "link"),
    [
        (("OK",), Link.OK),
        (("OK", "OK"), Link.OK),
        (("OK", "Complete_Data_Connection_Loss"), Link.LOST),
        (("No_Targets_Discovered", "OK"), Link.LOST),
        (("Data_Connection_Unstable", "OK"), Link.IMPAIRED),
        (("Partial_Data_Connection_Loss", None), Link.IMPAIRED),
        (("Status_Not_Available", None), Link.UNKNOWN),
        (("Initializing", "OK"), Link.OK),
        ((None, None), Link.UNKNOWN),
        (("a word of 4.9",), Link.UNKNOWN),
    ],
)
def test_the_link_is_as_bad_as_the_worst_that_is_said(values: tuple[str | None, ...], link: Link) -> None:
    assert words.link_of(*values) is link


@pytest.mark.parametrize(
    ("value", "link"),
    [
        ("OK", Link.OK),
        ("Update_Needed", Link.OK),
        ("Management_Connection_Lost", Link.LOST),
        ("Partial_Delete", Link.IMPAIRED),
        ("new", Link.UNKNOWN),
        (None, Link.UNKNOWN),
    ],
)
def test_the_way_to_the_other_management(value: str | None, link: Link) -> None:
    assert words.management_of(value) is link
