"""How each course is done on a pair of mirror relationships: not at all, for now.

Pure. Every observation of Trident says that changes are unsupported, and why, so that the planner refuses before it
asks for steps; whoever asks all the same gets none, which refuses too.
"""

from __future__ import annotations

from collections.abc import Mapping

from replctl.core.model import Pair, Scalar, Side
from replctl.core.plans import Course, Step


class TridentRecipe:
    """Fits `core.plans.Recipe`."""

    @property
    def declared(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Nothing is made, so nothing must be declared."""
        return (), ()

    def steps(
        self, course: Course, new_source: Side, pair: Pair, arguments: Mapping[str, Scalar]
    ) -> tuple[Step, ...]:
        """No step of any course."""
        return ()
