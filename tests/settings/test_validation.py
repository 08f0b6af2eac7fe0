"""`config validate`: both files at once, no secret read."""

from __future__ import annotations

import pytest
from settings.conftest import CONFIG, Place
from settings.test_desired import LEDGER, document

from replctl.core.errors import InvalidConfiguration


def test_right_files_are_one_sentence(place: Place) -> None:
    place.write("config.yaml", CONFIG)
    place.write("replications.yaml", document(LEDGER))
    found = place.validate()
    assert (found.findings, found.notices) == ((), ())
    assert found.sentence == "valid: 4 backends, 1 replication"
    assert found.files == (place.directory / "config.yaml", place.directory / "replications.yaml")


def test_mistakes_of_both_files_are_told_at_once(place: Place) -> None:
    place.write("config.yaml", CONFIG + "deamon: {}\n")
    place.write("replications.yaml", document(LEDGER.replace("replica", "failed")))
    found = place.validate()
    assert [finding.place for finding in found.findings] == [
        "config.yaml:14: deamon",
        "replications.yaml:4: replications[0].state",
    ]
    assert found.sentence == "config.yaml and replications.yaml: 2 mistakes"


def test_the_desired_state_is_not_judged_by_backends_that_are_not_understood(place: Place) -> None:
    """Otherwise every end on a misspelt kind would be a second mistake."""
    place.write("config.yaml", CONFIG.replace("kind: powerstore", "kind: powerstor", 1))
    place.write("replications.yaml", document(LEDGER))
    assert [finding.place for finding in place.validate().findings] == ["config.yaml:3: backends.west.kind"]


def test_a_missing_desired_state_is_a_mistake(place: Place) -> None:
    place.write("config.yaml", CONFIG + "replications: gone.yaml\ndeamon: {}\n")
    assert [str(finding) for finding in place.validate().findings] == [
        'config.yaml:15: deamon: unknown key: did you mean "daemon"? allowed: backends, replications, state_dir, '
        "history_keep, observe_timeout, retry, breaker, daemon, metrics, discovery",
        "gone.yaml: No such file or directory: a readable file",
    ]


def test_files_that_are_named_but_not_there_are_mentioned(place: Place) -> None:
    text = CONFIG.replace("{env: WEST_PASSWORD}", "{file: west}\n    tls: {ca_file: ca.pem}")
    place.write("config.yaml", text)
    place.write("replications.yaml", "replications: []\n")
    assert [str(notice) for notice in place.validate().notices] == [
        f"config.yaml:6: backends.west.password: {place.directory}/west cannot be read here",
        f"config.yaml:7: backends.west.tls.ca_file: {place.directory}/ca.pem cannot be read here",
    ]
    place.write("ca.pem", "x")
    place.write("west", "x", 0o600)
    assert place.validate().notices == ()


def test_what_must_be_said_aloud_is_said_here_too(place: Place) -> None:
    place.write("config.yaml", CONFIG.replace("username: replctl", "username: u\n    tls: {verify: no}", 1))
    place.write("replications.yaml", document(LEDGER, "  hooks: {after_promote: {command: [map]}}\n"))
    found = place.validate()
    assert found.findings == ()
    assert [notice.place for notice in found.notices] == ["config.yaml:6: backends.west.tls.verify"]


def test_without_a_configuration_there_is_nothing_to_judge(place: Place) -> None:
    with pytest.raises(InvalidConfiguration, match="No such file"):
        place.validate()
