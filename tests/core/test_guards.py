"""The guards' names and flags: part of the contract with people and scripts (design §4)."""

from __future__ import annotations

import re

import pytest

from replctl.core.guards import GUARDS
from replctl.core.plans import Evidence

FLAGS = {
    "peer-not-demoted": "--peer-is-down",
    "peer-is-up": "--peer-is-fenced=HOW",
    "data-loss": "--accept-data-loss=BOUND",
    "source-in-use": "--source-quiesced",
    "discards-local-data": "--discard-local-changes",
    "delete-promotes": "--delete-promotes",
    "state-failed": "--from-failed",
    "no-source": "--from-replica",
    "held": "--override-hold",
    "drill-running": "--use-test-copy",
    "confirmation": "-y",
}
WITHOUT_FLAG = {
    "split-brain",
    "incomplete-copy",
    "operation-open",
    "foreign-operation",
    "stale-observation",
    "backend-state",
    "identity-changed",
    "not-a-pair",
    "undeclared",
    "hook-vetoed",
    "unsupported",
}
FACT = Evidence(fact="state", value="source")


def test_the_guards_are_those_of_the_design() -> None:
    assert set(GUARDS) == FLAGS.keys() | WITHOUT_FLAG


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_each_has_its_own_flag_or_none(name: str) -> None:
    assert GUARDS[name].override == FLAGS.get(name)


def test_no_flag_answers_two_guards() -> None:
    flags = [guard.override for guard in GUARDS.values() if guard.override]
    assert len(set(flags)) == len(flags)


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_each_says_what_it_protects(name: str) -> None:
    sentence = GUARDS[name].sentence
    assert re.fullmatch(r"[a-z].*[^.]", sentence)
    assert GUARDS[name].name == name


def test_a_refusal_carries_name_evidence_and_flag() -> None:
    refused = GUARDS["peer-is-up"].says_no(FACT)
    assert (refused.name, refused.evidence) == ("peer-is-up", (FACT,))
    assert refused.override == "--peer-is-fenced=HOW"
    assert GUARDS["split-brain"].says_no(FACT).override is None
    assert GUARDS["data-loss"].says_no(FACT, override="--accept-data-loss=unknown").override == (
        "--accept-data-loss=unknown"
    )
