"""Files made to cost: each is refused with exit 2 and a sentence, in little time, whatever it would unfold to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from settings.conftest import CONFIG, Place

from replctl.cli.saving import SavedPlan
from replctl.core.errors import InvalidInput
from replctl.settings.webconfig import load_web_config

CPU_SECONDS = 5.0  # a quarter of it is what the dearest of them takes
LONGEST_LINE = 600  # characters of one mistake, whatever stands in the file


def laughs(levels: int = 12, fold: int = 9) -> str:
    """Aliases of aliases: a billion values in a few hundred characters."""
    lines = ["a0: &a0 [ha, ha]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * fold)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def shared(tables: int, keys: int) -> str:
    """One table with so many keys that are none of ours, so many times."""
    inner = ", ".join(f"k{n}: 1" for n in range(keys))
    return f"x: &x {{{inner}}}\nbackends: {{{', '.join(f'y{n}: *x' for n in range(tables))}}}\n"


@contextmanager
def cheaply() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < CPU_SECONDS


CONFIGURATIONS = {
    "a billion laughs": (laughs(), "too many values: at most 100000, aliases unfolded"),
    "merge keys": (f"{CONFIG}{laughs(3)}retry: {{<<: [*a2, *a2]}}\n", "a merge key"),
    "one table a thousand times": (shared(1000, 200), "too many values"),
    "as many mistakes as it may hold": (shared(140, 340), "more mistakes: mend those above first"),
    "passwords": (shared(9000, 1).replace("k0", "password"), "more mistakes"),
    "two ways in": (
        "backends:\n" + "".join(f"  k{n}: {{kind: trident}}\n" for n in range(3000)),
        "more mistakes",
    ),
    "deep": (CONFIG + "retry: " + "[" * 100_000, "nested too deep: at most 32 levels"),
    "deep blocks": (CONFIG + "".join(f"{' ' * n}a:\n" for n in range(900)), "nested too deep"),
    "a number in sixties": (f"{CONFIG}retry: {{max_attempts: {'1:' * 300_000}1}}\n", "a whole number"),
    "a fraction in sixties": (f"{CONFIG}retry: {{multiplier: {'1:' * 300}1.5}}\n", "a number"),
    "a long number": (f"{CONFIG}retry: {{max_attempts: 0x{'f' * 900_000}}}\n", "a whole number"),
    "no number": (f"{CONFIG}retry: {{multiplier: .nan}}\n", "a finite number"),
    "a number without end": (f"{CONFIG}retry: {{multiplier: 1.0e+999}}\n", "a finite number"),
    "a long text": (f"{CONFIG}retry: {{initial_delay: {'x' * 900_000}}}\n", '"xxxxx'),
    "a large file": (CONFIG + "#" * (1024 * 1024), "larger than 1024 KiB"),
    "a program": (f"{CONFIG}x: !!python/object/apply:os.system [id]\n", "a tag: values without tags"),
    "twice": (f"{CONFIG}retry: {{}}\nretry: {{}}\n", "a duplicate key: each key once"),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_made_to_cost_is_refused_at_once(place: Place, name: str) -> None:
    text, said = CONFIGURATIONS[name]
    with cheaply():
        told = place.mistakes(text)
    assert any(said in each for each in told)
    assert len(told) <= 101
    assert all(len(each) < LONGEST_LINE for each in told)


def test_of_too_many_mistakes_all_are_counted(place: Place) -> None:
    place.write("config.yaml", "".join(f"k{n}: 1\n" for n in range(500)) + CONFIG)
    found = place.validate()
    assert found.sentence.endswith("501 mistakes")  # no desired state is there either
    assert len(found.findings) == 102
    assert found.findings[100].value == "at least 400 more mistakes"


ENTRY = "{namespace: bank, name: n, state: replica, local: &e {backend: west, volume: v}, peer: *e}"
ENTRIES = {
    "a billion laughs": (laughs(), "too many values: at most 3000000"),
    "one entry of mistakes, often": (
        f"replications:\n- &e {{{', '.join(f'k{n}: 1' for n in range(1000))}}}\n" + "- *e\n" * 100,
        "too many mistakes: what is left after 20000 is not read",
    ),
    "keys twice": ("replications:\n" + "- {a: 1, a: 1, a: 1}\n" * 11_000, "too many mistakes"),
    "no entries": ("replications:\n" + "- 1\n" * 21_000, "too many mistakes"),
    "a number in sixties": (f"replications:\n- {{order: {'1:' * 3_000_000}1}}\n", "a whole number"),
    "one entry, often": (f"replications:\n- &o {ENTRY}\n" + "- *o\n" * 5000, "the same end as local"),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_desired_state_made_to_cost_is_refused_at_once(place: Place, name: str) -> None:
    text, said = ENTRIES[name]
    with cheaply():
        told = place.entry_mistakes(text)
    assert any(said in each for each in told)
    assert all(len(each) < LONGEST_LINE for each in told)


WEB = {
    "a billion laughs": laughs(),
    "deep": "basic_auth_users: " + "{a: " * 10_000,
    "a program": "basic_auth_users: !!python/object/apply:os.system [id]\n",
    "a long hash": f"basic_auth_users: {{ann: {'$2b$10$' * 100_000}}}\n",
    "many": "basic_auth_users: {" + ", ".join(f"u{n}: x" for n in range(21_000)) + "}\n",
}


@pytest.mark.parametrize("name", WEB)
def test_a_web_config_made_to_cost_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(WEB[name])
    with cheaply(), pytest.raises(InvalidInput) as refused:
        load_web_config(path, "web.yaml")
    assert refused.value.exit_code == 2
    assert all(len(str(each)) < LONGEST_LINE for each in refused.value.findings)


KIND = '{"kind": "replctl plan", "schema_version": '
PLANS = {
    "deep": "[" * 1_000_000,
    "deep inside": KIND + "[" * 700 + "]" * 700 + "}",
    "a long number": KIND + "9" * 4000 + "}",
    "too long a number": KIND + "9" * 1_000_000 + "}",
    "no number": KIND + "NaN}",
    "a number without end": KIND + "1e999}",
    "another version at last": KIND + '1, "schema_version": 2}',
    "half": KIND + "1",
    "no text": KIND + '"\ud800"}',
    "a list": "[]",
    "nothing in it": KIND + "1}",
}


@pytest.mark.parametrize("name", PLANS)
def test_a_saved_plan_made_to_cost_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(PLANS[name].encode(errors="surrogatepass"))
    with cheaply(), pytest.raises(InvalidInput) as refused:
        SavedPlan.read(path)
    assert refused.value.exit_code == 2
    assert len(f"{refused.value} {refused.value.findings}") < 2 * LONGEST_LINE
