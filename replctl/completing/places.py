"""Where the configuration in force and its store lie, as far as that can be known without reading YAML.

The same answers as `settings.loading` gives (a test compares them), without what that imports. A `state_dir:` that is
written in a way that wants a YAML parser is not understood, and then nothing is offered.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_NAME = "config.yaml"
SYSTEM_DIRECTORY = "/etc/replctl"
SYSTEM_STATE_DIRECTORY = "/var/lib/replctl"
LARGEST_CONFIG_BYTES = 1024 * 1024
STATE_DIR_KEY = "state_dir:"
NOT_PLAIN = "&*!|>{[%@`?"  # what a YAML value that is more than text begins with


class Around:
    """The environment, home and working directory that paths are relative to."""

    __slots__ = ("cwd", "environ", "home")

    def __init__(self, environ: Mapping[str, str], home: str, cwd: str) -> None:
        self.environ = environ
        self.home = home
        self.cwd = cwd

    def path(self, text: str, beside: str) -> str:
        """An absolute path, by what a configuration means with it."""
        whole = os.path.join(self.home, text[2:]) if text == "~" or text.startswith("~/") else ""
        whole = whole or os.path.join(beside, text)
        # a `..` behind a link leads elsewhere than the text says
        return whole if ".." in whole.split("/") else os.path.normpath(whole)

    def xdg(self, variable: str, default: str) -> str:
        given = self.environ.get(variable, "")
        return given if os.path.isabs(given) else os.path.join(self.home, default)


def of_process(environ: Mapping[str, str]) -> Around:
    """Those of this process, with the variables given."""
    home = environ.get("HOME") or os.path.expanduser("~")
    try:
        cwd = os.getcwd()
    except FileNotFoundError:
        cwd = "/"
    return Around(environ, home if os.path.isabs(home) else "/", cwd)


def config_path(flag: str | None, around: Around) -> str | None:
    """The configuration that a command would use; None when there is none."""
    named = flag or around.environ.get("REPLCTL_CONFIG")
    if named:
        return around.path(named, around.cwd)
    for directory in (os.path.join(around.xdg("XDG_CONFIG_HOME", ".config"), "replctl"), SYSTEM_DIRECTORY):
        if os.path.lexists(os.path.join(directory, CONFIG_NAME)):
            return os.path.join(directory, CONFIG_NAME)
    return None


def state_directory(config: str, around: Around) -> str | None:
    """Where the store of a configuration lies; None when nothing says so."""
    if given := around.environ.get("REPLCTL_STATE_DIR"):
        return around.path(given, around.cwd)
    directory = os.path.dirname(config)
    written = _written(config)
    if written is None:
        return None
    if written:
        return around.path(written, directory)
    if directory == SYSTEM_DIRECTORY:
        return SYSTEM_STATE_DIRECTORY
    personal = os.path.join(around.xdg("XDG_CONFIG_HOME", ".config"), "replctl")
    if directory == personal or any(_below(config, home) for home in _homes(around.home)):
        return os.path.join(around.xdg("XDG_STATE_HOME", ".local/state"), "replctl")
    return None


def _homes(home: str) -> set[str]:
    return {home, os.path.realpath(home)} - {"/"}


def _below(path: str, directory: str) -> bool:
    return path.startswith(directory.rstrip("/") + "/")


def _written(config: str) -> str | None:
    """The file's own `state_dir:`; empty when it has none, None when it cannot be read or understood."""
    content = read(config, LARGEST_CONFIG_BYTES)
    if content is None:
        return None
    for line in content.decode("utf-8-sig", "replace").splitlines():
        if line.startswith(STATE_DIR_KEY) and line[len(STATE_DIR_KEY) :][:1] in ("", " ", "\t"):
            return _scalar(line[len(STATE_DIR_KEY) :].strip())
    return ""


def _scalar(text: str) -> str | None:
    """A plain or quoted YAML text on one line; None for anything else."""
    quote = text[:1]
    if quote in ("'", '"'):
        inner, closed, rest = text[1:].partition(quote)
        plain = closed and "\\" not in inner and (not rest or rest.lstrip().startswith("#"))
        return (inner or None) if plain else None
    if not text or quote in NOT_PLAIN or quote == "#":
        return None
    return text.partition(" #")[0].rstrip()


def read(path: str, limit_bytes: int) -> bytes | None:
    """What a regular file holds that nobody but its group may write; None for any other, and for one too large.

    Never waits, as for the other end of a pipe, and follows no link at the end of the path.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode) or info.st_size > limit_bytes:
            return None
        content = b""
        while chunk := os.read(handle, limit_bytes + 1 - len(content)):
            content += chunk
        return content if len(content) <= limit_bytes else None
    except OSError:
        return None
    finally:
        os.close(handle)
