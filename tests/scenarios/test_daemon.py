"""The daemon over two simulated arrays: what it does by itself, what it holds, and what waits for a person."""

from __future__ import annotations

import io
import logging
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from worlds import LEDGER, World, a_world

from replctl.bootstrap import Services, assemble
from replctl.cli import documents
from replctl.clock import Cancel
from replctl.core.events import ignore
from replctl.core.metrics import MISSION
from replctl.core.model import Who
from replctl.daemon.health import HealthBook
from replctl.daemon.loop import Daemon, Wakes
from replctl.daemon.systemd import Notifier

OTHER = "web/events"
DONE_SECONDS = 600.0
ROUNDS = 60
REQUESTS_OF_A_TICK = 8  # sign-in, sessions, clock, remote systems; and now and then names and discovery


class Running:
    """A daemon in this process, ticked by hand."""

    def __init__(
        self,
        world: World,
        services: Services,
        daemon: Daemon,
        book: HealthBook,
        said: io.StringIO,
        wakes: Wakes,
    ) -> None:
        self.world = world
        self.services = services
        self.daemon = daemon
        self.book = book
        self.wakes = wakes
        self._said = said

    def tick(self, *, times: int = 1, settle: bool = True) -> str:
        sentence = ""
        for _ in range(times):
            sentence = self.daemon.tick()
            if settle:
                assert self.daemon.settle(DONE_SECONDS)
        return sentence

    @property
    def log(self) -> str:
        return self._said.getvalue()

    def edit(self, name: str, state: str) -> None:
        edit(self.world, name, state)

    def metric(self, name: str) -> float | None:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.daemon.metrics(), re.MULTILINE)
        return None if found is None else float(found.group(1))


def entries(world: World) -> Path:
    return world.config.parent / "replications.yaml"


def edit(world: World, name: str, state: str) -> None:
    """Change the `state` of one entry, as a person does with an editor: at once, or a daemon may read half of it.

    An edit that follows what cannot be read is none, and would be waited for in vain.
    """
    namespace, _, short = name.partition("/")
    parts = entries(world).read_text().split("\n- ")
    for at, part in enumerate(parts):
        if f"namespace: {namespace}\n  name: {short}\n" in part:
            parts[at] = re.sub(r"\n  state: \w+", f"\n  state: {state}", part)
    beside = entries(world).with_suffix(".new")
    beside.write_text("\n- ".join(parts))
    beside.replace(entries(world))


@contextmanager
def running(world: World, *, allow_shrink: bool = False, **environ: str) -> Iterator[Running]:
    wakes, said = Wakes(), io.StringIO()
    logger = logging.getLogger("replctl")
    handler = logging.StreamHandler(said)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    with assemble(
        flags={},
        environ={**world.environ(), **environ},
        clock=world.clock,
        report=ignore,
        document=documents.operation,
        command="replctl daemon",
        who=Who(user="replctl", host="here", pid=1),
    ) as services:
        book = HealthBook(world.clock)
        daemon = Daemon(
            services,
            book=book,
            notifier=Notifier({}, world.clock),
            wakes=wakes,
            allow_shrink=allow_shrink,
        )
        try:
            yield Running(world, services, daemon, book, said, wakes)
        finally:
            wakes.stop.set()
            daemon.settle(DONE_SECONDS)
            logger.removeHandler(handler)


def roles(world: World, name: str = LEDGER) -> dict[str, str]:
    return dict(world.truth(name)["role"])


def waits(world: World, name: str) -> str | None:
    """The command that `status` tells a person to type, because the daemon waits for one."""
    (line,) = world.run("status", name, "-o", "json").json["replications"]
    return None if line["waiting"] is None else str(line["waiting"]["next"])


AS_IT_WAS = {"east": "Source", "west": "Destination"}
TURNED = {"east": "Destination", "west": "Source"}


def test_with_nothing_to_do_it_does_nothing(world: World) -> None:  # R71
    with running(world) as one:
        first = one.tick()
        assert first == "saw 4 replications: nothing to do"
        world.control.clear_requests()
        one.tick(times=5)
        assert world.changes() == []
        asked = len(world.control.requests())
        assert asked <= 5 * 2 * 6


def test_a_rule_that_is_not_the_file_s_is_told_and_counted_and_nothing_is_done(world: World) -> None:
    def seen() -> tuple[bool | None, list[str]]:
        (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
        told = world.run("diff", LEDGER, "-o", "json").json["replications"]
        return line["in_sync"], [each["seen"] for found in told for each in found["differences"]]

    counted = (
        'unified_replication_reconcile_errors_total{error_type="rpo_differs",name="ledger",namespace="bank"}'
    )
    with running(world) as one:
        one.tick()
        assert (seen(), one.metric(counted)) == ((True, []), None)
        world.control.rpo("Fifteen_Minutes")
        said = one.tick(times=2)
        assert f"4 differ from the file: {LEDGER} (rpo 15m by the rule on east, the file says 5m)" in said
        assert seen() == (False, ["15m by the rule on east"])
        assert one.metric(counted) == 2
        world.control.rpo(
            "Ten_Minutes"
        )  # a word of a release to come tells nothing, and the copy's age is left
        assert one.tick() == "saw 4 replications: nothing to do"
        assert (seen(), one.metric(counted)) == ((True, []), 2)
        strange = (
            'unified_replication_translation_errors_total{backend="east",type="rpo",value="Ten_Minutes"}'
        )
        assert (one.metric(strange) or 0) >= 1
        assert world.changes() == []


def test_an_edited_state_is_carried_out_and_recorded(world: World) -> None:  # R22
    with running(world) as one:
        one.tick()
        one.edit(LEDGER, "source")
        said = one.tick()
        assert f"promote {LEDGER} (the file was edited to source)" in said
        assert roles(world) == TURNED
        assert one.tick() == "saw 4 replications: nothing to do"
        moves = world.run("history", LEDGER, "-o", "json").json["transitions"]
        west = [(each["from_state"], each["to_state"]) for each in moves if each["backend"] == "west"]
        assert west == [("replica", "promoting"), ("promoting", "source")]
        one.edit(LEDGER, "replica")
        one.tick(times=2)
        assert roles(world) == AS_IT_WAS
        assert world.truth()["lost_writes"] == 0


@pytest.mark.parametrize("autonomy", ["observe", "protect"])
def test_less_autonomy_turns_no_role(world: World, autonomy: str) -> None:
    with running(world, REPLCTL_DAEMON__AUTONOMY=autonomy) as one:
        one.tick()
        one.edit(LEDGER, "source")
        said = one.tick(times=2)
        assert f"replctl promote {LEDGER}" in said
        assert world.changes() == []


def test_an_edit_of_several_at_once_waits_for_a_person(world: World) -> None:
    with running(world) as one:
        one.tick()
        for name in (LEDGER, OTHER):
            one.edit(name, "source")
        said = one.tick(times=3)
        assert "2 wait for a person" in said
        assert world.changes() == []
        assert [waits(world, name) for name in (LEDGER, OTHER)] == [
            f"replctl promote {name}" for name in (LEDGER, OTHER)
        ]
        explained = world.run("explain", LEDGER, environ={"COLUMNS": "300"})
        assert "(replctl apply turns them all)" in explained.out


def test_role_changes_go_one_at_a_time(world: World) -> None:
    with running(world) as one:
        one.tick()
        one.edit(LEDGER, "source")
        one.tick(settle=False)
        one.edit(OTHER, "source")
        one.tick(settle=False)
        assert one.daemon.settle(DONE_SECONDS)
        one.tick(times=3)
        assert (roles(world), roles(world, OTHER)) == (TURNED, TURNED)


def test_yesterday_s_file_moves_nothing(world: World) -> None:
    edit(world, LEDGER, "source")
    with running(world) as one:
        said = one.tick(times=3)
        assert f"unadopted: it is replica, the file wants source: replctl promote {LEDGER}" in said
        assert world.changes() == []
        assert [waits(world, name) for name in (LEDGER, OTHER)] == [f"replctl promote {LEDGER}", None]
    world.control.advance(7200)  # it runs no more, and what it said is still told, with its age
    told = world.run("status", environ={"COLUMNS": "200"})
    assert "the daemon waits for a person (it looked 2h ago, and may not run any more):" in told.out
    assert f"\n    replctl promote {LEDGER}\n" in told.out
    assert world.act("promote", LEDGER).code == 0
    assert waits(world, LEDGER) is None  # nobody needs a daemon to see that it is over
    assert "waits for a person" not in world.run("status").out


def test_an_edit_while_it_was_away_is_none(world: World) -> None:
    with running(world) as one:
        one.tick()
    edit(world, LEDGER, "source")
    with running(world) as again:
        said = again.tick(times=2)
        assert "nobody was seen to edit it" in said
        assert world.changes() == []


def test_a_role_that_changed_without_it_is_held_and_never_turned_back(world: World, tmp_path: Path) -> None:
    with running(world) as one:
        one.tick()
        elsewhere = tmp_path / "elsewhere"  # somebody whose store, and so whose hold, is not this daemon's
        assert world.act("promote", LEDGER, state_dir=elsewhere).code == 0
        world.control.clear_requests()
        said = one.tick()
        assert f"hold {LEDGER} (it became source without this daemon" in said
        assert "held by replctl: it became source" in one.tick()
        assert world.changes() == []
        (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
        assert line["hold"]["owner"] == "replctl"
        assert line["waiting"]["next"] == f"replctl release {LEDGER}"
        assert one.metric("replctl_holds") == 1
        assert world.run("release", LEDGER).code == 0
        said = one.tick(times=2)
        assert world.changes() == []  # an ending hold is no edit
        assert world.act("demote", LEDGER).code == 0  # its hold asks no person
        one.tick()


def test_a_person_s_hold_stops_it(world: World) -> None:
    with running(world) as one:
        one.tick()
        assert world.run("hold", LEDGER, "--reason", "hands off").code == 0
        one.edit(LEDGER, "source")
        assert "held by" in one.tick(times=2)
        assert world.changes() == []


def test_it_resumes_what_the_array_stopped_and_never_what_a_person_paused(world: World) -> None:
    with running(world, REPLCTL_DAEMON__AUTONOMY="protect") as one:
        one.tick()
        for array in ("east", "west"):
            world.control.set_state(LEDGER, array, state="System_Paused")
            world.control.set_state(OTHER, array, state="Paused")
        one.tick(times=2)
        assert world.truth()["state"] == {"east": "OK", "west": "OK"}
        assert world.truth(OTHER)["state"] == {"east": "Paused", "west": "Paused"}
        assert world.effective() == [("east", "sync")]


def test_a_copy_that_is_too_old_is_made_anew(world: World) -> None:
    with running(world, REPLCTL_DAEMON__AUTONOMY="protect") as one:
        one.tick()
        old = world.control.now() - 900.0
        for array in ("east", "west"):
            world.control.set_state(LEDGER, array, last_sync_timestamp=old)
        one.tick()
        assert ("east", "sync") in world.effective()


def test_split_brain_and_no_source_are_told_within_a_tick(world: World) -> None:
    with running(world) as one:
        one.tick()
        world.control.set_state(LEDGER, "west", role="Source", state="Failed_Over")
        assert f"both ends are sources: replctl reprotect {LEDGER}" in one.tick()
        labels = '{name="ledger",namespace="bank"}'
        assert one.metric(f"replctl_split_brain{labels}") == 1
        for array in ("east", "west"):
            world.control.set_state(LEDGER, array, role="Destination", state="Failed_Over")
        assert "no end is the source" in one.tick()
        assert (one.metric(f"replctl_no_source{labels}"), one.metric(f"replctl_split_brain{labels}")) == (
            1,
            0,
        )
        assert world.changes() == []


def test_a_broken_file_keeps_the_old_one_and_a_mended_one_is_no_edit(world: World) -> None:
    good = entries(world).read_text()
    with running(world) as one:
        one.tick()
        entries(world).write_text(good.replace("state: replica", "sate: replica", 1))
        assert one.tick() == "saw 4 replications: nothing to do"
        assert "the file is broken" in one.log
        assert one.metric("replctl_config_last_reload_successful") == 0
        trouble = one.services.store.daemon_word()
        assert trouble is not None
        assert "sate" in trouble.trouble
        assert trouble.next == "replctl config validate"
        entries(world).write_text(good)
        edit(world, LEDGER, "source")
        said = one.tick(times=2)
        assert one.metric("replctl_config_last_reload_successful") == 1
        assert world.run("status", "-o", "json").json["daemon"]["trouble"] is None
        assert "nobody was seen to edit it" in said
        assert world.changes() == []


def test_a_file_that_is_just_being_written_is_not_read_and_its_edit_is_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some editors empty a file, or move it away, before they write it."""
    edited = entries(world).read_text().replace("state: replica", "state: source", 1)
    left = ["", edited[:200], None, edited]  # None: it is not there at all
    unhurried = world.clock.wait

    def wait(seconds: float, cancel: Cancel | None = None) -> bool:
        if left:
            write()
        return unhurried(seconds, cancel)

    def write() -> None:
        text = left.pop(0)
        if text is None:
            entries(world).unlink()
        else:
            entries(world).write_text(text)

    with running(world) as one:
        one.tick()
        write()
        monkeypatch.setattr(world.clock, "wait", wait)
        assert f"promote {LEDGER} (the file was edited to source)" in one.tick()
        assert roles(world) == TURNED
        assert "broken" not in one.log


def test_a_file_that_is_written_on_and_on_keeps_the_old_one_until_that_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, unhurried = entries(world).read_text(), world.clock.wait
    with running(world) as one:
        one.tick()

        def wait(seconds: float, cancel: Cancel | None = None) -> bool:
            with entries(world).open("a") as file:
                file.write("# and on\n")
            return unhurried(seconds, cancel)

        entries(world).write_text(good)
        with monkeypatch.context() as patch:
            patch.setattr(world.clock, "wait", wait)
            assert one.tick() == "saw 4 replications: nothing to do"
            assert "it is read when that ends" in one.log
        one.edit(LEDGER, "source")
        one.tick()
        assert roles(world) == TURNED


def test_a_file_that_forgets_more_than_half_is_broken(world: World) -> None:
    head, first, *_ = entries(world).read_text().split("\n- ")
    with running(world) as one:
        one.tick()
        entries(world).write_text(f"{head}\n- {first}\n")
        assert one.tick() == "saw 4 replications: nothing to do"
        assert "more than half" in one.log
        told = world.run("status", "-o", "json").json["daemon"]
        assert "forgets 3 of 4 entries" in told["trouble"]
        assert (told["next"], told["late"]) == ("systemctl restart replctl", False)
    with running(world, allow_shrink=True) as one:
        assert one.tick() == "saw 1 replication: nothing to do"


def test_an_entry_that_goes_takes_its_series_along(world: World) -> None:  # R59
    head, *parts = entries(world).read_text().split("\n- ")
    with running(world) as one:
        one.tick()
        assert 'name="ledger"' in one.daemon.metrics()
        entries(world).write_text("\n- ".join([head, *parts[1:]]))
        assert one.tick() == "saw 3 replications: nothing to do"
        assert 'name="ledger"' not in one.daemon.metrics()
        assert world.truth()["state"] == {"east": "OK", "west": "OK"}


def test_above_the_limit_durations_are_kept_for_all_together(world: World) -> None:
    family = "unified_replication_reconcile_duration_seconds_count"
    own, shared = (
        f'{family}{{name="{name}",namespace="{space}"}}' for name, space in (("ledger", "bank"), ("", ""))
    )
    head, *parts = entries(world).read_text().split("\n- ")
    with running(world, REPLCTL_METRICS__PER_REPLICATION_LIMIT="3") as one:
        one.tick(times=2)
        assert (one.metric(shared), one.metric(own)) == (8, None)
        assert one.log.count("4 replications, and metrics.per_replication_limit is 3") == 1
        entries(world).write_text("\n- ".join([head, *parts[:3]]))
        one.tick()
        assert (one.metric(shared), one.metric(own)) == (8, 1)
        assert "for each by itself again" in one.log


def test_a_dead_array_harms_nothing_and_is_told(world: World) -> None:  # R65
    with running(world) as one:
        one.tick()
        world.control.kill("east", mode="refuse")
        said = one.tick(times=3)
        assert said.startswith("saw 0 of 4 replications on both ends (east cannot be read: ")
        assert one.metric('replctl_observation_success{backend="east"}') == 0
        assert one.metric('replctl_observation_success{backend="west"}') == 1
        assert one.book.health()["healthy"] is True
        world.control.revive("east")
        world.control.advance(61)
        assert one.tick(times=2) == "saw 4 replications: nothing to do"
        assert world.changes() == []


@pytest.mark.parametrize("number", range(1, 12))
def test_what_it_began_it_finishes_after_a_restart(tmp_path: Path, number: int) -> None:
    """Stopped in the middle by its own stop, at different times; the next one goes on, and nothing is sent twice."""
    with a_world(tmp_path, seed=number) as world:
        with running(world) as one:
            one.tick()
            one.edit(LEDGER, "source")
            one.daemon.tick()
            while not world.effective():  # time passes in the hand that is at it
                assert roles(world) == AS_IT_WAS
            world.control.advance(number * 2.0)
        with running(world) as again:
            again.tick(times=3)
            assert roles(world) == TURNED
            assert sorted(world.effective()) == [("east", "failover"), ("west", "reprotect")]
            assert again.tick() == "saw 4 replications: nothing to do"


def test_a_person_s_operation_is_left_to_the_person(world: World) -> None:
    with running(world) as one:
        one.tick()
        assert world.act("promote", LEDGER, "--no-wait").code == 8
        world.control.advance(60)
        said = one.tick(times=2)
        assert "is open: replctl op show" in said
        assert world.effective() == [("east", "failover")]


def test_two_daemons_with_different_files_turn_nothing_against_each_other(tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        for name in ("config.yaml", "replications.yaml"):
            (theirs / name).write_text((world.config.parent / name).read_text())
        for name in ("credentials", "ca.pem"):
            (theirs / name).symlink_to(world.config.parent / name)
        other = {"REPLCTL_CONFIG": str(theirs / "config.yaml"), "REPLCTL_STATE_DIR": str(theirs / "state")}
        with running(world) as ours, running(world, **other) as his:
            ours.tick()
            his.tick()
            ours.edit(LEDGER, "source")
            ours.tick(times=2)
            assert roles(world) == TURNED
            world.control.clear_requests()
            for _ in range(5):
                ours.tick()
                said = his.tick()
            assert "held by replctl: it became source without this daemon" in said
            assert world.changes() == []


def test_an_array_that_is_dead_for_an_hour_starts_no_storm(world: World) -> None:  # R65
    with running(world) as one:
        one.tick()
        world.control.kill("east", mode="refuse")
        for _ in range(120):
            one.tick()
            world.control.advance(30)
        assert one.book.health()["healthy"] is True
        world.control.revive("east")
        world.control.clear_requests()
        for _ in range(10):
            one.tick()
            world.control.advance(30)
        assert one.tick() == "saw 4 replications: nothing to do"
        syncs = {change["correlation_id"] for change in world.changes()}  # which look on until they are done
        looks = [each for each in world.control.requests("east") if each["correlation_id"] not in syncs]
        assert len(looks) <= 11 * REQUESTS_OF_A_TICK
        assert len(world.changes()) == len(syncs) <= 4
        assert "retry_attempts_total" not in one.daemon.metrics()  # a look makes one attempt a request
        assert {action for _, action in world.effective()} <= {"sync"}  # copies that are too old by now


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps_a_day_moves_nothing(world: World, days: int) -> None:
    with running(world, REPLCTL_DAEMON__AUTONOMY="observe") as one:
        one.tick()
        world.clock.offset_seconds = days * 86_400.0
        one.tick(times=3)
        assert one.book.health()["healthy"] is True
        assert world.changes() == []
        one.edit(LEDGER, "source")
        one.tick(times=2)
        assert world.changes() == []


def test_a_tick_after_a_long_sleep_is_a_tick(world: World) -> None:
    with running(world) as one:
        one.tick()
        world.control.advance(7200)
        assert one.tick() == "saw 4 replications: nothing to do"
        assert one.book.health()["healthy"] is True


def test_each_family_of_the_mission_moves(world: World) -> None:  # R58
    with running(world) as one:
        one.tick()
        before = one.daemon.metrics()
        one.edit(LEDGER, "source")
        world.control.advance(400)  # what is there is asked anew
        one.tick(times=2)  # a promotion, and a success
        world.control.set_state(OTHER, "west", state="Melting")
        world.control.fault("east", "status", method="GET", status=503, times=2)
        assert world.run("pause", "lab/search", "-y").code in (0, 11)  # a retry
        for _ in range(3):
            world.control.kill("east", mode="refuse")
            one.tick(times=3)  # failures, and a trip
        after = one.daemon.metrics()
        for family in MISSION:
            assert samples(after, family.name), family.name
            moved = samples(after, family.name) != samples(before, family.name)
            assert moved or family.name in STEADY, family.name


STEADY = {f"unified_replication_{name}" for name in ("active_total", "by_backend", "mode")}


def samples(text: str, family: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(rf"{family}(_bucket|_sum|_count)?[{{ ]", line)]


def test_commands_and_the_daemon_at_once_never_act_twice(tmp_path: Path) -> None:
    chance = random.Random(5)
    soon = {"cycle": 2.0, "sync": 2.0}
    with (
        a_world(tmp_path, durations=soon) as world,
        running(world, REPLCTL_DAEMON__AUTONOMY="protect") as one,
    ):
        one.tick()
        for number in range(ROUNDS):
            world.control.clear_requests()
            verb = chance.choice(("promote", "demote", "pause", "resume", "sync"))
            results: list[Any] = []
            thread = threading.Thread(
                target=lambda verb=verb, into=results: into.append(world.act(verb, LEDGER))
            )
            thread.start()
            one.tick(settle=False)
            world.run("status")
            thread.join(timeout=100)
            assert one.daemon.settle(DONE_SECONDS)
            (ran,) = results
            assert ran.code in (0, 3, 6, 7, 8, 9), (number, ran.out)
            failovers = [action for _, action in world.effective() if action == "failover"]
            assert len(failovers) <= 1, number
            truth = world.truth()
            assert (truth["both_wrote"], truth["lost_writes"]) == (0, 0), number
            world.control.advance(60)
