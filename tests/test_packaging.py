"""What is shipped: one version, one entry point, a wheel that holds all that the program reads, and the manual."""

from __future__ import annotations

import ensurepip
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
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
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name and ".data/" not in name}
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


def pages() -> set[str]:
    """Where each page of the manual belongs below a prefix."""
    return {f"share/man/{path.relative_to(ROOT / 'man')}" for path in (ROOT / "man").rglob("*.[1-9]")}


COMPLETIONS = {
    "share/bash-completion/completions/replctl": "completions/replctl.bash",
    "share/zsh/site-functions/_replctl": "completions/_replctl",
    "share/fish/vendor_completions.d/replctl.fish": "completions/replctl.fish",
}


def test_the_wheel_puts_manual_and_completion_where_man_and_the_shells_look(wheel: zipfile.ZipFile) -> None:
    data = {name.partition(".data/data/")[2]: name for name in wheel.namelist() if ".data/" in name}
    assert data.keys() == pages() | COMPLETIONS.keys()
    for installed, made in COMPLETIONS.items():
        assert wheel.read(data[installed]) == (ROOT / made).read_bytes()
    assert {"share/man/man1/replctl.1", "share/man/man5/replctl-config.5"} < data.keys()


def pip() -> Path:
    """The pip that every Python brings along, run from its wheel: to install it takes longer than all else here."""
    places = [*ensurepip.__path__, sysconfig.get_config_var("WHEEL_PKG_DIR") or "/nowhere"]
    return next(each for place in places for each in Path(place).rglob("pip-*.whl")) / "pip"


def test_an_installed_replctl_has_its_manual(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    venv.create(tmp_path, symlinks=True)
    command = [
        str(pip()),
        "install",
        "--no-deps",
        "--no-index",
        "--no-compile",
        "--quiet",
        str(wheel.filename),
    ]
    subprocess.run([tmp_path / "bin" / "python", *command], check=True, capture_output=True)
    assert {path for path in pages() if not (tmp_path / path).is_file()} == set()
    assert (tmp_path / "bin" / "replctl").is_file()


def test_the_sources_hold_the_manual_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = tmp_path.glob("replctl-*.tar.gz")
    with tarfile.open(built) as sources:
        packed = {name.partition("/")[2] for name in sources.getnames()}
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "man").rglob("*.[1-9]")} <= packed
