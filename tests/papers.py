"""Every document that a command prints, held against the schema that ships: the tests' ways to run replctl do it.

A command has one shape of document when it comes to an answer, and that of an action when it fails before. What a
large estate prints is told by the same code, so that judging it again would only cost time.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from replctl.cli import schemas
from replctl.cli.boundary import asked_format
from replctl.cli.output import Format

FOLDER = Path(schemas.__file__).parent
LARGEST_BYTES = 64 * 1024  # about forty operations
ANSWERS: Mapping[str, str] = {
    "status": "status",
    "diff": "differences",
    "history": "history",
    "history --verify": "verification",
    "explain": "explanation",
    "discover": "discovery",
    "check": "check",
    "backends": "backends",
    "doctor": "diagnosis",
    "init": "init",
    "import": "import",
    "op list": "operations",
    "op show": "operations",
    "breaker list": "breakers",
    "breaker reset": "breakers",
    "config show": "configuration",
    "config validate": "validation",
    "config path": "path",
    "simulate": "assumptions",
}
"""What commands print that carry nothing out; all others print an action."""


@functools.cache
def validator(name: str) -> Draft202012Validator:
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def fits(name: str, document: Any) -> None:
    """Raises for a document that is not as its schema says, once it is text."""
    validator(name).validate(json.loads(json.dumps(document)))


def schema_of(argv: Sequence[str], document: Any) -> str:
    """Which schema the document of this command line has to fit."""
    if "command" in document and "outcome" in document:
        return "action"
    if argv[0] == "history" and "--verify" in argv:
        return ANSWERS["history --verify"]
    return ANSWERS.get(argv[0]) or ANSWERS[" ".join(argv[:2])]


def judge(argv: Sequence[str], out: str) -> None:
    """Hold what a command printed against its schema, if it was asked for documents."""
    asked = asked_format(argv)
    if asked not in (Format.JSON, Format.JSONL) or len(out) > LARGEST_BYTES:
        return
    for text in out.splitlines() if asked is Format.JSONL else [out]:
        document = json.loads(text)
        validator(schema_of(argv, document)).validate(document)
