"""What importing the settings costs: nothing of YAML, HTTP or terminals until something is loaded."""

from __future__ import annotations

import subprocess
import sys

from settings.conftest import CONFIG, Place


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_is_light() -> None:
    assert not {"yaml", "httpx", "rich", "typer", "pydantic_settings", "sqlite3"} & loaded_by(
        "import replctl.settings"
    )


def test_loading_needs_yaml_and_only_variables_need_pydantic_settings(place: Place) -> None:
    path = place.write("config.yaml", CONFIG)
    load = "from replctl.settings import load\nload({{'config': {0!r}}}, {1})"
    plain = loaded_by(load.format(str(path), {}))
    assert "yaml" in plain
    assert not {"httpx", "rich", "typer", "pydantic_settings"} & plain
    assert "pydantic_settings" in loaded_by(load.format(str(path), {"REPLCTL_OBSERVE_TIMEOUT": "5s"}))
