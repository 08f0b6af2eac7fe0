"""`demo`: a failover played on two simulated sites with the real commands of this program, as a transcript.

One application has a volume on the arrays and one in the clusters. Nothing is faked: each command line is run as if
it had been typed, against the simulator over HTTPS, and its exit code is held against what the story expects. What to
type after the refusal is taken from the refusal.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from replctl.cli.lines import BLANK, Line, Role, Span, dim, line, strong, wrapped
from replctl.cli.output import Output, is_terminal

if TYPE_CHECKING:
    from replctl.cli.surroundings import Surroundings
    from replctl.clock import Cancel
    from replctl.simulator import Simulator

LEDGER = (
    "bank/ledger"  # the first of every simulated world: on the arrays, local replica on west, source on east
)
EVENTS = "web/events"  # the second: in the clusters, the same way round
GROUP = "payments"  # of the ledger, and in the demonstration of both
VENDORS = ("powerstore", "trident")
REPLICATIONS = 4
PAUSE_SECONDS = 1.0  # to read on a terminal
# Seconds that arrays and ONTAP work, short enough for a demonstration and long enough to be seen.
DURATIONS: Mapping[str, float] = {
    "failover": 3.0,
    "failover_dr": 2.0,
    "reprotect": 2.0,
    "cycle": 3.0,
    "sync": 3.0,
    "detection": 3.0,
    "flip": 3.0,
    "lag_east": 0.5,
    "lag_west": 0.5,
    "snapshot": 1.0,
    "update": 2.0,
    "resync": 2.0,
    "ontap_job": 0.5,
}
DETECTED_SECONDS = 5.0
PRINTED = ("<what the refusal printed>",)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
COMMAND = re.compile(r"^ +(replctl .*)$", re.MULTILINE)
WORDS = 88  # columns that a paragraph takes at most


@dataclass(frozen=True, slots=True)
class Act:
    """Words, then events at the sites or a command line, and the exit code that the story expects."""

    words: str = ""
    argv: Sequence[str] = ()
    expected: int = 0
    events: Sequence[tuple[str, str]] = ()
    wait_seconds: float = 0.0


SITE_EAST = ("east", "k8s-east")
WHOLE = ("--group", GROUP)
STORY = (
    Act(
        "Two sites, east and west. Each has an array, Dell PowerStore, and a Kubernetes cluster with NetApp Trident "
        "over ONTAP. They are simulated; all else is real: HTTPS, their APIs, their slow transients, and the "
        "commands, which you could type yourself."
    ),
    Act(
        "1. What is there. An application, payments, has one volume on the arrays and one in the clusters.",
        ("status",),
    ),
    Act(
        "2. A planned move. payments is written in the east; maintenance is due there.",
        ("promote", *WHOLE, "-y", "--reason", "maintenance in the east"),
        6,
    ),
    Act(
        "A pod still uses its volume, and Trident would not stop it from writing to the old side. So nothing was "
        "changed, on the arrays neither. The pod is stopped.",
        events=(("stop_pods", EVENTS),),
    ),
    Act(
        "Now the roles are swapped after a last copy, so that nothing is lost:",
        ("promote", *WHOLE, "-y", "--reason", "maintenance in the east"),
    ),
    Act(
        "Every state change is in the history, in a chain that cannot be edited unseen.", ("history", EVENTS)
    ),
    Act(
        "The maintenance is over: back again.",
        ("demote", *WHOLE, "-y", "--reason", "maintenance is over"),
    ),
    Act(
        "3. Disaster. The east loses power in the middle of its work; soon the array in the west notices that the "
        "link is gone.",
        events=tuple(("kill", each) for each in SITE_EAST),
        wait_seconds=DETECTED_SECONDS,
    ),
    Act("What is known, with what is remembered of the dead side:", ("status", *WHOLE), 3),
    Act("Is the west to take over? Not without a word about what that means:", ("promote", *WHOLE, "-y"), 6),
    Act("The refusal ends with the command that goes on. Typed as it was printed:", PRINTED),
    Act(
        "4. The east comes back, and still believes that it is the source.",
        events=tuple(("revive", each) for each in SITE_EAST),
    ),
    Act(
        "Its circuit breakers are still open, because the last calls failed; --probe asks past them.",
        ("status", *WHOLE, "--probe"),
    ),
    Act(
        "The west has the newer data, the journal knows it. What the east alone still holds is dropped, which has "
        "to be said; reprotect makes it the replica.",
        ("reprotect", *WHOLE, "-y", "--probe", "--discard-local-changes", "--reason", "the east is back"),
    ),
    Act("5. Afterwards.", ("status", *WHOLE)),
    Act("", ("history", "--verify")),
)
EPILOGUE = (
    "That was all of it, and all of it is gone now. For two sites to try things on: "
    "replctl simulate --dir DIR"
)


def demo(context: typer.Context) -> int:
    """Play a failover on simulated arrays and clusters; takes a minute.

    Every command in it is a real one, and could be typed.
    """
    import tempfile

    from replctl.cli.signals import Interrupts
    from replctl.simulator import Options, Simulator

    here = context.obj
    with (
        Interrupts(here.leave) as interrupts,
        tempfile.TemporaryDirectory(prefix="replctl-demo-") as folder,
        Simulator(
            Options(Path(folder), replications=REPLICATIONS, durations=DURATIONS, vendors=VENDORS)
        ) as simulator,
    ):
        return play(here, simulator, interrupts.cancel)


def play(here: Surroundings, simulator: Simulator, cancel: Cancel | None = None) -> int:
    """Play the story on a running simulator; 0 when every command ended as expected."""
    output = Output(here.stdout, here.stderr, here.environ)
    _set_the_scene(Path(simulator.ready["config"]))
    stage = _Stage(here, output, simulator, cancel)
    for act in STORY:
        code = stage.play(act)
        if code != act.expected:
            return _spoilt(output, act, code)
        stage.pause()
    output.data([*_paragraph(EPILOGUE), BLANK])
    return 0


def _set_the_scene(config: Path) -> None:
    """Both volumes belong to one application, and ONTAP may be asked, so that the age of its copies is known."""
    config.write_text(config.read_text().replace("    # ontap:", "    ontap:"))
    entries = config.with_name("replications.yaml")
    name = f"  name: {EVENTS.partition('/')[2]}\n"
    entries.write_text(entries.read_text().replace(name, f"{name}  group: {GROUP}\n"))


def _spoilt(output: Output, act: Act, code: int) -> int:
    """A command ended otherwise than expected: the demonstration is over, unless somebody stopped it."""
    from replctl.core.outcomes import ExitCode

    if code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
        return code
    command = shlex.join(("replctl", *act.argv))
    output.tell([line(Span("error:", Role.BAD), f" {command} ended with {code}, not with {act.expected}")])
    return int(ExitCode.FAILED)


class _Stage:
    """Where the acts are played: types commands, lets things happen, remembers the last refusal."""

    def __init__(
        self, here: Surroundings, output: Output, simulator: Simulator, cancel: Cancel | None
    ) -> None:
        self._here = here
        self._output = output
        self._simulator = simulator
        self._cancel = cancel
        self._heard = ""

    def play(self, act: Act) -> int:
        if act.words:
            self._output.data([*_paragraph(act.words), BLANK])
        for name, subject in act.events:
            getattr(self._simulator.control, name)(subject)
        if act.wait_seconds:
            self._here.clock.wait(act.wait_seconds, self._cancel)
        if not act.argv:
            return act.expected
        return self._type(self._printed() if act.argv is PRINTED else tuple(act.argv))

    def pause(self) -> None:
        if is_terminal(self._here.stdout):
            self._here.clock.wait(PAUSE_SECONDS, self._cancel)

    def _printed(self) -> Sequence[str]:
        """The words after `replctl` in the last command that was printed to be typed."""
        return shlex.split(COMMAND.findall(COLOURS.sub("", self._heard))[-1])[1:]

    def _type(self, argv: Sequence[str]) -> int:
        self._output.data([line(dim("$ "), strong(shlex.join(("replctl", *argv))))])
        self._output.flush()
        ear = Ear(self._here.stderr)
        code = self._here.run(
            argv,
            clock=self._here.clock,
            environ=self._environ(),
            stdin=self._here.stdin,
            stdout=self._here.stdout,
            stderr=ear.stream,
            assemble=self._here.assemble,
            leave=self._here.leave,
        )
        self._heard = ear.heard
        self._output.data([BLANK])
        self._output.flush()
        return code

    def _environ(self) -> Mapping[str, str]:
        """The environment without the user's own configuration, pointed at the simulator's."""
        kept = {key: value for key, value in self._here.environ.items() if not key.startswith("REPLCTL_")}
        return {**kept, "REPLCTL_CONFIG": str(self._simulator.ready["config"])}


class Ear:
    """Hears what is written to a stream, which is written all the same."""

    def __init__(self, stream: TextIO) -> None:
        self._heard: list[str] = []
        self.stream: TextIO = _Overheard(stream, self._heard.append)  # type: ignore[assignment]  # it is one, by delegation

    @property
    def heard(self) -> str:
        return "".join(self._heard)


class _Overheard:
    """A stream that passes everything on, and tells what is written."""

    def __init__(self, stream: TextIO, tell: Callable[[str], None]) -> None:
        self._stream = stream
        self._tell = tell

    def write(self, text: str) -> int:
        self._tell(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _paragraph(words: str) -> list[Line]:
    return wrapped(words, WORDS, role=Role.BUSY)
