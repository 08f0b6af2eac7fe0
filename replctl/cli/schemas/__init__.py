"""JSON Schemas of the documents that `-o json` prints, generated from their shapes.

The files beside this module ship in the package; `replctl.cli.reference` writes them anew and a test compares. Only
what the shapes use is understood: scalars, unions, literals, enumerations, lists, dictionaries and typed ones.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from enum import Enum
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from replctl.cli import initshapes, shapes

Schema = dict[str, Any]
FOLDER = "replctl/cli/schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
DOCUMENTS: Mapping[str, type] = {
    "action": shapes.ActionDocument,
    "status": shapes.StatusDocument,
    "differences": shapes.DifferencesDocument,
    "history": shapes.HistoryDocument,
    "verification": shapes.VerificationDocument,
    "explanation": shapes.ExplanationDocument,
    "operations": shapes.OperationsDocument,
    "breakers": shapes.BreakersDocument,
    "configuration": shapes.ConfigurationDocument,
    "validation": shapes.ValidationDocument,
    "saved-plan": shapes.SavedPlanDocument,
    "path": shapes.PathDocument,
    "assumptions": shapes.AssumptionsDocument,
    "backends": shapes.BackendsDocument,
    "discovery": shapes.DiscoveryDocument,
    "import": shapes.ImportDocument,
    "init": initshapes.InitDocument,
    "check": shapes.AlarmsDocument,
    "diagnosis": shapes.DiagnosisDocument,
}
SCALARS: Mapping[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema(document: str) -> Schema:
    """The schema of one of DOCUMENTS; inner shapes stand under `$defs`."""
    definitions: dict[str, Schema] = {}
    body = _object(DOCUMENTS[document], definitions)
    return {"$schema": DIALECT, "title": f"replctl {document}", **body, "$defs": definitions}


def files() -> Mapping[str, str]:
    """Every schema as a file of the source tree, by its path."""
    return {
        f"{FOLDER}/{name}.schema.json": json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"
        for name in DOCUMENTS
    }


def _object(shape: Any, definitions: dict[str, Schema]) -> Schema:
    hints = get_type_hints(shape, include_extras=True)
    made: Schema = {
        "type": "object",
        "properties": {key: _of(hint, definitions) for key, hint in hints.items()},
        "required": [key for key in hints if key in shape.__required_keys__],
        "additionalProperties": False,
    }
    words = (shape.__doc__ or "").strip()
    return {"description": words, **made} if words and not words.startswith("dict(") else made


def _of(hint: Any, definitions: dict[str, Schema]) -> Schema:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return {**_of(inner[0], definitions), "format": inner[1]}
    if origin in (Union, types.UnionType):
        return _union(inner, definitions)
    if origin is Literal:
        return {"const": inner[0]} if len(inner) == 1 else {"enum": list(inner)}
    if origin is list:
        return {"type": "array", "items": _of(inner[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(inner[1], definitions)}
    return _plain(hint, definitions)


def _plain(hint: Any, definitions: dict[str, Schema]) -> Schema:
    if hint is type(None):
        return {"type": "null"}
    if is_typeddict(hint):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}
            definitions[hint.__name__] = _object(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    return {"type": SCALARS[hint]}


def _union(members: tuple[Any, ...], definitions: dict[str, Schema]) -> Schema:
    found = [_of(member, definitions) for member in members]
    if all(set(each) == {"type"} for each in found):
        return {"type": [each["type"] for each in found]}
    return {"anyOf": found}
