"""The way to each backend and what it lets us do: name, connection, certificate, password, rights, clock, links.

Whether changes would be allowed cannot be seen without one, and is said so. What one step makes impossible is not
checked after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from replctl.bootstrap import Backend, Services
from replctl.core.durations import format_duration
from replctl.core.errors import Interrupted, ReplctlError
from replctl.core.model import End, Link, TroubleKind
from replctl.diagnosis.checks import Check, Level, any_fails, fails, of_error, warns, well
from replctl.diagnosis.visiting import Patience, visit
from replctl.drivers.discovery import ClockOffset, Contact

DAY_SECONDS = 86_400.0
CERTIFICATE_WARN_SECONDS = 30 * DAY_SECONDS  # time enough to have one renewed
CLOCK_WARN_SECONDS = 5.0  # more than a network that is busy explains
CLOCK_FAIL_SECONDS = 300.0  # what certificates, tickets and logs no longer bear
NAME, CONNECTION, TLS, CREDENTIALS = "name", "connection", "tls", "credentials"
PRIVILEGES, CLOCK, CLOCKS, LINK, MANAGEMENT = "privileges", "clock", "clocks", "link", "remote-system"
STEPS_ON_THE_WAY = 3  # name, connection, handshake
LOOKS = 4  # credentials, clock, rights, links
SAME_TIME = "let both follow the same time servers (NTP), and look at `chronyc tracking` on this machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One backend's checks, and its clock for the comparison of all."""

    checks: tuple[Check, ...]
    offset: ClockOffset | None = None


def check_backends(services: Services, patience: Patience) -> list[Check]:
    """Every backend, each at the same time; then their clocks against each other."""
    ends = _ends(services)

    def ask(driver: Backend) -> Examined:
        return _Examination(driver, services, patience, ends.get(driver.backend, {})).examined()

    def instead(name: str, error: ReplctlError) -> Examined:
        return Examined(checks=(of_error(CONNECTION, name, error, f"look at backends.{name}"),))

    seconds = patience.seconds * (STEPS_ON_THE_WAY + LOOKS)
    found = visit(services, sorted(services.settings.backends), ask, instead, seconds)
    offsets = {name: each.offset for name, each in found.items() if each.offset is not None}
    return [*(check for each in found.values() for check in each.checks), *compared(offsets)]


def _ends(services: Services) -> dict[str, dict[End, str]]:
    """By backend its ends, each with the replication that it belongs to."""
    ends: dict[str, dict[End, str]] = {}
    for replication in services.replications.values():
        for end in (replication.local, replication.peer):
            ends.setdefault(end.backend, {})[end] = replication.key
    return ends


@dataclass(frozen=True, slots=True)
class _Examination:
    """One backend, from its name to its links."""

    driver: Backend
    services: Services
    patience: Patience
    ends: Mapping[End, str]

    def examined(self) -> Examined:
        checks = list(self._way(self.driver.contact(self.patience.seconds)))
        if any_fails(checks):
            return Examined(checks=tuple(checks))
        signed_in = self._credentials()
        checks.append(signed_in)
        if signed_in.level is not Level.OK:
            return Examined(checks=tuple(checks))
        offset = self.driver.clock_offset(self.patience.look(self.services))
        checks += [clock(self._name, offset), self._privileges(), *self._links()]
        return Examined(checks=tuple(checks), offset=offset)

    @property
    def _name(self) -> str:
        return self.driver.backend

    def _way(self, contact: Contact) -> Iterator[Check]:
        host, name, trouble = self.driver.host, self._name, contact.trouble
        cure = f"check backends.{name}.url and the way to it"
        if not contact.addresses and trouble is not None:
            yield of_error(NAME, name, trouble, cure)
            return
        yield well(NAME, name, f"{host} is {', '.join(contact.addresses)}")
        if contact.address is None and trouble is not None:
            yield of_error(CONNECTION, name, trouble, cure)
            return
        yield well(CONNECTION, name, f"{contact.address} accepts connections")
        if trouble is not None:
            yield of_error(TLS, name, trouble, cure)
            return
        yield certificate(name, contact, self.services.clock.now())

    def _credentials(self) -> Check:
        try:
            able = self.driver.capabilities(self.patience.look(self.services))
        except Interrupted:
            raise
        except ReplctlError as error:
            if error.trouble is TroubleKind.BREAKER:
                cure = f"replctl doctor --probe, or replctl breaker reset {self._name}"
                return warns(CREDENTIALS, self._name, f"not asked: {error.message}", cure)
            cure = f"check backends.{self._name}.username and .password"
            return of_error(CREDENTIALS, self._name, error, cure)
        release = f", release {able.version}" if able.version else ""
        return well(CREDENTIALS, self._name, f"signed in to {able.kind}{release}")

    def _privileges(self) -> Check:
        try:
            found = self.driver.discover(self.patience.look(self.services))
        except Interrupted:
            raise
        except ReplctlError as error:
            return of_error(PRIVILEGES, self._name, error, f"replctl discover {self._name}")
        if not found.missing:
            kinds = ", ".join(dict.fromkeys(thing.kind.replace("_", " ") for thing in found.things)) or "all"
            said = f"may read {kinds}; whether it may change sessions cannot be seen without a change"
            return well(PRIVILEGES, self._name, said)
        why = "; ".join(f"{kind.replace('_', ' ')}: {each.message}" for kind, each in found.missing.items())
        cure = "give the user a role there that may read and operate replication; then: replctl doctor"
        return fails(PRIVILEGES, self._name, f"not everything can be read: {why}", cure)

    def _links(self) -> Iterator[Check]:
        if not self.ends:
            return
        seen = self.driver.observe(list(self.ends), self.patience.look(self.services))
        read = {self.ends[end]: each for end, each in seen.items() if each.readable}
        links = {key: each.link for key, each in read.items()}
        yield _link(LINK, self._name, links, "the link that copies data")
        managed = {key: each.peer_management for key, each in read.items()}
        yield _link(MANAGEMENT, self._name, managed, "the remote system")


def certificate(name: str, contact: Contact, now: float) -> Check:
    """What a finished handshake says of the certificate: not judged, ended, ending soon, or well."""
    if not contact.verified:
        said = "the certificate is not judged (tls.verify: false): whoever answers is given the password"
        return warns(TLS, name, said, f"name the authority in backends.{name}.tls.ca_file, drop tls.verify")
    ends = {"the certificate": contact.certificate_ends_at, "ca_file": contact.authority_ends_at}
    known = {what: at for what, at in ends.items() if at is not None}
    if not known:
        return well(TLS, name, "the certificate is trusted")
    what = min(known, key=lambda each: known[each])
    left = known[what] - now
    if left > CERTIFICATE_WARN_SECONDS:
        return well(TLS, name, f"the certificate is trusted, {_days(left)} left")
    cure = f"renew the certificate of {name}, and backends.{name}.tls.ca_file if it was signed anew"
    if left <= 0:
        said = f"{what} has ended by this machine's clock"
        return fails(TLS, name, said, f"{cure}; or mend the clock of this machine")
    return warns(TLS, name, f"{what} ends soon: {_days(left)} left", cure)


def _days(seconds: float) -> str:
    days = int(seconds // DAY_SECONDS)
    return f"{days} day{'' if days == 1 else 's'}"


def clock(name: str, offset: ClockOffset | None) -> Check:
    """A backend's clock against ours."""
    if offset is None:
        cure = f"set backends.{name}.clock_margin to how wrong it may be"
        return warns(CLOCK, name, "its clock cannot be read: the last consistent point stays unknown", cure)
    return _apart(CLOCK, name, offset.seconds, offset.margin_seconds, "ours")


def compared(offsets: Mapping[str, ClockOffset]) -> list[Check]:
    """Each two backends' clocks against each other."""
    return [
        _apart(
            CLOCKS,
            f"{one}, {other}",
            offsets[one].seconds - offsets[other].seconds,
            offsets[one].margin_seconds + offsets[other].margin_seconds,
            f"that of {other}",
        )
        for one, other in combinations(sorted(offsets), 2)
    ]


def _apart(name: str, subject: str, seconds: float, margin: float, whose: str) -> Check:
    """How far two clocks are apart for certain: what the measurement may be wrong by is taken off."""
    certain = abs(seconds) - margin
    direction = "ahead of" if seconds > 0 else "behind"
    measured = f"{format_duration(abs(seconds))} {direction} {whose}, give or take {format_duration(margin)}"
    if certain <= CLOCK_WARN_SECONDS:
        return well(name, subject, f"the clock is {measured}")
    judge = fails if certain > CLOCK_FAIL_SECONDS else warns
    return judge(name, subject, f"the clock is {measured}", SAME_TIME)


def _link(name: str, backend: str, seen: Mapping[str, Link], what: str) -> Check:
    """The worst that any session on the backend says of its way to the other side; `seen` is by replication."""
    if not seen:
        cure = "replctl status says why"
        return warns(name, backend, f"no session could be read, so {what} is not known", cure)
    for link, judge in ((Link.LOST, fails), (Link.IMPAIRED, warns)):
        affected = [key for key, each in seen.items() if each is link]
        if affected:
            said = f"{what} is {link.value}, as {len(affected)} of {len(seen)} sessions say"
            cure = f"mend the replication network; replctl explain {affected[0]} says more"
            return judge(name, backend, said, cure)
    if all(each is Link.UNKNOWN for each in seen.values()):
        cure = f"replctl explain {next(iter(seen))} says what can be read"
        return warns(name, backend, f"{what} is not known", cure)
    return well(name, backend, f"{what} is well, as {len(seen)} sessions say")
