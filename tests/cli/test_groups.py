"""Several at once, from the outside: what is shown before and after, what is asked, what the progress counts."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from cli import stage
from cli.conftest import Runner, Terminal
from fakes import START, FakeClock
from rich.console import Console

from replctl.cli import groups
from replctl.cli.lines import plain
from replctl.cli.output import Output
from replctl.cli.progress import MOST_IN_HAND, Progress, Wave, counted, of_wave, told
from replctl.core import events
from replctl.core.durations import format_duration
from replctl.core.guards import GUARDS
from replctl.core.model import Intent, Replication, Verb
from replctl.core.outcomes import Outcome
from replctl.core.plans import Evidence, Refusal

UNKNOWN = replace(stage.LOSS, point=None, at_least_seconds=None, at_most_seconds=None)
WAVE = events.WaveBegan(number=2, of=3, order=10, members=20)


def members(count: int, **changes: object) -> list[Replication]:
    return [
        stage.to_be_promoted(f"bank/r{number}", group="payments", order=number % 2, **changes)
        for number in range(count)
    ]


@pytest.fixture
def several(run: Runner) -> Runner:
    run.world.replications = members(6)
    run.environ["NO_COLOR"] = "1"
    return run


def test_a_large_group_is_shown_by_waves_and_moved_once_agreed(several: Runner) -> None:
    ran = several("promote", "--group", "payments", terminal=True, typed="y\n")
    assert ran.code == 0
    assert "wave 1 of 2 (order 0), 3 replications: promote" in ran.err
    assert "bank/r0, bank/r2, bank/r4" in ran.err
    assert len(several.world.carried) == 6
    assert several.world.requests[0].group == "payments"


def test_an_unplanned_group_says_its_worst_loss_once_and_wants_its_number(several: Runner) -> None:
    worse = replace(stage.LOSS, at_most_seconds=4711.0)
    for each in several.world.replications:
        several.world.answers[each.key] = stage.TAKEOVER
    several.world.answers["bank/r3"] = replace(stage.TAKEOVER, data_loss=worse)
    ran = several("promote", "--all", terminal=True, typed="yes\n")
    assert ran.code == 6
    assert ran.err.count("what is lost:") == 1
    assert format_duration(4711.0, up=True) in ran.err
    assert "Type 6 unplanned to go on" in ran.err
    assert several.world.carried == []
    agreed = several("promote", "--all", terminal=True, typed="6 unplanned\n")
    assert agreed.code == 0


def test_many_that_went_well_are_a_line_each_and_one_that_did_not_is_told(several: Runner) -> None:
    several.world.ends["bank/r4"] = Outcome.UNKNOWN
    ran = several("promote", "--all", "-y")
    assert ran.code == 9
    assert "✓ bank/r0: promote: succeeded\n" in ran.out
    assert "bank/r4: promote: the outcome is not known on west" in ran.err
    assert (
        "2 succeeded, 3 planned, 1 unknown; what is planned was not begun: the same command goes on with it\n"
        in ran.err
    )


def test_json_holds_every_member_with_its_own_loss(several: Runner) -> None:
    for each in several.world.replications:
        several.world.answers[each.key] = stage.REFUSAL
    told_json = json.loads(several("promote", "--all", "-y", "-o", "json").out)
    assert (told_json["exit_code"], len(told_json["operations"])) == (6, 6)
    assert all(each["data_loss"]["at_most_seconds"] == 47.0 for each in told_json["operations"])


def refused(*overrides: tuple[str, str | None], loss: object = None) -> Refusal:
    evidence = Evidence(fact="x", value="y")
    guards = tuple(replace(GUARDS[name].says_no(evidence), override=override) for name, override in overrides)
    return Refusal(guards=guards, next="replctl explain bank/ledger", data_loss=loss)  # type: ignore[arg-type]  # a DataLoss


def flags_for(*refusals: Refusal) -> tuple[str, ...]:
    intent = Intent(verb=Verb.PROMOTE, replication=stage.replication())
    return groups.answered_by(
        [stage.result(intent, Outcome.REFUSED, refusal=each, data_loss=each.data_loss) for each in refusals]
    )


def test_one_command_answers_all_guards_by_the_worst_loss() -> None:
    worse = replace(stage.LOSS, point=START - 4711, at_most_seconds=4711.0)
    flags = flags_for(
        refused(
            ("peer-not-demoted", "--peer-is-down"), ("data-loss", "--accept-data-loss=a"), loss=stage.LOSS
        ),
        refused(("peer-not-demoted", "--peer-is-down"), ("data-loss", "--accept-data-loss=b"), loss=worse),
    )
    assert flags == ("--peer-is-down", "--accept-data-loss=2031-02-02T23:41:24Z")


def test_what_one_flag_cannot_answer_is_not_offered() -> None:
    known = refused(("data-loss", "--accept-data-loss=a"), loss=stage.LOSS)
    assert flags_for(known, refused(("peer-not-demoted", None))) == ()


def test_what_is_known_and_what_is_not_is_accepted_in_one_word() -> None:
    known = refused(("data-loss", "--accept-data-loss=a"), loss=stage.LOSS)
    unknown = refused(("data-loss", "--accept-data-loss=unknown"), loss=UNKNOWN)
    (flag,) = flags_for(known, unknown)
    name, _, words = flag.partition("=")
    time, _, rest = words.partition(",")
    assert (name, rest) == ("--accept-data-loss", "unknown")
    assert flags_for(known) == (f"{name}={time}",)
    assert flags_for(unknown) == (f"{name}=unknown",)


def test_the_counters_of_a_wave() -> None:
    wave = Wave(began=WAVE, since=START)
    for outcome in ("succeeded", "unchanged", "failed"):
        wave = counted(wave, events.MemberEnded(replication="bank/ledger", outcome=outcome))
    assert (
        plain([of_wave(wave, 16, START + 125)])
        == "wave 2 of 3: 16 running, 2 done, 1 not done, of 20, 2m5s\n"
    )


def test_a_wave_is_a_line_in_a_pipe_and_nothing_when_quiet(several: Runner) -> None:
    (line,) = told(WAVE, 0, live=False)
    assert plain([line]) == "wave 2 of 3 (order 10): 20 replications\n"
    assert "wave 1 of 2 (order 0): 3 replications\n" in several("promote", "--all", "-y").err
    assert several("promote", "--all", "-y", "-q").err == ""


def test_fifty_on_a_terminal_keep_to_a_screen() -> None:
    stream = Terminal()
    progress = Progress(Output(stream, stream, {"COLUMNS": "80"}), FakeClock(START))
    with progress:
        progress(replace(WAVE, members=50))
        for number in range(50):
            progress(
                events.StepBegan(
                    operation_id=f"op-{number}",
                    replication=f"bank/r{number}",
                    step="failover",
                    number=1,
                    of=2,
                    backend="east",
                    sentence="east hands over",
                )
            )
        console = Console(file=io.StringIO(), width=120)
        with console.capture() as captured:
            console.print(progress._render())
    shown = captured.get()
    assert "50 running, 0 done, of 50" in shown
    assert f"bank/r{MOST_IN_HAND - 1} " in shown
    assert f"bank/r{MOST_IN_HAND} " not in shown
