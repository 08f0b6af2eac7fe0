"""What names mean: one thing under two names, and a name that means another thing than it did."""

from __future__ import annotations

from worlds import LEDGER, World


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


def test_a_name_that_now_means_another_volume_group_refuses_changes(world: World) -> None:
    assert world.act("promote", LEDGER).code == 0
    assert world.act("demote", LEDGER).code == 0
    other = next(name for name in sorted(world.control.truths()) if name != LEDGER)
    world.control.rename_volume(LEDGER, "ledger-before")
    world.control.rename_volume(other, "ledger-vg")
    ran = world.act("promote", LEDGER)
    assert ran.code in (5, 6), ran.out
    if ran.code == 6:
        assert ran.guards == ["identity-changed"]
    assert len([change for change in world.effective() if change[1] == "failover"]) == 2
