"""Names: what a word means among the replications there are."""

from __future__ import annotations

import pytest
from cli import stage
from cli.conftest import Runner
from cli.stage import replication

from replctl.cli.names import known_backend, resolve, resolve_one, suggestions
from replctl.core.errors import InvalidInput, NotFound

KNOWN = [replication(key) for key in ("bank/ledger", "bank/audit", "shop/ledger", "shop/orders")]


def keys(*words: str, namespace: str | None = None) -> list[str]:
    return [each.key for each in resolve(words, KNOWN, namespace)]


def test_names_mean_one_replication_each_in_the_order_typed() -> None:
    assert keys("shop/orders", "bank/audit") == ["shop/orders", "bank/audit"]
    assert keys("orders", "shop/orders") == ["shop/orders"]
    assert keys("ledger", namespace="shop") == ["shop/ledger"]
    assert keys("bank/ledger", namespace="shop") == ["bank/ledger"]


def test_an_ambiguous_name_lists_its_candidates() -> None:
    with pytest.raises(InvalidInput, match="bank/ledger, shop/ledger"):
        keys("ledger")


@pytest.mark.parametrize(
    ("word", "namespace", "near"),
    [
        ("bank/legder", None, "bank/ledger"),
        ("shop/audit", None, "bank/audit"),
        ("oders", None, "shop/orders"),
        ("orders", "bank", "shop/orders"),
    ],
)
def test_an_unknown_name_is_answered_with_what_is_near(word: str, namespace: str | None, near: str) -> None:
    with pytest.raises(NotFound) as caught:
        resolve_one(word, KNOWN, namespace)
    assert near in caught.value.remedy


def test_a_name_like_no_other_points_to_the_list() -> None:
    with pytest.raises(NotFound) as caught:
        resolve_one("zzz/qqq", KNOWN, None)
    assert "status -o name" in caught.value.remedy
    assert suggestions("zzz", KNOWN) == []


@pytest.mark.parametrize("word", ["", "Bank/Ledger", "a/b/c", "../x", "bank/"])
def test_what_is_no_name_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput):
        keys(word)


def test_backends_are_known_by_name() -> None:
    assert known_backend("east", ["east", "west"]) == "east"
    with pytest.raises(NotFound) as caught:
        known_backend("esat", ["east", "west"])
    assert "east" in caught.value.remedy


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("promot", 2, "Did you mean 'promote'?"),
        ("op lst", 2, "Did you mean 'list'?"),
        ("drill strat", 2, "Did you mean 'start'?"),
        ("promote --peer-is-dwn bank/ledger", 2, "--peer-is-down"),
        ("status --otput json", 2, "--output"),
        ("status -o jsn", 2, "'json'"),
        ("promote bank/legder", 5, "did you mean bank/ledger?"),
        ("promote legder", 5, "did you mean bank/ledger?"),
        ("hold bank/legder --reason x", 5, "did you mean bank/ledger?"),
        ("status --group paymnts", 5, "did you mean payments?"),
        ("status -n bnak", 5, "did you mean bank?"),
        ("status -l tier=glod", 5, "did you mean tier=gold?"),
        ("status -l teir=gold,env=prod", 5, "did you mean tier=gold?"),
        ("failover bank/ledger --to wset", 2, "west and east"),
    ],
)
def test_what_is_misspelt_is_answered_with_what_was_meant(
    run: Runner, line: str, code: int, said: str
) -> None:
    labels = (("tier", "gold"), ("env", "prod"))
    run.world.replications = [
        stage.replication("bank/ledger", group="payments", labels=labels),
        stage.replication("shop/orders"),
    ]
    ran = run(*line.split())
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert "replctl promot -h" not in ran.err


def test_a_namespace_alone_is_all_that_is_in_it(run: Runner) -> None:
    run.world.replications = [stage.replication("bank/ledger"), stage.replication("shop/orders")]
    assert run("status", "-n", "shop", "-o", "name").out == "shop/orders\n"
    assert run("status", "-o", "name").out == "bank/ledger\nshop/orders\n"
    assert run("promote", "-n", "shop", "-y").code == 2  # what changes something wants to be told what
