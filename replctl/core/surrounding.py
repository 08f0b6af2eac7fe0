"""Which hooks a plan has: they become steps of it, so that they are shown, journalled and gone on with (design §4).

Pure. `before_demote` comes before the first step of a planned change that makes a source step down, `after_promote`
after the last step of a change that makes an end the source. What only tidies up after such a change keeps its
`after_promote`, and has no `before_demote` any more. A group's hook encloses those of its members.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from replctl.core.durations import format_duration
from replctl.core.hooks import Hook, HookCall, HookSet, Moment
from replctl.core.model import Side, State
from replctl.core.plans import Course, Goal, Plan, Step

PROMOTES = frozenset({Course.SWITCH, Course.TAKEOVER})
STOPPING_SECONDS = 10.0  # beyond its time-out, until a hook that hangs is gone
NOT_ASKED = "before_demote is not run: an unplanned promotion does not ask the other end's consent"


def surrounded(plan: Plan, hooks: HookSet, group: str | None, *, goes_on: bool = False) -> Plan:
    """The plan with its hooks as steps. `goes_on`: it is what is left of an operation, perhaps only its hooks."""
    if plan.course not in PROMOTES or (plan.unchanged and not goes_on):
        return plan
    before = _steps(Moment.BEFORE_DEMOTE, hooks, group, plan.new_source)
    after = _steps(Moment.AFTER_PROMOTE, hooks, group, plan.new_source)[::-1]
    if _demotes(plan):
        return replace(plan, steps=(*before, *plan.steps, *after))
    notes = (NOT_ASKED,) if before and plan.course is Course.TAKEOVER else ()
    return replace(plan, steps=(*plan.steps, *after), notes=(*plan.notes, *notes))


def ends_group(step: Step) -> bool:
    """Whether the step is what a group's last member does for all of it."""
    call = step.hook
    return call is not None and call.group is not None and call.moment is Moment.AFTER_PROMOTE


def lasts(members: Iterable[tuple[str, str | None, int]]) -> frozenset[str]:
    """The last of each group: members are (key, group, order) in the order in which they are begun."""
    last: dict[str, tuple[int, str]] = {}
    for key, group, order in members:
        if group is not None and order >= last.get(group, (order, key))[0]:
            last[group] = (order, key)
    return frozenset(key for _, key in last.values())


def _demotes(plan: Plan) -> bool:
    """Whether the plan still makes a source step down, with its consent."""
    moves = (move for step in plan.steps for move in step.moves)
    return plan.course is Course.SWITCH and any(
        origin is State.SOURCE and target is State.DEMOTING for _, origin, target in moves
    )


def _steps(moment: Moment, hooks: HookSet, group: str | None, new_source: Side) -> tuple[Step, ...]:
    return tuple(_step(call, new_source) for call in _calls(moment, hooks, group))


def _calls(moment: Moment, hooks: HookSet, group: str | None) -> Iterator[HookCall]:
    """The group's hook, then the replication's own."""
    shared: Hook | None = hooks.group.get(moment)
    if shared is not None and group is not None:
        yield HookCall(moment, shared, group)
    own = hooks.own.get(moment)
    if own is not None:
        yield HookCall(moment, own)


def _step(call: HookCall, new_source: Side) -> Step:
    before = call.moment is Moment.BEFORE_DEMOTE
    whose = f", once for group {call.group}" if call.group is not None else ""
    power = "unless it ends with 0 nothing is changed" if before else "once the new source was observed"
    bound = format_duration(call.hook.timeout_seconds)
    return Step(
        name=f"group_{call.moment}" if call.group is not None else call.moment.value,
        side=new_source.other if before else new_source,
        action=None,
        goal=Goal(),
        begins=Goal(),
        deadline_seconds=call.hook.timeout_seconds + STOPPING_SECONDS,
        sentence=f"run {call.hook.program}{whose}, at most {bound}; {power}",
        hook=call,
    )
