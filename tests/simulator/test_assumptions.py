"""The list of what is not established, and that each entry decides something (design §11)."""

import re
from pathlib import Path

import pytest

import replctl.simulator
from replctl.simulator import Options, Simulator, list_assumptions
from replctl.simulator.assumptions import Assumptions, UnknownAssumption
from replctl.simulator.conditions import UnknownDuration

ROWS = list_assumptions()
SOURCES = Path(replctl.simulator.__file__).parent


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_each_has_values_a_default_a_section_and_a_sentence(row):
    name, values, default, section, sentence = row
    assert re.fullmatch(r"[a-z_]+", name)
    assert len(values) == len(set(values)) >= 2
    assert default in values
    assert re.match(r"C[PT] §", section)
    assert sentence.endswith(".")


@pytest.mark.parametrize("name", [row[0] for row in ROWS])
def test_each_is_asked_for_somewhere(name):
    texts = [path.read_text() for path in SOURCES.rglob("*.py") if path.name != "assumptions.py"]
    assert any(f'"{name}"' in text for text in texts)


def test_names_are_listed_once():
    assert len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"gravity": "off"}, "no assumption named 'gravity'"),
        ({"refusal_status": "418"}, "422 or 400, not '418'"),
    ],
)
def test_unknown_names_and_values_are_told(tmp_path, chosen, sentence):
    with pytest.raises(UnknownAssumption, match=sentence):
        Simulator(Options(directory=tmp_path, assumptions=chosen))


@pytest.mark.parametrize(("name", "seconds"), [("lunch", 1.0), ("failover", -1.0)])
def test_unknown_durations_are_told(tmp_path, name, seconds):
    with pytest.raises(UnknownDuration, match=name):
        Simulator(Options(directory=tmp_path, durations={name: seconds}))


def test_numbers_are_taken_for_their_words():
    assert Assumptions({"refusal_status": 400})["refusal_status"] == "400"
