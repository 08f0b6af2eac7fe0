"""replctl-config(5) and replctl-replications(5): every key of both files, from the schemas that ship."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from replctl.cli.manual import mdoc
from replctl.cli.manual.pages import Page
from replctl.core.durations import DURATION_ALLOWED, DURATION_PATTERN
from replctl.core.names import LABEL_VALUE_PATTERN, NAME_ALLOWED, NAME_PATTERN
from replctl.settings import webconfig
from replctl.settings.fields import (
    ADDRESS_ALLOWED,
    ADDRESS_PATTERN,
    PATH_FORMAT,
    URL_ALLOWED,
    URL_PATTERN,
)
from replctl.settings.schema import Schema, config_schema, replications_schema
from replctl.settings.secrets import CREDENTIAL_PATTERN

_PATTERNS: Mapping[str, str] = {
    DURATION_PATTERN: "a duration",
    ADDRESS_PATTERN: ADDRESS_ALLOWED,
    URL_PATTERN: URL_ALLOWED,
    NAME_PATTERN: NAME_ALLOWED,
    CREDENTIAL_PATTERN: "the name of a credential, no path",
}
_NULL = {"type": "null"}
_DURATIONS = f"A duration is {DURATION_ALLOWED}."
_CONFIG = """\
backends:
  west:
    kind: powerstore
    url: https://west.example
    username: replctl
    password: {file: /etc/replctl/credentials/west}
    tls: {ca_file: /etc/replctl/ca.pem}
  k8s-west:
    kind: trident
    kubeconfig: /etc/replctl/kubeconfig
    context: west
    snapshot_class: trident-snaps
retry: {max_attempts: 5, initial_delay: 1s}
daemon: {autonomy: protect, interval: 30s}
replications: replications.yaml
"""
_REPLICATIONS = """\
replications:
- namespace: bank
  name: ledger
  state: replica
  mode: asynchronous
  rpo: 5m
  group: payments
  labels: {tier: gold}
  local: {backend: west, volume_group: ledger-vg}
  peer: {backend: east, volume_group: ledger-vg}
- namespace: shop
  name: orders
  state: replica
  local: {backend: k8s-west, namespace: shop, mirror: orders-dr, pvc: orders-data}
  peer: {backend: k8s-east, namespace: shop, mirror: orders, pvc: orders-data}
groups:
  payments:
    hooks:
      before_demote: {command: [/usr/local/bin/freeze-payments], timeout: 30s}
"""
_WEB = """\
tls_server_config:
  cert_file: replctl.pem
  key_file: replctl.key
basic_auth_users:
  prometheus: $2y$10$L4SDwa08HfA2AH0b9pMDH.CpnXhBB5yUmMxHaN1rMh5YC7YDvbRye
"""
EXAMPLES = {"config.yaml": _CONFIG, "replications.yaml": _REPLICATIONS, "web.yaml": _WEB}
"""The files that the pages show; a test loads them."""


def config() -> Page:
    return Page(
        name="replctl-config",
        section="5",
        about="the configuration of replctl: how to reach the backends",
        parts=(
            ("DESCRIPTION", _about_config()),
            ("KEYS", _keys(config_schema())),
            ("WEB CONFIG FILE", _web()),
            ("ENVIRONMENT", _environment()),
            ("FILES", config_files()),
            ("EXAMPLES", mdoc.display(_CONFIG.splitlines())),
        ),
        related=(
            ("replctl-config-show", "1"),
            ("replctl-config-validate", "1"),
            ("replctl-config-path", "1"),
            ("replctl-doctor", "1"),
            ("replctl-replications", "5"),
        ),
    )


def replications() -> Page:
    return Page(
        name="replctl-replications",
        section="5",
        about="the desired-state file of replctl: what is replicated, and which way",
        parts=(
            ("DESCRIPTION", _about_replications()),
            ("KEYS", _keys(replications_schema())),
            ("EXAMPLES", mdoc.display(_REPLICATIONS.splitlines())),
        ),
        related=(
            ("replctl-import", "1"),
            ("replctl-diff", "1"),
            ("replctl-apply", "1"),
            ("replctl-daemon", "1"),
            ("replctl-config", "5"),
        ),
    )


def config_files() -> list[str]:
    """Where the configuration is sought, first what counts first; and what lies beside it."""
    places = (
        (
            "$XDG_CONFIG_HOME/replctl/config.yaml",
            "The user's own configuration; ~/.config without the variable.",
        ),
        ("/etc/replctl/config.yaml", "The machine's, read where there is none of the user's own."),
        ("replications.yaml", "The desired-state file, beside the configuration unless it says otherwise."),
        (
            "/var/lib/replctl",
            "Journal, history, holds, locks and circuit breakers, for a configuration in /etc.",
        ),
        ("$XDG_STATE_HOME/replctl", "The same for a configuration in a home directory."),
    )
    return mdoc.tagged((f"Pa {mdoc.argument(path, exact=True)}", mdoc.prose(said)) for path, said in places)


def _about_config() -> list[str]:
    return mdoc.paragraphs(
        (
            "The configuration is YAML. It is the one that --config names, or the variable `REPLCTL_CONFIG`, "
            "or else the first one that is there of those under FILES. A flag counts more than a variable, a "
            "variable more than the file, the file more than the default; `replctl config show --origin` says "
            "of each value where it is from.",
            "Every mistake is told at once, each with file, line, key, value and what is allowed. A key that is not "
            "listed here is a mistake. Relative paths are relative to the file, and `~/` is the home directory.",
            f"{_DURATIONS} A JSON Schema ships in the package, as `replctl/settings/schemas/config.schema.json`.",
        )
    )


def _about_replications() -> list[str]:
    return mdoc.paragraphs(
        (
            "YAML, and named by the key `replications` of replctl-config(5). The same file is used at both "
            "sites but for what is local there. It says which end shall be the source; `mode` and `rpo` it "
            "only asserts, so that a difference is shown and nothing is set.",
            "An entry that goes away is forgotten, never deleted on a backend; when more than half of them go "
            "at once the daemon takes that for a broken file unless --allow-shrink is given. Two entries that "
            "mean the same thing on a backend are refused, whatever they name it by.",
            f"{_DURATIONS} A JSON Schema ships in the package, as "
            "`replctl/settings/schemas/replications.schema.json`.",
        )
    )


def _environment() -> list[str]:
    said = (
        ("REPLCTL_CONFIG", "Which configuration is used."),
        (
            "REPLCTL_*",
            "A key of the configuration, with two underscores for each dot: `REPLCTL_DAEMON__METRICS_ADDRESS` "
            "is `daemon.metrics_address`, `REPLCTL_BACKENDS__K8S_WEST__CONTEXT` is "
            "`backends.k8s-west.context`. One that is empty sets nothing.",
        ),
        ("CREDENTIALS_DIRECTORY", "Where systemd puts the credentials that `credential` names."),
    )
    return mdoc.tagged((f"Ev {mdoc.argument(name)}", mdoc.prose(text)) for name, text in said)


def _web() -> list[str]:
    auth, version = webconfig.ClientAuth, webconfig.TlsVersion
    keys = (
        (
            "tls_server_config.cert_file",
            "The certificate, PEM. Renewed files are taken up by themselves. Required.",
        ),
        ("tls_server_config.key_file", "Its key, PEM, without a passphrase. Required."),
        (
            "tls_server_config.client_auth_type",
            f"Whether clients have to show a certificate: {_one_of(auth)}. Default: `{auth.NONE}`.",
        ),
        ("tls_server_config.client_ca_file", "Who vouches for those of clients. Default: none."),
        (
            "tls_server_config.min_version",
            f"The oldest TLS that is spoken: {_one_of(version)}. Default: `{version.TLS12}`.",
        ),
        (
            "basic_auth_users.NAME",
            f"Who may ask, each with {webconfig.HASH_ALLOWED}. Default: nobody is asked.",
        ),
    )
    return [
        *mdoc.prose(
            "What `daemon.web_config_file` names has the form of Prometheus' exporters. It is read anew when "
            "it changes; while it is broken, what was in force stays."
        ),
        *mdoc.tagged((mdoc.command(key), mdoc.prose(said)) for key, said in keys),
        *mdoc.display(_WEB.splitlines()),
    ]


@dataclass(slots=True)
class _Table:
    """A table of a schema, with every place where it can stand."""

    schema: Schema
    places: list[str] = field(default_factory=list)


def _keys(schema: Schema) -> list[str]:
    lines: list[str] = []
    for table in _tables(schema):
        about = table.schema.get("description", "") if table.places else ""
        required = table.schema.get("required", ())
        said = [
            (mdoc.command(key), _key(prop, key in required, schema["$defs"]))
            for key, prop in table.schema["properties"].items()
        ]
        title = ", ".join(table.places) or "At the top"
        lines += mdoc.subsection(title, [*mdoc.prose(about), *mdoc.tagged(said)])
    return lines


def _tables(schema: Schema) -> list[_Table]:
    """Every table, outer ones first; one that can stand in several places once."""
    found: dict[str, _Table] = {"": _Table(schema)}
    waiting = [("", schema)]
    for place, outer in waiting:
        for key, prop in outer["properties"].items():
            for name, inner in _inside(prop, schema["$defs"], f"{place}.{key}".lstrip(".")):
                if name not in found:
                    found[name] = _Table(inner.schema)
                    waiting.append((inner.places[0].partition(" ")[0], inner.schema))
                found[name].places += [each for each in inner.places if each not in found[name].places]
    return list(found.values())


def _inside(prop: Schema, known: Schema, place: str, name: str = "") -> Iterator[tuple[str, _Table]]:
    """The tables that a value can be, or be made of, each with a name that no two share."""
    if "$ref" in prop:
        name = prop["$ref"].rpartition("/")[2]
        yield from _inside(known[name], known, place, name)
        return
    if "properties" in prop:
        yield name or place, _Table(prop, [place])
        return
    choices = [*prop.get("anyOf", ()), *prop.get("oneOf", ())]
    several = len([each for each in choices if "$ref" in each]) > 1
    for each in choices:
        for key, table in _inside(each, known, place, name):
            yield key, _told_apart(table) if several else table
    for each in _of_names(prop):
        yield from _inside(each, known, f"{place}.NAME")
    if "items" in prop:
        yield from _inside(prop["items"], known, f"{place}[]")


def _of_names(prop: Schema) -> list[Schema]:
    """What stands under each name of a table whose names are free."""
    found = [prop.get("additionalProperties"), *prop.get("patternProperties", {}).values()]
    return [each for each in found if isinstance(each, dict)]


def _told_apart(table: _Table) -> _Table:
    """One of several that can stand in a place: by its kind, or by what it is called."""
    kind = table.schema["properties"].get("kind", {}).get("const")
    which = f"kind: {kind}" if kind else table.schema["title"]
    return _Table(table.schema, [f"{each} ({which})" for each in table.places])


def _key(prop: Schema, required: bool, known: Schema) -> list[str]:
    whole = _resolved(prop, known)
    about = whole.get("description", "").removesuffix(f" {DURATION_ALLOWED}.")
    form = _form(prop, known)
    if required:
        default = " Required."
    elif "default" in whole:
        default = f" Default: `{_written(whole['default'])}`."
    else:
        told = form.startswith("a table") or "By default" in about
        default = "" if told else " Default: none."
    return [*mdoc.prose(about), *([".Pp"] if about else []), *mdoc.prose(f"Form: {form}.{default}")]


def _resolved(prop: Schema, known: Schema) -> Schema:
    """The schema with that of the table that it refers to; its own words count more."""
    return {**known[prop["$ref"].rpartition("/")[2]], **prop} if "$ref" in prop else prop


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _form(prop: Schema, known: Schema) -> str:
    """What may stand there, in words."""
    whole = _resolved(prop, known)
    if "const" in whole:
        return f"`{whole['const']}`"
    if "enum" in whole:
        return _one_of(whole["enum"])
    if whole.get("type") == "object":
        names = "".join(f" of names, each with {_form(each, known)}" for each in _of_names(whole))
        return f"a table{names}"
    several = [each for each in (*whole.get("anyOf", ()), *whole.get("oneOf", ())) if each != _NULL]
    if several:
        return ", or ".join(dict.fromkeys(_form(each, known) for each in several))
    return _of_type(whole)


def _of_type(prop: Schema) -> str:
    match prop["type"]:
        case "boolean":
            return "`true` or `false`"
        case "integer":
            return f"a whole number from {prop['minimum']} to {prop['maximum']}"
        case "number":
            return f"a number from {prop['minimum']} to {prop['maximum']}"
        case "array":
            return "a list"
    return _text(prop)


def _text(prop: Schema) -> str:
    if prop.get("format") == PATH_FORMAT:
        return "a path"
    pattern = prop.get("pattern")
    if pattern is None or pattern == LABEL_VALUE_PATTERN:
        return "text"
    return f"{_PATTERNS[pattern]}{', above zero' if 'not' in prop else ''}"


def _one_of(words: Any) -> str:
    *some, last = (f"`{each}`" for each in words)
    return f"{', '.join(some)} or {last}" if some else last
