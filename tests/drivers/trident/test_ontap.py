"""What ONTAP says of its mirrors: ages, and nothing where it says nothing (design §4)."""

from __future__ import annotations

from typing import Any

import pytest
from sites import Site, always
from wire import reply

from replctl.core.secrets import Secret
from replctl.drivers.trident.ontap import Ontap, OntapSignIn, error_message, lag_seconds, relationship

NOW = 1_900_000_000.0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("PT0S", 0.0),
        ("PT8M35S", 515.0),
        ("PT8M35.9S", 515.0),
        ("P1DT1H", 90000.0),
        ("P2W", 1209600.0),
        ("P", None),
        ("PT", None),
        ("P1M", None),
        ("8m", None),
        ("", None),
        (515, None),
        (None, None),
    ],
)
def test_a_lag_is_a_duration_or_not_known(said: object, seconds: float | None) -> None:
    assert lag_seconds(said) == seconds


def test_a_copy_is_told_rather_older_than_it_is() -> None:
    found = relationship({"lag_time": "PT10S", "healthy": True, "state": "snapmirrored"}, NOW)
    assert found.taken_at == NOW - 11
    assert found.healthy is True


@pytest.mark.parametrize(
    "told", [None, [], "x", {}, {"healthy": "true", "unhealthy_reason": ["x"], "lag_time": 5}]
)
def test_what_is_not_said_is_not_known(told: Any) -> None:
    found = relationship(told, NOW)
    assert (found.healthy, found.taken_at, found.reason) == (False, None, "")


def test_an_error_has_a_code_and_a_text() -> None:
    assert error_message({"error": {"code": "4", "message": "gone"}}) == ("4", "gone")
    assert error_message(None) == (None, "")


def test_it_is_asked_as_often_as_there_is_need(site: Site) -> None:
    server = site.server(always(reply(200, {"records": []})))
    caller = site.caller(server, OntapSignIn("reader", lambda: Secret("hunter2")))
    for _ in range(3):
        assert Ontap(caller.client).relationships(caller.look()) == {}
    assert {seen.headers["authorization"] for seen in server.requests} == {"Basic cmVhZGVyOmh1bnRlcjI="}
    assert len(server.requests) == 3


@pytest.mark.parametrize("said", [f"PT{'9' * 400}H", f"P{'9' * 12}D"])
def test_a_lag_longer_than_the_calendar_is_not_known(said: str) -> None:
    assert relationship({"lag_time": said}, 1_741_064_400.0).taken_at is None
