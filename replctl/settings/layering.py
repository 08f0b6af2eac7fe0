"""Each layer as settings by path: the file with its lines, the environment by variable, the flags by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from replctl.core.errors import Finding
from replctl.settings.files import File
from replctl.settings.origin import Origin, OriginKind, Path, Setting, Typed
from replctl.settings.secrets import OWN_PREFIX

if TYPE_CHECKING:
    from replctl.settings.yamlmarks import Table


def from_file(file: File) -> tuple[list[Setting], list[Finding]]:
    """What a file sets, and what is wrong with it as YAML; raises InvalidConfiguration if it is none."""
    from replctl.settings.yamlmarks import (
        FEW_VALUES,
        Table,
        parse,
    )  # YAML costs start-up time, and only a load needs it

    document = parse(file.text, file.shown, FEW_VALUES)
    settings = [Setting((), {}, Origin(OriginKind.FILE, file.shown, 1))]
    wrong = list(document.findings)
    if isinstance(document.root, Table):
        settings += _from_table((), document.root, file.shown)
    elif document.root is not None:
        place = f"{file.shown}:{document.root.line}"
        wrong.append(Finding(place, "no table", "a table of keys, such as backends:"))
    return settings, wrong


def from_environment(environ: Mapping[str, str]) -> list[Setting]:
    if not any(name.startswith(OWN_PREFIX) and name != "REPLCTL_CONFIG" for name in environ):
        return []
    from replctl.settings.environment import layer  # pydantic-settings doubles the time that pydantic takes

    return list(layer(environ))


def from_flags(flags: Mapping[str, Any]) -> Iterator[Setting]:
    """What was typed after the verb; keys are dotted, and the flag is named by the last part."""
    for key, value in flags.items():
        path = tuple(key.split("."))
        origin = Origin(OriginKind.FLAG, "--" + path[-1].replace("_", "-"))
        yield Setting(path, Typed(value) if isinstance(value, str) else value, origin)


def _from_table(path: Path, table: Table, shown: str) -> Iterator[Setting]:
    from replctl.settings.yamlmarks import Table, plain

    for key, node in table.items.items():
        inner = (*path, key)
        yield Setting(inner, plain(node), Origin(OriginKind.FILE, shown, table.lines[key]))
        if isinstance(node, Table):
            yield from _from_table(inner, node, shown)
