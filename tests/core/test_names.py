"""Names follow Kubernetes."""

from __future__ import annotations

import pytest

from replctl.core.names import InvalidName, check_name, is_label_key, is_label_value, is_name, parse_key


@pytest.mark.parametrize("name", ["a", "0", "ledger", "ledger-vg", "a.b", "k8s.west-1", "a" * 253])
def test_accepted_names(name: str) -> None:  # R77
    assert is_name(name)
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "A", "ledgeR", "-a", "a-", ".a", "a.", "a..b", "a.-b", "a_b", "a b", "a/b", "a\n", "ä", "a" * 254],
)
def test_refused_names(name: str) -> None:  # R77
    assert not is_name(name)
    with pytest.raises(InvalidName, match="lower-case letters") as refusal:
        check_name(name, "namespace")
    assert refusal.value.findings[0].place == "namespace"
    assert refusal.value.exit_code == 2


def test_a_name_that_is_nearly_right_is_refused_quickly() -> None:
    assert not is_name("a-" * 10_000)
    assert not is_name("a" * 252 + "_")


def test_keys_have_an_optional_namespace() -> None:
    assert parse_key("bank/ledger") == ("bank", "ledger")
    assert parse_key("ledger") == (None, "ledger")
    assert parse_key("ledger", "bank") == ("bank", "ledger")
    for wrong in ("/ledger", "bank/", "a/b/c", "Bank/ledger", ""):
        with pytest.raises(InvalidName):
            parse_key(wrong)


def test_labels() -> None:
    assert all(is_label_key(key) for key in ("tier", "Tier_1", "example.com/tier", "a" * 63))
    assert not any(
        is_label_key(key) for key in ("", "/tier", "example.com/", "-tier", "a" * 64, "a/b/c", "Ex.com/t")
    )
    assert all(is_label_value(value) for value in ("", "gold", "Gold_1.0"))
    assert not any(is_label_value(value) for value in ("-", "a b", "gold\n", "a" * 64))
