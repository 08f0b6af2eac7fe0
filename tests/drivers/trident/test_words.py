"""Trident's words: the table is total, and never makes a replica of a source (CT §9.2)."""

from __future__ import annotations

import itertools

import pytest

from replctl.core.model import Flow, Mode, State, StateNote
from replctl.drivers.trident import words
from replctl.drivers.trident.words import KNOWN, MirrorWords, mode_of, translate

WANTED = ["", "promoted", "established", "reestablished"]


def said(wanted: str, state: str | None, *, remote: bool = True, bound: bool = True, **more: bool) -> str:
    """State and flow; the note where there is no state."""
    vendor = MirrorWords(wanted=wanted, state=state, remote=remote, bound=bound, **more)
    found = translate(vendor)
    ours = found.state.value if found.state is not None else "unknown"
    return f"{ours} {found.flow.value}"


@pytest.mark.parametrize(
    ("wanted", "state", "remote", "expected"),
    [
        ("established", "failed", True, "failed broken"),
        ("promoted", "invalid", False, "failed broken"),
        ("promoted", "promoting", True, "promoting changing"),
        ("established", "establishing", True, "syncing changing"),
        ("reestablished", "reestablishing", True, "syncing changing"),
        ("promoted", "established", True, "promoting changing"),
        ("promoted", "reestablished", True, "promoting changing"),
        ("established", "established", True, "replica running"),
        ("reestablished", "established", True, "replica running"),
        ("established", "reestablished", True, "replica running"),
        ("", "established", True, "replica running"),
        ("reestablished", "promoted", True, "demoting changing"),
        ("established", "promoted", True, "syncing changing"),
        ("promoted", "promoted", False, "source unknown"),
        ("promoted", "promoted", True, "source unknown"),
        ("", "", False, "source unknown"),
        ("promoted", "", False, "source unknown"),
        ("established", "", True, "failed broken"),
        ("", "", True, "failed broken"),
        ("promoted", None, True, "unknown changing"),
        ("", None, False, "unknown changing"),
        ("established", None, True, "syncing changing"),
        ("Promoted", "promoted", True, "unknown unknown"),
        ("promoted", "released", True, "unknown unknown"),
    ],
)
def test_each_row_of_the_contract(wanted: str, state: str | None, remote: bool, expected: str) -> None:  # R74
    assert said(wanted, state, remote=remote) == expected


def test_every_combination_has_a_meaning_and_a_sentence() -> None:  # R74
    for wanted, state, remote, bound, going in itertools.product(
        WANTED, [None, *sorted(KNOWN)], *itertools.repeat([True, False], 3)
    ):
        vendor = MirrorWords(wanted=wanted, state=state, remote=remote, bound=bound, going=going)
        found = translate(vendor)
        assert found.sentence
        assert found.strange == ()
        assert (found.state is None) == (found.note is StateNote.UNKNOWN)


def test_what_is_writable_never_reads_as_a_replica() -> None:
    for wanted, remote in itertools.product(WANTED, [True, False]):
        assert said(wanted, "promoted", remote=remote).split()[0] != "replica"


def test_only_a_live_word_is_called_well() -> None:
    well = {
        (wanted, state)
        for wanted in WANTED
        for state in [None, *KNOWN]
        if translate(MirrorWords(wanted=wanted, state=state, remote=True)).healthy
    }
    replicas = {(wanted, state) for wanted in WANTED for state in ("established", "reestablished")}
    pending = {("promoted", "established"), ("promoted", "reestablished")}
    assert well == (replicas - pending) | {("promoted", "promoted"), ("", "promoted")}


def test_a_replica_says_what_it_cannot_tell() -> None:
    found = translate(MirrorWords(wanted="established", state="established", remote=True))
    assert (found.healthy, found.doubt, found.unproven) == (True, words.UNTIMED, False)


@pytest.mark.parametrize(("remote", "unproven"), [(True, True), (False, False)])
def test_promoted_after_a_mirror_is_not_proven(remote: bool, unproven: bool) -> None:
    found = translate(MirrorWords(wanted="promoted", state="promoted", remote=remote))
    assert found.unproven is unproven
    assert (found.doubt is not None) is unproven


@pytest.mark.parametrize(
    ("state", "remote", "expected"),
    [
        ("established", True, State.PROMOTING),
        ("failed", True, State.PROMOTING),
        ("", True, State.PROMOTING),
        (None, True, State.PROMOTING),
        ("promoted", True, State.SOURCE),
        ("", False, State.SOURCE),
    ],
)
def test_a_deletion_promotes(state: str | None, remote: bool, expected: State) -> None:
    found = translate(MirrorWords(wanted="established", state=state, remote=remote, going=True))
    assert (found.state, found.note, found.flow) == (expected, StateNote.REMOVING, Flow.CHANGING)


def test_an_unbound_claim_is_no_copy_under_way() -> None:
    assert said("established", None, bound=False) == "unknown changing"
    assert said("established", None, bound=False, claimless=True) == " unknown"


def test_an_unknown_word_is_handed_back_short_and_printable() -> None:
    found = translate(MirrorWords(wanted="established", state="x" * 99 + "\x1b", remote=True))
    ((field, value),) = found.strange
    assert field == "status.state"
    assert len(value) <= words.LONGEST_WORD + 1


@pytest.mark.parametrize(
    ("policy", "is_replica", "expected"),
    [
        ("Sync", True, Mode.SYNCHRONOUS),
        ("MirrorAllSnapshots", False, Mode.ASYNCHRONOUS),
        ("gold", True, Mode.SYNCHRONOUS),
        ("silver", True, None),
        ("", True, Mode.ASYNCHRONOUS),
        ("", False, None),
    ],
)
def test_a_policy_tells_its_mode_only_where_a_table_says_so(
    policy: str, is_replica: bool, expected: Mode | None
) -> None:
    assert mode_of(policy, {"gold": Mode.SYNCHRONOUS}, is_replica=is_replica) is expected


def test_the_configuration_outranks_what_a_name_usually_means() -> None:
    assert mode_of("Sync", {"Sync": Mode.ASYNCHRONOUS}, is_replica=True) is Mode.ASYNCHRONOUS
