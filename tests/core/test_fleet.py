"""Which replications are meant, in which waves they move, what their group would lose."""

from __future__ import annotations

from typing import Any

import pytest
from cli.stage import replication

from replctl.core.errors import InvalidInput, NotFound
from replctl.core.fleet import Requirement, Selection, goes_on, parse_selector, select, waves, worst_loss
from replctl.core.model import Replication
from replctl.core.outcomes import Outcome
from replctl.core.plans import DataLoss


def member(key: str, group: str | None = None, **labels: str) -> Replication:
    return replication(key, group=group, labels=tuple(labels.items()))


KNOWN = [
    member("bank/ledger", "payments", tier="gold"),
    member("bank/audit", "payments", tier="silver"),
    member("shop/orders", "web", tier="gold", zone="a"),
    member("shop/plain"),
]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("tier=gold", ["bank/ledger", "shop/orders"]),
        ("tier = gold , zone=a", ["shop/orders"]),
        ("tier!=gold", ["bank/audit", "shop/plain"]),
        ("tier in (gold,silver)", ["bank/ledger", "bank/audit", "shop/orders"]),
        ("tier in (gold, silver),zone!=a", ["bank/ledger", "bank/audit"]),
        ("tier in(silver),tier!=gold", ["bank/audit"]),
        ("zone=a,tier in (gold,silver)", ["shop/orders"]),
    ],
)
def test_a_selector_fits_by_labels(text: str, keys: list[str]) -> None:
    found = select(Selection(labels=parse_selector(text)), KNOWN)
    assert [each.key for each in found] == keys


def test_an_empty_value_is_a_value() -> None:
    assert parse_selector("tier=") == (Requirement("tier", frozenset({""})),)
    assert not parse_selector("tier=")[0].fits(KNOWN[3])


@pytest.mark.parametrize(
    "text",
    ["", "tier", "=gold", "tier=gold,", "tier in gold", "tier in (gold", "tier=a b", "tier>3", "a=b=c",
     "tier in (a),,b=c", "ti er=gold", "tier=(gold)", "tier!gold"],
)  # fmt: skip
def test_what_is_no_selector_is_said_in_one_sentence(text: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_selector(text)
    assert "KEY=VALUE" in raised.value.message
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        (Selection(), ["bank/ledger", "bank/audit", "shop/orders", "shop/plain"]),
        (Selection(group="payments"), ["bank/ledger", "bank/audit"]),
        (Selection(namespace="shop"), ["shop/orders", "shop/plain"]),
        (Selection(group="payments", labels=parse_selector("tier=gold")), ["bank/ledger"]),
    ],
)
def test_all_that_is_given_must_fit(selection: Selection, keys: list[str]) -> None:
    assert [each.key for each in select(selection, KNOWN)] == keys


@pytest.mark.parametrize(
    "selection",
    [Selection(group="payment"), Selection(labels=parse_selector("tier=tin")), Selection(namespace="none")],
)
def test_what_fits_nothing_is_not_found(selection: Selection) -> None:
    with pytest.raises(NotFound):
        select(selection, KNOWN)


def test_an_unknown_group_is_told_what_looks_like_it() -> None:
    with pytest.raises(NotFound) as raised:
        select(Selection(group="payment"), KNOWN)
    assert raised.value.remedy == "did you mean payments?"


def test_waves_go_by_order_and_keep_the_members_order() -> None:
    assert waves("abcdef", [0, 10, 0, -5, 10, 0]) == ((-5, ("d",)), (0, ("a", "c", "f")), (10, ("b", "e")))
    assert waves([], []) == ()


@pytest.mark.parametrize("outcome", Outcome)
def test_only_what_is_so_lets_the_next_wave_begin(outcome: Outcome) -> None:
    expected = outcome in (Outcome.SUCCEEDED, Outcome.UNCHANGED)
    assert goes_on([Outcome.SUCCEEDED, outcome, Outcome.UNCHANGED]) is expected


def loss(point: float | None, most: float | None) -> DataLoss:
    given: dict[str, Any] = {
        "at_least_seconds": None if most is None else 0.0,
        "source": "stamp",
        "read_at": 9.0,
    }
    return DataLoss(point=point, at_most_seconds=most, **given)


def test_a_group_loses_what_its_worst_member_loses() -> None:
    little, much, unknown = loss(90.0, 10.0), loss(10.0, 90.0), loss(None, None)
    assert worst_loss([little, None, much]) is much
    assert worst_loss([much, unknown, little]) is unknown
    assert worst_loss([None, None]) is None
