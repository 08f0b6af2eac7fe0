"""What may stand for a value on the command line, and what holds where an option is not given."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from replctl.cli.output import Format
from replctl.core.durations import BOUND_ALLOWED, DURATION_ALLOWED

FORMS: Mapping[str, str] = MappingProxyType(
    {
        "BACKEND": "a backend of the configuration",
        "BOUND": BOUND_ALLOWED,
        "DIR": "a directory",
        "DURATION": DURATION_ALLOWED,
        "FILE": "a path",
        "GROUP": "a group of the desired-state file",
        "HOW": "your own words; `HOW` itself, or nothing, says nothing and is refused",
        "ID": "as the backend has it",
        "NAME": "a namespace",
        "NAME=VALUE": "an assumption and its value, as --assumptions lists them",
        "NAME=URL": "the name that you give it, and `https://HOST`",
        "NAME=CONTEXT": "the name that you give it, and a context of the kubeconfig",
        "[NAME=]FILE": "a path, behind the backend that it is for if it is not for all",
        "[NAME=]USER": "a user, behind the array that it is for if it is not for all",
        "[NAME=]VARIABLE": "a variable, behind the array that it is for if it is not for all",
        "[NAME=]COMMAND": "a command line for no shell, behind the array that it is for if it is not for all",
        "NAME,…": "`powerstore`, `trident`, or both with a comma between",
        "REASON": "your own words",
        "S": "a whole number",
        "TERMS": "terms with commas between, which must all hold: `KEY=VALUE`, `KEY!=VALUE`, `KEY in (A,B)`",
        "TEXT": "your own words",
        "URL": "an address",
        "X": "a number",
    }
)
"""What stands for a value, and what it may be; where the program has a list of words or limits, those are told."""

UNSET: Mapping[str, str] = MappingProxyType(
    {
        "--config": "the first that is there of those under FILES",
        "--namespace": "none; a bare name is enough where it means one replication only",
        "--observe-timeout": "`observe_timeout` of the configuration",
        "--timeout": "none for the whole; each step has its own, between 2m and 30m",
        "--warning": "the `rpo` of each",
        "--critical": "twice the `rpo` of each",
        "--program": "the replctl that is running",
        "--runbook": "the page of this project",
        "--powerstore": "asked for on a terminal",
        "--trident": "asked for on a terminal",
        "--kubeconfig": "the file that KUBECONFIG names, or `~/.kube/config`",
        "--username": "asked for on a terminal",
        "--ca-file": "the system's authorities",
        "--password-file": "asked for on a terminal",
        "--password-env": "none; replctl keeps the password in a file of its own",
        "--password-command": "none; replctl keeps the password in a file of its own",
        "--import": "asked for on a terminal; elsewhere no",
        "--local": "as in the file, or else as the configuration orders them",
        "--dir": "none; it has to be given unless only --assumptions are asked for",
        "--for": "none; it holds until it is released",
    }
)
"""What holds where an option is not given and the program has no plain value for that."""

FORMATS: Mapping[Format, str] = MappingProxyType(
    {
        Format.TABLE: "for people",
        Format.WIDE: "for people, with more columns",
        Format.JSON: "exactly one document on standard output, also when the command fails",
        Format.JSONL: "documents of one line each, which is what --watch tells",
        Format.YAML: "the same document as YAML",
        Format.NAME: "names or ids alone, one a line, for `xargs`",
    }
)
"""What `-o` offers."""
