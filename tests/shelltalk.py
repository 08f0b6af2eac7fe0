"""Real shells in a pseudo-terminal: TAB is pressed, the screen is read, and the shell says what its line became.

One table of cases for all shells. The `replctl` that a shell finds notes when an answer was given, so that a
test knows that a key press was dealt with, and waits no longer than it must, nor for ever.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from screen import COLUMNS, ROWS, Screen

from replctl.completing import kept

ROOT = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).with_name("replctl")
PROMPT = "$> "
PATIENCE_SECONDS = 10.0  # for one answer, on a busy machine
CURSOR = "‸"
TAB = "\t"
LEFT = "\x02"  # Ctrl-B, in all three
NO_LINE = "\x05\x15"  # Ctrl-E, Ctrl-U
EMPTY = f"{NO_LINE}\x0c"  # and Ctrl-L: an empty line on an empty screen
TELL = "\x18\x02"  # Ctrl-X Ctrl-B: the shell writes its line down
OPERATION = "op-0123456789ab"

CONFIG = "backends: {}\n"
NAMES = (
    ("bank/cards", "source", "payments", ("west", "east"), ("tier=gold", "env=prod")),
    ("bank/ledger", "replica", "payments", ("west", "east"), ("tier=gold", "env=prod")),
    ("shop/orders", "", "", ("k8s-west", "k8s-east"), ("tier=silver",)),
)
BACKENDS = ("east", "k8s-east", "k8s-west", "west")


@dataclass(frozen=True)
class Case:
    """A line, with the cursor at its end or at CURSOR.

    After TAB `shows` stand on the screen below it, `hides` do not, and the line `becomes` another, if told.
    """

    line: str
    becomes: str | None = None
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()


def _nothing(line: str) -> Case:
    """TAB changes nothing."""
    return Case(line, becomes=line)


CASES = (
    # verbs and those beneath them
    Case("replctl pro", "replctl promote "),
    Case("replctl op re", "replctl op resume "),
    Case("replctl op ", shows=("list", "show", "wait", "resume", "abandon"), hides=("promote",)),
    Case("replctl drill st", "replctl drill st", shows=("start", "stop")),
    Case("replctl completion f", "replctl completion fish "),
    # names, each once
    Case("replctl promote bank/l", "replctl promote bank/ledger "),
    Case("replctl promote ", shows=("bank/cards", "bank/ledger", "shop/orders"), hides=("west", "--all")),
    Case("replctl promote bank/ledger ba", "replctl promote bank/ledger bank/cards "),
    Case("replctl promote ord", "replctl promote orders "),
    Case("replctl promote -n bank l", "replctl promote -n bank ledger "),
    Case("replctl explain shop/", "replctl explain shop/orders "),
    _nothing("replctl explain shop/orders ba"),
    Case("replctl promote -- bank/l", "replctl promote -- bank/ledger "),
    _nothing("replctl promote -- --pe"),
    Case("replctl promote BANK/L", "replctl promote bank/ledger "),
    Case('replctl promote "bank/l', 'replctl promote "bank/ledger" '),
    Case(f"replctl promote bank/l{CURSOR} --peer-is-down", "replctl promote bank/ledger --peer-is-down"),
    # flags of the verb, each once
    Case("replctl promote --peer-is-d", "replctl promote --peer-is-down "),
    Case("replctl promote --peer-is-down --peer-is", "replctl promote --peer-is-down --peer-is-fenced "),
    _nothing("replctl status --peer-is"),
    _nothing("replctl promote bank/ledger -y --ye"),
    _nothing("replctl promote bank/ledger --grou"),
    _nothing("replctl promote --all bank/l"),
    _nothing("replctl nonsense --o"),
    Case("replctl promote -vv --verb", "replctl promote -vv --verbose "),
    # values
    Case("replctl status -o j", "replctl status -o json", shows=("json", "jsonl"), hides=("yaml",)),
    Case("replctl status --output=w", "replctl status --output=wide "),
    Case("replctl status --color ", shows=("auto", "always", "never")),
    Case("replctl status -ow", "replctl status -owide "),
    Case("replctl failover bank/ledger --to ", shows=("west", "east"), hides=("k8s-west",)),
    Case("replctl failover --to=k8s-e", "replctl failover --to=k8s-east "),
    Case("replctl breaker reset we", "replctl breaker reset west "),
    Case("replctl status --group pa", "replctl status --group payments "),
    Case("replctl status -l tier=g", "replctl status -l tier=gold "),
    Case("replctl status -l tier=gold,e", "replctl status -l tier=gold,env=prod "),
    Case("replctl status --selector=tier=s", "replctl status --selector=tier=silver "),
    Case("replctl promote --accept-data-loss un", "replctl promote --accept-data-loss unknown "),
    Case("replctl simulate --vendors powerstore,tr", "replctl simulate --vendors powerstore,trident "),
    Case("replctl op resume op", f"replctl op resume {OPERATION} "),
    # files, and the names of another configuration
    Case("replctl status --config dr/ot", "replctl status --config dr/other.yaml "),
    Case("replctl status --config=dr/ot", "replctl status --config=dr/other.yaml "),
    Case('replctl status --config "dr/ot', 'replctl status --config "dr/other.yaml" '),
    Case("replctl simulate --dir dr/st", "replctl simulate --dir dr/state/"),
    Case("replctl status --config dr/other.yaml ", "replctl status --config dr/other.yaml other/thing "),
    Case("tools/replctl pro", "tools/replctl promote "),
)

# fish tells nothing of what stands behind the cursor.
CASES_BEHIND = (
    Case(
        f"replctl promote --peer-is-{CURSOR} --peer-is-down",
        "replctl promote --peer-is-fenced --peer-is-down",
    ),
    Case(f"replctl promote ba{CURSOR} bank/ledger", "replctl promote bank/cards bank/ledger"),
)


def names_file(
    config: Path, names: tuple[tuple[str, str, str, tuple[str, ...], tuple[str, ...]], ...]
) -> str:
    """What a command would have left behind for completion."""
    return kept.text(
        str(config),
        [kept.Replication(*each) for each in names],
        BACKENDS,
        [kept.Operation(OPERATION, "promote", "bank/ledger")],
    )


@dataclass(frozen=True)
class Home:
    """A home directory with two configurations, names of both, and programs."""

    path: Path
    environ: Mapping[str, str] = field(repr=False)

    @property
    def config(self) -> Path:
        return self.path / ".config" / "replctl" / "config.yaml"

    @property
    def names(self) -> Path:
        return self.path / ".local" / "state" / "replctl" / kept.file_name(str(self.config))

    @property
    def answered(self) -> Path:
        return self.path / "answered"

    @property
    def told(self) -> Path:
        return self.path / "told"


def home(path: Path) -> Home:
    """Made anew at the path."""
    made = Home(
        path,
        {
            "HOME": str(path),
            "PATH": f"{path / 'tools'}:/usr/bin:/bin",
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
            "TOLD": str(path / "told"),
            "XDG_DATA_DIRS": str(path / "nothing"),
            "fish_greeting": "",
        },
    )
    other = path / "dr" / "other.yaml"
    for directory in (made.config.parent, made.names.parent, other.parent / "state", path / "tools"):
        directory.mkdir(parents=True)
    made.config.write_text(CONFIG)
    made.names.write_text(names_file(made.config, NAMES))
    other.write_text(f"state_dir: ./state\n{CONFIG}")
    thing = (("other/thing", "", "", ("west", "east"), ()),)
    (other.parent / "state" / kept.file_name(str(other))).write_text(names_file(other, thing))
    program = path / "tools" / "replctl"
    program.write_text(f'#!/bin/sh\n{PROGRAM} "$@"\ncode=$?\necho >> {made.answered}\nexit $code\n')
    program.chmod(0o755)
    return made


class Talk:
    """A shell that somebody types into."""

    def __init__(self, descriptor: int, home: Home) -> None:
        self._descriptor = descriptor
        self._home = home
        self.screen = Screen()

    def press(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Read what the shell writes until something holds; fails with the screen."""
        deadline = monotonic() + PATIENCE_SECONDS
        while not holds():
            assert monotonic() < deadline, f"not {what} in {PATIENCE_SECONDS:.0f} s:\n{self.screen.text}"
            self._read(0.02)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return False
        answer = self.screen.feed(os.read(self._descriptor, 65536).decode(errors="replace"))
        if answer:
            self.press(answer)
        return True

    def enter(self, command: str) -> None:
        """Run a command, whatever stood on the line, and wait for the prompt after it."""
        self.screen.clear()
        self.press(f"{NO_LINE}{command}\n")
        self.until("prompted", lambda: self.screen.text.endswith(PROMPT.rstrip()))

    def tab(self, line: str) -> None:
        """Type the line on an empty screen and press TAB where its cursor is, and wait for the answer."""
        self.press(EMPTY)
        self.until("empty", lambda: self.screen.text == PROMPT.rstrip())
        before, _, after = line.partition(CURSOR)
        answers = self._answers()
        self.press(before + after + LEFT * len(after) + TAB)
        self.until("answered", lambda: self._answers() > answers)

    def _answers(self) -> int:
        return self._home.answered.stat().st_size if self._home.answered.exists() else 0

    @property
    def line(self) -> str:
        """What the shell says that its line is."""
        self._home.told.unlink(missing_ok=True)
        self.press(TELL)
        self.until("told", lambda: self._home.told.exists() and self._home.told.read_text().endswith("\n"))
        return self._home.told.read_text()[:-1]

    def offered(self) -> list[str]:
        """The words that stand on the screen below the line."""
        return "\n".join(self.screen.text.split("\n")[1:]).split()

    def try_out(self, case: Case) -> None:
        self.tab(case.line)
        self.until(f"shown {case.shows}", lambda: set(case.shows) <= set(self.offered()))
        assert [each for each in case.hides if each in self.offered()] == [], self.screen.text
        if case.becomes is not None:
            assert self.line == case.becomes, self.screen.text


@contextmanager
def talk(argv: list[str], home: Home, set_up: tuple[str, ...]) -> Iterator[Talk]:
    """A shell in a terminal of its own, with what it is told at first; ended at the end."""
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(home.path)
        os.execvpe(argv[0], argv, dict(home.environ))
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    try:
        talking = Talk(descriptor, home)
        for command in set_up:
            talking.enter(command)
        yield talking
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(descriptor)
        os.waitpid(pid, 0)


def bash(*more: str) -> tuple[list[str], tuple[str, ...]]:
    """bash, taught to show its prompt, to list at the first TAB, and to tell its line."""
    told = 'bind -x \'"\\C-x\\C-b": printf "%s\\n" "$READLINE_LINE" > "$TOLD"\''
    return ["bash", "--norc", "--noprofile", "-i"], (
        f"PS1='{PROMPT}'; bind 'set show-all-if-ambiguous on'; bind 'set bell-style none'; {told}",
        *more,
    )


def zsh(*more: str) -> tuple[list[str], tuple[str, ...]]:
    return ["zsh", "-f", "-i"], (
        f"PROMPT='{PROMPT}'; unsetopt PROMPT_SP BEEP LIST_AMBIGUOUS; bindkey -e; bindkey '^B' backward-char",
        "autoload -Uz compinit; compinit -D; zstyle ':completion:*' matcher-list '' 'm:{A-Z}={a-z}'",
        'tell() { print -r -- "$BUFFER" > "$TOLD" }; zle -N tell; bindkey \'^X^B\' tell',
        *more,
    )


def fish(*more: str) -> tuple[list[str], tuple[str, ...]]:
    return ["fish", "--no-config", "-i"], (
        f"function fish_prompt; echo -n '{PROMPT}'; end; set -g fish_autosuggestion_enabled 0",
        "bind \\cx\\cb 'commandline > $TOLD'",
        *more,
    )
