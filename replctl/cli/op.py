"""`op`: the operations that the journal knows, and what to do about one that is not finished."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from replctl.cli.options import (
    Common,
    Confirming,
    HoldGuard,
    Looking,
    OperationId,
    OptionalName,
    ReprotectGuards,
    TakeoverGuards,
    Timeout,
    Waiting,
    acknowledged,
    seconds,
)
from replctl.core.outcomes import Outcome
from replctl.core.results import OperationResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from replctl.cli.session import Session
    from replctl.core.journal import OperationRecord

SHOWN = 100


def list_(
    context: typer.Context,
    *,
    name: OptionalName = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are not finished.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The last N.")] = SHOWN,
    common: Common,
) -> int:
    """List operations, newest first."""
    from replctl.cli import documents, tables
    from replctl.cli.looking import key_of
    from replctl.cli.output import Format
    from replctl.cli.session import opened

    with opened(context.obj, common) as session:
        key = None if name is None else key_of(session, name)
        records = session.services.store.operations(key, open_only=open_only, limit=limit)
        output = session.output
        if output.format.is_document:
            output.document(documents.operations(records))
        elif output.format is Format.NAME:
            output.names(each.operation_id for each in records)
        else:
            output.data(
                tables.operations(records, session.now, output.width, wide=output.format is Format.WIDE)
            )
        return 0


def show(context: typer.Context, *, operation: OperationId, common: Common) -> int:
    """Show one operation with its steps."""
    from replctl.cli import documents, screens
    from replctl.cli.output import Format
    from replctl.cli.session import opened

    with opened(context.obj, common) as session:
        record = _record(session, operation)
        output = session.output
        if output.format.is_document:
            output.document(documents.operations([record]))
        elif output.format is Format.NAME:
            output.text(f"{record.operation_id}\n")
        else:
            holder = session.services.store.holder(record.replication)
            output.data(screens.operation(record, holder, session.now, output.width))
        return 0


def wait(
    context: typer.Context,
    *,
    operation: OperationId,
    timeout: Timeout = None,
    looking: Looking,
    common: Common,
) -> int:
    """Wait for the end of an operation; sends nothing.

    The exit code is that of its outcome.
    """
    from replctl.cli.session import opened
    from replctl.engine import Request

    with opened(context.obj, common, looking) as session:
        request = Request(
            timeout_seconds=seconds("--timeout", timeout),
            probe=looking.probe,
            cancel=session.interrupts.cancel,
        )
        services = session.services
        return _ended(
            session, "op wait", lambda: services.engine.op_wait(operation, services.replications, request)
        )


def resume(
    context: typer.Context,
    *,
    operation: OperationId,
    waiting: Waiting,
    takeover: TakeoverGuards,
    reprotect: ReprotectGuards,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """Go on with an operation that nobody carries out.

    The guards that it answered are answered anew.
    """
    from replctl.cli.session import opened
    from replctl.engine import Request

    given = acknowledged(hold, takeover, reprotect)
    with opened(context.obj, common, looking) as session:
        record = _record(session, operation)
        refused = _refused(session, waiting, record, "resume")
        if refused is not None:
            return refused
        request = Request(
            timeout_seconds=waiting.timeout_seconds,
            wait=waiting.wait,
            probe=looking.probe,
            cancel=session.interrupts.cancel,
        )
        services = session.services
        return _ended(
            session,
            "op resume",
            lambda: services.engine.op_resume(operation, services.replications, given, request),
        )


def abandon(context: typer.Context, *, operation: OperationId, confirming: Confirming, common: Common) -> int:
    """Close the books on an operation; touches no backend."""
    from replctl.cli.session import opened
    from replctl.engine import Request

    with opened(context.obj, common) as session:
        record = _record(session, operation)
        refused = _refused(session, confirming, record, "abandon")
        if refused is not None:
            return refused
        services, request = session.services, Request(cancel=session.interrupts.cancel)
        return _ended(
            session,
            "op abandon",
            lambda: services.engine.op_abandon(operation, services.replications, request),
        )


def _record(session: Session, operation_id: str) -> OperationRecord:
    from replctl.core.errors import NotFound

    record = session.services.store.operation(operation_id)
    if record is None:
        raise NotFound(f"no operation {operation_id} in this store", remedy="replctl op list shows them")
    return record


def _refused(session: Session, confirming: Confirming, record: OperationRecord, what: str) -> int | None:
    """The exit code when nobody agrees, by `-y` or on the terminal; None when somebody does."""
    from replctl.cli import screens
    from replctl.cli.acting import show as show_results
    from replctl.cli.acting import unconfirmed
    from replctl.cli.lines import BLANK
    from replctl.cli.session import YES, agreed
    from replctl.core.outcomes import ExitCode

    shown = [*screens.operation(record, None, session.now, session.output.message_width), BLANK]
    if agreed(session, confirming, shown, f"{what} {record.operation_id}? [y/N] ", YES):
        return None
    refused = replace(
        _result(record), outcome=Outcome.REFUSED, refusal=unconfirmed(session, record.data_loss)
    )
    return show_results(session, f"op {what}", [refused], ExitCode.REFUSED)


def _result(record: OperationRecord) -> OperationResult:
    """The record as a command's result."""
    namespace, _, name = record.replication.partition("/")
    return OperationResult(
        operation_id=record.operation_id,
        correlation_id=record.correlation_id,
        verb=record.verb,
        namespace=namespace,
        name=name,
        backend=record.backend,
        outcome=record.outcome or Outcome.UNKNOWN,
        from_state=record.from_state,
        to_state=record.to_state,
        started=record.began,
        finished=record.finished,
        who=record.who,
        reason=record.reason,
        group=record.group,
        acknowledged=record.acknowledged,
        steps=record.steps,
        data_loss=record.data_loss,
    )


def _ended(session: Session, command: str, call: Callable[[], OperationResult]) -> int:
    from replctl.cli.acting import show as show_results
    from replctl.core.outcomes import of_several

    with session.interrupts.patiently(), session.progress:
        result = call()
    return show_results(session, command, [result], session.interrupts.code(of_several([result.outcome])))
