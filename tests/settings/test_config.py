"""config.yaml: defaults, what is accepted, and every mistake with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from settings.conftest import CONFIG, Place, example

from replctl.core.breaker import BreakerSettings
from replctl.core.errors import InvalidConfiguration
from replctl.core.model import Mode
from replctl.core.retry import RetryPolicy
from replctl.settings import PowerStoreBackend, TridentBackend, find_config

ONE = (
    "backends:\n  west:\n    kind: powerstore\n    url: https://w\n    username: u\n    password: {env: W}\n"
)


def test_the_design_s_example(place: Place) -> None:
    settings = place.load(example("config.yaml"))
    west, k8s = settings.backends["west"], settings.backends["k8s-west"]
    assert isinstance(west, PowerStoreBackend)
    assert (west.url, west.username, west.max_concurrency) == ("https://west.example", "replctl", 8)
    assert (west.timeouts.connect_seconds, west.timeouts.read_seconds) == (5.0, 30.0)
    assert (west.tls.ca_file, west.tls.verify) == (Path("/etc/replctl/ca.pem"), True)
    assert isinstance(k8s, TridentBackend)
    assert k8s.kubeconfig == place.home / ".kube/config"
    assert k8s.modes == {"Sync": Mode.SYNCHRONOUS, "MirrorAllSnapshots": Mode.ASYNCHRONOUS}
    assert settings.replications_path == place.directory / "replications.yaml"


def test_defaults_are_the_design_s(place: Place) -> None:  # R25
    settings = place.load()
    assert settings.retry == RetryPolicy(
        max_attempts=5, initial_delay_seconds=1.0, max_delay_seconds=300.0, multiplier=2.0, jitter=0.1
    )
    assert settings.breaker == BreakerSettings(
        failure_threshold=5, success_threshold=2, recovery_seconds=60.0
    )
    daemon = settings.daemon
    assert (daemon.interval_seconds, daemon.max_parallel, daemon.max_switchovers) == (30.0, 16, 1)
    assert (daemon.metrics_address, daemon.health_address) == ("127.0.0.1:8080", "127.0.0.1:8081")
    assert daemon.autonomy == "switchover"
    assert settings.metrics.per_replication_limit == 5000
    assert settings.history_keep_seconds == 400 * 86400.0
    assert settings.observe_timeout_seconds == 3.0
    assert settings.backends["west"].clock_margin_seconds is None


def test_retry_and_breaker_are_configurable(place: Place) -> None:  # R25
    text = CONFIG + (
        "retry: {max_attempts: 3, initial_delay: 250ms, max_delay: 1h, multiplier: 3, jitter: 0}\n"
        "breaker: {failure_threshold: 2, success_threshold: 1, recovery_timeout: 90s}\n"
    )
    settings = place.load(text)
    assert settings.retry == RetryPolicy(
        max_attempts=3, initial_delay_seconds=0.25, max_delay_seconds=3600.0, multiplier=3.0, jitter=0.0
    )
    assert settings.breaker == BreakerSettings(
        failure_threshold=2, success_threshold=1, recovery_seconds=90.0
    )


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("retry: {max_attempts: 0}", "at least 1"),
        ("retry: {max_attempts: 2.5}", "a whole number"),
        ("retry: {max_attempts: '5'}", "a whole number"),
        ("retry: {initial_delay: 0s}", "above zero"),
        ("retry: {max_delay: }", "a whole number and one unit"),
        ("retry: {max_delay: 300}", "a whole number and one unit"),
        ("retry: {multiplier: 0.5}", "at least 1"),
        ("retry: {multiplier: .inf}", "finite"),
        ("retry: {multiplier: .nan}", "finite"),
        ("retry: {jitter: 1.1}", "at most 1"),
        ("retry: {jitter: -0.1}", "at least 0"),
        ("retry: {jitter: yes}", "a number"),
        ("breaker: {failure_threshold: 0}", "at least 1"),
        ("breaker: {recovery_timeout: 0ms}", "above zero"),
    ],
)
def test_retry_and_breaker_are_validated(place: Place, line: str, allowed: str) -> None:  # R25
    (told,) = place.mistakes(CONFIG + line)
    assert told.startswith("config.yaml:14: ")
    assert allowed in told


@pytest.mark.parametrize("text", ["30", "30sm", "s30", "''", "1.5h", "-15m", "yes", "[5s]"])
def test_durations_that_are_none_are_refused_in_the_file(place: Place, text: str) -> None:  # R77
    (told,) = place.mistakes(f"{CONFIG}observe_timeout: {text}\n")
    assert told.startswith("config.yaml:14: observe_timeout: ")
    assert "250ms, 30s, 15m, 2h, 1d" in told


BROKEN = """\
backends:
  west:
    kind: powerstore
    url: http://west.example/api/rest
    username: 5
    pasword: {file: x}
    timeouts: {connect: 5, reed: 5s}
    max_concurrency: "8"
  East: {kind: powerstor}
  k8s:
    kind: trident
    in_cluster: true
    kubeconfig: x
    policies: {Sync: sync}
    ontap: {url: https://o, username: u}
  bare:
    kind: trident
retry: {max_attempts: 0}
retry: {}
deamon: {}
daemon: {autonomy: switch, metrics_address: "80"}
"""

TOLD = """\
config.yaml:2: backends.west.password: missing: required: Where the password is kept, or the password itself.
config.yaml:4: backends.west.url: "http://west.example/api/rest": https://HOST or https://HOST:PORT, \
without user, path or /api/rest
config.yaml:5: backends.west.username: 5: a text; quote it if it reads as a number, yes, no or null
config.yaml:6: backends.west.pasword: unknown key: did you mean "password"? \
allowed: kind, url, username, password, tls, timeouts, max_concurrency, clock_margin
config.yaml:7: backends.west.timeouts.connect: 5: a whole number and one unit of ms, s, m, h, d, \
such as 250ms, 30s, 15m, 2h, 1d
config.yaml:7: backends.west.timeouts.reed: unknown key: did you mean "read"? allowed: connect, read
config.yaml:8: backends.west.max_concurrency: "8": a whole number
config.yaml:9: backends.East: "East": lower-case letters, digits, "-" and ".", first and last a letter or digit, \
at most 253 characters
config.yaml:9: backends.East.kind: "powerstor": did you mean "powerstore"? allowed: powerstore, trident
config.yaml:12: backends.k8s.in_cluster: true: not together with kubeconfig or context
config.yaml:14: backends.k8s.policies.Sync: "sync": allowed: 'synchronous' or 'asynchronous'
config.yaml:15: backends.k8s.ontap.password: missing: required: Where the password is kept, or the password itself.
config.yaml:16: backends.bare.kubeconfig: missing: required, or in_cluster: true
config.yaml:18: retry.max_attempts: 0: at least 1
config.yaml:19: a duplicate key: each key once; line 18 has it already
config.yaml:20: deamon: unknown key: did you mean "daemon"? allowed: backends, replications, state_dir, \
history_keep, observe_timeout, retry, breaker, daemon, metrics, discovery
config.yaml:21: daemon.autonomy: "switch": allowed: 'observe', 'protect' or 'switchover'
config.yaml:21: daemon.metrics_address: "80": HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080
"""


def test_every_mistake_is_told_at_once_with_file_line_path_value_and_what_is_allowed(place: Place) -> None:
    told = place.mistakes(BROKEN)
    assert sorted(told) == sorted(TOLD.splitlines())
    lines = [int(line.split(":")[1]) for line in told]
    assert lines == sorted(lines)


def test_the_headline_counts(place: Place) -> None:
    with pytest.raises(InvalidConfiguration, match=r"config\.yaml: 18 mistakes"):
        place.load(BROKEN)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "config.yaml:1: backends: missing"),
        ("- a\n", "config.yaml:1: no table: a table of keys"),
        ("backends: {}\n", "config.yaml:1: backends: a table: at least 1"),
        ("backends: {west: 5}\n", "config.yaml:1: backends.west: 5: a table of keys"),
        (
            "backends: {west: {}}\n",
            "config.yaml:1: backends.west.kind: missing: allowed: powerstore, trident",
        ),
        ("backends: [west]\n", "config.yaml:1: backends: a list: a table of keys"),
        ("backends:\n  west: {a: 1\n", "config.yaml:3: not YAML"),
        (ONE + "daemon: 5\n", "config.yaml:7: daemon: 5: a table of keys"),
        (ONE + "state_dir: ''\n", 'config.yaml:7: state_dir: "": a path'),
        (ONE + "<<: {}\n", "config.yaml:7: a merge key"),
    ],
)
def test_broken_shapes(place: Place, text: str, told: str) -> None:
    assert any(line.startswith(told) for line in place.mistakes(text)), place.mistakes(text)


@pytest.mark.parametrize(
    "url",
    [
        "west.example", "http://west", "https://", "https://west/api/rest", "https://u@west", "https://u:p@west",
        "https://west?x=1", "https://west#x", "https://west:99999", "https://west:x", "ftp://west", "https://we st", "https://[::1",
    ],
)  # fmt: skip
def test_refused_urls(place: Place, url: str) -> None:
    (told,) = place.mistakes(ONE.replace("https://w", f"'{url}'"))
    assert "config.yaml:4: backends.west.url: " in told
    assert "without user, path or /api/rest" in told


@pytest.mark.parametrize(
    "url", ["https://w", "https://w:8443", "https://10.0.0.1", "https://[fd00::1]:443", "https://w/"]
)
def test_accepted_urls(place: Place, url: str) -> None:
    backend = place.load(ONE.replace("https://w", f"'{url}'")).backends["west"]
    assert isinstance(backend, PowerStoreBackend)
    assert backend.url == url.rstrip("/")


def test_paths_are_relative_to_the_file_and_know_the_home(place: Place) -> None:
    place.write(
        "etc/config.yaml", ONE + "    tls: {ca_file: ca.pem}\nreplications: ~/r.yaml\nstate_dir: ../state\n"
    )
    settings = place.again(config="etc/config.yaml")
    west = settings.backends["west"]
    assert isinstance(west, PowerStoreBackend)
    assert west.tls.ca_file == place.directory / "etc/ca.pem"
    assert settings.replications_path == place.home / "r.yaml"
    assert settings.state_dir == place.directory / "etc/../state"


def test_settings_are_frozen(place: Place) -> None:
    settings = place.load()
    for owner, name in (
        (settings, "retry"),
        (settings.daemon, "autonomy"),
        (settings.backends["west"], "url"),
    ):
        with pytest.raises((AttributeError, ValueError)):
            setattr(owner, name, "x")
    backends: Any = settings.backends
    with pytest.raises(TypeError):
        backends["new"] = backends["west"]


def test_unverified_tls_is_said_aloud(place: Place) -> None:
    settings = place.load(ONE + "    tls: {verify: false}\n")
    assert [str(notice) for notice in settings.notices] == [
        "config.yaml:7: backends.west.tls.verify: "
        "certificates are not verified: anybody in between can take the password"
    ]


def test_two_names_for_one_array_are_said_aloud(place: Place) -> None:
    settings = place.load(CONFIG.replace("east.example", "west.example"))
    assert [str(notice) for notice in settings.notices] == [
        "config.yaml:9: backends.east.url: the same address as west"
    ]


def test_where_the_configuration_is_sought(place: Place) -> None:
    environ = {"HOME": str(place.home), "XDG_CONFIG_HOME": str(place.directory / "xdg")}
    personal = place.write("xdg/replctl/config.yaml", CONFIG)

    def found(flag: str | None = None, **more: str) -> Path:
        return find_config(flag, {**environ, **more}, cwd=place.directory)

    assert found() == personal
    assert found(REPLCTL_CONFIG="other.yaml") == place.directory / "other.yaml"
    assert found("flag.yaml", REPLCTL_CONFIG="other.yaml") == place.directory / "flag.yaml"
    assert found(REPLCTL_CONFIG="~/other.yaml") == place.home / "other.yaml"
    assert found(REPLCTL_CONFIG="") == personal
    at_home = place.write("home/.config/replctl/config.yaml", CONFIG)
    assert found(XDG_CONFIG_HOME="relative") == at_home  # the specification: a relative path counts as unset


def test_a_personal_configuration_that_cannot_be_read_is_not_passed_over(place: Place) -> None:
    """Another file in its stead would mean other arrays."""
    link = place.directory / "home/.config/replctl/config.yaml"
    link.parent.mkdir(parents=True)
    link.symlink_to(place.directory / "gone.yaml")
    assert find_config(None, {}, home=place.home, cwd=place.directory) == link


def test_without_any_configuration_it_says_where_it_looked(place: Place) -> None:
    with pytest.raises(
        InvalidConfiguration, match=r"home/.config/replctl/config.yaml and /etc/replctl"
    ) as refusal:
        find_config(None, {}, home=place.home, cwd=place.directory)
    assert "--config" in refusal.value.remedy


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("missing", "No such file"),
        ("directory", "not a regular file"),
        ("latin", "not UTF-8"),
        ("huge", "larger than"),
    ],
)
def test_files_that_cannot_be_read(place: Place, kind: str, told: str) -> None:
    path = place.directory / "config.yaml"
    if kind == "directory":
        path.mkdir()
    elif kind == "latin":
        path.write_bytes(b"a: 1\nb: \xe4\n")
    elif kind == "huge":
        path.write_bytes(b"#" * (1024**2 + 1))
    with pytest.raises(InvalidConfiguration, match=r"config.yaml cannot be read") as refusal:
        place.again()
    assert told in str(refusal.value.findings[0])
    assert kind != "latin" or refusal.value.findings[0].place == "config.yaml:2"


STATE_CASES = [
    ("/etc/replctl/config.yaml", {}, "/var/lib/replctl"),
    ("/home/ann/.config/replctl/config.yaml", {}, "/home/ann/.local/state/replctl"),
    ("/home/ann/lab/config.yaml", {}, "/home/ann/.local/state/replctl"),
    ("/home/ann/lab/config.yaml", {"XDG_STATE_HOME": "/state"}, "/state/replctl"),
    ("/home/ann/lab/config.yaml", {"XDG_STATE_HOME": "state"}, "/home/ann/.local/state/replctl"),
    ("/xdg/replctl/config.yaml", {"XDG_CONFIG_HOME": "/xdg"}, "/home/ann/.local/state/replctl"),
    ("/srv/dr/config.yaml", {}, None),
    ("/home/annex/config.yaml", {}, None),
]


@pytest.mark.parametrize(("config", "environ", "state"), STATE_CASES)
def test_the_store_belongs_to_the_configuration(
    config: str, environ: dict[str, str], state: str | None
) -> None:
    from replctl.settings.loading import Surroundings, default_state_directory

    around = Surroundings.of(environ, Path("/home/ann"), Path("/tmp"))
    assert default_state_directory(Path(config), around) == (Path(state) if state else None)


def test_a_home_that_is_the_root_directory_is_no_home() -> None:
    from replctl.settings.loading import Surroundings, default_state_directory

    around = Surroundings.of({}, Path("/"), Path("/tmp"))
    assert default_state_directory(Path("/srv/dr/config.yaml"), around) is None


def test_without_any_place_for_the_store_it_says_what_to_write(place: Place) -> None:
    settings = place.load()
    with pytest.raises(InvalidConfiguration, match="nothing says where the store lies") as refusal:
        _ = settings.state_dir
    assert refusal.value.findings[0].place == "config.yaml: state_dir"
    assert "REPLCTL_STATE_DIR" in refusal.value.remedy
