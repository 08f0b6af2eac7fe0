"""The error tree: what each class says of retrying, of the backend, and of what may have happened."""

from __future__ import annotations

import pytest

from replctl.core import errors
from replctl.core.errors import (
    EXCERPT_CHARACTERS,
    Finding,
    IllegalTransition,
    InvalidConfiguration,
    InvalidInput,
    Locked,
    Rejected,
    ReplctlError,
    excerpt,
    trouble_of,
)
from replctl.core.model import Holder, TroubleKind, Who
from replctl.core.outcomes import CODES, ExitCode, outcome_of

WHO = Who(user="ada", host="ops1", pid=7, sudo_user="root")
HOLDER = Holder(who=WHO, since=0.0, command="replctl promote bank/ledger")


def tree(parent: type[ReplctlError] = ReplctlError) -> list[type[ReplctlError]]:
    below = [each for each in parent.__subclasses__() if each.__module__ == errors.__name__]
    return below + [deeper for each in below for deeper in tree(each)]


def made(kind: type[ReplctlError]) -> ReplctlError:
    if kind is IllegalTransition:
        return IllegalTransition("replica", "source", ("promoting",))
    if kind is Locked:
        return Locked("bank/ledger", HOLDER)
    return kind("it went wrong")


@pytest.mark.parametrize("kind", tree())
def test_every_class_has_a_code_of_its_own_and_an_exit_code(kind: type[ReplctlError]) -> None:
    error = made(kind)
    assert [each for each in tree() if each.code == error.code] == [kind]
    assert error.exit_code in [int(code) for code in ExitCode]
    assert CODES[outcome_of(error.exit_code)] == error.exit_code


@pytest.mark.parametrize(
    ("name", "exit_code", "retryable", "unwell"),
    [
        ("InvalidInput", 2, False, False),
        ("InvalidConfiguration", 2, False, False),
        ("NotFound", 5, False, False),
        ("NotInstalled", 5, False, False),
        ("Unauthorized", 4, False, False),
        ("Forbidden", 4, False, False),
        ("NoCredential", 4, False, False),
        ("StoreRefused", 4, False, False),
        ("Conflict", 7, False, False),
        ("Locked", 7, False, False),
        ("IllegalTransition", 6, False, False),
        ("NeverSent", 11, True, True),
        ("NameUnresolved", 11, True, True),
        ("TlsFailed", 11, False, True),
        ("BreakerOpen", 11, False, False),
        ("BackendUnwell", 11, True, True),
        ("TimedOut", 11, True, True),
        ("UnreadableAnswer", 11, True, True),
        ("ConnectionLost", 11, True, True),
        ("Busy", 11, True, False),
        ("Rejected", 1, False, False),
        ("Outdated", 7, False, False),
        ("AlreadyExists", 1, False, False),
        ("Unsupported", 6, False, False),
        ("OutcomeUnknown", 9, False, True),
        ("Interrupted", 130, False, False),
    ],
)
def test_what_each_class_says(name: str, exit_code: int, retryable: bool, unwell: bool) -> None:
    kind = getattr(errors, name)
    assert (kind.exit_code, kind.retryable, kind.unwell) == (exit_code, retryable, unwell)


def test_only_a_lost_answer_may_have_happened() -> None:
    assert [kind.__name__ for kind in tree() if kind.maybe_happened] == ["OutcomeUnknown"]
    assert not errors.OutcomeUnknown.retryable  # a change is never sent again blind


def test_the_table_above_is_the_whole_tree() -> None:
    told = test_what_each_class_says.pytestmark[0].args[1]
    assert {row[0] for row in told} == {kind.__name__ for kind in tree()}


def test_a_message_names_backend_operation_and_replication() -> None:  # R75
    error = Rejected("no", backend="west", operation="failover", replication="bank/ledger", remedy="look")
    assert str(error) == "west: failover: bank/ledger: no"
    assert (error.message, error.remedy) == ("no", "look")
    assert str(ReplctlError("no")) == "no"


def test_a_backend_s_no_keeps_the_backend_s_own_words() -> None:  # R75
    error = Rejected("no", status=422, vendor_code="0xE0201005000C")
    assert (error.status, error.vendor_code) == (422, "0xE0201005000C")


def test_findings_tell_every_mistake_at_once() -> None:
    findings = [Finding("a.yaml:3", '"x"', "one of y, z"), Finding("a.yaml:9", '"q"', "a number")]
    error = InvalidConfiguration("two mistakes", findings=findings)
    assert isinstance(error, InvalidInput)
    assert [str(each) for each in error.findings] == [
        'a.yaml:3: "x": one of y, z',
        'a.yaml:9: "q": a number',
    ]


def test_the_loser_of_a_lock_is_told_who_holds_it() -> None:
    error = Locked("bank/ledger", HOLDER)
    assert error.holder is HOLDER
    assert "ada" in str(error)
    assert "ops1" in str(error)
    assert "replctl promote bank/ledger" in str(error)
    assert "another process" in str(Locked("bank/ledger", None))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NotFound", TroubleKind.ABSENT),
        ("NotInstalled", TroubleKind.UNWELL),
        ("Unauthorized", TroubleKind.CREDENTIALS),
        ("Forbidden", TroubleKind.CREDENTIALS),
        ("NoCredential", TroubleKind.CREDENTIALS),
        ("NeverSent", TroubleKind.SILENT),
        ("NameUnresolved", TroubleKind.NAME),
        ("TlsFailed", TroubleKind.TLS),
        ("BreakerOpen", TroubleKind.BREAKER),
        ("TimedOut", TroubleKind.SILENT),
        ("ConnectionLost", TroubleKind.SILENT),
        ("UnreadableAnswer", TroubleKind.UNWELL),
        ("BackendUnwell", TroubleKind.UNWELL),
    ],
)
def test_an_observation_carries_the_trouble_in_the_evidence_table_s_words(
    name: str, kind: TroubleKind
) -> None:
    error = getattr(errors, name)("it went wrong", remedy="mend it", retry_at=12.5)
    trouble = trouble_of(error)
    assert (trouble.kind, trouble.code, trouble.message) == (kind, error.code, "it went wrong")
    assert (trouble.remedy, trouble.retry_at) == ("mend it", 12.5)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\x1b[31mred\x07", "a?[31mred?"),
        ("two\nlines\ttab", "two?lines?tab"),
        ("\u202eabc", "?abc"),
        ("", ""),
        ("x" * EXCERPT_CHARACTERS, "x" * EXCERPT_CHARACTERS),
        ("x" * (EXCERPT_CHARACTERS + 1), "x" * EXCERPT_CHARACTERS + "…"),
    ],
)
def test_a_foreign_text_is_cut_and_cannot_move_a_terminal(text: str, shown: str) -> None:
    assert excerpt(text) == shown
