"""Secrets: read when asked, from where the configuration says, and never shown."""

from __future__ import annotations

import logging
import os
import pickle
import re
import select
import signal
import sys
import traceback
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from settings.conftest import CONFIG, Place

from replctl.core.errors import InvalidConfiguration
from replctl.core.secrets import Secret
from replctl.settings import Keeper, Notice, Settings, origins, resolve_secret
from replctl.settings import secrets as secrets_module

CANARY = "hunter2-canary"


def configured(place: Place, source: str, mode: int = 0o644) -> Settings:
    return place.load(CONFIG.replace("{env: WEST_PASSWORD}", source), mode=mode)


def read(place: Place, source: str, mode: int = 0o644) -> str:
    return resolve_secret(configured(place, source, mode), "west").secret.reveal()


def refusal(place: Place, source: str) -> str:
    """What is said when the secret cannot be read; nothing anywhere around it may hold the canary."""
    settings = configured(place, source)
    with pytest.raises(InvalidConfiguration) as caught:
        resolve_secret(settings, "west")
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value.findings)
    assert CANARY not in told
    assert caught.value.findings[0].place == "config.yaml:6: backends.west.password"
    assert caught.value.message.endswith(f"the secret cannot be read: {caught.value.findings[0].allowed}")
    return str(caught.value.findings[0])


def test_from_a_file_beside_the_configuration(place: Place) -> None:
    place.write("west", CANARY + "\n", 0o600)
    assert read(place, "{file: west}") == CANARY


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        ("a\n", "a"),
        ("a\r\n", "a"),
        ("a", "a"),
        ("a\n\n", "a\n"),
        (" a \n", " a "),
        ("a\r", "a\r"),
        ("ä", "ä"),
    ],
)
def test_one_trailing_newline_of_a_file_is_stripped(place: Place, content: str, secret: str) -> None:
    (place.directory / "west").write_bytes(content.encode())
    (place.directory / "west").chmod(0o600)
    assert read(place, "{file: west}") == secret


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o606, 0o602, 0o777])
def test_a_file_that_everyone_can_read_or_write_is_refused(place: Place, mode: int) -> None:
    place.write("west", CANARY, mode)
    assert f"mode {mode:04o} lets everyone at it; chmod o-rw" in refusal(place, "{file: west}")


@pytest.mark.parametrize("mode", [0o640, 0o660, 0o440])
def test_a_file_that_a_group_can_read_is_mentioned(place: Place, mode: int) -> None:
    path = place.write("west", CANARY, mode)
    reading = resolve_secret(configured(place, "{file: west}"), "west")
    assert reading.secret == Secret(CANARY)
    assert reading.notice == Notice(
        "config.yaml:6: backends.west.password", f"{path} has mode {mode:04o}: its group can read the secret"
    )


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_not_worth_a_word(place: Place, mode: int) -> None:
    place.write("west", CANARY, mode)
    assert resolve_secret(configured(place, "{file: west}"), "west").notice is None


@pytest.mark.parametrize(("mode", "later"), [(0o600, 0o644), (0o644, 0o600)])
def test_what_is_judged_is_what_is_read(
    place: Place, mode: int, later: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is exchanged between the two: mode and content are those of one and the same file."""
    place.write("west", CANARY, mode)
    really = os.open

    def exchanging(path: Any, *given: Any, **named: Any) -> int:
        handle = really(path, *given, **named)
        if str(path).endswith("/west"):
            place.write("other", "another-canary", later).replace(path)
        return handle

    settings = configured(place, "{file: west}")
    monkeypatch.setattr(os, "open", exchanging)
    if mode == 0o600:
        assert resolve_secret(settings, "west").secret.reveal() == CANARY
    else:
        with pytest.raises(InvalidConfiguration, match="mode 0644 lets everyone at it"):
            resolve_secret(settings, "west")


def test_files_that_hold_no_secret(place: Place) -> None:
    assert "No such file" in refusal(place, "{file: gone}")
    (place.directory / "folder").mkdir()
    assert "not a regular file" in refusal(place, "{file: folder}")
    os.mkfifo(place.directory / "pipe")
    assert "not a regular file" in refusal(place, "{file: pipe}")
    place.write("empty", "\n", 0o600)
    assert "it is empty" in refusal(place, "{file: empty}")
    place.write("huge", CANARY * 10_000, 0o600)
    assert "larger than 64 KiB" in refusal(place, "{file: huge}")
    (place.directory / "latin").write_bytes(CANARY.encode() + b"\xe4")
    (place.directory / "latin").chmod(0o600)
    assert "not UTF-8" in refusal(place, "{file: latin}")


def test_from_a_variable(place: Place) -> None:
    place.environ["X"] = CANARY
    assert read(place, "{env: X}") == CANARY
    assert "<from environment Y>: the variable is not set" in refusal(place, "{env: Y}")
    place.environ["Y"] = ""
    assert "it is empty" in refusal(place, "{env: Y}")


def test_from_a_systemd_credential(place: Place) -> None:
    assert "CREDENTIALS_DIRECTORY is not set" in refusal(place, "{credential: west}")
    place.environ["CREDENTIALS_DIRECTORY"] = str(place.directory / "credentials")
    assert "No such file" in refusal(place, "{credential: west}")
    place.write("credentials/west", CANARY + "\n", 0o440)
    reading = resolve_secret(configured(place, "{credential: west}"), "west")
    assert (reading.secret, reading.notice) == (Secret(CANARY), None)


def program(text: str) -> str:
    """A command source that runs a line of Python."""
    return f"{{command: [{sys.executable!r}, -c, {text!r}]}}"


def test_from_a_command_s_first_line(place: Place) -> None:
    assert read(place, program(f"print('{CANARY}\\r\\nsecond')")) == CANARY


def test_a_command_runs_without_a_shell(place: Place) -> None:
    place.environ["PATH"] = os.environ["PATH"]
    assert read(place, "{command: [echo, '$HOME; `id`']}") == "$HOME; `id`"


def test_a_command_sees_no_variable_of_ours_and_no_other_secret(place: Place) -> None:
    place.environ |= {
        "REPLCTL_OBSERVE_TIMEOUT": "5s",
        "REPLCTL_ANYTHING": "x",
        "EAST_PASSWORD": CANARY,
        "PLAIN": "seen",
    }
    shown = read(place, program("import os; print(sorted(os.environ))"))
    assert "PLAIN" in shown
    assert "REPLCTL" not in shown
    assert "EAST_PASSWORD" not in shown
    assert configured(place, "{env: WEST_PASSWORD}").keeper.child_environment() == {"PLAIN": "seen"}


def test_a_command_that_fails_says_nothing_of_its_output(place: Place) -> None:
    said = refusal(
        place, program(f"import sys; print('{CANARY}'); sys.exit('{CANARY}')").replace(CANARY, CANARY)
    )
    assert "it ended with status 1; run it by hand to see why" in said
    assert "it is empty" in refusal(place, program("print()"))
    assert "not UTF-8" in refusal(place, program(r"import sys; sys.stdout.buffer.write(b'\xe4')"))
    assert "it cannot be started: No such file" in refusal(place, "{command: [/no/such/program, --token=x]}")
    assert "it cannot be started: not a command line" in refusal(place, '{command: ["a\\0b"]}')


def test_a_command_that_prints_without_end_is_ended(place: Place) -> None:
    place.environ["PATH"] = os.environ["PATH"]
    assert "it printed more than 64 KiB" in refusal(place, f"{{command: ['yes', {CANARY}]}}")


def test_what_a_command_leaves_running_goes_on(place: Place) -> None:
    """Such as the agent that it asked."""
    written = place.directory / "pid"
    script = f"sleep 600 > /dev/null & echo $! > {written}; echo {CANARY}"
    assert read(place, f"{{command: [/bin/sh, -c, {script!r}]}}") == CANARY
    pid = int(written.read_text())
    os.kill(pid, 0)
    os.kill(pid, signal.SIGKILL)


def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets_module, "COMMAND_TIMEOUT_SECONDS", 0.5)
    written = place.directory / "pid"
    script = f"sleep 600 & echo $! > {written}.new; mv {written}.new {written}; wait"
    assert "it took longer than" in refusal(place, f"{{command: [/bin/sh, -c, {script!r}]}}")
    assert _ends(int(written.read_text()))


def _ends(pid: int) -> bool:
    """Whether a process is gone, or goes within a few seconds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 5)[0])
    finally:
        os.close(handle)


def test_in_the_configuration_only_if_its_owner_alone_can_read_it(place: Place) -> None:
    assert read(place, CANARY, mode=0o600) == CANARY
    assert read(place, CANARY, mode=0o400) == CANARY
    for mode in (0o640, 0o604, 0o620):
        (told,) = place.mistakes(CONFIG.replace("{env: WEST_PASSWORD}", CANARY), mode=mode)
        assert told.startswith(
            f"config.yaml:6: backends.west.password: a secret in a file of mode {mode:04o}: "
        )
        assert "chmod 600 config.yaml" in told


def test_nothing_is_read_before_it_is_asked_for(place: Place) -> None:
    """A verb that does not touch a backend does not need its secret."""
    marker = place.directory / "ran"
    settings = configured(place, f"{{command: [touch, {marker}]}}")
    origins(settings)
    place.validate()
    assert not marker.exists()
    place.environ["PATH"] = os.environ["PATH"]
    with pytest.raises(InvalidConfiguration):
        resolve_secret(configured(place, f"{{command: [touch, {marker}]}}"), "west")
    assert marker.exists()


def test_a_rotated_secret_is_found_at_the_next_asking(place: Place) -> None:
    path = place.write("west", "old", 0o600)
    settings = configured(place, "{file: west}")
    assert resolve_secret(settings, "west").secret.reveal() == "old"
    path.write_text("new")
    assert resolve_secret(settings, "west").secret.reveal() == "new"


def test_a_secret_further_in(place: Place) -> None:
    text = CONFIG.replace(
        "k8s-west: {kind: trident, in_cluster: true}",
        "k8s-west: {kind: trident, in_cluster: true, ontap: {url: https://o, username: u, password: {env: O}}}",
    )
    place.environ["O"] = CANARY
    settings = place.load(text)
    assert resolve_secret(settings, "k8s-west", "ontap.password").secret.reveal() == CANARY
    assert "O" not in settings.keeper.child_environment()


NO_SOURCES = """\
{}
{file: a, env: B}
{file: }
''
5
[a]
{credential: a/b}
{credential: ..}
{command: pass west}
{command: []}
{fil: a}
{env: ''}
~
"""


@pytest.mark.parametrize("source", NO_SOURCES.splitlines())
def test_sources_that_are_none(place: Place, source: str) -> None:
    told = place.mistakes(CONFIG.replace("{env: WEST_PASSWORD}", source), mode=0o600)
    assert all(line.startswith("config.yaml:6: backends.west.password") for line in told)


def test_values_in_force_do_not_print_their_secrets(place: Place) -> None:
    place.environ |= {"REPLCTL_BACKENDS__EAST__PASSWORD": CANARY, "EAST_PASSWORD": CANARY}
    settings = configured(place, f"{{command: [pass, --token={CANARY}]}}")
    inline = configured(place, CANARY, mode=0o600)
    for each in (settings, inline):
        printed = f"{each!r} {each!s} {each.model!r} {each.model!s} {each.keeper!r} {each.around!r}"
        assert CANARY not in printed + str(origins(each))
        with pytest.raises((TypeError, pickle.PicklingError)):
            pickle.dumps(each)
    assert "<from command pass>" in str(origins(settings))


def test_a_secret_in_a_log_record_stays_out_of_it(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    settings = configured(place, CANARY, mode=0o600)
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("read %s as %r", resolve_secret(settings, "west"), settings)
    assert CANARY not in caplog.text


BREAKINGS: list[Any] = [
    lambda secret: f"password: {secret}",
    lambda secret: f"pasword: {secret}",
    lambda secret: f"password: {{{secret}}}",
    lambda secret: f"password: [{secret}]",
    lambda secret: f"password: {{file: [{secret}]}}",
    lambda secret: f"password: {{fil: {secret}}}",
    lambda secret: f"password: {{{secret}: file}}",
    lambda secret: f"password: {{command: {secret}}}",
    lambda secret: f"password: {{command: [a, {{{secret}: b}}]}}",
    lambda secret: f"password: {{credential: ../{secret}}}",
    lambda secret: f"password: {{env: [{secret}], file: {secret}}}",
    lambda secret: f"password: *{secret}",
    lambda secret: f"password: &{secret} {{",
    lambda secret: f"password: !{secret} x",
    lambda secret: f"password: @{secret}",
    lambda secret: f"password: '{secret}",
    lambda secret: f"password: {secret}: {secret}",
    lambda secret: f"password: {secret}\n    password: {secret}",
    lambda secret: f"password: |\n  {secret}",
    lambda secret: f"url: https://u:{secret}@west",
    lambda secret: f"secret: {secret}",
    lambda secret: f"token: {{value: {secret}}}",
]


@given(st.lists(st.sampled_from(BREAKINGS), min_size=1, max_size=4), st.sampled_from([0o600, 0o644]))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_no_mistake_echoes_a_secret(place: Place, breakings: list[Any], mode: int) -> None:
    """However a configuration is broken around its secret, neither message nor traceback shows it."""
    secret = "hunter2canary"
    lines = "".join(f"    {breaking(secret)}\n" for breaking in breakings)
    text = f"backends:\n  west:\n    kind: powerstore\n    username: u\n{lines}"
    place.write("config.yaml", text, mode)
    told = "".join(_told_by(place))
    assert secret not in told


def _told_by(place: Place) -> list[str]:
    """Everything that a mistake could show itself in."""
    try:
        place.again()
    except InvalidConfiguration as error:
        printed = traceback.format_exception(error)
        return [*printed, repr(error.findings), error.remedy, str(error.__context__)]
    return []


def test_no_mistake_echoes_a_secret_from_the_environment(place: Place) -> None:
    for name in ("PASSWORD__FIL", "PASWORD", "PASSWORD__COMMAND", "URL", "PASSWORD__CREDENTIAL"):
        place.environ[f"REPLCTL_BACKENDS__WEST__{name}"] = f"/u:{CANARY}@x"
    told = place.mistakes(CONFIG)
    assert len(told) == 3
    assert all(line.startswith("environment REPLCTL_BACKENDS__WEST__") for line in told)
    assert CANARY not in str(told)


def test_children_get_what_is_left(place: Place) -> None:
    keeper = Keeper({"A": "1", "REPLCTL_X": "2", "S": "3"}, frozenset({"S"}))
    assert keeper.child_environment() == {"A": "1"}
    assert not re.search("2|3", repr(keeper))
