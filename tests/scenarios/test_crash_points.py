"""kill -9 at any point: a write to the journal, an answer, a look; here one of each verb's, spread over them.

`make crash-points` kills every verb at every one of them, and `docs/proof.md` says how many those are.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from crashpoints import ANOTHER_STORE, SAME_STORE, SCENES, Scene, killed, undisturbed

from replctl.core.model import Verb


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("place", "scene"), list(enumerate(SCENES)), ids=[str(scene) for scene in SCENES])
def test_killed_at_a_point_and_finished(tmp_path: Path, place: int, scene: Scene) -> None:
    points, expected = undisturbed(scene, tmp_path / "undisturbed")
    number = 1 + len(points) * place // len(SCENES)
    after = ANOTHER_STORE if place % 2 else SAME_STORE
    killed(scene, tmp_path / "killed", number, after, expected)


def test_every_verb_is_there() -> None:
    there = {" ".join(scene.verb) for scene in SCENES}
    assert there == {verb.value for verb in Verb}
