"""What `/metrics` says: counters that the store and this process added up, gauges of the last look (design §7).

Samples are kept under the names that they have in the text format, so that a scrape only puts them in order. What
is unknown is absent; a replication that went takes its series along.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from replctl import __version__
from replctl.core.breaker import BreakerState, Position
from replctl.core.counts import PREFIX, sample
from replctl.core.metrics import FAMILIES, OURS, Family, Type
from replctl.core.model import Health, Replication
from replctl.core.results import ReplicationStatus, StatusReport

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_POSITIONS = {Position.CLOSED: 0.0, Position.OPEN: 1.0, Position.HALF_OPEN: 2.0}
_OF_A_REPLICATION = re.compile(r'name="((?:[^"\\]|\\.)*)",namespace="((?:[^"\\]|\\.)*)"')
_BOUND = re.compile(r'le="([^"]+)",?')
_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")

Samples = Mapping[str, float]
_Buckets = list[tuple[float, str]]  # lines by their bounds


def gauges(report: StatusReport, now: float) -> dict[str, float]:
    """All that the daemon's last look at everything tells."""
    held = sum(each.hold is not None for each in report.replications)
    busy = sum(each.operation_id is not None for each in report.replications)
    return {
        **of_the_file(each.replication for each in report.replications),
        **of_the_store(held, busy),
        **of_a_look(report, now),
        _ours("last_tick_timestamp_seconds"): report.observed_at,
    }


def of_the_file(replications: Iterable[Replication]) -> dict[str, float]:
    """How many there are, and where their ends lie."""
    known = list(replications)
    counts = {sample("by_backend", backend=name): float(count) for name, count in _by_backend(known).items()}
    return {sample("active_total"): float(len(known)), **counts}


def of_the_store(held: int, operations: int) -> dict[str, float]:
    return {_ours("holds"): float(held), _ours("operations_open"): float(operations)}


def of_a_look(report: StatusReport, now: float) -> dict[str, float]:
    """Of every replication what the look saw; of every backend whether it answered."""
    found: dict[str, float] = {}
    for each in report.replications:
        found.update(_of_one(each, now))
    for backend in report.answered | report.silent:
        found[_ours("observation_success", backend=backend)] = float(backend in report.answered)
    return found


def _by_backend(replications: Iterable[Replication]) -> Mapping[str, int]:
    counts: defaultdict[str, int] = defaultdict(int)
    for each in replications:
        counts[each.local.backend] += 1
        counts[each.peer.backend] += 1
    return counts


def _of_one(status: ReplicationStatus, now: float) -> Iterator[tuple[str, float]]:
    names = {"namespace": status.replication.namespace, "name": status.replication.name}
    if status.state:
        yield sample("state", **names, state=status.state.value), 1.0
    if status.mode:
        yield sample("mode", **names, mode=status.mode.value), 1.0
    yield sample("health", **names), float(status.health is Health.HEALTHY)
    yield _ours("split_brain", **names), float(status.health is Health.SPLIT_BRAIN)
    yield _ours("no_source", **names), float(status.health is Health.NO_SOURCE)
    if status.replication.rpo_seconds is not None:
        yield _ours("rpo_target_seconds", **names), status.replication.rpo_seconds
    if status.point_at is not None:
        yield _ours("last_consistent_point_timestamp_seconds", **names), status.point_at
    read = [end.observed_at for end in (status.local, status.peer) if end.observed_at is not None]
    if len(read) == 2:
        yield _ours("observation_age_seconds", **names), max(0.0, now - min(read))


def breakers(states: Mapping[tuple[str, str], BreakerState]) -> dict[str, float]:
    return {
        sample("circuit_breaker_state", backend=backend, operation=call_class): _POSITIONS[state.position]
        for (backend, call_class), state in states.items()
    }


def of_the_process(*, reloaded: bool) -> dict[str, float]:
    return {_ours("config_last_reload_successful"): float(reloaded), **build_info()}


def build_info() -> dict[str, float]:
    return {_ours("build_info", version=__version__): 1.0}


def _ours(family: str, /, **labels: str) -> str:
    return OURS + sample(family, **labels).removeprefix(PREFIX)


def present(samples: Samples, known: frozenset[tuple[str, str]]) -> dict[str, float]:
    """Those that are not about a replication which is no longer in the file; `known` are (name, namespace)."""
    return {name: value for name, value in samples.items() if _is_present(name, known)}


def _is_present(name: str, known: frozenset[tuple[str, str]]) -> bool:
    found = _OF_A_REPLICATION.search(name)
    return found is None or found.groups() in known or found.groups() == ("", "")


def text(samples: Samples) -> str:
    """The text format: every family with its help and type, its samples in order."""
    plain: defaultdict[str, list[str]] = defaultdict(list)
    buckets: defaultdict[str, defaultdict[str, _Buckets]] = defaultdict(lambda: defaultdict(list))
    for name, value in samples.items():
        family, line = _family_of(name), f"{name} {_number(value)}\n"
        if "_bucket{" in name:
            series, bound = _series_of(name)
            buckets[family][series].append((bound, line))
        else:
            plain[family].append(line)
    lines: list[str] = []
    for each in FAMILIES.values():
        if each.name in plain or each.name in buckets:
            lines += [_head(each), *_in_order(buckets[each.name]), *sorted(plain[each.name])]
    return "".join(lines)


def _in_order(histograms: Mapping[str, _Buckets]) -> Iterator[str]:
    """One by one, the buckets of each by their bounds.

    Not all lines in one sorting, which would keep every other thread waiting while it lasts.
    """
    for series in sorted(histograms):
        for _, line in sorted(histograms[series]):
            yield line


def _family_of(name: str) -> str:
    bare = name.partition("{")[0]
    if bare in FAMILIES:
        return bare
    return _SUFFIX.sub("", bare)


def _head(family: Family) -> str:
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.type}\n"


def _series_of(name: str) -> tuple[str, float]:
    """What the buckets of one histogram share, and the bound of this one."""
    found = _BOUND.search(name)
    return (name, 0.0) if found is None else (name.replace(found.group(0), ""), float(found.group(1)))


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


COUNTERS = frozenset(
    name for name, family in FAMILIES.items() if family.type in (Type.COUNTER, Type.HISTOGRAM)
)
