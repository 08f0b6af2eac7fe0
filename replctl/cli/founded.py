"""What `init` found and wrote: as a document, and as lines for people; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from replctl.cli import findings
from replctl.cli.documents import SCHEMA_VERSION, when
from replctl.cli.initshapes import FirstContactDocument, InitDocument, NewFileDocument
from replctl.cli.lines import BLANK, UNLIMITED, Line, Role, Span, dim, line, plural, strong, wrapped
from replctl.cli.shapes import ErrorDocument
from replctl.diagnosis.contacting import Contacted
from replctl.diagnosis.importing import Imported
from replctl.settings.founding import NewFile


def document(
    config: Path,
    met: Sequence[Contacted],
    found: Imported | None,
    files: Sequence[NewFile],
    onward: Sequence[str],
    *,
    written: bool,
) -> InitDocument:
    return InitDocument(
        schema_version=SCHEMA_VERSION,
        written=written,
        config=str(config),
        files=[NewFileDocument(path=str(each.path), mode=f"{each.mode:04o}") for each in files],
        backends=[_backend(each) for each in met],
        added=None if found is None else len(found.entries),
        left_out=[] if found is None else findings.left_out_documents(found),
        next=list(onward),
    )


def _backend(each: Contacted) -> FirstContactDocument:
    trouble = each.trouble
    return FirstContactDocument(
        name=each.name,
        kind=each.kind,
        reachable=trouble is None,
        version=each.version,
        fingerprint=each.fingerprint,
        error=None
        if trouble is None
        else ErrorDocument(
            code=trouble.code,
            message=trouble.message,
            remedy=each.remedy or None,
            retry_at=when(trouble.retry_at),
        ),
    )


def contacts(met: Sequence[Contacted], width: int | None) -> Iterator[Line]:
    """A line a backend; below one that does not let us in why, and what to do."""
    room = width or UNLIMITED
    for each in met:
        if each.trouble is None:
            release = f", release {each.version}" if each.version else ""
            yield line(Span("✓", Role.GOOD), " ", strong(each.name), f": signed in to {each.kind}{release}")
            continue
        head = line(Span("✗", Role.BAD), " ", strong(each.name), ": ")
        yield from wrapped(each.trouble.message, room, first=head, indent=4)
        if each.fingerprint is not None:
            yield line("    its SHA-256 fingerprint, on one line:")
            yield line(f"    {each.fingerprint}")
        if each.remedy:
            yield from wrapped(each.remedy, room, first=line("    → "), indent=6, role=Role.TYPE)
    if any(each.trouble is not None for each in met):
        yield line(dim("nothing was written"))


def listed(files: Sequence[NewFile]) -> Iterator[Line]:
    """The files to come, and who will be able to read them."""
    for each in files:
        yield line(f"  {each.path}", dim("  for its owner alone") if each.is_private else "")


def shown(files: Sequence[NewFile]) -> str:
    """The texts of all files but for what is secret."""
    parts = []
    for each in files:
        text = "(the password, for its owner alone)\n" if each.is_private else each.text
        parts.append(f"==> {each.path} <==\n{text}")
    return "\n".join(parts)


def written(files: Sequence[NewFile], found: Imported | None, onward: Sequence[str]) -> Iterator[Line]:
    yield line("written:")
    yield from listed(files)
    if found is not None:
        yield line(
            dim(f"  {plural(len(found.entries), 'replication')} found, {len(found.left_out)} left out")
        )
    yield BLANK
    yield line("next:")
    for each in onward:
        yield line("  ", Span(each, Role.TYPE))
