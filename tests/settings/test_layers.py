"""Flag over environment over file over default, and who set what."""

from __future__ import annotations

import pytest
from settings.conftest import CONFIG, Place

from replctl.core.errors import InvalidConfiguration
from replctl.settings import PowerStoreBackend, TridentBackend, load, origins


def origin_of(place: Place, key: str, **flags: object) -> tuple[object, str]:
    found = {each.key: each for each in origins(place.again(**flags))}
    return found[key].value, str(found[key].origin)


def test_flag_over_environment_over_file_over_default(place: Place) -> None:
    key = "daemon.metrics_address"
    place.write("config.yaml", CONFIG)
    assert origin_of(place, key) == ("127.0.0.1:8080", "default")
    place.write("config.yaml", CONFIG + "daemon: {metrics_address: 'file:1'}\n")
    assert origin_of(place, key) == ("file:1", "config.yaml:14")
    place.environ["REPLCTL_DAEMON__METRICS_ADDRESS"] = "environment:1"
    assert origin_of(place, key) == ("environment:1", "environment REPLCTL_DAEMON__METRICS_ADDRESS")
    flags = {"daemon__metrics_address": "flag:1"}
    assert origin_of(place, key, **flags) == ("flag:1", "flag --metrics-address")
    assert origin_of(place, key, daemon__metrics_address=None)[0] == "environment:1"


def test_variables_become_what_is_wanted(place: Place) -> None:
    place.environ |= {
        "REPLCTL_DAEMON__MAX_PARALLEL": "4",
        "REPLCTL_RETRY__JITTER": "0.2",
        "REPLCTL_OBSERVE_TIMEOUT": "7s",
        "REPLCTL_STATE_DIR": "st",
        "REPLCTL_BACKENDS__WEST__USERNAME": "123",
        "REPLCTL_BACKENDS__WEST__TLS__VERIFY": "true",
        "REPLCTL_BACKENDS__K8S_WEST__IN_CLUSTER": "false",
        "REPLCTL_BACKENDS__K8S_WEST__KUBECONFIG": "~/kube",
        "REPLCTL_BACKENDS__K8S_WEST__POLICIES": '{"Sync": "synchronous"}',
        "REPLCTL_HISTORY_KEEP": "",
    }
    settings = place.load()
    west, k8s = settings.backends["west"], settings.backends["k8s-west"]
    assert isinstance(west, PowerStoreBackend)
    assert isinstance(k8s, TridentBackend)
    assert (settings.daemon.max_parallel, settings.retry.jitter) == (4, 0.2)
    assert settings.observe_timeout_seconds == 7.0
    assert settings.state_dir == place.directory / "st"
    assert west.username == "123"
    assert (k8s.in_cluster, k8s.kubeconfig) == (False, place.home / "kube")
    assert k8s.policies == {"Sync": "synchronous"}
    assert settings.history_keep_seconds == 400 * 86400.0
    assert settings.notices == ()


def test_a_path_in_a_variable_is_relative_to_where_one_stands(place: Place) -> None:
    place.write("etc/config.yaml", CONFIG)
    place.environ["REPLCTL_REPLICATIONS"] = "mine.yaml"
    assert place.again(config="etc/config.yaml").replications_path == place.directory / "mine.yaml"


@pytest.mark.parametrize(
    "password", ["hunter2", "123", "true", "null", '{"a": 1}', "[1]", '"quoted"', "a: b"]
)
def test_a_password_in_a_variable_is_taken_as_it_is(place: Place, password: str) -> None:
    place.environ["REPLCTL_BACKENDS__WEST__PASSWORD"] = password
    west = place.load().backends["west"]
    assert isinstance(west, PowerStoreBackend)
    assert getattr(west.password, "reveal", str)() == password


def test_a_secret_s_source_is_replaced_whole(place: Place) -> None:
    place.environ["REPLCTL_BACKENDS__WEST__PASSWORD__FILE"] = "/run/west"
    place.load()
    assert origin_of(place, "backends.west.password") == (
        "<from file /run/west>",
        "environment REPLCTL_BACKENDS__WEST__PASSWORD__FILE",
    )


def test_a_whole_backend_can_come_from_the_environment(place: Place) -> None:
    place.environ |= {
        "REPLCTL_BACKENDS__NORTH__KIND": "powerstore",
        "REPLCTL_BACKENDS__NORTH__URL": "https://north",
        "REPLCTL_BACKENDS__NORTH__USERNAME": "u",
        "REPLCTL_BACKENDS__NORTH__PASSWORD__COMMAND": '["pass", "north"]',
    }
    settings = place.load()
    assert set(settings.backends) == {"west", "east", "k8s-west", "k8s-east", "north"}
    assert origin_of(place, "backends.north.password")[0] == "<from command pass>"


def test_a_table_in_a_variable_is_laid_over_the_file_s(place: Place) -> None:
    place.environ |= {
        "REPLCTL_DAEMON": '{"interval": "5s", "max_parallel": 2}',
        "REPLCTL_DAEMON__MAX_PARALLEL": "3",
        "REPLCTL_BACKENDS": '{"west": {"username": "other"}}',
    }
    settings = place.load(CONFIG + "daemon: {interval: 9s, autonomy: observe}\n")
    assert (settings.daemon.interval_seconds, settings.daemon.autonomy) == (5.0, "observe")
    assert settings.daemon.max_parallel == 3
    assert len(settings.backends) == 4
    assert origin_of(place, "backends.west.username") == ("other", "environment REPLCTL_BACKENDS")
    assert origin_of(place, "backends.west.url") == ("https://west.example", "config.yaml:4")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("REPLCTL_DAEMON__INTERVALL", "5s", 'daemon.intervall: unknown key: did you mean "interval"?'),
        ("REPLCTL_DAEMON__INTERVAL", "5", 'daemon.interval: "5": a whole number and one unit'),
        ("REPLCTL_DAEMON__MAX_PARALLEL", "many", 'daemon.max_parallel: "many": a whole number'),
        ("REPLCTL_DAEMON", "x", 'daemon: "x": a table of keys'),
        ("REPLCTL_BACKENDS__WEST__TLS__VERIFY", "maybe", 'backends.west.tls.verify: "maybe": true or false'),
        ("REPLCTL_BACKENDS__WEST__URL", "west", 'backends.west.url: "west": https://HOST'),
    ],
)
def test_mistakes_name_the_variable(place: Place, name: str, value: str, told: str) -> None:
    place.environ[name] = value
    (line,) = place.mistakes(CONFIG)
    assert line.startswith(f"environment {name}: {told}")


def test_mistakes_name_the_flag(place: Place) -> None:
    (line,) = place.mistakes(CONFIG, observe_timeout="soon")
    assert line.startswith('flag --observe-timeout: observe_timeout: "soon": a whole number and one unit')


def test_a_mistake_in_the_file_is_not_hidden_by_a_variable_beneath_it(place: Place) -> None:
    place.environ["REPLCTL_DAEMON__INTERVAL"] = "5s"
    assert place.mistakes(CONFIG + "daemon: 5\n") == ["config.yaml:14: daemon: 5: a table of keys"]


def test_variables_that_set_nothing_are_mentioned(place: Place) -> None:
    """A misspelt one must not pass for a setting; what Kubernetes injects for a Service is not ours."""
    place.environ |= {
        "REPLCTL_STATEDIR": "x",
        "REPLCTL_XYZZY": "x",
        "REPLCTL_CONFIG": "config.yaml",
        "REPLCTL_PORT": "tcp://10.0.0.1:8080",
        "REPLCTL_PORT_8080_TCP_ADDR": "10.0.0.1",
        "REPLCTL_SERVICE_HOST": "10.0.0.1",
        "REPLCTL_METRICS_SERVICE_PORT_HTTP": "8080",
        "REPLCTL_WEST": "the password itself",
    }
    settings = place.load(CONFIG.replace("WEST_PASSWORD", "REPLCTL_WEST"))
    assert [str(notice) for notice in settings.notices] == [
        'environment REPLCTL_STATEDIR: sets nothing; did you mean "REPLCTL_STATE_DIR"?',
        "environment REPLCTL_XYZZY: sets nothing",
    ]


def test_nothing_is_read_from_the_process_when_an_environment_is_given(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLCTL_OBSERVE_TIMEOUT", "9s")
    place.environ["REPLCTL_RETRY__MAX_ATTEMPTS"] = "2"
    settings = place.load()
    assert (settings.observe_timeout_seconds, settings.retry.max_attempts) == (3.0, 2)
    monkeypatch.chdir(place.directory)
    monkeypatch.setenv("HOME", str(place.home))
    assert load({"config": "config.yaml"}).observe_timeout_seconds == 9.0


def test_every_value_has_an_origin(place: Place) -> None:
    settings = place.load(CONFIG + "daemon: {interval: 10s}\n")
    shown = {each.key: (each.value, str(each.origin)) for each in origins(settings)}
    assert shown["backends.west.url"] == ("https://west.example", "config.yaml:4")
    assert shown["backends.west.password"] == ("<from environment WEST_PASSWORD>", "config.yaml:6")
    assert shown["backends.west.timeouts.connect"] == ("5s", "default")
    assert shown["backends.west.clock_margin"] == (None, "default")
    assert shown["daemon.interval"] == ("10s", "config.yaml:14")
    assert shown["daemon.autonomy"] == ("switchover", "default")
    assert shown["retry.multiplier"] == (2.0, "default")
    assert shown["history_keep"] == ("400d", "default")
    assert shown["replications"] == (str(place.directory / "replications.yaml"), "default")
    assert shown["state_dir"] == (None, "default")


def test_what_is_shown_can_be_written_back(place: Place) -> None:
    """`config show` speaks the file's language: its values, put into variables, give the same settings."""
    before = place.load(CONFIG + "retry: {initial_delay: 1500ms, multiplier: 2.5}\ndaemon: {interval: 90s}\n")
    for each in origins(before):
        if each.value is not None and not each.key.endswith(("password", "kind")):
            name = "REPLCTL_" + each.key.replace("-", "_").replace(".", "__").upper()
            place.environ[name] = str(each.value).lower() if isinstance(each.value, bool) else str(each.value)
    after = place.load()
    assert (after.retry, after.daemon, after.backends) == (before.retry, before.daemon, before.backends)


def test_a_missing_file_that_was_named_is_an_error(place: Place) -> None:
    place.write("home/.config/replctl/config.yaml", CONFIG)
    place.environ["REPLCTL_CONFIG"] = "gone.yaml"
    with pytest.raises(InvalidConfiguration, match=r"gone\.yaml cannot be read"):
        load({}, place.environ, home=place.home, cwd=place.directory)


def test_without_a_home_or_a_working_directory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has no name, or a shell whose directory was removed."""
    path = place.write("config.yaml", CONFIG + "state_dir: state\n")
    gone = place.directory / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", _nobody)
    assert load({"config": str(path)}, {}).state_dir == place.directory / "state"


def _nobody(_uid: int) -> None:
    raise KeyError
