"""`init`: from nothing to two files, against both vendors over real sockets, and on a real terminal."""

from __future__ import annotations

import hashlib
import os
import pty
import ssl
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from cli.test_watch import Typist
from papers import fits
from worlds import PATIENCE, Ran, World, a_world

from replctl.core.errors import InvalidInput
from replctl.settings.founding import NewFile, Place, lay_down, place_of, word

BOTH = ("powerstore", "trident")
PATIENT = ("--observe-timeout", PATIENCE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Nothing here changes a backend; who kills one brings it back."""
    with a_world(tmp_path_factory.mktemp("init"), replications=6, vendors=BOTH) as made:
        yield made


def url(world: World, array: str) -> str:
    return str(world.simulator.ready["arrays"][array])


def password(world: World, array: str = "west") -> str:
    return (world.config.parent / "credentials" / array).read_text().strip()


def beside(world: World, name: str) -> str:
    return str(world.config.parent / name)


def arrays(world: World, *, ca: bool = True) -> list[str]:
    words = ["--powerstore", f"west={url(world, 'west')}", "--powerstore", f"east={url(world, 'east')}"]
    words += ["--username", "replctl", *(["--ca-file", beside(world, "ca.pem")] if ca else [])]
    for array in ("west", "east"):
        words += ["--password-file", f"{array}={beside(world, f'credentials/{array}')}"]
    return words


def clusters(world: World) -> list[str]:
    words: list[str] = []
    for name in ("west", "east"):
        words += ["--trident", f"k8s-{name}={name}"]
        words += ["--kubeconfig", f"k8s-{name}={beside(world, f'kubeconfig-{name}.yaml')}"]
    return words


def init(world: World, config: Path, *words: str) -> Ran:
    return world.run("init", "--config", str(config), *words, *PATIENT)


def nothing_in(directory: Path) -> bool:
    return not directory.exists() or not any(directory.iterdir())


def test_flags_alone_make_files_of_both_vendors_that_are_in_force(world: World, tmp_path: Path) -> None:
    config = tmp_path / "new" / "config.yaml"
    ran = init(world, config, *arrays(world), *clusters(world), "--import", "-o", "json")
    assert ran.code == 0, ran.err
    fits("init", ran.json)
    assert (ran.json["written"], ran.json["added"], ran.json["left_out"]) == (True, 6, [])
    assert [each["name"] for each in ran.json["backends"]] == ["west", "east", "k8s-west", "k8s-east"]
    assert all(each["version"] for each in ran.json["backends"])
    modes = {Path(each["path"]).name: each["mode"] for each in ran.json["files"]}
    assert modes == {"west": "0600", "east": "0600", "replications.yaml": "0644", "config.yaml": "0644"}
    kept = config.parent / "credentials" / "west"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    text = config.read_text() + (config.parent / "replications.yaml").read_text()
    for secret in (password(world), password(world, "east")):
        assert secret not in text + ran.out + ran.err
    for command in ran.json["next"]:
        words = command.split()[1:]
        assert world.run(*words, *(PATIENT if words[0] == "status" else ())).code in (0, 3), command
    planned = world.run("plan", "--exit-code", "--config", str(config))
    assert planned.code == 0, planned.err
    assert world.changes() == []


def test_a_file_without_entries_says_how_they_are_written(world: World, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    ran = init(world, config, *arrays(world), "--password-env", "unused=X")
    assert (ran.code, nothing_in(tmp_path)) == (2, True)
    assert "--password-env unused=…: there is no such backend" in ran.err
    ran = init(world, config, *arrays(world))
    assert ran.code == 0, ran.err
    assert "✓ west: signed in to powerstore" in ran.err
    assert f"replctl import --config {config}" in ran.out
    assert "# - namespace: bank" in (tmp_path / "replications.yaml").read_text()
    assert world.run("config", "validate", "--config", str(config)).code == 0
    assert yaml.safe_load(config.read_text())["state_dir"] == "state"


def test_the_password_may_stay_where_it_is_kept(world: World, tmp_path: Path) -> None:
    words = ["--powerstore", f"west={url(world, 'west')}", "--powerstore", f"east={url(world, 'east')}"]
    words += ["--username", "replctl", "--ca-file", beside(world, "ca.pem"), "--password-env", "west=WEST"]
    words += ["--password-command", f"east=cat '{beside(world, 'credentials/east')}'"]
    config = tmp_path / "config.yaml"
    ran = world.run("init", "--config", str(config), *words, *PATIENT, environ={"WEST": password(world)})
    assert ran.code == 0, ran.err
    backends = yaml.safe_load(config.read_text())["backends"]
    assert backends["west"]["password"] == {"env": "WEST"}
    assert backends["east"]["password"] == {"command": ["cat", beside(world, "credentials/east")]}
    assert not (tmp_path / "credentials").exists()


def test_an_authority_that_is_not_known_is_told_with_the_fingerprint(world: World, tmp_path: Path) -> None:
    ran = init(world, tmp_path / "config.yaml", *arrays(world, ca=False))
    assert ran.code == 11
    place = urlsplit(url(world, "west"))
    shown = ssl.get_server_certificate((str(place.hostname), int(place.port or 0)))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest().upper()
    assert ":".join(digest[at : at + 2] for at in range(0, 64, 2)) in ran.err
    assert "--ca-file west=FILE" in ran.err
    assert nothing_in(tmp_path)


def test_a_wrong_password_and_a_silent_array_are_told_apart(world: World, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not-it-at-all\n")
    words = [each.replace(beside(world, "credentials/west"), str(wrong)) for each in arrays(world)]
    config = tmp_path / "new" / "config.yaml"
    ran = init(world, config, *words, "-o", "json")
    assert ran.code == 4
    fits("init", ran.json)
    assert [each["reachable"] for each in ran.json["backends"]] == [False, True]
    assert ran.json["backends"][0]["error"]["code"] == "unauthorized"
    assert "--username west=USER" in ran.err
    assert "not-it-at-all" not in ran.out + ran.err
    world.control.kill("east")
    try:
        both = init(world, config, *words, "-o", "json")
        dead = init(world, config, *arrays(world))
    finally:
        world.control.revive("east")
    assert both.code == 1  # each for a reason of its own
    assert dead.code == 11
    assert "--powerstore east=https://HOST" in dead.err
    assert not config.parent.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no backend is given"),
        (("--powerstore", "west"), "--powerstore wants NAME=…"),
        (("--powerstore", "West=https://w"), "not a valid name of a backend"),
        (("--powerstore", "west=https://me:hunter2@w"), "the address of west is none"),
        (("--powerstore", "west=https://w"), "who signs in to west is not said"),
        (("--powerstore", "west=https://w", "--username", "u"), "the password of west is not said"),
        (("--powerstore", "west=https://w", "--username", "u", "--password-file", "-"), "is empty"),
        (
            ("--powerstore", "west=https://w", "--username", "u", "--password-file", "/none"),
            "/none cannot be read",
        ),
        (("--powerstore", "w=https://w", "--trident", "w=x"), "an array and as a cluster"),
        (("--powerstore", "w=https://w", "--powerstore", "w=https://w"), "given twice"),
        (("--trident", "k=x", "--kubeconfig", "/none"), "--kubeconfig /none cannot be read"),
        (("--powerstore", "w=https://w", "--username", "u", "--ca-file", "/none"), "--ca-file /none"),
        (
            ("--powerstore", "w=https://w", "--username", "u", "--password-env", "A", "--password-file", "B"),
            "both given for w",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_a_sentence(
    world: World, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    ran = init(world, tmp_path / "config.yaml", *words)
    assert (ran.code, nothing_in(tmp_path)) == (2, True)
    assert said in ran.err
    assert "hunter2" not in ran.err


def test_a_context_that_is_not_there_is_told_with_its_file(world: World, tmp_path: Path) -> None:
    words = [each.replace("=west", "=nowhere") for each in clusters(world)[:2]]
    kubeconfig = beside(world, "kubeconfig-west.yaml")
    ran = init(world, tmp_path / "config.yaml", *words, "--kubeconfig", kubeconfig)
    assert (ran.code, nothing_in(tmp_path)) == (2, True)
    assert "nowhere" in ran.err
    assert kubeconfig in ran.err


def test_nothing_is_written_over_and_a_dry_run_writes_nothing(world: World, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    dry = init(world, config, *arrays(world), "--dry-run", "--import")
    assert (dry.code, nothing_in(tmp_path)) == (0, True)
    assert f"==> {config} <==" in dry.out
    assert "- namespace: " in dry.out
    assert password(world) not in dry.out + dry.err
    assert init(world, config, *arrays(world), "--dry-run", "-o", "name").out.split()[-1] == str(config)
    for name in ("replications.yaml", "credentials/west"):
        mine = tmp_path / name
        mine.parent.mkdir(exist_ok=True)
        mine.write_text("mine")
        ran = init(world, config, *arrays(world))
        assert ran.code == 2
        assert f"{mine} is there already" in ran.err
        assert mine.read_text() == "mine"
        assert not config.exists()
        mine.unlink()


def test_all_files_or_none(tmp_path: Path) -> None:
    late = tmp_path / "deep" / "config.yaml"
    files = [
        NewFile(tmp_path / "deep" / "credentials" / "west", "secret", 0o600),
        NewFile(late, "backends: {}"),
        NewFile(late, "somebody else's, which is there by now"),
    ]
    with pytest.raises(InvalidInput, match="is there already"):
        lay_down([files[0], files[1], files[2]])
    assert nothing_in(tmp_path)
    (tmp_path / "wall").write_text("no directory")
    with pytest.raises(InvalidInput, match="cannot be written"):
        lay_down([files[0], NewFile(tmp_path / "wall" / "config.yaml", "")])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["wall"]


def test_where_the_files_go(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    own = place_of(None, home, uid=1000)
    assert own == Place(tmp_path / ".config/replctl/config.yaml", True, tmp_path / ".local/state/replctl")
    assert place_of(None, home, uid=0).config == Path("/etc/replctl/config.yaml")
    assert place_of(None, {**home, "REPLCTL_CONFIG": "~/r.yaml"}, uid=0).config == tmp_path / "r.yaml"
    named = place_of("/srv/r.yaml", home)
    assert (named.found, named.state) == (False, None)


@pytest.mark.parametrize(
    "text", ["west", "on", "a b", "~/x", "x: y", "#", "1e3", "", 'q"', "ü", "https://h:1/"]
)
def test_a_word_is_read_as_it_was_meant(text: str) -> None:
    assert yaml.safe_load(f"key: {word(text)}") == {"key": text}
    assert yaml.safe_load(f"{{key: {word(text)}}}") == {"key": text}


# -- on a real terminal ----------------------------------------------------------------------------------------


def test_a_person_is_asked_and_the_password_is_never_shown(world: World, tmp_path: Path) -> None:
    config = tmp_path / "home-of-it" / "config.yaml"
    master, slave = pty.openpty()
    argv = [sys.executable, "-m", "replctl", "init", "--config", str(config), *PATIENT]
    pid = os.posix_spawn(
        sys.executable,
        argv,
        {**world.environ(), "TERM": "dumb"},
        file_actions=[(os.POSIX_SPAWN_DUP2, slave, descriptor) for descriptor in (0, 1, 2)],
    )
    os.close(slave)
    person, seen = Typist(master), []
    for array in ("west", "east"):
        seen += [
            person.answers("2 Kubernetes cluster with NetApp Trident [1]: ", ""),
            person.answers("screens call it: ", array),
            person.answers("(https://HOST): ", url(world, array)),
            person.answers(f"Who signs in to {array} [admin]: ", "replctl"),
            person.answers("(none: the system's): ", beside(world, "ca.pem")),
            person.answers("(it is not shown): ", password(world, array)),
            person.answers("Another one? ", "" if array == "west" else "n"),
        ]
    seen.append(person.answers("replicated there now? [Y/n] ", ""))
    seen.append(person.answers("Write these files? [Y/n] ", "y"))
    seen.append(person.drain())
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, seen
    told = "".join(seen)
    assert "✓ west: signed in to powerstore" in told
    assert f"replctl doctor --config {config}" in told
    assert password(world) not in told
    assert "- namespace: default" in (config.parent / "replications.yaml").read_text()
    assert world.run("config", "validate", "--config", str(config)).code == 0
