"""The shapes of what `init -o json` prints, as types; see `shapes`."""

from __future__ import annotations

from typing import Literal, TypedDict

from replctl.cli.shapes import ErrorDocument, LeftOutDocument


class FirstContactDocument(TypedDict):
    """A backend as it was met; `fingerprint` is that of a certificate that is not trusted (SHA-256)."""

    name: str
    kind: str
    reachable: bool
    version: str | None
    fingerprint: str | None
    error: ErrorDocument | None


class NewFileDocument(TypedDict):
    """A file that was written, or would be; `mode` in octal."""

    path: str
    mode: str


class InitDocument(TypedDict):
    """`init`: the files that were written (`written` true), or would be; null `added`: no entries were sought."""

    schema_version: Literal[1]
    written: bool
    config: str
    files: list[NewFileDocument]
    backends: list[FirstContactDocument]
    added: int | None
    left_out: list[LeftOutDocument]
    next: list[str]
