"""What people see, scene by scene, as it is written down in `tests/cli/transcripts`: at 80 and at 120 columns, with
and without colours. `make generate` writes the transcripts anew; their diff is what is to be judged.

A colour's escape stands there as `␛`, so that a diff of colours can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from cli import stage
from cli.conftest import Runner, Terminal
from fakes import START

from replctl.cli import comparing, explaining, findings, progress, screens, tables, watchscreen
from replctl.cli.lines import Line
from replctl.cli.output import Colour, Output
from replctl.core import events
from replctl.core.breaker import BreakerState, Position
from replctl.core.differences import compare
from replctl.core.guards import GUARDS
from replctl.core.journal import OperationRecord, TransitionRecord
from replctl.core.model import (
    Health,
    Hold,
    Holder,
    Intent,
    Mode,
    Pair,
    Progress,
    State,
    Trouble,
    TroubleKind,
    Verb,
    Volume,
)
from replctl.core.outcomes import Outcome
from replctl.core.plans import Course, Evidence, Refusal
from replctl.core.results import Explanation, Failure, LeftToDo, ReplicationStatus, StatusReport
from replctl.core.waiting import DaemonWord, Waiting
from replctl.diagnosis.checks import fails, warns, well
from replctl.diagnosis.survey import Standing

WIDTHS = (80, 120)
HERE = Path(__file__).parent / "transcripts"
Draw = Callable[[int], list[Line]]

LEDGER = stage.replication("bank/ledger", group="payments")
PROMOTE = Intent(verb=Verb.PROMOTE, replication=LEDGER)
HOLD = Hold(owner="ann on runner", reason="array firmware, until Sunday", since=START - 3600)
UNTOLD = "Trident does not tell when a copy arrived last, so that whether it keeps up is not known"


# -- a world with everything in it -----------------------------------------------------------------------------


def healthy(key: str, **changes: object) -> ReplicationStatus:
    return stage.line_of(stage.replication(key), message="", **changes)


def of_group(key: str, group: str, **changes: object) -> ReplicationStatus:
    return stage.line_of(stage.replication(key, group=group), message="", **changes)


def in_clusters(key: str) -> ReplicationStatus:
    pair = Pair(
        stage.seen("k8s-west", State.REPLICA, word="established"),
        stage.seen("k8s-east", State.SOURCE, word="promoted"),
    )
    made = stage.line_of(stage.replication(key), pair, health=Health.UNKNOWN, message=f"k8s-west: {UNTOLD}")
    return replace(made, point_at=None)


def split(key: str) -> ReplicationStatus:
    pair = replace(stage.PAIR, local=stage.seen("west", State.SOURCE))
    message = "both west and east read as source"
    made = stage.line_of(stage.replication(key, group="payments"), pair, message=message, in_sync=False)
    return replace(made, health=Health.SPLIT_BRAIN, point_at=None)


def dark(key: str, at: str = "east") -> ReplicationStatus:
    """One of whose peer only the memory is left."""
    trouble = Trouble(kind=TroubleKind.SILENT, code="timed-out", message="no answer within 3s")
    gone = replace(stage.DEAD.peer, backend=at, trouble=trouble)
    made = stage.line_of(stage.replication(key), Pair(stage.PAIR.local, gone), health=Health.UNKNOWN)
    peer = replace(made.peer, state=State.SOURCE, observed_at=START - 130)
    return replace(made, peer=peer, message=f"{at}: no answer within 3s")


def closed(key: str) -> ReplicationStatus:
    """One whose peer was not read for a reason of our own."""
    refused = Trouble(kind=TroubleKind.CREDENTIALS, code="unauthorized", message="it answered 401: No.")
    gone = replace(stage.DEAD.peer, backend="north", trouble=refused)
    made = stage.line_of(stage.replication(key), Pair(stage.PAIR.local, gone), health=Health.UNKNOWN)
    return replace(made, message="north: it answered 401: No.")


def report(*lines: ReplicationStatus, silent: frozenset[str] = frozenset()) -> StatusReport:
    return StatusReport(
        observed_at=START, replications=lines, answered=frozenset({"west", "east"}) - silent, silent=silent
    )


PAUSED = replace(
    healthy("plant/profiles", health=Health.DEGRADED, hold=HOLD), message="west: paused by a person"
)
LATE = replace(
    healthy("hr/search", health=Health.DEGRADED), message="west: the copy lags", point_at=START - 5400
)
LEFT = Waiting(
    why="unadopted: it is replica, and the file wants source",
    next="replctl promote claims/invoices",
    since=START - 7200,
)
MIXED = report(
    healthy("web/events"),
    split("bank/search"),
    in_clusters("fleet/shipping"),
    in_clusters("lab/orders"),
    in_clusters("media/search"),
    in_clusters("plant/sessions"),
    dark("shop/orders", "south"),
    closed("tax/ledger"),
    PAUSED,
    LATE,
    of_group("bank/ledger", "payments", drill=True),
    of_group("bank/payroll", "payments", operation_id="op-f34051f77553"),
    healthy("claims/invoices", hold=HOLD, waiting=LEFT),
    silent=frozenset({"south", "north"}),
)
MIXED = replace(
    MIXED, daemon=DaemonWord(looked_at=START - 12, every_seconds=30.0, said="saw 13 replications")
)
SIXTY = report(
    *(of_group(f"bank/db-{number:02}", f"payments-{number % 3}") for number in range(57)),
    *(replace(LATE, replication=stage.replication(f"shop/log-{number}")) for number in range(3)),
)
LONG = "production-payments-europe"
LONG_NAMES = report(
    *(
        healthy(f"{LONG}-{zone}/customer-orders-primary-data", point_at=START - 119)
        for zone in ("north", "south")
    ),
    dark("bank/ledger", "k8s-east-2.example"),
)
WIDE_LETTERS = report(
    replace(healthy("bank/ledger", health=Health.DEGRADED), message="west: レプリケーションが遅れています"),
    healthy("bank/münze"),
)


# -- scenes that are made of values ----------------------------------------------------------------------------

STEPS_CUT = (
    stage.STEPS[0],
    replace(stage.STEPS[1], outcome=Outcome.FAILED, error_message="the array said no: it is busy"),
)
SPLIT_SEEN = tuple(
    Evidence(
        fact="state",
        value="source (OK): well: in step, or waiting for the next copy cycle",
        backend=backend,
        as_of=START - 1,
    )
    for backend in ("west", "east")
)
SPLIT_SAYS_NO = Refusal(
    guards=(GUARDS["split-brain"].says_no(*SPLIT_SEEN),), next="replctl reprotect bank/search"
)
VENDOR = {
    "session": "2a3bfb44-75b4-49b3-abd6-89dc87587043",
    "role": "Destination",
    "state": "OK",
    "type": "Asynchronous",
    "data_transfer_state": "Asynchronous",
    "last_sync_timestamp": "2031-02-03T00:59:33.000+00:00",
    "last_sync_duration": 20000.0,
    "witness": None,
    "remote_system": "east-cluster",
}


def explained() -> Explanation:
    """Of one whose peer is dark: what goes, and what is refused."""
    status = replace(dark("bank/ledger"), hold=HOLD, in_sync=False)
    pair = Pair(replace(stage.PAIR.local, vendor=VENDOR), replace(stage.DEAD.peer, observed_at=START - 1))
    verbs = (
        (Verb.PROMOTE, stage.REFUSAL),
        (Verb.DEMOTE, replace(stage.SWITCH, steps=())),
        (Verb.SYNC, stage.SWITCH),
    )
    return Explanation(status=status, pair=pair, verbs=verbs)


def split_explained() -> Explanation:
    status = split("bank/search")
    pair = replace(stage.PAIR, local=stage.seen("west", State.SOURCE, vendor=VENDOR))
    survivor = replace(SPLIT_SAYS_NO, next="replctl reprotect bank/search --survivor=BACKEND")
    verbs = tuple((verb, survivor if verb is Verb.REPROTECT else SPLIT_SAYS_NO) for verb in Verb)
    return Explanation(status=status, pair=pair, verbs=verbs)


def record(outcome: Outcome | None, **changes: object) -> OperationRecord:
    made = OperationRecord(
        operation_id="op-f34051f77553",
        correlation_id="bank-ledger-1927846800000",
        replication="bank/ledger",
        verb="promote",
        signature="promote:west:",
        backend="west",
        course=Course.SWITCH,
        new_source="west",
        who=stage.WHO,
        command="replctl promote bank/ledger",
        reason="moving to west",
        group=None,
        acknowledged=("--peer-is-down",),
        from_state=State.REPLICA,
        to_state=State.SOURCE,
        began=START - 60,
        deadline_at=START + 1800,
        steps=(stage.STEPS[0], replace(stage.STEPS[1], outcome=None, finished=None)),
        outcome=outcome,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # names are OperationRecord's own


MOVES = [
    TransitionRecord(
        replication="bank/ledger",
        backend=backend,
        origin=origin,
        target=target,
        at=START,
        reason=reason,
        request_id="bank-ledger-1927846800000",
        who="ann on runner, pid 4711",
        operation_id="op-f34051f77553",
    )
    for backend, origin, target, reason in (
        ("east", State.SOURCE, State.DEMOTING, "user_requested"),
        ("west", State.REPLICA, State.SOURCE, "external"),
    )
]
STANDINGS = [
    Standing(
        name="west",
        kind="powerstore",
        url="https://west.example",
        reachable=True,
        version="4.1.0.0",
        clock_offset_seconds=-0.029,
        latency_seconds=0.065,
        sessions=6,
        breakers={"read": Position.CLOSED},
    ),
    Standing(
        name="k8s-east",
        kind="trident",
        url="https://k8s-east.example:6443",
        breakers={"read": Position.OPEN},
        trouble=Trouble(kind=TroubleKind.SILENT, code="timed-out", message="it did not answer within 3 s"),
    ),
]
CHECKS = [
    well("configuration", "config.yaml and replications.yaml", "valid: 2 backends, 4 replications"),
    fails(
        "secret",
        "west",
        "the password cannot be read: /etc/replctl/credentials/west: no such file",
        "write the password into /etc/replctl/credentials/west, and `chmod 600` it",
    ),
    well("store", "/var/lib/replctl", "can be written, on a local file system"),
    warns(
        "clock",
        "east",
        "the clock is 12s ahead of ours, give or take 4ms",
        "set up NTP on both sides",
    ),
    well("tls", "east", "the certificate is trusted, 365 days left"),
]
COMPARED = [
    compare(each, START)
    for each in (
        stage.line_of(stage.replication("bank/ledger", desired_state=State.SOURCE), hold=HOLD),
        stage.line_of(stage.replication("media/mail"), mode=Mode.SYNCHRONOUS),
        dark("shop/orders"),
        healthy("web/events"),
    )
]


def in_hand(number: int, percent: float | None) -> Line:
    began = events.StepBegan(
        operation_id=f"op-{number}",
        replication=f"production-payments/db-{number:02}",
        step="failover",
        number=1,
        of=2,
        backend="east",
        sentence="east hands over to west: final copy, then the roles swap",
    )
    waits = events.StepWaits(
        operation_id=f"op-{number}",
        replication=f"production-payments/db-{number:02}",
        step="failover",
        local_word="OK",
        peer_word="Failing_Over",
        elapsed_seconds=5.0,
        progress=Progress(percent=percent),
    )
    return progress.in_hand(progress.Running(began=began, since=START, waits=waits), START + 75)


def fifty(width: int) -> list[Line]:
    wave = events.WaveBegan(number=2, of=3, order=10, members=50)
    counted = progress.Wave(began=wave, since=START, done=31, failed=2)
    return progress.fitting(
        [progress.of_wave(counted, 16, START + 125), *(in_hand(n, n * 7.0) for n in range(8))], width
    )


def done(outcome: Outcome, **changes: object) -> Draw:
    made = stage.result(
        PROMOTE,
        outcome,
        operation_id="op-f34051f77553",
        started=START,
        finished=START + 31,
        steps=stage.STEPS,
        **changes,
    )
    return lambda width: screens.result(made, START, width)


def watched(view: watchscreen.View) -> Draw:
    return lambda width: watchscreen.screen(view, MIXED, START + 3.0, width, 24, every_seconds=5.0)


UNKNOWN_LOSS = replace(
    stage.LOSS, point=None, at_least_seconds=None, at_most_seconds=None, source="last_sync_timestamp is null"
)
DRAWN: Mapping[str, Draw] = {
    "status-mixed": lambda width: tables.status(MIXED, width),
    "status-healthy": lambda width: tables.status(
        report(healthy("bank/ledger"), healthy("web/events")), width
    ),
    "status-sixty": lambda width: tables.status(SIXTY, width),
    "status-long-names": lambda width: tables.status(LONG_NAMES, width),
    "status-wide-letters": lambda width: tables.status(WIDE_LETTERS, width),
    "status-wide": lambda width: tables.status(
        replace(MIXED, replications=MIXED.replications[:4]), width, wide=True
    ),
    "watch": watched(watchscreen.View()),
    "watch-details": watched(watchscreen.View(chosen="bank/search", details=True)),
    "watch-filter": watched(watchscreen.View(filter="unknown", typing=True)),
    "explain": lambda width: explaining.explanation(explained(), START, width),
    "explain-split-brain": lambda width: explaining.explanation(split_explained(), START, width),
    "refusal": lambda width: screens.refusal("bank/ledger", "promote", stage.REFUSAL, START, width),
    "loss": lambda width: screens.loss(stage.LOSS, START, width),
    "loss-unknown": lambda width: screens.loss(UNKNOWN_LOSS, START, width),
    "plan-unplanned": lambda width: screens.plan(
        LEDGER.key, "promote", stage.TAKEOVER, stage.PAIR, START, width
    ),
    "result": done(
        Outcome.SUCCEEDED,
        left_to_do=(
            LeftToDo(
                task="map to the hosts that use west",
                backend="west",
                volumes=(Volume("v-1", "ledger-1", "naa.68ccf098"), Volume("v-10", "ledger-10")),
            ),
        ),
    ),
    "result-partial": done(
        Outcome.PARTIAL,
        failure=Failure(
            code="rejected",
            message="the array said no",
            remedy="replctl explain bank/ledger",
            retry_at=START + 60,
        ),
        holder=Holder(
            who=stage.WHO, since=START - 60, command="replctl demote bank/ledger", operation_id="op-6"
        ),
    ),
    "result-unknown": done(Outcome.UNKNOWN),
    "progress-one": lambda width: progress.fitting([in_hand(7, 43.0)], width),
    "progress-fifty": fifty,
    "diff": lambda width: comparing.differences(COMPARED, width),
    "operations": lambda width: tables.operations([record(None), record(Outcome.SUCCEEDED)], START, width),
    "operation": lambda width: screens.operation(record(None), None, START, width),
    "history": lambda width: tables.history(MOVES, width),
    "breakers": lambda width: tables.breakers(
        [
            (
                "east",
                "read",
                BreakerState(
                    position=Position.OPEN,
                    failures=5,
                    retry_at=START + 60,
                    last_failure_at=START - 5,
                    last_error="GET /api/rest/replication_session: no answer within 3s",
                ),
            ),
            ("west", "read", BreakerState()),
        ],
        START,
        width,
    ),
    "backends": lambda width: findings.backends(STANDINGS, width),
    "doctor": lambda width: findings.diagnosis(CHECKS, width),
}


# -- scenes that are typed -------------------------------------------------------------------------------------


def several(count: int) -> Runner:
    run = Runner()
    run.world.replications = [
        stage.to_be_promoted(f"bank/db-{number:02}", group="payments", order=number % 3)
        for number in range(count)
    ]
    return run


def with_unplanned() -> Runner:
    run = several(6)
    for each in run.world.replications:
        run.world.answers[each.key] = stage.TAKEOVER
    return run


def refused(count: int, of: int) -> Runner:
    run = several(of)
    for each in run.world.replications[-count:]:
        run.world.answers[each.key] = stage.REFUSAL
    return run


TYPED: Mapping[str, tuple[Callable[[], Runner], Sequence[str], str]] = {
    "plan": (lambda: several(2), ("plan",), ""),
    "plan-of-many": (lambda: unchanged(several(40)), ("plan",), ""),
    "group-failover": (lambda: several(50), ("promote", "--group", "payments"), "n\n"),
    "group-unplanned": (with_unplanned, ("promote", "--all"), "6 unplanned\n"),
    "group-refused": (lambda: refused(3, 20), ("promote", "--group", "payments"), ""),
    "group-of-a-dead-site": (lambda: refused(50, 50), ("promote", "--all", "-y"), ""),
    "help": (Runner, ("--help",), ""),
    "help-promote": (Runner, ("promote", "--help"), ""),
    "misspelt": (Runner, ("explain", "bank/lodger"), ""),
    "unknown-verb": (Runner, ("promte", "bank/ledger"), ""),
}


def unchanged(run: Runner) -> Runner:
    for each in run.world.replications[2:]:
        run.world.answers[each.key] = Outcome.UNCHANGED
    return run


# -- the transcripts -------------------------------------------------------------------------------------------


def drawn(draw: Draw, columns: int, colour: Colour) -> str:
    stream = Terminal()
    Output(stream, stream, {"COLUMNS": str(columns)}, colour=colour).data(draw(columns))
    return stream.getvalue()


def typed(name: str, columns: int, colour: Colour) -> str:
    """What stands on the terminal after a command."""
    make, argv, keys = TYPED[name]
    run = make()
    run.environ["TERM"] = "dumb"  # no line that redraws itself
    asked = () if argv[-1] == "--help" else ("--color", colour.value)
    return f"$ replctl {' '.join(argv)}\n{run.on_one_screen(*argv, *asked, columns=columns, typed=keys)}"


@cache
def shown(name: str, columns: int, colour: Colour) -> str:
    return drawn(DRAWN[name], columns, colour) if name in DRAWN else typed(name, columns, colour)


def transcript(name: str) -> str:
    """All forms of one scene."""
    parts: list[str] = []
    for colour, words in ((Colour.NEVER, ""), (Colour.ALWAYS, ", in colours")):
        for columns in WIDTHS:
            parts.append(f"== {columns} columns{words}\n\n{shown(name, columns, colour)}")
    return "\n".join(parts).replace("\x1b", "␛")


def names() -> Iterator[str]:
    yield from DRAWN
    yield from TYPED


def path_of(name: str) -> Path:
    return HERE / f"{name}.txt"


def main() -> None:
    HERE.mkdir(exist_ok=True)
    for left in set(HERE.glob("*.txt")) - {path_of(name) for name in names()}:
        left.unlink()
    for name in names():
        path_of(name).write_text(transcript(name), encoding="utf-8")


if __name__ == "__main__":
    main()
