"""The screen of `diff`, and what a person is shown before `apply` begins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cli import stage
from cli.conftest import Runner
from cli.test_documents import fits

from replctl.cli import comparing
from replctl.cli.lines import plain
from replctl.core.differences import Comparison, compare
from replctl.core.model import Health, Hold, Mode, Pair, State

HOLD = Hold(owner="ann on runner", reason="month end", since=stage.START)
SILENT = stage.replication("shop/orders")
COMPARED = [
    compare(each, stage.START)
    for each in (
        stage.line_of(stage.replication("bank/ledger", desired_state=State.SOURCE), hold=HOLD),
        stage.line_of(stage.replication("media/mail"), mode=Mode.SYNCHRONOUS),
        stage.line_of(SILENT, stage.DEAD, health=Health.UNKNOWN),
        stage.line_of(stage.replication("web/events")),
    )
]

AT_80 = """\
NAME         WHAT   FILE          WORLD
bank/ledger  state  source        replica
    replctl promote bank/ledger; held by ann on runner: month end
media/mail   mode   asynchronous  synchronous
    replctl explain media/mail
shop/orders  ?      replica       not known
    east was not read: no answer within 3s

✗ 2 of 4 replications differ from the file, and of 1 of 4 it cannot be told
next: 1 planned change of roles can be carried out
  replctl apply --dry-run
  replctl apply
"""
AT_120 = """\
NAME         WHAT   FILE          WORLD        NEXT
bank/ledger  state  source        replica      replctl promote bank/ledger; held by ann on runner: month end
media/mail   mode   asynchronous  synchronous  replctl explain media/mail
shop/orders  ?      replica       not known    east was not read: no answer within 3s

✗ 2 of 4 replications differ from the file, and of 1 of 4 it cannot be told
next: 1 planned change of roles can be carried out
  replctl apply --dry-run
  replctl apply
"""


@pytest.mark.parametrize(("width", "expected"), [(80, AT_80), (120, AT_120)])
def test_diff_says_file_world_and_what_to_type(width: int, expected: str) -> None:
    assert plain(comparing.differences(COMPARED, width)) == expected


def test_nothing_differs_is_one_line() -> None:
    same: list[Comparison] = [COMPARED[-1]]
    assert plain(comparing.differences(same, 80)) == "= 1 replication: all as the file says\n"
    assert plain(comparing.differences([], 80)) == "= 0 replications: all as the file says\n"


def test_its_document_lists_what_is_not_as_the_file_says() -> None:
    document = comparing.document(COMPARED, stage.START)
    fits("differences", document)
    assert [each["same"] for each in document["replications"]] == [False, False, None]
    assert document["compared"] == 4


def test_colours_only_colour(run: Runner) -> None:
    run.world.replications = [stage.replication(desired_state=State.SOURCE)]
    coloured = run("diff", "--color", "always", terminal=True)
    assert "\x1b[" in coloured.out
    bare = run("diff", terminal=True, columns=80)
    assert bare.code == coloured.code == 0
    assert "replctl promote bank/ledger" in bare.out


def test_what_cannot_be_told_is_no_zero_for_a_script(run: Runner) -> None:
    odd = stage.seen("west", None)
    entry = stage.replication()
    known = stage.line_of(entry, Pair(odd, stage.PAIR.peer), health=Health.UNKNOWN, message="a new word")
    report = run.world.status = replace(
        stage.Engine(run.world, None).status([entry], stage.Request()), replications=(known,)
    )
    assert report.exit_code == 0
    assert run("diff").code == 0
    assert run("diff", "--exit-code").code == 9


def test_some_are_promoted_and_some_demoted_and_each_is_shown_under_its_verb(run: Runner) -> None:
    run.environ["NO_COLOR"] = "1"
    wanted = [State.SOURCE, State.REPLICA]
    run.world.replications = [
        stage.replication(f"bank/r{number}", desired_state=wanted[number % 2]) for number in range(6)
    ]
    ran = run("apply", terminal=True, typed="y\n", columns=120)
    assert ran.code == 0, ran.err
    assert "wave 1 of 1 (order 0), 6 replications: promote and demote" in ran.err
    assert "    promote: bank/r0, bank/r2, bank/r4" in ran.err
    assert "    demote: bank/r1, bank/r3, bank/r5" in ran.err
    assert [each.verb.value for each in run.world.carried] == ["promote", "demote"] * 3
    assert not any(each.acknowledged.flags for each in run.world.carried)
