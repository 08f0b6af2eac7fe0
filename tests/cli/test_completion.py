"""What TAB offers: in a real bash, and asked for as the shells ask; and what is believed of the file of names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cli.conftest import Runner
from shelltalk import CASES, CASES_BEHIND, OPERATION, ROOT, Case, Home, Talk, bash, home, names_file, talk

from replctl.cli import shells
from replctl.cli.app import command
from replctl.cli.boundary import main
from replctl.completing import answering, grammar, kept, places
from replctl.settings import find_config
from replctl.settings.loading import Surroundings, default_state_directory, load
from replctl.store import names

BREAKS = " \t\n\"'@><=;|&(:"  # as bash has them
ESCAPE = "\x1b]0;owned\x07"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return home(tmp_path_factory.mktemp("completion") / "home")


@pytest.fixture(scope="module")
def in_bash(shared: Home) -> Iterator[Talk]:
    argv, set_up = bash(f"source {ROOT}/completions/replctl.bash")
    with talk(argv, shared, set_up) as talking:
        yield talking


@pytest.mark.parametrize("case", [*CASES, *CASES_BEHIND], ids=lambda case: case.line)
def test_bash_at_a_terminal(in_bash: Talk, case: Case) -> None:
    in_bash.try_out(case)


def test_bash_completes_a_file_to_write_to(in_bash: Talk) -> None:
    in_bash.try_out(Case("replctl status > dr/ot", "replctl status > dr/other.yaml "))


def test_bash_completes_an_alias_that_was_told_to(in_bash: Talk) -> None:
    in_bash.enter("alias r=replctl; complete -F _replctl r")
    in_bash.try_out(Case("r pro", "r promote "))


# -- as the shells ask ---------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Home:
    return home(tmp_path / "home")


def tab(own: Home, line: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """What bash would be answered at the end of the line."""
    text, code = answering.answer(["bash", BREAKS, line, ""], {**own.environ, **(environ or {})})
    assert code == answering.OFFERS
    return text.split("\n")[:-1]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("replctl promote -yqo j", ["json", "jsonl"]),
        ("replctl status -o json -", None),
        ("replctl status --group payments -l tier=gold,tier=g", []),
        ("replctl status -n shop --group ", []),
        ("replctl status -n shop -l ", ["tier=silver"]),
        ("replctl status -l tier!=gold,", ["gold,env=prod"]),
        ("replctl failover --group payments --to ", ["east", "west"]),
        ("replctl failover -n shop orders --to ", ["k8s-east", "k8s-west"]),
        ("replctl reprotect nobody --survivor ", ["east", "k8s-east", "k8s-west", "west"]),
        ("replctl op wait --timeout 5m ", [OPERATION]),
        ("replctl op wait one-id op", []),
        ("replctl history bank/", ["bank/cards", "bank/ledger"]),
        ("replctl discover west ", ["east", "k8s-east", "k8s-west"]),
        ("replctl promote 'bank/ledger' bank/", ["bank/cards"]),
        ("replctl promote bank\\/ledger bank/", ["bank/cards"]),
        ("replctl promote ledger bank/", ["bank/cards"]),
        ("replctl promote $(rm -rf x) bank/l", ["bank/ledger"]),
        ("replctl promote --reason 'because of this' bank/l", ["bank/ledger"]),
        ("replctl promote --reason ", []),
        ("replctl promote --nonsense=x bank/l", ["bank/ledger"]),
        ("replctl simulate --assume logout_status=2", ["204", "201"]),
        ("replctl config", ["config"]),
        ("replctl ", None),
    ],
)
def test_what_belongs_there(own: Home, line: str, offered: list[str] | None) -> None:
    found = tab(own, line)
    if offered is not None:
        assert found == offered
    elif line.endswith("-"):
        assert {"-n", "--namespace", "--watch"} <= set(found)
        assert {"-o", "--output"}.isdisjoint(found)
    else:
        assert found == [name for name, _ in grammar.shipped().place().commands]


def test_every_command_and_option_is_offered(own: Home) -> None:
    tree = command()
    for place in grammar.Grammar(shells.grammar(tree)).places():
        for name, help in place.commands:
            assert help
            assert name in tab(own, f"replctl {place.words} {name[:2]}")
        if place.words:
            flags = {name for option in place.options for name in option.names}
            assert set(tab(own, f"replctl {place.words} -")) == flags


def test_the_scripts_are_printed_as_they_are_shipped(run: Runner) -> None:
    for shell, file in shells.FILE_NAMES.items():
        ran = run("completion", shell)
        assert (ran.code, ran.out) == (0, (ROOT / "completions" / file).read_text())


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err


# -- what is believed of the file ----------------------------------------------------------------------------

WHOLE = "replctl names 1"


@pytest.mark.parametrize(
    "harm",
    [
        lambda text: text.replace("bank/ledger", f"bank/{ESCAPE}"),
        lambda text: text.replace("bank/ledger", "bank/ledger;reboot"),
        lambda text: text.replace("bank/ledger", "bank/$(reboot)"),
        lambda text: text.replace("bank/ledger", "bänk/ledger"),
        lambda text: text.replace("bank/ledger\treplica", "bank/ledger\treplica\tmore"),
        lambda text: text.replace(WHOLE, "replctl names 2"),
        lambda text: text.replace(WHOLE, ""),
        lambda text: text[:-20],
        lambda text: text[:-1],
        lambda text: "",
        lambda text: "\0" * 100,
        lambda text: text + "x" * (kept.LARGEST_BYTES + 1),
    ],
    ids=range(12),
)
def test_a_harmed_file_offers_nothing(own: Home, harm: object) -> None:
    assert callable(harm)
    assert tab(own, "replctl promote bank/l") == ["bank/ledger"]
    own.names.write_text(harm(own.names.read_text()))
    assert tab(own, "replctl promote ") == []
    assert tab(own, "replctl pro") == ["promote"]


@pytest.mark.parametrize(
    ("good", "bad", "line"),
    [
        ("bank/ledger", "-rf/ledger", "replctl promote "),
        ("bank/ledger", "bank/a b", "replctl promote "),
        ("bank/ledger", "bankledger", "replctl promote "),
        ("bank/ledger", "bank/led/ger", "replctl promote "),
        ("\tpayments\t", "\t--all\t", "replctl promote --group "),
        ("backend\twest", "backend\t-y", "replctl failover --to "),
        ("tier=gold", "--all", "replctl promote -l "),
        (OPERATION, "--help", "replctl op show "),
    ],
)
def test_what_is_no_name_is_not_offered(own: Home, good: str, bad: str, line: str) -> None:
    own.names.write_text(own.names.read_text().replace(good, bad))
    assert bad.split("\t")[-1] not in tab(own, line)
    assert all(each[0] != "-" and " " not in each for each in tab(own, line))


def test_a_state_that_is_none_is_not_told(own: Home) -> None:
    def told() -> str:
        return answering.answer(["zsh", "80", "1", "promote", ""], own.environ)[0]

    assert "bank/ledger  -- replica, payments" in told()
    own.names.write_text(own.names.read_text().replace("\treplica\t", "\tfine\t"))
    assert "bank/ledger  -- payments" in told()


def test_what_is_shown_is_cut_to_the_terminal(own: Home) -> None:
    text, _ = answering.answer(["zsh", "20", "1", "promote", ""], own.environ)
    assert {len(line.partition("\t")[2]) for line in text.splitlines()} == {11, 19}


def test_a_file_that_others_can_write_or_lead_astray_is_not_read(own: Home, tmp_path: Path) -> None:
    own.names.chmod(0o666)
    assert tab(own, "replctl promote ") == []
    own.names.chmod(0o600)
    assert tab(own, "replctl promote bank/l") == ["bank/ledger"]
    moved = own.names.rename(tmp_path / "elsewhere")
    own.names.symlink_to(moved)
    assert tab(own, "replctl promote ") == []
    own.names.unlink()
    os.mkfifo(own.names)  # whoever opened it would wait
    assert tab(own, "replctl promote ") == []
    own.names.unlink()
    own.names.mkdir()
    assert tab(own, "replctl promote ") == []


def test_nothing_is_said_whatever_goes_wrong(own: Home) -> None:
    for argv in ([], ["tcsh"], ["bash"], ["zsh", "x", "y"], ["fish", "7", "a"], ["bash", "", "\udcff", ""]):
        ran = subprocess.run(
            [sys.executable, "-m", "replctl", "__complete", *argv],
            env=dict(own.environ),
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert (ran.stdout, ran.stderr) == (b"", b"")
    gone = {**own.environ, "HOME": "/nonexistent/\udcff", "REPLCTL_CONFIG": "\udcff"}
    assert tab(own, "replctl promote ", gone) == []


def test_a_name_of_another_configuration_is_not_offered(own: Home) -> None:
    assert tab(own, "replctl promote ", {"REPLCTL_CONFIG": "dr/none.yaml"}) == []
    other = str(own.path / "dr" / "other.yaml")
    assert tab(own, "replctl promote ", {"REPLCTL_CONFIG": other}) == ["other/thing"]
    assert tab(own, "replctl promote --config ~/dr/other.yaml ") == ["other/thing"]
    assert tab(own, "replctl promote --config=$HOME/dr/other.yaml ", dict(os.environ, HOME="/x")) == []
    beside = own.path / ".config" / "replctl" / "second.yaml"
    beside.write_text("")
    assert tab(own, f"replctl promote --config {beside} ") == []
    beside_names = own.names.with_name(kept.file_name(str(beside)))
    beside_names.write_text(own.names.read_text())  # the head says whose it is
    assert tab(own, f"replctl promote --config {beside} ") == []


def test_ten_thousand_names_are_looked_through(own: Home) -> None:
    many = tuple((f"team-{n % 40}/volume-{n:05}", "replica", "", ("west", "east"), ()) for n in range(10_000))
    own.names.write_text(names_file(own.config, many))
    assert sorted(tab(own, "replctl promote volume-0424")) == [f"volume-0424{n}" for n in range(10)]
    assert len(tab(own, "replctl promote ")) == 10_000


def test_tab_imports_nothing_slow(own: Home) -> None:
    argv = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "replctl",
        "__complete",
        "bash",
        BREAKS,
        "replctl promote ",
        "",
    ]
    ran = subprocess.run(argv, env=dict(own.environ), capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.split() == ["bank/cards", "bank/ledger", "shop/orders"]
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    ours = {each for each in imported if each.startswith("replctl")}
    assert ours == {
        "replctl",
        "replctl.completing",
        *(
            f"replctl.completing.{each}"
            for each in ("answering", "grammar", "kept", "offers", "places", "typed")
        ),
    }
    assert {"dataclasses", "typing", "pathlib", "re", "json", "typer", "yaml"}.isdisjoint(imported)


# -- where it lies -------------------------------------------------------------------------------------------


PLACES = (
    "",
    "state_dir: ./here",
    "state_dir: '/srv/x'  # there",
    'state_dir: "~/y"',
    "state_dir: /srv/x y # z",
)
BACKEND = "backends: {west: {kind: powerstore, url: https://west.example, username: r, password: {env: P}}}"


@pytest.mark.parametrize("given", [{}, {"REPLCTL_STATE_DIR": "rel/state"}, {"XDG_STATE_HOME": "/xdg/state"}])
@pytest.mark.parametrize("where", ["home/.config/replctl", "home/deep", "elsewhere"])
def test_a_store_is_found_where_the_settings_find_it(
    tmp_path: Path, given: dict[str, str], where: str
) -> None:
    config, own = tmp_path / where / "config.yaml", tmp_path / "home"
    config.parent.mkdir(parents=True)
    environ = {"HOME": str(own), "REPLCTL_CONFIG": str(config), **given}
    around = places.Around(environ, str(own), str(tmp_path))
    for written in PLACES:
        config.write_text(f"{BACKEND}\n{written}\n")
        settings = load({}, environ, home=own, cwd=tmp_path)
        assert places.config_path(None, around) == str(settings.config_path)
        found = places.state_directory(str(config), around)
        assert found == (str(settings.store_directory) if settings.store_directory else None)


@pytest.mark.parametrize("flag", [None, "x.yaml", "~/x.yaml", "./a//x.yaml", "/abs/x.yaml"])
@pytest.mark.parametrize("variables", [{}, {"REPLCTL_CONFIG": "y.yaml"}, {"XDG_CONFIG_HOME": "xdg"}])
def test_a_configuration_is_found_where_the_settings_find_it(
    own: Home, flag: str | None, variables: dict[str, str]
) -> None:
    environ = {"HOME": str(own.path), **variables}
    found = find_config(flag, environ, home=own.path, cwd=own.path)
    assert places.config_path(flag, places.Around(environ, str(own.path), str(own.path))) == str(found)


def test_the_system_s_configuration_has_the_system_s_store() -> None:
    environ: dict[str, str] = {}
    around = places.Around(environ, "/nonexistent", "/")
    config = Path(places.SYSTEM_DIRECTORY) / places.CONFIG_NAME
    known = Surroundings(environ, Path("/nonexistent"), Path("/"))
    assert str(default_state_directory(config, known)) == places.SYSTEM_STATE_DIRECTORY
    assert places.state_directory(str(config), around) in (None, places.SYSTEM_STATE_DIRECTORY)


@pytest.mark.parametrize(
    "line",
    [
        "state_dir: &a /x",
        "state_dir: |",
        "state_dir:",
        'state_dir: "a\\x"',
        "state_dir: 'a' b",
        "state_dir: [a]",
    ],
)
def test_a_place_that_wants_a_yaml_parser_is_not_guessed(tmp_path: Path, line: str) -> None:
    config = tmp_path / ".config" / "replctl" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"{line}\n")
    assert places.state_directory(str(config), places.Around({}, str(tmp_path), "/")) is None


# -- how it is written ---------------------------------------------------------------------------------------


def keep(where: Path, config: Path, **states: str) -> Path:
    from cli import stage

    replications = [
        stage.replication("shop/orders"),
        stage.replication("bank/ledger", group="payments", labels=(("tier", "gold"),)),
    ]
    said = {key.replace("_", "/"): state for key, state in states.items()}
    names.keep(
        where, config, replications=replications, backends=["west", "east"], states=said, operations=[]
    )
    return where / kept.file_name(str(config))


def test_names_are_kept_for_their_owner_when_something_changed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    config = tmp_path / "config.yaml"
    path = keep(tmp_path, config, bank_ledger="replica")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path] == list(tmp_path.iterdir())
    read = kept.read(str(tmp_path), str(config))
    assert [(each.key, each.state, each.group) for each in read.replications] == [
        ("bank/ledger", "replica", "payments"),
        ("shop/orders", "", ""),
    ]
    assert (read.backends, read.replications[0].labels) == (["east", "west"], ["tier=gold"])
    before = path.stat()
    keep(tmp_path, config)  # what was not looked at stays
    assert path.stat().st_ino == before.st_ino
    keep(tmp_path, config, bank_ledger="source")
    assert path.stat().st_ino != before.st_ino
    assert keep(tmp_path, tmp_path / "other.yaml") != path


def test_names_are_kept_for_the_group_of_a_shared_store(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    assert keep(tmp_path, tmp_path / "config.yaml").stat().st_mode & 0o777 == 0o660


def test_names_that_cannot_be_kept_are_nobody_s_trouble(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    keep(tmp_path / "nothing", config)
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / kept.file_name(str(config))
    path.mkdir()  # no file can be put in its place
    keep(tmp_path, config)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_what_it_leads_to_left_alone(tmp_path: Path) -> None:
    config, elsewhere = tmp_path / "config.yaml", tmp_path / "precious"
    elsewhere.write_text("mine")
    path = tmp_path / kept.file_name(str(config))
    path.symlink_to(elsewhere)
    keep(tmp_path, config)
    assert (path.is_symlink(), elsewhere.read_text()) == (False, "mine")
