"""The next command to type after a refusal, whole and ready to paste (design §4).

Pure. It words commands from an intent and the guards that refused it; whether one of them would be carried out is
the planner's to judge.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace

from replctl.core.model import Acknowledgements, Intent, Verb
from replctl.core.plans import GuardRefusal

HOW = "HOW"  # the placeholder of `--peer-is-fenced=HOW`; typed as it stands it says nothing


def is_fenced(given: Acknowledgements) -> bool:
    """Whether a person said how the peer is cut off from its hosts."""
    return (given.peer_is_fenced or "").strip() not in ("", HOW)


def command(intent: Intent, verb: str, *words: str) -> str:
    """A command about the intent's replication."""
    return shlex.join(["replctl", *verb.split(), intent.replication.key, *words])


def again(intent: Intent, guards: Iterable[GuardRefusal] = ()) -> str:
    """The same verb with the flags given already, and those that the guards ask for."""
    asked = [guard.override for guard in guards if guard.override]
    flags = dict.fromkeys([*_kept(intent, asked).flags, *asked])
    return command(intent, intent.verb.value, *_arguments(intent), *flags)


def _arguments(intent: Intent) -> list[str]:
    """What the verb was told beside flags that answer guards."""
    told = {
        "--to": intent.to if intent.verb is Verb.FAILOVER else None,
        "--survivor": intent.survivor if intent.verb is Verb.REPROTECT else None,
        "--snapshot": intent.snapshot,
    }
    words = [word for option, value in told.items() if value is not None for word in (option, value)]
    return [*words, "--keep"] if intent.keep_test_data else words


def _kept(intent: Intent, asked: list[str]) -> Acknowledgements:
    """Of the flags given already those that the verb takes, less those that turned out not to be enough."""
    given = intent.acknowledged
    if intent.verb in (Verb.REPROTECT, Verb.RESYNC):
        return Acknowledgements(
            override_hold=given.override_hold,
            discard_local_changes=given.discard_local_changes,
            source_quiesced=given.source_quiesced,
        )
    if intent.verb is Verb.DEMOTE:
        return Acknowledgements(override_hold=given.override_hold, source_quiesced=given.source_quiesced)
    if intent.verb not in (Verb.PROMOTE, Verb.FAILOVER):
        return Acknowledgements(override_hold=given.override_hold)
    fence = any(flag.startswith("--peer-is-fenced") for flag in asked)
    bound = any(flag.startswith("--accept-data-loss") for flag in asked)
    return replace(
        given,
        discard_local_changes=False,
        peer_is_down=given.peer_is_down and not fence,
        peer_is_fenced=given.peer_is_fenced if is_fenced(given) else None,
        accept_data_loss=None if bound else given.accept_data_loss,
    )
