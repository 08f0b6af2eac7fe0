"""The matrix is whole: every verb, every role and state, in all surroundings; and what is only shown is refused."""

from __future__ import annotations

from itertools import product

import pytest
from matrix import (
    FLAGS,
    OTHER_ROLE,
    PRINTED,
    SURROUNDINGS,
    UNKNOWN_WORD,
    answer,
    is_left_alone,
    page,
    situations,
)

from replctl.core.model import Verb
from replctl.drivers.powerstore import words

CONTRACT_STATES = 24  # of SPEC41, and one that vanished from it (CP §6.1)


def test_every_verb_is_asked() -> None:
    asked = {Verb(each.partition(" --")[0]) for each in FLAGS}
    assert asked == set(Verb)


def test_every_role_and_state_is_there_in_all_surroundings() -> None:
    assert len(words.STATES) == CONTRACT_STATES + 1
    told = {(each.around, each.local) for each in situations()}
    states = [*words.STATES, UNKNOWN_WORD]
    expected = {
        (around, f"{role} {state}") for around, role, state in product(SURROUNDINGS, OTHER_ROLE, states)
    }
    assert expected <= told


@pytest.mark.parametrize("asked", FLAGS)
def test_kinds_that_are_only_shown_are_refused_whatever_is_asked(asked: str) -> None:
    alone = [each for each in situations() if is_left_alone(each)]
    assert alone
    for situation in alone:
        for flags in FLAGS[asked]:
            found = answer(asked, flags, situation)
            if flags.endswith(PRINTED):
                assert found is None, situation
            else:
                assert found is not None
                unread = asked == "failover --to east" and situation.pair.peer.trouble is not None
                assert (
                    {"unsupported", "stale-observation"} & set(found.guards)
                    if unread
                    else ("unsupported" in found.guards)
                ), situation


def test_every_other_situation_stands_on_the_page_of_every_verb() -> None:
    text = page()
    shown = {each.told for each in situations() if not is_left_alone(each)}
    whole = [told for told in shown if "other end" in told or "session" in told]
    of_a_state = {told.partition(" ")[2].partition(";")[0] for told in shown - set(whole)}
    more = {told.partition("; ")[2] for told in shown - set(whole)} - {""}
    for asked in (each for each in FLAGS if not each.startswith("failover")):
        _, _, section = text.partition(f"## {asked}\n")
        section = section.partition("\n## ")[0]
        assert all(told in section for told in whole), asked
        assert all(f"; {each}" in section for each in more), asked
        assert "in any state" in section or all(f" {state}" in section for state in of_a_state), asked
