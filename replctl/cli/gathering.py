"""What `init` is told: by flags, and by a person at a terminal for what they leave out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from replctl.cli.surroundings import PROGRAM

if TYPE_CHECKING:
    from replctl.cli.output import Output
    from replctl.cli.surroundings import Surroundings
    from replctl.core.secrets import Secret
    from replctl.settings.founding import NewArray, NewBackend, NewCluster

KINDS = {"1": "powerstore", "2": "trident", "powerstore": "powerstore", "trident": "trident"}
DEFAULT_USERNAME, DEFAULT_KUBECONFIG = "admin", "~/.kube/config"
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Told:
    """What the flags say: arrays and clusters by name, and what holds for one of them or for all."""

    arrays: Mapping[str, str]
    clusters: Mapping[str, str]
    kubeconfigs: Mapping[str, str]
    usernames: Mapping[str, str]
    ca_files: Mapping[str, str]
    password_files: Mapping[str, str]
    password_variables: Mapping[str, str]
    password_commands: Mapping[str, str]


def by_name(option: str, given: Sequence[str] | None) -> dict[str, str]:
    from replctl.core.errors import InvalidInput
    from replctl.core.names import check_name

    found: dict[str, str] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals or not value:
            raise InvalidInput(f"{option} wants NAME=…, not {each}")
        if check_name(name, "name of a backend") in found:
            raise InvalidInput(f"{option}: {name} is given twice")
        found[name] = value
    return found


def for_each(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """By name; what is for all of them stands under no name."""
    from replctl.core.errors import InvalidInput
    from replctl.core.names import is_name

    found: dict[str, str] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not (equals and is_name(name)):
            name, value = "", each
        if name in found or not value:
            raise InvalidInput(f"{option} {each}: {'given twice' if value else 'empty'}")
        found[name] = value
    return found


@dataclass(frozen=True, slots=True)
class Desk:
    """Where questions are asked and answered; `asks` when somebody is there."""

    here: Surroundings
    output: Output
    asks: bool

    def ask(self, question: str, default: str = "") -> str:
        """One answer; Ctrl-D is none at all."""
        self.output.ask([], f"{question}{f' [{default}]' if default else ''}: ")
        return self._line() or default

    def must(self, question: str, default: str = "") -> str:
        while not (answer := self.ask(question, default)):
            pass
        return answer

    def agrees(self, question: str, *, default: bool) -> bool:
        self.output.ask([], question)
        answer = self._line().lower()
        return answer in ("y", "yes") if answer else default

    def secret(self, question: str) -> str:
        """What is typed without being shown."""
        with unseen(self.here.stdin):  # before anybody can begin to type
            self.output.ask([], f"{question}: ")
            answer = self._read().rstrip("\r\n")
        self.output.tell([()])
        return answer

    def _line(self) -> str:
        return self._read().strip()

    def _read(self) -> str:
        line = self.here.stdin.readline()
        if not line:
            raise typer.Abort
        return line


@contextmanager
def unseen(stream: TextIO) -> Iterator[None]:
    """A terminal that does not show what is typed; it is as it was afterwards."""
    import termios

    try:
        descriptor = stream.fileno()
        before = termios.tcgetattr(descriptor)
    except (OSError, ValueError, termios.error):  # no terminal, so that nothing is shown
        yield
        return
    silent = before.copy()
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class Gathering:
    """From flags and answers to the backends."""

    def __init__(self, desk: Desk, told: Told) -> None:
        self._desk = desk
        self._told = told

    def backends(self) -> list[NewBackend]:
        from replctl.core.errors import InvalidInput

        told = self._told
        both = set(told.arrays) & set(told.clusters)
        if both:
            raise InvalidInput(f"{min(both)} is given as an array and as a cluster")
        found: list[NewBackend] = [
            *(self._array(name, url) for name, url in told.arrays.items()),
            *(self._cluster(name, context) for name, context in told.clusters.items()),
        ]
        if not found and self._desk.asks:
            found = list(self._asked())
        if not found:
            raise InvalidInput(
                "no backend is given",
                remedy=f"{PROGRAM} init --powerstore NAME=https://HOST, or --trident NAME=CONTEXT",
            )
        self._refuse_others({each.name for each in found})
        return found

    def _refuse_others(self, names: set[str]) -> None:
        """Flags for backends that there are not: a slip of the pen must not send a password elsewhere."""
        from replctl.core.errors import InvalidInput

        told = self._told
        for option, given in (
            ("--kubeconfig", told.kubeconfigs),
            ("--username", told.usernames),
            ("--ca-file", told.ca_files),
            ("--password-file", told.password_files),
            ("--password-env", told.password_variables),
            ("--password-command", told.password_commands),
        ):
            strange = sorted(set(given) - names - {""})
            if strange:
                raise InvalidInput(f"{option} {strange[0]}=…: there is no such backend here")

    def _asked(self) -> Iterator[NewBackend]:
        desk, names = self._desk, set[str]()
        while True:
            kind = KINDS.get(
                desk.ask("1 Dell PowerStore, 2 Kubernetes cluster with NetApp Trident", "1").lower()
            )
            if kind is None:
                continue
            name = self._name(names)
            names.add(name)
            if kind == "powerstore":
                yield self._array(name, desk.must("Management address (https://HOST)"))
            else:
                yield self._cluster(name, desk.ask("Context in the kubeconfig (none: its current one)"))
            if not desk.agrees(
                f"Another one? [{'Y/n' if len(names) < 2 else 'y/N'}] ", default=len(names) < 2
            ):
                return

    def _name(self, taken: set[str]) -> str:
        from replctl.cli.lines import line
        from replctl.core.names import NAME_ALLOWED, is_name

        while True:
            name = self._desk.must("Name of it, as the files and screens call it")
            if is_name(name) and name not in taken:
                return name
            why = "it is taken" if name in taken else NAME_ALLOWED
            self._desk.output.tell([line(f"  {why}")])

    def _array(self, name: str, url: str) -> NewArray:
        from replctl.settings.founding import NewArray

        url = _checked_url(name, url if "://" in url else f"https://{url}")
        username = self._of(self._told.usernames, name)
        if username is None:
            username = self._desk.ask(f"Who signs in to {name}", DEFAULT_USERNAME) if self._desk.asks else ""
        if not username:
            raise _missing(f"who signs in to {name}", f"--username {name}=USER")
        given = self._of(self._told.ca_files, name)
        if given is None and self._desk.asks:
            given = self._desk.ask(f"File with the authority of {name}'s certificate (none: the system's)")
        authority = _readable("--ca-file", given, self._desk.here) if given else None
        secret, kept = self._password(name, username)
        return NewArray(
            name=name,
            url=url,
            username=username,
            secret=secret,
            kept=kept,
            ca_file=authority,
        )

    def _cluster(self, name: str, context: str) -> NewCluster:
        from replctl.settings.founding import NewCluster

        given = self._of(self._told.kubeconfigs, name)
        if given is None:
            variable = self._desk.here.environ.get("KUBECONFIG", "")
            default = variable if variable and ":" not in variable else DEFAULT_KUBECONFIG
            given = self._desk.ask(f"Kubeconfig of {name}", default) if self._desk.asks else default
        kubeconfig = _readable("--kubeconfig", given, self._desk.here)
        return NewCluster(name=name, kubeconfig=kubeconfig, context=context or None)

    @staticmethod
    def _of(given: Mapping[str, str], name: str) -> str | None:
        return given.get(name, given.get(""))

    def _password(self, name: str, username: str) -> tuple[Secret | None, Mapping[str, str | Sequence[str]]]:
        from replctl.core.errors import InvalidInput
        from replctl.core.secrets import Secret

        told = self._told
        ways = {
            "--password-file": self._of(told.password_files, name),
            "--password-env": self._of(told.password_variables, name),
            "--password-command": self._of(told.password_commands, name),
        }
        given = {option: value for option, value in ways.items() if value is not None}
        if len(given) > 1:
            raise InvalidInput(f"{' and '.join(given)} are both given for {name}")
        match next(iter(given.items()), ("", "")):
            case "--password-env", variable:
                return None, {"env": variable}
            case "--password-command", command:
                return None, {"command": shlex.split(command)}
            case "--password-file", path:
                text = self._desk.here.stdin.readline().rstrip("\r\n") if path == STDIN else self._file(path)
            case _ if self._desk.asks:
                text = self._desk.secret(f"Password of {username} on {name} (it is not shown)")
            case _:
                raise _missing(
                    f"the password of {name}", f"--password-file {name}=FILE, or --password-file -"
                )
        if not text:
            raise InvalidInput(f"the password of {name} is empty")
        return Secret(text), {}

    def _file(self, path: str) -> str:
        from replctl.core.errors import InvalidInput
        from replctl.settings import files
        from replctl.settings.secrets import LARGEST_SECRET_BYTES

        try:
            content, _ = files.slurp(_path(path, self._desk.here), LARGEST_SECRET_BYTES)
            text: str | None = content.decode()
        except files.Unreadable as error:
            raise InvalidInput(f"--password-file {path} cannot be read: {error}") from None
        except UnicodeDecodeError:
            text = None
        if text is None:  # raised out here: the other error holds the bytes
            raise InvalidInput(f"--password-file {path} is not UTF-8 text")
        return text.removesuffix("\n").removesuffix("\r")


def _missing(what: str, flag: str) -> Exception:
    from replctl.core.errors import InvalidInput

    return InvalidInput(f"{what} is not said, and nobody is there to be asked", remedy=flag)


def _checked_url(name: str, url: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from replctl.core.errors import InvalidInput
    from replctl.settings.fields import Url

    try:
        return TypeAdapter[str](Url).validate_python(url)
    except ValidationError as error:
        allowed = error.errors(include_input=False, include_url=False)[0]["msg"]
    # the address itself is not told: somebody may have put a password into it
    raise InvalidInput(f"the address of {name} is none: {allowed}")


def _readable(option: str, given: str, here: Surroundings) -> Path:
    """The path as it holds from anywhere; raises InvalidInput when nothing can be read there."""
    from replctl.core.errors import InvalidInput
    from replctl.settings import files

    path = _path(given, here)
    try:
        files.slurp(path, files.LARGEST_CONFIG_BYTES)
    except files.Unreadable as error:
        raise InvalidInput(f"{option} {given} cannot be read: {error}") from None
    return path


def _path(given: str, here: Surroundings) -> Path:
    home = here.environ.get("HOME")
    return Path(home) / given[2:] if home and given.startswith("~/") else Path(given).absolute()
