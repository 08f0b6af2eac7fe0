"""replications.yaml: what is read, and every mistake with its line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from settings.conftest import CONFIG, Place, example

from replctl.core.errors import InvalidConfiguration
from replctl.core.hooks import Hook, HookSet
from replctl.core.model import End, Mode, Replication, State
from replctl.settings import load_replications, parse_replications

KINDS = {"west": "powerstore", "east": "powerstore", "k8s-west": "trident", "k8s-east": "trident"}
LEDGER = """\
- namespace: bank
  name: ledger
  state: replica
  local: {backend: west, volume: ledger}
  peer: {backend: east, volume: ledger}
"""


def document(*entries: str) -> str:
    return "replications:\n" + "".join(entries)


def entry(name: str, local: str, peer: str, more: str = "") -> str:
    head = f"- {{namespace: bank, name: {name}, state: source{more}, "
    return f"{head}local: {{{local}}}, peer: {{{peer}}}}}\n"


def test_the_design_s_example(place: Place) -> None:
    read = place.replications(example("replications.yaml"))
    assert list(read) == ["bank/ledger", "shop/orders"]
    assert read["bank/ledger"] == Replication(
        namespace="bank",
        name="ledger",
        desired_state=State.REPLICA,
        local=End("west", "powerstore", (("volume_group", "ledger-vg"),)),
        peer=End("east", "powerstore", (("volume_group", "ledger-vg"),)),
        mode=Mode.ASYNCHRONOUS,
        rpo_seconds=300.0,
        group="payments",
        order=0,
        labels=(("tier", "gold"),),
    )
    orders = read["shop/orders"]
    assert orders.local == End(
        "k8s-west", "trident", (("namespace", "shop"), ("mirror", "orders-dr"), ("pvc", "orders-data"))
    )
    assert (orders.mode, orders.rpo_seconds, orders.group, orders.order, orders.labels) == (
        None,
        None,
        None,
        0,
        (),
    )
    assert read.lines == {"bank/ledger": 2, "shop/orders": 12}
    assert read.place("shop/orders") == "replications.yaml:12"


@pytest.mark.parametrize("state", ["source", "replica"])
def test_source_and_replica_can_be_desired(place: Place, state: str) -> None:  # R24
    read = place.replications(document(LEDGER.replace("replica", state)))
    assert read["bank/ledger"].desired_state is State(state)


@pytest.mark.parametrize(
    "state", ["promoting", "demoting", "syncing", "failed", "absent", "Source", "unknown", "''", "~", "5"]
)
def test_nothing_else_can_be_desired(place: Place, state: str) -> None:  # R24
    (told,) = place.entry_mistakes(document(LEDGER.replace("replica", state)))
    assert told.startswith("replications.yaml:4: replications[0].state: ")
    assert told.endswith("allowed: source, replica")


def test_words_for_create_and_hooks_are_kept_beside_the_replication(place: Place) -> None:
    end = "namespace: shop, mirror: orders, storage_class: gold, size: 10Gi, schedule: 5min, replication_policy: Sync"
    read = place.replications(
        document(
            entry("orders", f"backend: k8s-west, {end}", f"backend: k8s-east, {end}"),
            LEDGER.replace("west, volume: ledger", "west, volume: ledger, policy: gold"),
            "  hooks: {before_demote: {command: [quiesce, now], timeout: 30s}, after_promote: {command: [map]}}\n",
        )
    )
    orders, ledger = read.entries["bank/orders"], read.entries["bank/ledger"]
    assert orders.replication.local.words == {"namespace": "shop", "mirror": "orders"}
    assert dict(orders.replication.peer.creation) == {
        "replication_policy": "Sync",
        "schedule": "5min",
        "storage_class": "gold",
        "size": "10Gi",
    }
    assert (ledger.replication.local.creation, ledger.replication.peer.creation) == (
        (("policy", "gold"),),
        (),
    )
    assert ledger.hooks == {
        "before_demote": Hook(("quiesce", "now"), 30.0),
        "after_promote": Hook(("map",), 60.0),
    }
    assert read.hooks_of("bank/ledger") == HookSet(ledger.hooks, {})
    assert read.hooks_of("bank/orders") == read.hooks_of("gone/away") == HookSet()


def test_the_hooks_of_a_group_are_said_once(place: Place) -> None:
    read = place.replications(
        document(LEDGER, "  group: payments\n", "  hooks: {after_promote: [/usr/local/bin/map, ledger]}\n")
        + "groups:\n  payments:\n    hooks:\n"
        + "      {before_demote: [freeze, now], after_promote: {command: [thaw], timeout: 5m}}\n"
    )
    assert read.hooks_of("bank/ledger") == HookSet(
        own={"after_promote": Hook(("/usr/local/bin/map", "ledger"), 60.0)},
        group={"before_demote": Hook(("freeze", "now"), 60.0), "after_promote": Hook(("thaw",), 300.0)},
    )


BROKEN_HOOKS = """\
replications:
- namespace: bank
  name: ledger
  state: replica
  group: payments
  local: {backend: west, volume: ledger}
  peer: {backend: east, volume: ledger}
  hooks:
    before_demote: [bin/quiesce]
    after_promote: []
groups:
  payment: {hooks: {before_demote: [a, 5]}}
  payments:
    hook: {}
    hooks:
      after_promote: {command: ["", a], time: 5s}
"""

TOLD_OF_HOOKS = """\
replications.yaml:9: replications[0].hooks.before_demote: "bin/quiesce": a program by its absolute path, \
or a name that is looked up in PATH
replications.yaml:10: replications[0].hooks.after_promote: a list: a list of texts: a program and its arguments, \
no shell
replications.yaml:12: groups.payment: no entry is in this group: did you mean "payments"? \
the group of at least one entry: payments
replications.yaml:12: groups.payment.hooks.before_demote: a list: a list of texts: a program and its arguments, \
no shell
replications.yaml:14: groups.payments.hook: unknown key: did you mean "hooks"? allowed: hooks
replications.yaml:16: groups.payments.hooks.after_promote.time: unknown key: did you mean "timeout"? \
allowed: command, timeout
replications.yaml:16: groups.payments.hooks.after_promote.command: "": a program by its absolute path, \
or a name that is looked up in PATH
"""


def test_what_is_wrong_with_hooks_is_told_where_it_stands(place: Place) -> None:
    assert place.entry_mistakes(BROKEN_HOOKS) == TOLD_OF_HOOKS.splitlines()


def test_a_file_without_a_group_has_no_hooks_of_one(place: Place) -> None:
    (told,) = place.entry_mistakes("replications: []\ngroups: [payments]\n")
    assert told == "replications.yaml:2: groups: a list: a table of groups, such as {payments: {hooks: {…}}}"


BROKEN = """\
replications:
- namespace: Bank
  nam: ledger
  state: promoting
  mode: async
  rpo: 5
  group: [a]
  order: "1"
  labels: {"-": gold, tier: 5}
  local: {backend: wets, volume: a}
  peer: {backend: east, volume: a, volume_group: b}
- 5
- namespace: bank
  name: a
  state: replica
  local: {volume: a}
  peer: {backend: east, volum: a}
- namespace: bank
  name: b
  state: replica
  local: {backend: k8s-west, namespace: shop, volume: x}
  peer: east
  hooks: {before_demote: {command: quiesce, timeout: 0s}, after: {}}
- {namespace: bank, name: c, state: replica, local: {backend: west, volume: 12}, peer: {backend: east, session: }}
- {}
replicas: []
"""

TOLD = """\
replications.yaml:2: replications[0].name: missing: required
replications.yaml:2: replications[0].namespace: "Bank": lower-case letters, digits, "-" and ".", \
first and last a letter or digit, at most 253 characters
replications.yaml:3: replications[0].nam: unknown key: did you mean "name"? \
allowed: namespace, name, state, mode, rpo, group, order, labels, local, peer, hooks
replications.yaml:4: replications[0].state: "promoting": allowed: source, replica
replications.yaml:5: replications[0].mode: "async": did you mean "asynchronous"? allowed: synchronous, asynchronous
replications.yaml:6: replications[0].rpo: 5: a whole number and one unit of ms, s, m, h, d, \
such as 250ms, 30s, 15m, 2h, 1d
replications.yaml:7: replications[0].group: a list: a text that is not empty; \
quote it if it reads as a number, yes, no or null
replications.yaml:8: replications[0].order: "1": a whole number from -1000000 to 1000000
replications.yaml:9: replications[0].labels: "-": keys of letters, digits, "-", "_" and ".", \
first and last a letter or digit, at most 63 characters
replications.yaml:9: replications[0].labels.tier: 5: a text of letters, digits, "-", "_" and ".", \
first and last a letter or digit, at most 63 characters
replications.yaml:10: replications[0].local.backend: "wets": did you mean "west"? \
configured backends: east, k8s-east, k8s-west, west
replications.yaml:11: replications[0].peer: volume and volume_group: exactly one of volume, volume_group, session
replications.yaml:12: replications[1]: 5: a table of keys
replications.yaml:16: replications[2].local.backend: missing: required; \
configured backends: east, k8s-east, k8s-west, west
replications.yaml:17: replications[2].peer: names nothing: exactly one of volume, volume_group, session
replications.yaml:17: replications[2].peer.volum: unknown key: did you mean "volume"? \
allowed: backend, volume, volume_group, session, policy
replications.yaml:21: replications[3].local.mirror: missing: required
replications.yaml:21: replications[3].local.volume: unknown key: allowed: backend, namespace, mirror, pvc, \
replication_policy, schedule, storage_class, size
replications.yaml:22: replications[3].peer: "east": a table, such as {backend: west, volume: ledger}
replications.yaml:23: replications[3].hooks.after: unknown key: did you mean "after_promote"? \
allowed: before_demote, after_promote
replications.yaml:23: replications[3].hooks.before_demote.command: "quiesce": a list of texts: \
a program and its arguments, no shell
replications.yaml:23: replications[3].hooks.before_demote.timeout: "0s": a duration above zero, such as 5s
replications.yaml:24: replications[4].local.volume: 12: a text that is not empty; \
quote it if it reads as a number, yes, no or null
replications.yaml:24: replications[4].peer.session: nothing: a text that is not empty; \
quote it if it reads as a number, yes, no or null
replications.yaml:25: replications[5].local: missing: required
replications.yaml:25: replications[5].name: missing: required
replications.yaml:25: replications[5].namespace: missing: required
replications.yaml:25: replications[5].peer: missing: required
replications.yaml:25: replications[5].state: missing: required
replications.yaml:26: replicas: unknown key: did you mean "replications"? allowed: replications, groups
"""


def test_every_mistake_is_told_at_once_with_file_line_path_value_and_what_is_allowed(place: Place) -> None:
    told = place.entry_mistakes(BROKEN)
    assert sorted(told) == sorted(TOLD.splitlines())
    lines = [int(line.split(":")[1]) for line in told]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "replications.yaml:1: replications: missing: required: a list of entries, [] for none"),
        ("replications:\n", "replications.yaml:1: replications: nothing: a list of entries, [] for none"),
        ("replications: {}\n", "replications.yaml:1: replications: a table: a list of entries, [] for none"),
        ("- a\n", "replications.yaml:1: a list: a table of keys"),
        ("replications:\n- {name: a, name: b}\n", "replications.yaml:2: a duplicate key: each key once"),
        ("replications:\n- {\n", "replications.yaml:3: not YAML"),
    ],
)
def test_broken_shapes(place: Place, text: str, told: str) -> None:
    assert any(line.startswith(told) for line in place.entry_mistakes(text)), place.entry_mistakes(text)


def test_none_is_a_list_too(place: Place) -> None:
    assert dict(place.replications("replications: []\n")) == {}


def test_nothing_is_guessed(place: Place) -> None:  # R79
    """One backend of each kind, one volume of that name: still both have to be written down."""
    (told,) = place.entry_mistakes(document(LEDGER.replace("backend: west, ", "")))
    assert told == (
        "replications.yaml:5: replications[0].local.backend: missing: required; "
        "configured backends: east, k8s-east, k8s-west, west"
    )
    (told,) = place.entry_mistakes(document(LEDGER.replace(", volume: ledger}", "}", 1)))
    assert "names nothing: exactly one of volume, volume_group, session" in told


@pytest.mark.parametrize(
    ("local", "peer", "told"),
    [
        (
            "backend: west, volume: a",
            "backend: west, volume: a",
            "the same end as local: an end on another backend",
        ),
        (
            "backend: west, volume: a",
            "backend: west, volume: b",
            "on west, as local is: an end on another backend",
        ),
        (
            "backend: west, volume: a",
            "backend: k8s-east, namespace: n, mirror: m",
            "on k8s-east, which is trident: a backend of local's kind, powerstore",
        ),
    ],
)
def test_ends_that_cannot_be_a_pair(place: Place, local: str, peer: str, told: str) -> None:  # R78, R79
    (line,) = place.entry_mistakes(document(entry("a", local, peer)))
    assert line == f"replications.yaml:2: replications[0].peer: {told}"


def test_a_name_stands_once(place: Place) -> None:  # R78
    other = entry("ledger", "backend: west, volume: x", "backend: east, volume: x")
    assert place.entry_mistakes(document(LEDGER, other, other)) == [
        "replications.yaml:7: bank/ledger: each name once; line 2 has it already",
        "replications.yaml:8: bank/ledger: each name once; line 2 has it already",
    ]


WEST_A, EAST_A = "backend: west, volume: a", "backend: east, volume: a"
WEST_B, EAST_B = "backend: west, volume: b", "backend: east, volume: b"
SHOP_W = "backend: k8s-west, namespace: shop, mirror: m, pvc: p"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((WEST_A, EAST_A), (WEST_A, EAST_A)),
        ((WEST_A, EAST_A), (EAST_A, WEST_A)),
        ((WEST_A, EAST_A), (WEST_A, EAST_B)),
        ((WEST_A, EAST_A), (WEST_B, EAST_A)),
        ((WEST_A, EAST_A), (EAST_B, WEST_A)),
        (
            (SHOP_W, SHOP_W.replace("west", "east")),
            (SHOP_W.replace("pvc: p", "pvc: q"), "backend: k8s-east, namespace: shop, mirror: n"),
        ),
        (
            (SHOP_W, SHOP_W.replace("west", "east")),
            (SHOP_W.replace("mirror: m", "mirror: q"), "backend: k8s-east, namespace: shop, mirror: n"),
        ),
    ],
)
def test_an_end_stands_in_one_entry_in_either_role(
    place: Place, first: tuple[str, str], second: tuple[str, str]
) -> None:  # R78
    told = place.entry_mistakes(document(entry("one", *first), entry("two", *second)))
    assert len(told) == 1
    assert told[0].startswith("replications.yaml:3: bank/two: ")
    assert told[0].endswith("each end in one entry; bank/one on line 2 has it already")


def test_like_words_in_different_places_are_different_ends(place: Place) -> None:
    elsewhere = SHOP_W.replace("shop", "bank")
    read = place.replications(
        document(
            entry("a", WEST_A, EAST_A),
            entry("b", WEST_B, EAST_B),
            entry("c", "backend: west, volume_group: a", "backend: east, volume_group: a"),
            entry("d", SHOP_W, SHOP_W.replace("west", "east")),
            entry("e", elsewhere, elsewhere.replace("west", "east")),
        )
    )
    assert len(read) == 5


def test_the_file_that_is_missing_is_named_with_who_named_it(place: Place) -> None:
    settings = place.load(CONFIG + "replications: dr.yaml\n")
    with pytest.raises(InvalidConfiguration, match=r"dr\.yaml cannot be read: No such file") as refusal:
        load_replications(settings)
    said = "config.yaml:14: replications names it; replctl import writes it from what the backends have"
    assert refusal.value.remedy == said


def many(count: int) -> str:
    return document(
        *(
            f"- namespace: bank\n  name: ledger-{n}\n  state: replica\n  mode: asynchronous\n  rpo: 5m\n"
            f"  group: payments\n  order: 0\n  labels: {{tier: gold}}\n"
            f"  local: {{backend: west, volume_group: vg-{n}}}\n  peer: {{backend: east, volume_group: vg-{n}}}\n"
            for n in range(count)
        )
    )


def test_ten_thousand_entries_are_read_in_three_seconds() -> None:
    text = many(10_000)
    begun = time.process_time()
    assert len(parse_replications(text, Path("r.yaml"), KINDS)) == 10_000
    assert time.process_time() - begun < 3.0


def test_ten_thousand_mistakes_take_no_longer() -> None:
    text = many(10_000).replace("state: replica", "state: repilca")
    begun = time.process_time()
    with pytest.raises(InvalidConfiguration, match="10000 mistakes"):
        parse_replications(text, Path("r.yaml"), KINDS)
    assert time.process_time() - begun < 6.0
