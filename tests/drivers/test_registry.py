"""The registry of drivers: kinds are words that somebody wrote, never guesses."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from replctl.core.errors import InvalidConfiguration, InvalidInput
from replctl.drivers import BUILT_IN, REGISTRY, Installed, Registry


class Driver:
    @classmethod
    def open(cls) -> "Driver":
        return cls()


@dataclass(frozen=True)
class Offer:
    name: str
    value: str
    driver: Any = Driver

    def load(self) -> Any:
        return self.driver


def registry(*offers: Installed) -> Registry:
    return Registry(built_in=BUILT_IN, installed=lambda: offers)


def test_a_registered_kind_is_found() -> None:  # R73
    kinds = registry()
    kinds.register("glass", Driver)
    assert kinds.find("glass") is Driver


def test_a_second_driver_of_one_kind_is_an_error() -> None:  # R73
    kinds = registry()
    kinds.register("glass", Driver)
    with pytest.raises(InvalidInput, match="glass is registered already"):
        kinds.register("glass", Driver)
    with pytest.raises(InvalidInput, match="powerstore is registered already"):
        kinds.register("powerstore", Driver)


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_kind_is_an_error(empty: str) -> None:  # R73
    with pytest.raises(InvalidInput, match="empty"):
        registry().register(empty, Driver)
    with pytest.raises(InvalidInput, match="empty"):
        registry().find(empty)


def test_an_unknown_kind_is_an_error_that_names_the_known_ones() -> None:  # R73, R79
    with pytest.raises(InvalidConfiguration, match="no driver of kind glas is known") as caught:
        registry(Offer("glass", "glass:Driver")).find("glas")
    assert [finding.allowed for finding in caught.value.findings] == ["one of glass, powerstore, trident"]


@pytest.mark.parametrize("guess", ["PowerStore", "PowerStoreDriver", "power", "powerstore "])
def test_nothing_is_guessed(guess: str) -> None:  # R79
    with pytest.raises(InvalidConfiguration):
        registry().find(guess)


def test_an_installed_package_adds_a_kind() -> None:  # R73
    kinds = registry(Offer("glass", "glass:Driver"))
    assert kinds.find("glass") is Driver
    assert kinds.kinds == ("glass", "powerstore", "trident")


def test_our_own_entry_point_is_no_duplicate_but_another_one_is() -> None:  # R73
    assert registry(Offer("powerstore", BUILT_IN["powerstore"])).kinds == ("powerstore", "trident")
    with pytest.raises(InvalidInput, match="powerstore is registered already"):
        _ = registry(Offer("powerstore", "foreign:Driver")).kinds


def test_the_installed_entry_point_is_the_built_in_one() -> None:
    assert REGISTRY.kinds == ("powerstore", "trident")


def test_a_known_kind_is_found_without_searching_the_installed_packages() -> None:
    program = (
        "import sys; from replctl.drivers import REGISTRY;"
        "print(REGISTRY.find('powerstore').__name__, REGISTRY._searched)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PowerStoreDriver", "False"]
