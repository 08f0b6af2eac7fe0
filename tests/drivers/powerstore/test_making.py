"""Creating and deleting replication by an existing policy, twice (R72)."""

from __future__ import annotations

import pytest
from arrays import LEDGER, LEDGER_EAST, SETTLED, Arrays, session, volume

from replctl.core.errors import Conflict, InvalidInput, NotFound
from replctl.core.model import End, Observation, State
from replctl.core.plans import Receipt
from replctl.drivers.powerstore import PowerStoreDriver
from replctl.resilience import Look

POLICY = "gold-dr-east"  # east's own; west has it too, as a replica that is not to be assigned
POLICY_WEST = "gold-dr-west"
NOTHING = Observation(backend="east", observed_at=0.0)  # what was seen before matters to neither


def create(driver: PowerStoreDriver, end: End, policy: str, look: Look) -> Receipt:
    return driver.act(end, "create", {"policy": policy}, NOTHING, look)


def delete(driver: PowerStoreDriver, end: End, look: Look) -> Receipt:
    return driver.act(end, "delete", {}, NOTHING, look)


def test_delete_twice_and_create_twice(arrays: Arrays) -> None:  # R72
    driver = arrays.driver("east")
    identity = arrays.see(LEDGER_EAST).identity or ""
    assert delete(driver, LEDGER_EAST, arrays.look) == Receipt()
    (removal,) = arrays.changes()
    assert (removal["method"], removal["body"]) == ("PATCH", {"protection_policy_id": ""})
    delete(driver, LEDGER_EAST, arrays.look)
    arrays.control.advance(120)
    assert arrays.see(LEDGER_EAST).state is State.NONE
    delete(driver, LEDGER_EAST, arrays.look)
    delete(driver, session(identity, "east"), arrays.look)
    delete(driver, volume("nope", "east"), arrays.look)
    assert len(arrays.changes()) == 1

    assert create(driver, LEDGER_EAST, POLICY, arrays.look) == Receipt()
    create(driver, LEDGER_EAST, POLICY, arrays.look)
    arrays.control.advance(SETTLED)
    assert arrays.see(LEDGER_EAST).state is State.SOURCE
    create(driver, LEDGER_EAST, POLICY, arrays.look)
    assert len(arrays.changes()) == 2


def test_delete_by_session(arrays: Arrays) -> None:
    seen = arrays.see(LEDGER_EAST)
    delete(arrays.driver("east"), session(seen.identity or "", "east"), arrays.look)
    (change,) = arrays.changes()
    assert change["path"].endswith(f"/volume_group/{seen.resource}")


def test_a_policy_without_a_session_is_not_ours_to_remove(arrays: Arrays) -> None:
    driver = arrays.driver("east")
    create(driver, volume("scratch-1", "east"), POLICY, arrays.look)
    delete(driver, volume("scratch-1", "east"), arrays.look)
    assert [change["body"]["protection_policy_id"] != "" for change in arrays.changes()] == [True]


def test_another_policy_is_never_replaced(arrays: Arrays) -> None:  # R72
    with pytest.raises(Conflict, match="not replaced") as caught:
        create(arrays.driver(), LEDGER, POLICY_WEST, arrays.look)
    assert (caught.value.backend, caught.value.operation) == ("west", "create")
    assert caught.value.remedy
    assert arrays.changes() == []


@pytest.mark.parametrize("name", ["no-such-policy", POLICY_WEST, "GOLD-DR-EAST"])
def test_only_a_policy_of_that_name_that_is_the_array_s_own(arrays: Arrays, name: str) -> None:
    with pytest.raises(NotFound, match=f"no one protection policy {name}"):
        create(arrays.driver("east"), volume("scratch-1", "east"), name, arrays.look)


def test_what_is_not_there_is_not_made(arrays: Arrays) -> None:
    driver = arrays.driver("east")
    with pytest.raises(NotFound, match="there is no volume nope"):
        create(driver, volume("nope", "east"), POLICY, arrays.look)
    with pytest.raises(InvalidInput):
        create(driver, End("east", "powerstore", ()), POLICY, arrays.look)
    assert arrays.changes() == []
