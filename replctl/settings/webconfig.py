"""The web config file of the daemon's ports: TLS and basic auth, in the form that Prometheus' exporters read.

Judged whole, with every mistake by line; paths are relative to the file. What the form knows and this server cannot
keep, such as asking for a certificate without judging it, is refused rather than passed over. Hashes are shown to
nobody: a weak password can be found from one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from replctl.core.errors import Finding, InvalidConfiguration
from replctl.settings import files
from replctl.settings.judging import Judge, Trail, is_text, shown
from replctl.settings.origin import counted, in_order
from replctl.settings.yamlmarks import FEW_VALUES, Node, Table, parse

if TYPE_CHECKING:
    import ssl

LARGEST_BYTES = 1024 * 1024
CHEAPEST, DEAREST = 4, 15  # bcrypt's cost: each step doubles it, and 15 takes a processor about two seconds
BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
HASH_ALLOWED = (
    f"a bcrypt hash of cost {CHEAPEST} to {DEAREST}, such as `htpasswd -nBC 10 NAME` prints after the colon"
)
USER_ALLOWED = "a name without a colon, which would end it in what a client sends"
SETTING = "daemon.web_config_file"


class ClientAuth(StrEnum):
    """Whether a client has to show a certificate."""

    NONE = "NoClientCert"
    IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRED = "RequireAndVerifyClientCert"


class TlsVersion(StrEnum):
    """The oldest version of TLS that is spoken."""

    TLS12 = "TLS12"
    TLS13 = "TLS13"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsServer:
    """How the ports speak TLS; paths are absolute. `lines` are those of the file's keys."""

    lines: Mapping[str, int]
    cert_file: Path
    key_file: Path
    client_auth: ClientAuth = ClientAuth.NONE
    client_ca_file: Path | None = None
    min_version: TlsVersion = TlsVersion.TLS12

    @property
    def paths(self) -> tuple[Path, ...]:
        named = (self.cert_file, self.key_file, self.client_ca_file)
        return tuple(path for path in named if path is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """What the file says: without `tls` the ports speak HTTP, without `users` they ask nobody who he is."""

    path: Path
    shown: str
    tls: TlsServer | None = None
    users: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that it is made of."""
        return (self.path, *(self.tls.paths if self.tls is not None else ()))


def load_web_config(path: Path, shown: str) -> WebConfig:
    """Read the file; raises InvalidConfiguration with every mistake. What it names is not opened."""
    text = files.read(path, LARGEST_BYTES, shown, remedy=f"{SETTING} names it").text
    document = parse(text, shown, FEW_VALUES)
    judge = Judge(shown)
    found = _Reader(path, judge).read(document.root)
    wrong = in_order([*document.findings, *judge.findings], shown)
    if wrong:
        raise InvalidConfiguration(counted(shown, len(wrong)), findings=wrong)
    return found


def server_context(config: WebConfig) -> ssl.SSLContext | None:
    """What the ports speak TLS with, None for plain HTTP; raises InvalidConfiguration for files that are no use."""
    if config.tls is None:
        return None
    import ssl

    _refuse_unreadable(config)
    tls = config.tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = getattr(ssl.TLSVersion, tls.min_version.replace("TLS1", "TLSv1_"))
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")  # never ask on a terminal
    except (ssl.SSLError, ValueError) as error:
        raise _useless(config, "key_file", tls.key_file, _of_the_key(error)) from None
    if tls.client_ca_file is not None:
        try:
            context.load_verify_locations(tls.client_ca_file)
        except ssl.SSLError:
            found = "no certificate in it", "certificates, PEM"
            raise _useless(config, "client_ca_file", tls.client_ca_file, found) from None
    context.verify_mode = {
        ClientAuth.NONE: ssl.CERT_NONE,
        ClientAuth.IF_GIVEN: ssl.CERT_OPTIONAL,
        ClientAuth.REQUIRED: ssl.CERT_REQUIRED,
    }[tls.client_auth]
    return context


def _of_the_key(error: Exception) -> tuple[str, str]:
    reason = getattr(error, "reason", None) or ""
    if "MISMATCH" in reason:
        return "it does not belong to the certificate", "the key of cert_file"
    return "no certificate with its key", "cert_file and key_file, PEM, the key without a passphrase"


def _refuse_unreadable(config: WebConfig) -> None:
    assert config.tls is not None
    named = {"cert_file": config.tls.cert_file, "key_file": config.tls.key_file}
    if config.tls.client_ca_file is not None:
        named["client_ca_file"] = config.tls.client_ca_file
    for key, path in named.items():
        try:
            files.slurp(path, LARGEST_BYTES)
        except files.Unreadable as error:
            raise _useless(config, key, path, (str(error), "a readable file")) from None


def _useless(config: WebConfig, key: str, path: Path, found: tuple[str, str]) -> InvalidConfiguration:
    what, allowed = found
    assert config.tls is not None
    place = f"{config.shown}:{config.tls.lines[key]}: tls_server_config.{key}"
    finding = Finding(place, f'"{path}": {what}', allowed)
    return InvalidConfiguration(counted(config.shown, 1), findings=[finding])


@dataclass(frozen=True, slots=True)
class _Reader:
    """Every key has its reader, which returns nothing after it has told what is wrong."""

    path: Path
    judge: Judge

    def read(self, root: Node | None) -> WebConfig:
        known = ("tls_server_config", "basic_auth_users")
        table = self.judge.table(root, (), known) if root is not None else None
        nodes = table.items if table is not None else {}
        tls, users = nodes.get("tls_server_config"), nodes.get("basic_auth_users")
        return WebConfig(
            path=self.path,
            shown=self.judge.shown,
            tls=self._tls(tls, ("tls_server_config",)) if tls is not None else None,
            users=self._users(users, ("basic_auth_users",)) if users is not None else MappingProxyType({}),
        )

    def _tls(self, node: Node, trail: Trail) -> TlsServer | None:
        keys = ("cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version")
        table = self.judge.table(node, trail, keys, ("cert_file", "key_file"))
        if table is None:
            return None
        cert, key, authority = (
            self._file(table, trail, key) for key in ("cert_file", "key_file", "client_ca_file")
        )
        auth = self._word(table, trail, "client_auth_type", tuple(ClientAuth)) or ClientAuth.NONE
        oldest = self._word(table, trail, "min_version", tuple(TlsVersion)) or TlsVersion.TLS12
        self._agree(table, trail, ClientAuth(auth))
        if cert is None or key is None:
            return None
        return TlsServer(
            lines=table.lines,
            cert_file=cert,
            key_file=key,
            client_auth=ClientAuth(auth),
            client_ca_file=authority,
            min_version=TlsVersion(oldest),
        )

    def _agree(self, table: Table, trail: Trail, auth: ClientAuth) -> None:
        """Certificates of clients are judged by an authority, and an authority judges nothing else."""
        given = table.items.get("client_ca_file")
        if auth is ClientAuth.NONE and given is not None and "client_auth_type" not in table.items:
            allowed = f"together with client_auth_type: {ClientAuth.REQUIRED} or {ClientAuth.IF_GIVEN}"
            self.judge.find(given.line, (*trail, "client_ca_file"), shown(given), allowed)
        if auth is not ClientAuth.NONE and given is None:
            line = table.lines["client_auth_type"]
            self.judge.find(line, (*trail, "client_ca_file"), "missing", f"required by {auth}")

    def _file(self, table: Table, trail: Trail, key: str) -> Path | None:
        node = table.items.get(key)
        text = self.judge.text(node, (*trail, key)) if node is not None else None
        return self.path.parent / text if text is not None else None

    def _word(self, table: Table, trail: Trail, key: str, words: tuple[str, ...]) -> str | None:
        node = table.items.get(key)
        return self.judge.word(node, (*trail, key), words) if node is not None else None

    def _users(self, node: Node, trail: Trail) -> Mapping[str, bytes]:
        if not isinstance(node, Table):
            self.judge.find(node.line, trail, shown(node), "a table of names with their hashes")
            return MappingProxyType({})
        read = {name: self._user(name, node, (*trail, name)) for name in node.items}
        return MappingProxyType({name: hashed for name, hashed in read.items() if hashed is not None})

    def _user(self, name: str, table: Table, trail: Trail) -> bytes | None:
        node = table.items[name]
        if not name or ":" in name:
            self.judge.find(table.lines[name], trail, shown(node) if not name else "a colon", USER_ALLOWED)
            return None
        matched = BCRYPT.fullmatch(node.value) if is_text(node) else None
        if matched is None or not CHEAPEST <= int(matched.group(1)) <= DEAREST:
            self.judge.find(node.line, trail, "not such a hash (not shown)", HASH_ALLOWED)
            return None
        return matched.group().encode()
