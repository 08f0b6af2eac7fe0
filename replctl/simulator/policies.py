"""Changing volumes and volume groups: the side door by which sessions are born and die (CP §6, §11)."""

from typing import Any

from replctl.simulator.actions import BAD_BODY
from replctl.simulator.replication import DESTINATION, Refusal, Resource
from replctl.simulator.world import World

NO_POLICY = "0xE0A090010001"
ON_DESTINATION = "SIM00000030"
_PROPERTIES: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "description": (str, type(None)),
    "protection_policy_id": (str, type(None)),
    "is_replication_destination": (bool,),
    "force": (bool,),
}


def patch_resource(world: World, resource: Resource, body: Any, now: float) -> Refusal | None:
    """Carry out a PATCH of a volume or group; why not, or None when it is done."""
    refusal = _check(resource, body)
    if refusal is not None:
        return refusal
    if "name" in body:
        world.sites[resource.array].rename(resource, body["name"])
    if "is_replication_destination" in body:
        resource.was_destination = False
    if "protection_policy_id" in body:
        return _set_policy(
            world, resource, body["protection_policy_id"] or None, bool(body.get("force")), now
        )
    return None


def _check(resource: Resource, body: Any) -> Refusal | None:
    if not isinstance(body, dict) or not body:
        return Refusal(400, BAD_BODY, "The body must be a JSON object with at least one property.")
    for name, value in body.items():
        if name not in _PROPERTIES:
            return Refusal(400, BAD_BODY, f"Unknown property {name}.")
        if not isinstance(value, _PROPERTIES[name]):
            return Refusal(400, BAD_BODY, f"The property {name} has the wrong type.")
    if body.get("is_replication_destination") or ("is_replication_destination" in body and resource.end):
        return Refusal(
            422, ON_DESTINATION, "is_replication_destination can only be freed after its session is gone."
        )
    return None


def _set_policy(
    world: World, resource: Resource, policy: str | None, force: bool, now: float
) -> Refusal | None:
    site = world.sites[resource.array]
    policy = next(
        (rule.policy_id for rule in site.rules if policy in (rule.policy_id, f"name:{rule.policy_name}")),
        policy,
    )
    if policy is not None and policy not in [rule.policy_id for rule in site.rules]:
        return Refusal(404, NO_POLICY, f"There is no policy {policy}.")
    end = resource.end
    if end is not None and end.role == DESTINATION and not force:
        return Refusal(422, ON_DESTINATION, "The policy of a replication destination cannot be changed.")
    resource.policy_id = policy
    if policy is None and end is not None:
        world.remove_session(world.owner(end), now)
    elif policy is not None and end is None and resource.owner is not None:
        r = world.replications[resource.owner]
        world.later(
            now + world.conditions.durations["create"], lambda at: world.assign_session(r, resource.array, at)
        )
    return None
