"""A directory with both files, and everything that a process would otherwise find around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from replctl.core.errors import InvalidConfiguration
from replctl.settings import Replications, Settings, Validation, load, load_replications, validate

CONFIG = """\
backends:
  west:
    kind: powerstore
    url: https://west.example
    username: replctl
    password: {env: WEST_PASSWORD}
  east:
    kind: powerstore
    url: https://east.example
    username: replctl
    password: {env: EAST_PASSWORD}
  k8s-west: {kind: trident, in_cluster: true}
  k8s-east: {kind: trident, in_cluster: true}
"""


@dataclass
class Place:
    """A working directory with files, an environment and a home, none of them the process's own."""

    directory: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.directory / "home"

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def load(self, text: str = CONFIG, *, mode: int = 0o644, **flags: Any) -> Settings:
        self.write("config.yaml", text, mode)
        return self.again(**flags)

    def again(self, **flags: Any) -> Settings:
        given = {"config": "config.yaml", **{key.replace("__", "."): value for key, value in flags.items()}}
        return load(given, self.environ, home=self.home, cwd=self.directory)

    def mistakes(self, text: str, *, mode: int = 0o644, **flags: Any) -> list[str]:
        with pytest.raises(InvalidConfiguration) as refusal:
            self.load(text, mode=mode, **flags)
        assert refusal.value.exit_code == 2
        return [str(finding) for finding in refusal.value.findings]

    def replications(self, text: str) -> Replications:
        settings = self.load()
        self.write("replications.yaml", text)
        return load_replications(settings)

    def entry_mistakes(self, text: str) -> list[str]:
        with pytest.raises(InvalidConfiguration) as refusal:
            self.replications(text)
        assert refusal.value.exit_code == 2
        return [str(finding) for finding in refusal.value.findings]

    def validate(self, flags: Mapping[str, Any] | None = None) -> Validation:
        given = {"config": "config.yaml", **(flags or {})}
        return validate(given, self.environ, home=self.home, cwd=self.directory)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def example(name: str) -> str:
    """A file as the design shows it, word by word."""
    return (Path(__file__).with_name("examples") / name).read_text(encoding="utf-8")
