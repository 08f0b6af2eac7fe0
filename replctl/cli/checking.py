"""`check`: all that is asked for as one answer to a monitoring system, in the manner of Nagios' plugins.

One line with the level, the counts and the performance data; then a line for each replication that is not well. The
exit code is 0, 1, 2 or 3 and nothing else, whatever happens: what keeps it from looking is told as UNKNOWN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, cast

import typer

from replctl.cli.options import Choosing, Common, Looking, OptionalNames, seconds

if TYPE_CHECKING:
    from replctl.cli.output import Output
    from replctl.cli.shapes import AlarmsDocument, AlarmWord
    from replctl.core.alarms import Alarm, Level, Limits
    from replctl.core.errors import Finding
    from replctl.core.results import Failure

NAME = "check"
SERVICE = "REPLICATIONS"
MOST_SERIES = 100  # replications with performance data of their own: a plugin's answer may have 8 KiB
NOT_KNOWN = "U"  # in performance data


def check(
    context: typer.Context,
    *,
    names: OptionalNames = None,
    warning: Annotated[
        str | None,
        typer.Option("-w", "--warning", metavar="DURATION", help="Age of a copy; its rpo without it."),
    ] = None,
    critical: Annotated[
        str | None,
        typer.Option("-c", "--critical", metavar="DURATION", help="Age of a copy; twice its rpo without it."),
    ] = None,
    choosing: Choosing,
    looking: Looking,
    common: Common,
) -> int:
    """Answer a monitoring system: OK 0, WARNING 1, CRITICAL 2, UNKNOWN 3.

    By health, age of the copies, and whether they are as the file says; for Nagios, Icinga and their kin, with
    performance data. What keeps it from looking is UNKNOWN too, a wrong command line or configuration included.
    """
    from replctl.cli.looking import chosen
    from replctl.cli.output import Format
    from replctl.cli.session import opened
    from replctl.core.alarms import Level, judge, worst
    from replctl.engine import Request

    limits = _limits(warning, critical)
    with opened(context.obj, common, looking) as session:
        request = Request(
            probe=looking.probe, cancel=session.interrupts.cancel, began_at=session.here.began_at
        )
        which = chosen(session, names, choosing)
        report = session.services.engine.status(which, request)
        session.reports.append(report)
        alarms = [judge(each, limits, report.observed_at) for each in report.replications]
        level = worst(each.level for each in alarms)
        output = session.output
        if output.format.is_document:
            output.document(document(alarms, report.observed_at))
        elif output.format is Format.NAME:
            output.names(each.key for each in alarms if each.level is not Level.OK)
        else:
            output.names(lines(alarms))
        return int(level)


def _limits(warning: str | None, critical: str | None) -> Limits:
    from replctl.core.alarms import Limits
    from replctl.core.errors import InvalidInput

    limits = Limits(seconds("--warning", warning), seconds("--critical", critical))
    if limits.warning is not None and limits.critical is not None and limits.critical < limits.warning:
        raise InvalidInput("--critical: it is less than --warning, which would never be said")
    return limits


def lines(alarms: Sequence[Alarm]) -> Iterator[str]:
    """The answer as text: its first line is all that some monitoring systems show."""
    from replctl.core.alarms import SEVERITY, Level, worst

    level = worst(each.level for each in alarms)
    yield f"{SERVICE} {level.name} - {_summary(alarms)} | {' '.join(_series(alarms))}"
    unwell = [each for each in alarms if each.level is not Level.OK]
    for each in sorted(unwell, key=lambda one: (-SEVERITY.index(one.level), one.key)):
        yield _bare(f"{each.level.name} {each.key}: {each.why}")


def _summary(alarms: Sequence[Alarm]) -> str:
    from replctl.core.alarms import SEVERITY, Level

    counts = Counter(each.level for each in alarms)
    words = [f"{counts[level]} {level.name.lower()}" for level in reversed(SEVERITY) if counts[level]]
    unwell = [each for each in alarms if each.level is not Level.OK]
    only = f": {unwell[0].key}: {unwell[0].why}" if len(unwell) == 1 else ""
    noun = "replication" if len(alarms) == 1 else "replications"
    return _bare(f"{len(alarms)} {noun}, {', '.join(words)}{only}" if words else "no replications")


def _series(alarms: Sequence[Alarm]) -> Iterator[str]:
    """Performance data: counts, the oldest copy, and of not too many replications the age of each."""
    from replctl.core.alarms import SEVERITY

    counts = Counter(each.level for each in alarms)
    yield f"replications={len(alarms)};;;0"
    yield from (f"{level.name.lower()}={counts[level]};;;0;{len(alarms)}" for level in SEVERITY)
    ages = [each.age_seconds for each in alarms if each.age_seconds is not None]
    yield f"oldest_copy={f'{max(ages):.3f}s' if ages else NOT_KNOWN};;;0"
    if len(alarms) <= MOST_SERIES:
        yield from (_age(each) for each in alarms)


def _age(alarm: Alarm) -> str:
    age = NOT_KNOWN if alarm.age_seconds is None else f"{alarm.age_seconds:.3f}s"
    warning, critical = ("" if limit is None else f"{limit:g}" for limit in alarm.limits)
    return f"'{alarm.key}'={age};{warning};{critical};0"


def _bare(text: str) -> str:
    """A line without what means something to who reads it: the bar before performance data, and line ends."""
    return " ".join(text.replace("|", "/").split())


def document(alarms: Sequence[Alarm], observed_at: float) -> AlarmsDocument:
    from replctl.cli.documents import SCHEMA_VERSION, rfc3339
    from replctl.cli.shapes import AlarmDocument, AlarmsDocument, ReasonDocument
    from replctl.core.alarms import worst

    level = worst(each.level for each in alarms)
    return AlarmsDocument(
        schema_version=SCHEMA_VERSION,
        observed_at=rfc3339(observed_at),
        level=_word(level),
        exit_code=int(level),
        replications=[
            AlarmDocument(
                name=each.key.partition("/")[2],
                namespace=each.key.partition("/")[0],
                level=_word(each.level),
                age_seconds=each.age_seconds,
                warning_seconds=each.limits[0],
                critical_seconds=each.limits[1],
                reasons=[ReasonDocument(level=_word(at), message=why) for at, why in each.reasons],
            )
            for each in alarms
        ],
    )


def _word(level: Level) -> AlarmWord:
    return cast("AlarmWord", level.name)


def could_not(output: Output, failed: Failure, findings: Sequence[Finding]) -> int:
    """The answer of a check that came to none, on standard output, where it is looked for."""
    from replctl.core.alarms import Level

    whole = "; ".join((failed.message, *(str(each) for each in findings)))
    if not output.format.is_document:
        output.names([f"{SERVICE} {Level.UNKNOWN.name} - {_bare(whole)}"])
    return int(Level.UNKNOWN)
