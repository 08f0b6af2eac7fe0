"""The manual tells the truth: every command, every key, every guard; and what it shows can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from settings.conftest import Place

from replctl.cli import manual, reference
from replctl.cli.app import command
from replctl.cli.manual import commands, forms, mdoc, words
from replctl.cli.manual.guards import ADVICE
from replctl.cli.manual.settings import EXAMPLES
from replctl.core.guards import GUARDS
from replctl.core.metrics import FAMILIES
from replctl.core.outcomes import ExitCode
from replctl.settings.webconfig import load_web_config

TREE = command()
LEAVES = {" ".join(path): node for path, node in commands.walk(TREE) if not hasattr(node, "commands")}
PAGES = {(page.name, page.section): page.text for page in manual.pages(reference.ERRORS, reference.ENDINGS)}
TYPED = re.compile(r"\breplctl ([^|&<>()]+)")


def test_every_command_has_its_words_and_no_other() -> None:
    assert words.COMMANDS.keys() == LEAVES.keys()


def test_there_is_a_page_for_every_command_and_group() -> None:
    named = {commands.named(path) for path, _ in commands.walk(TREE)} | {"replctl"}
    assert {name for name, section in PAGES if section == "1"} == named
    assert {name for name, section in PAGES if section != "1"} == {
        "replctl-config",
        "replctl-replications",
        "replctl-exit-codes",
        "replctl-metrics",
        "replctl-guards",
    }


def examples() -> list[tuple[str, str]]:
    of_commands = [(name, typed) for name, each in words.COMMANDS.items() for _, typed in each.examples]
    return [*of_commands, *(("", typed) for _, typed in words.FIRST)]


@pytest.mark.parametrize(("name", "typed"), examples())
def test_an_example_is_understood(name: str, typed: str) -> None:
    found = [shlex.split(each) for each in TYPED.findall(typed)]
    assert found, typed
    assert any(" ".join(argv[: len(name.split())]) == name for argv in found)
    for argv in found:
        parse(argv)


def parse(argv: list[str]) -> Any:
    """The command line as typer reads it; nothing is carried out."""
    node: Any = TREE
    while hasattr(node, "commands"):
        node, argv = node.commands[argv[0]], argv[1:]
    return node.make_context("replctl", argv)


@pytest.mark.parametrize("name", LEAVES)
def test_a_page_has_every_option_with_form_and_default(name: str) -> None:
    page = PAGES[commands.named(name.split()), "1"]
    for option in (each for each in LEAVES[name].params if each.param_type_name == "option"):
        for each in (*option.opts, *option.secondary_opts):
            tag = re.search(rf"^\.It .*Fl {re.escape(mdoc.flag(each)[3:])}(?: .*)?$", page, re.MULTILINE)
            assert tag is not None, each
            said = page[tag.end() :].partition("\n.It ")[0]
            if not (option.is_flag or option.count):
                assert "Form:" in said
                assert "Default:" in said
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"):
        assert f"\n.Sh {section}\n" in page


def test_every_page_that_is_named_is_there() -> None:
    for page in PAGES.values():
        for name, section in re.findall(r"\bXr (\S+) (\d)", page):
            assert (name, section) in PAGES


def test_no_word_on_forms_and_defaults_is_left_over() -> None:
    options = [each for node in LEAVES.values() for each in node.params if each.param_type_name == "option"]
    assert forms.FORMS.keys() <= {each.metavar for each in options}
    assert forms.UNSET.keys() <= {name for each in options if each.default is None for name in each.opts}


def test_every_guard_is_explained_with_its_flag() -> None:
    assert ADVICE.keys() == GUARDS.keys()
    page = PAGES["replctl-guards", "7"]
    with_flag, without = page.split(".Sh GUARDS WITHOUT A FLAG")
    for guard in GUARDS.values():
        assert f".It {mdoc.command(guard.name)}\n" in (with_flag if guard.override else without)


def test_every_metric_every_code_and_every_ending_is_there() -> None:
    metrics, codes = PAGES["replctl-metrics", "7"], PAGES["replctl-exit-codes", "7"]
    assert [name for name in FAMILIES if f".It {mdoc.command(name)}\n" not in metrics] == []
    told = (*reference.ERRORS, *reference.ENDINGS)
    assert [code for code in told if f".It {mdoc.command(code)}\n" not in codes] == []
    assert [code for code in ExitCode if f".It Sy {int(code)}\n" not in codes] == []


def test_the_files_that_are_shown_are_taken(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert set(place.load(EXAMPLES["config.yaml"]).backends) == {"west", "k8s-west"}
    assert set(place.replications(EXAMPLES["replications.yaml"])) == {"bank/ledger", "shop/orders"}
    web = place.write("web.yaml", EXAMPLES["web.yaml"])
    assert load_web_config(web, "web.yaml").users.keys() == {"prometheus"}


# -- the language ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "lines"),
    [
        ("Plain words.", ["Plain words."]),
        ("One. Two.", ["One.", "Two."]),
        ("Only with --peer-is-down; else not.", ["Only with", ".Fl \\-peer\\-is\\-down ;", "else not."]),
        ("(see replctl-guards(7)).", ["(see", ".Xr replctl-guards 7 ) ."]),
        (
            "With --survivor=BACKEND it is said.",
            ["With", ".Fl \\-survivor Ns = Ns Ar BACKEND", "it is said."],
        ),
        ("Type `op wait ID`, then look.", ["Type", '.Ql "op wait ID" ,', "then look."]),
        ("Where (`No`) stands.", ["Where", ".No ( Ns Ql \\&No )", "stands."]),
        (".hidden is a file, 'so' is not", ["\\&.hidden is a file, 'so' is not"]),
        ("C:\\ and …", ["C:\\e and \\[u2026]"]),
        ("Set `REPLCTL_CONFIG`.", ["Set", ".Ev REPLCTL_CONFIG ."]),
    ],
)
def test_sentences_become_macros(sentence: str, lines: list[str]) -> None:
    assert mdoc.prose(sentence) == lines


def test_what_is_typed_can_be_pasted() -> None:
    assert mdoc.display(["replctl promote -y", ".dot"])[1:-1] == ["replctl promote \\-y", "\\&.dot"]
