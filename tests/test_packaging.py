"""What is shipped: one version, one entry point, and a wheel that holds all that the program reads."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import replctl

ROOT = Path(__file__).parents[1]


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project
    assert metadata.version("replctl") == replctl.__version__


def test_the_program_tells_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "replctl", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"replctl {replctl.__version__}\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as a release would be built; hatchling is installed, so nothing is fetched."""
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = target.glob("replctl-*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == {str(path.relative_to(ROOT)) for path in shipped()}
    assert "replctl/py.typed" in packed


def shipped() -> list[Path]:
    files = (path for path in (ROOT / "replctl").rglob("*") if path.is_file())
    return [path for path in files if "__pycache__" not in path.parts]


def test_the_wheel_starts_replctl_and_its_drivers(wheel: zipfile.ZipFile) -> None:
    (name,) = (each for each in wheel.namelist() if each.endswith("entry_points.txt"))
    entry_points = wheel.read(name).decode()
    assert "replctl = replctl.__main__:main" in entry_points
    assert "powerstore = replctl.drivers.powerstore:" in entry_points
    assert "trident = replctl.drivers.trident:" in entry_points


def test_the_wheel_tells_its_licence(wheel: zipfile.ZipFile) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
