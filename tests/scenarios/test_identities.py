"""What names mean: one thing under two names, and a name that means another thing than it did."""

from __future__ import annotations

from pathlib import Path

import yaml
from estates import CLAIMS, MIRRORS, Cluster, new_claim, new_mirror
from scenarios.tridents import EAST, WEST, at_rest, mirror
from worlds import LEDGER, World, a_world

DISCOVERY_TTL_SECONDS = 300


def test_two_entries_that_are_one_session_are_refused(world: World) -> None:  # R78
    line = world.run("status", LEDGER, "-o", "json").json["replications"][0]
    sessions = {end["backend"]: end["vendor"]["session"] for end in (line["local"], line["peer"])}
    path = world.config.parent / "replications.yaml"
    path.write_text(
        path.read_text()
        + f"""
- namespace: bank
  name: alias
  state: replica
  local: {{backend: west, session: {sessions["west"]}}}
  peer: {{backend: east, session: {sessions["east"]}}}
"""
    )
    ran = world.run("status")
    assert ran.code == 2
    assert "bank/alias" in ran.err
    assert LEDGER in ran.err
    refused = world.act("promote", LEDGER, "bank/alias")
    assert refused.code == 2
    assert world.changes() == []


def test_a_name_that_now_means_another_volume_group_refuses_changes(tmp_path: Path) -> None:
    with a_world(tmp_path, replications=12) as world:
        assert world.act("promote", LEDGER).code == 0
        assert world.act("demote", LEDGER).code == 0
        give_the_name_to_another(world)
        before = world.effective()
        ran = world.act("promote", LEDGER)
        assert ran.code == 6, ran.out
        assert ran.guards == ["identity-changed"]
        assert world.effective() == before


def test_a_claim_that_is_another_volume_under_the_same_names_refuses_changes(tmp_path: Path) -> None:
    with at_rest(tmp_path) as world:
        assert world.act("promote", LEDGER).code == 0
        world.control.advance(60)
        assert world.act("demote", LEDGER).code == 0
        (before,) = handles(world)
        make_the_replica_anew(world)
        (after,) = handles(world)
        assert after != before
        world.control.clear_requests()
        for _ in range(2):  # to be refused once is no leave
            ran = world.act("promote", LEDGER)
            assert (ran.code, ran.guards) == (6, ["identity-changed", "not-a-pair"]), ran.out
            (told,) = ran.operation["refusal"]["guards"][0]["evidence"]
            assert (
                told["value"] == f"was {before}, is {after}"
            )  # volumes, which bear the UIDs of their claims
            assert told["backend"] == WEST
        assert world.changes() == []


def handles(world: World) -> list[str]:
    """The volume of the replica, as status tells it."""
    (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    return [line["local"]["vendor"]["local_volume_handle"]]


def make_the_replica_anew(world: World) -> None:
    """Mirror relationship and claim of west are deleted, and others are made by the same names."""
    admin = Cluster(world.simulator, WEST, admin=True)
    mirrors, claims = MIRRORS.format("bank"), CLAIMS.format("bank")
    source = str(mirror(world, EAST)["status"]["conditions"][0]["localVolumeHandle"])
    for path in (f"{mirrors}/ledger-dr", f"{claims}/ledger-data"):
        assert admin.call("DELETE", path).status == 200
    world.control.advance(60)
    admin.post(mirrors, new_mirror("ledger-dr", "ledger-data", "established", source))
    admin.post(claims, new_claim("ledger-data", "ledger-dr"))
    admin.connection.close()
    world.control.advance(120)


def test_what_was_shown_a_moment_ago_under_a_name_is_what_is_changed_or_nothing(tmp_path: Path) -> None:
    with a_world(tmp_path, replications=12) as world:
        known = session_shown(world)
        other = give_the_name_to_another(world)
        assert session_shown(world) == known  # believed by looks for a while
        for _ in range(2):  # to be refused once is no leave
            ran = world.act("promote", LEDGER)
            assert ran.code == 6, ran.out
            assert ran.guards == ["identity-changed"]
        assert world.changes() == []

        world.control.advance(DISCOVERY_TTL_SECONDS)
        assert session_shown(world) == world.truth(other)["session_id"]["west"]
        assert world.act("promote", LEDGER).code == 0
        assert world.truth(LEDGER)["role"] == {"east": "Source", "west": "Destination"}
        assert world.truth(other)["role"]["west"] == "Source"


def give_the_name_to_another(world: World) -> str:
    """Another replicated volume group is called as the ledger was; returns the other one's key."""
    entries = yaml.safe_load((world.config.parent / "replications.yaml").read_text())["replications"]
    keys = [
        f"{entry['namespace']}/{entry['name']}"
        for entry in entries
        if "volume_group" in entry["local"] and entry["state"] == "replica"
    ]
    other = next(key for key in keys if key != LEDGER)
    world.control.rename_volume(LEDGER, "ledger-before")
    world.control.rename_volume(other, "ledger-vg")
    return other


def session_shown(world: World) -> str:
    line = world.run("status", LEDGER, "-o", "json").json["replications"][0]
    return str(line["local"]["vendor"]["session"])
