"""A command that was run, or a tick of the daemon: what it said, and what it had accepted meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worlds import Ran

from fuzz.turns import Process

UNPLANNED = ("--peer-is-down", "--peer-is-fenced", "--from-replica")
CONSENTS = (*UNPLANNED, "--discard-local-changes")
LOOKING = ("status", "explain", "history")
STILL_OPEN = frozenset({8, 9, 130})
NOTHING_CHANGED = frozenset({1, 2, 4, 5, 6, 7, 11})
OTHER = {"west": "east", "east": "west", "k8s-west": "k8s-east", "k8s-east": "k8s-west"}
TESTS = ("start_failover_test", "stop_failover_test")
MIRRORS = "tridentmirrorrelationships"

Change = Mapping[str, Any]  # a request, as the simulator's log has it


@dataclass
class Deed:
    """What one process did. `ran` is None when it was killed, and `document` empty for the daemon."""

    number: int
    argv: tuple[str, ...]
    store: Path
    process: Process
    names: tuple[str, ...]  # of the replications that it may speak of
    before: Mapping[str, Any]  # the truths when it began, by replication
    began: float
    since: int  # of the last request before it
    ran: Ran | None = None
    ended: float = 0.0
    until: int = 0
    document: dict[str, Any] = field(default_factory=dict)
    nested: bool = False
    interrupted_by: list[Deed] = field(default_factory=list)  # what others did meanwhile

    @property
    def command(self) -> str:
        return " ".join(self.argv)

    @property
    def code(self) -> int | None:
        return None if self.ran is None else self.ran.code

    @property
    def is_daemon(self) -> bool:
        return self.argv[:1] == ("daemon",)

    @property
    def looks_only(self) -> bool:
        return self.argv[0] in LOOKING or "--dry-run" in self.argv or self.argv[:2] == ("op", "wait")

    @property
    def operations(self) -> list[dict[str, Any]]:
        found = self.document.get("operations") or []
        return [each for each in found if "outcome" in each]

    @property
    def consents(self) -> bool:
        """Whether a person answered for two sides, or for the loss of one."""
        return any(word.split("=")[0] in CONSENTS for word in self.argv)

    @property
    def takes_over(self) -> bool:
        return any(word.split("=")[0] in UNPLANNED for word in self.argv)


@dataclass(frozen=True)
class Accepted:
    """A change that a backend accepted, in words that both vendors share."""

    n: int
    at: float
    backend: str
    name: str  # of the replication
    action: str  # failover, takeover, reprotect, promoted, reestablished …, or the kind of an errand
    errand: bool
    correlation: str

    @property
    def turns(self) -> bool:
        """Whether somebody else may write because of it."""
        return self.action in ("failover", "takeover", "promoted", *TESTS)


def accepted(
    change: Change, sessions: Mapping[str, str], claims: Mapping[tuple[str, str], str]
) -> Accepted | None:
    """What an effective request changed; None for what touches no replication.

    `sessions`: replications by session id; `claims`: by namespace and name of their mirror relationships.
    """
    if not change["effect"]:
        return None
    parts = str(change["path"]).strip("/").split("/")
    name, action, errand = _of_array(change, parts, sessions)
    if not name:
        name, action, errand = _of_cluster(change, parts, claims)
    if not name:
        return None
    return Accepted(
        n=int(change["n"]),
        at=float(change["effect_at"]),
        backend=str(change["array"]),
        name=name,
        action=action,
        errand=errand,
        correlation=str(change["correlation_id"] or ""),
    )


def _of_array(change: Change, parts: Sequence[str], sessions: Mapping[str, str]) -> tuple[str, str, bool]:
    found = next((sessions[part] for part in parts if part in sessions), "")
    body = change["body"] if isinstance(change["body"], dict) else {}
    action = parts[-1]
    if action == "failover" and body.get("is_planned") is not True:
        action = "takeover"
    return found, action, False


def _of_cluster(
    change: Change, parts: Sequence[str], mirrors: Mapping[tuple[str, str], str]
) -> tuple[str, str, bool]:
    if "namespaces" not in parts:
        return "", "", False
    namespace, kind = parts[parts.index("namespaces") + 1], parts[parts.index("namespaces") + 2]
    body = change["body"] if isinstance(change["body"], dict) else {}
    if kind != MIRRORS:
        spec = body.get("spec") or {}
        named = spec.get("tridentMirrorRelationshipName", "")
        name = mirrors.get((namespace, named)) or next(
            (found for (place, _), found in mirrors.items() if place == namespace), ""
        )
        return (
            name,
            f"{change['method']} {kind} {parts[-1] if change['method'] == 'DELETE' else ''}".strip(),
            True,
        )
    name = mirrors.get((namespace, parts[-1] if change["method"] != "POST" else body["metadata"]["name"]), "")
    state = (body.get("spec") or {}).get("state")
    return name, str(state or f"{change['method']} mirror"), False
