"""The schemas that ship: fresh, right about the design's examples, and never stricter than the loader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import jsonschema
import pytest
import yaml
from settings.conftest import CONFIG, Place, example
from settings.test_config import BROKEN as BROKEN_CONFIG
from settings.test_desired import BROKEN as BROKEN_REPLICATIONS
from settings.test_desired import LEDGER, document

from replctl.core.errors import InvalidConfiguration
from replctl.settings.schema import config_schema, replications_schema, written


def refuses(schema: dict[str, Any], text: str) -> bool:
    """Whether the schema refuses the text. YAML 1.2 has no dates, which PyYAML would make of some texts."""
    loaded = json.loads(json.dumps(yaml.safe_load(text), default=str))
    return not jsonschema.Draft202012Validator(schema).is_valid(loaded)


def shipped(name: str) -> Any:
    return json.loads(
        resources.files("replctl.settings").joinpath("schemas", name).read_text(encoding="utf-8")
    )


def test_what_ships_is_what_would_be_written_now() -> None:
    """Stale? `python -m replctl.settings.schema` writes them anew."""
    for path, text in written().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale"
    assert shipped("config.schema.json") == config_schema()
    assert shipped("replications.schema.json") == replications_schema()


@pytest.mark.parametrize("schema", [config_schema(), replications_schema()])
def test_they_are_schemas(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


def tables(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from tables(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from tables(inner)


@pytest.mark.parametrize("schema", [config_schema(), replications_schema()])
def test_every_table_is_closed_and_every_key_described(schema: dict[str, Any]) -> None:
    found = list(tables(schema))
    assert found
    for table in found:
        assert "additionalProperties" in table
        for name, key in table.get("properties", {}).items():
            assert key.get("description") or "$ref" in key, name
    assert schema["title"]
    assert schema["description"]


def test_the_design_s_examples_are_right_for_schema_and_loader(place: Place) -> None:
    assert not refuses(config_schema(), example("config.yaml"))
    assert not refuses(replications_schema(), example("replications.yaml"))
    place.load(example("config.yaml"))
    place.replications(example("replications.yaml"))


def with_line(line: str) -> str:
    return CONFIG + line + "\n"


def without(text: str) -> str:
    assert text in CONFIG
    return CONFIG.replace(text, "", 1)


def west(old: str, new: str) -> str:
    assert old in CONFIG
    return CONFIG.replace(old, new, 1)


REFUSED_CONFIGS = [
    "{}", "backends: {}", "backends: []", BROKEN_CONFIG.replace("retry: {}\n", ""),
    *[with_line(line) for line in (
        "deamon: {}", "daemon: 5", "daemon: {interval: 5}", "daemon: {interval: 0s}", "daemon: {interval: 1.5h}",
        "daemon: {autonomy: all}", "daemon: {max_parallel: 0}", "daemon: {max_parallel: '4'}",
        "daemon: {max_parallel: 1000}", "daemon: {metrics_address: '80'}", "daemon: {metrics_address: 80}",
        "retry: {max_attempts: 0}", "retry: {jitter: 2}", "retry: {max_delay: }", "retry: {multiplier: 0.5}",
        "breaker: {failure_threshold: 0}", "breaker: {recovery_timeout: 0s}", "observe_timeout: 3",
        "replications: 5", "replications: ''", "state_dir: [x]", "history_keep: 400", "discovery: {ttl: soon}",
        "metrics: {per_replication_limit: -1}",
    )],
    without("    url: https://west.example\n"), without("    username: replctl\n"), without("    kind: powerstore\n"),
    without("    password: {env: WEST_PASSWORD}\n"),
    *[west("https://west.example", url) for url in ("http://west", "https://west/api/rest", "https://a@b", "west")],
    *[west("{env: WEST_PASSWORD}", source) for source in (
        "{}", "{env: a, file: b}", "{fil: a}", "''", "5", "[a]", "{command: a}", "{command: []}",
        "{credential: a/b}", "{file: }",
    )],
    west("  west:", "  West:"),
    west("kind: powerstore", "kind: unity"),
    west("username: replctl", "username: replctl\n    max_concurrency: 0"),
    west("username: replctl", "username: replctl\n    timeouts: {connect: 5}"),
    west("username: replctl", "username: replctl\n    tls: {verify: 'no'}"),
    west("{kind: trident, in_cluster: true}", "{kind: trident}"),
    west("{kind: trident, in_cluster: true}", "{kind: trident, in_cluster: false}"),
    west("{kind: trident, in_cluster: true}", "{kind: trident, in_cluster: true, kubeconfig: x}"),
    west("{kind: trident, in_cluster: true}", "{kind: trident, in_cluster: true, context: x}"),
    west("{kind: trident, in_cluster: true}", "{kind: trident, in_cluster: true, policies: {a: b}}"),
    west("{kind: trident, in_cluster: true}", "{kind: trident, in_cluster: true, ontap: {url: https://o}}"),
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED_CONFIGS)
def test_what_the_schema_refuses_of_a_configuration_the_loader_refuses(place: Place, text: str) -> None:
    assert refuses(config_schema(), text)
    with pytest.raises(InvalidConfiguration):
        place.load(text, mode=0o600)


ACCEPTED_CONFIGS = [
    CONFIG,
    with_line("retry: {max_attempts: 1, multiplier: 1, jitter: 1, initial_delay: 250ms, max_delay: 0001s}"),
    with_line("daemon: {metrics_address: '[::1]:8080', autonomy: observe}"),
    with_line("discovery: {ttl: 0s}"),
    west("{env: WEST_PASSWORD}", "inline"),
    west("{env: WEST_PASSWORD}", "{command: [pass, west]}"),
    west("{env: WEST_PASSWORD}", "{credential: west}"),
    west("username: replctl", "username: replctl\n    clock_margin: 0s"),
    west(
        "{kind: trident, in_cluster: true}", "{kind: trident, kubeconfig: x, in_cluster: false, context: y}"
    ),
    west("{kind: trident, in_cluster: true}", "{kind: trident, in_cluster: true, snapshot_class: y}"),
]


@pytest.mark.parametrize("text", ACCEPTED_CONFIGS)
def test_what_the_loader_accepts_the_schema_accepts(place: Place, text: str) -> None:
    place.load(text, mode=0o600)
    assert not refuses(config_schema(), text)


def ledger(old: str, new: str) -> str:
    assert old in LEDGER
    return document(LEDGER.replace(old, new, 1))


SHOP = "- {{namespace: shop, name: orders, state: source, local: {{{0}}}, peer: {{{0}}}}}\n"
REFUSED_REPLICATIONS = [
    "{}", "replications:", "replications: {}", "[]", "replications: []\nmore: 1", BROKEN_REPLICATIONS,
    document(LEDGER, "  mood: good\n"), document(LEDGER, "  mode: async\n"), document(LEDGER, "  rpo: 5\n"),
    document(LEDGER, "  order: '1'\n"), document(LEDGER, "  order: 1.5\n"), document(LEDGER, "  group: A\n"),
    document(LEDGER, "  labels: [a]\n"), document(LEDGER, "  labels: {a: 1}\n"),
    document(LEDGER, "  labels: {a: '-'}\n"), document(LEDGER, "  labels: {'-': a}\n"),
    document(LEDGER, "  hooks: {before: {}}\n"), document(LEDGER, "  hooks: {before_demote: {}}\n"),
    document(LEDGER, "  hooks: {before_demote: {command: a}}\n"), document(LEDGER, "  hooks: {before_demote: []}\n"),
    document(LEDGER, "  hooks: {before_demote: ['']}\n"), document(LEDGER, "  hooks: {after_promote: [a/b]}\n"),
    document(LEDGER) + "groups: []\n", document(LEDGER, "  group: g\n") + "groups: {g: {hook: {}}}\n",
    document(LEDGER, "  group: g\n") + "groups: {g: {hooks: {after_promote: a}}}\n",
    document(LEDGER, "  hooks: {before_demote: {command: [a], timeout: 5}}\n"),
    *[ledger("state: replica", f"state: {state}") for state in ("promoting", "failed", "''", "5", "Source")],
    ledger("  state: replica\n", ""), ledger("name: ledger", "name: Ledger"),
    ledger("namespace: bank", "namespace: a/b"),
    ledger("backend: west, ", ""), ledger(", volume: ledger", ""), ledger("volume: ledger", "volume: 5"),
    ledger("volume: ledger", "volume: a, session: b"), ledger("volume: ledger", "volum: a"),
    ledger("volume: ledger", "volume: ''"), ledger("{backend: west, volume: ledger}", "west"),
    document(SHOP.format("backend: k8s-west, namespace: shop")),
    document(SHOP.format("backend: k8s-west, mirror: m")),
    document(SHOP.format("backend: k8s-west, namespace: shop, mirror: m, volume: v")),
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED_REPLICATIONS)
def test_what_the_schema_refuses_of_the_desired_state_the_loader_refuses(
    place: Place, text: str
) -> None:  # R24
    assert refuses(replications_schema(), text)
    assert place.entry_mistakes(text)


def test_the_full_vocabulary_is_right_for_both(place: Place) -> None:
    end = (
        "namespace: shop, mirror: m, pvc: p, replication_policy: a, schedule: b, storage_class: c, size: 1Gi"
    )
    text = document(
        LEDGER.replace("volume: ledger}", "volume: ledger, policy: gold}", 1),
        "  mode: synchronous\n  rpo: 0s\n  group: g\n  order: -5\n  labels: {example.com/tier: '', a: B_1}\n",
        "  hooks: {before_demote: {command: [a, ''], timeout: 5s}, after_promote: [/b, c]}\n",
        f"- {{namespace: shop, name: o, state: source, local: {{backend: k8s-west, {end}}}, "
        f"peer: {{backend: k8s-east, {end}}}}}\n",
    )
    text += "groups: {g: {hooks: {before_demote: [freeze], after_promote: {command: [/thaw]}}}}\n"
    assert not refuses(replications_schema(), text)
    assert len(place.replications(text)) == 2
