"""What a recipe is told beside the pair: words of the command, of the file, and of the journal.

Pure, and the same whether a course is planned or an interrupted one is gone on with.
"""

from __future__ import annotations

from replctl.core import drills
from replctl.core.model import Intent, Pair, Scalar, Side, Verb


def arguments(
    intent: Intent, source: Side, pair: Pair, *, since: float, sent: bool = False
) -> dict[str, Scalar]:
    """The arguments of `Recipe.steps`.

    `source` is the side that shall be the source, or is. `since` is when it was asked for, epoch seconds; `sent`
    says that a step may have been sent before.
    """
    words: dict[str, Scalar] = {
        "use_test_copy": intent.acknowledged.use_test_copy,
        "snapshot": intent.snapshot,
        "quiesced": intent.acknowledged.source_quiesced,
        "since": since,
        "sent": sent,
    }
    for name, side in (("source", source), ("replica", source.other)):
        words |= {f"{name}_{key}": word for key, word in intent.replication.end(side).creation}
    if intent.verb is Verb.DRILL_STOP:
        words["keep"] = intent.keep_test_data
        words["alone"] = drills.is_alone(pair.end(source), pair.end(source.other))
    return words
