"""The configuration as values: every key of `config.yaml`, its type, its default and what it is for.

The models are the one source of the loader, the JSON Schema and `config show`. Attributes carry our names (with
units), aliases the file's. What a driver does with a value is the driver's; numbers of retry and breaker are the
core's, and are only repeated here by reference.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from replctl.core.breaker import BreakerSettings
from replctl.core.model import Mode
from replctl.core.retry import RetryPolicy
from replctl.settings.fields import (
    Address,
    Count,
    Duration,
    FilePath,
    Model,
    Name,
    Number,
    SomeDuration,
    Text,
    Truth,
    Url,
    duration,
)
from replctl.settings.secrets import Password

MOST_CONCURRENT = 256
ModeWord = Literal["synchronous", "asynchronous"]
Autonomy = Literal["observe", "protect", "switchover"]

_RETRY = RetryPolicy()
_BREAKER = BreakerSettings()


class Tls(Model):
    """How the server's certificate is judged."""

    ca_file: FilePath | None = Field(
        default=None, description="Certificates to trust, PEM; the system's when absent."
    )
    verify: Truth = Field(
        default=True, description="Off: anybody in between can read and change everything, the password too."
    )


class Timeouts(Model):
    """How long one request may take."""

    connect_seconds: SomeDuration = duration("5s", "connect", "To reach the backend.")
    read_seconds: SomeDuration = duration("30s", "read", "To hear from it again once it was asked.")


def _timeouts() -> Any:
    return Field(default=Timeouts(), description="How long one request may take.")


def _max_concurrency() -> Any:
    return Field(default=8, ge=1, le=MOST_CONCURRENT, description="Requests at once to this backend.")


def _clock_margin() -> Any:
    description = (
        "By how much its clock may be wrong when that cannot be measured; without it the last consistent point "
        "is then unknown."
    )
    return Field(default=None, alias="clock_margin", description=description)


class PowerStoreBackend(Model):
    """A Dell PowerStore array."""

    kind: Literal["powerstore"] = Field(description="The driver.")
    url: Url = Field(description="Its management address, https://HOST, without /api/rest.")
    username: Text = Field(description="Who signs in.")
    password: Password = Field(description="Where the password is kept, or the password itself.")
    tls: Tls = Field(default=Tls(), description="How its certificate is judged.")
    timeouts: Timeouts = _timeouts()
    max_concurrency: Count = _max_concurrency()
    clock_margin_seconds: Duration | None = _clock_margin()


class Ontap(Model):
    """Read-only access to the ONTAP cluster behind Trident, for lag times and proofs."""

    url: Url = Field(description="Its management address, https://HOST.")
    username: Text = Field(description="Who signs in; a read-only role is enough.")
    password: Password = Field(description="Where the password is kept, or the password itself.")
    tls: Tls = Field(default=Tls(), description="How its certificate is judged.")


class TridentBackend(Model):
    """A Kubernetes cluster with NetApp Trident."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["kubeconfig"], "properties": {"in_cluster": {"const": False}}},
                {
                    "required": ["in_cluster"],
                    "properties": {"in_cluster": {"const": True}, "kubeconfig": False, "context": False},
                },
            ]
        }
    )

    kind: Literal["trident"] = Field(description="The driver.")
    kubeconfig: FilePath | None = Field(default=None, description="The kubeconfig file to use.")
    context: Text | None = Field(
        default=None, description="The context in it; its current context when absent."
    )
    in_cluster: Truth = Field(default=False, description="Use the service account of the pod instead.")
    policies: dict[str, ModeWord] = Field(
        default_factory=dict, description="Which mode each ONTAP replication policy stands for."
    )
    snapshot_class: Text | None = Field(
        default=None,
        description="VolumeSnapshotClass for planned promotions; the only one of Trident's if absent.",
    )
    ontap: Ontap | None = Field(default=None, description="Read-only access to the ONTAP cluster, optional.")
    timeouts: Timeouts = _timeouts()
    max_concurrency: Count = _max_concurrency()
    clock_margin_seconds: Duration | None = _clock_margin()

    @property
    def modes(self) -> dict[str, Mode]:
        return {policy: Mode(word) for policy, word in self.policies.items()}


Backend = PowerStoreBackend | TridentBackend


class Retry(Model):
    """How often a request is tried and how long between."""

    max_attempts: Count = Field(default=_RETRY.max_attempts, ge=1, le=1000, description="Tries in all.")
    initial_delay_seconds: SomeDuration = duration("1s", "initial_delay", "Wait after the first failure.")
    max_delay_seconds: SomeDuration = duration("5m", "max_delay", "No wait is longer.")
    multiplier: Number = Field(
        default=_RETRY.multiplier, ge=1, le=1000, allow_inf_nan=False, description="Growth from wait to wait."
    )
    jitter: Number = Field(
        default=_RETRY.jitter,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share that chance adds to a wait at most.",
    )

    @property
    def policy(self) -> RetryPolicy:
        return RetryPolicy(
            max_attempts=self.max_attempts,
            initial_delay_seconds=self.initial_delay_seconds,
            max_delay_seconds=self.max_delay_seconds,
            multiplier=self.multiplier,
            jitter=self.jitter,
        )


class Breaker(Model):
    """When a backend is left alone for a while."""

    failure_threshold: Count = Field(
        default=_BREAKER.failure_threshold, ge=1, le=1000, description="Failures in a row that open it."
    )
    success_threshold: Count = Field(
        default=_BREAKER.success_threshold,
        ge=1,
        le=1000,
        description="Successes in a row that close it again.",
    )
    recovery_seconds: SomeDuration = duration("1m", "recovery_timeout", "How long it stays open.")

    @property
    def settings(self) -> BreakerSettings:
        return BreakerSettings(
            failure_threshold=self.failure_threshold,
            success_threshold=self.success_threshold,
            recovery_seconds=self.recovery_seconds,
        )


class Daemon(Model):
    """How `replctl daemon` works."""

    interval_seconds: SomeDuration = duration("30s", "interval", "From one look at everything to the next.")
    metrics_address: Address = Field(default="127.0.0.1:8080", description="Where /metrics is served.")
    health_address: Address = Field(
        default="127.0.0.1:8081", description="Where /healthz and /readyz are served."
    )
    web_config_file: FilePath | None = Field(
        default=None,
        description="TLS and passwords of both, in the form of Prometheus' exporters; neither when absent.",
    )
    max_parallel: Count = Field(default=16, ge=1, le=MOST_CONCURRENT, description="Operations at once.")
    autonomy: Autonomy = Field(
        default="switchover",
        description="observe: only look. protect: never change which side is writable. switchover: also the "
        "planned, lossless change that an edit of an entry's state asks for.",
    )
    max_switchovers: Count = Field(default=1, ge=1, le=1000, description="Role changes in one tick at most.")


class Metrics(Model):
    """What the metrics may cost."""

    per_replication_limit: Count = Field(
        default=5000, ge=0, le=1_000_000, description="Above so many, histograms are kept for all together."
    )


class Discovery(Model):
    """What is there, and how long that is believed."""

    ttl_seconds: Duration = duration("5m", "ttl", "How long what was discovered is believed.")


class Config(Model):
    """The configuration of replctl."""

    model_config = ConfigDict(title="replctl config.yaml")

    backends: dict[Name, Annotated[Backend, Field(discriminator="kind")]] = Field(
        min_length=1, description="Arrays and clusters by name."
    )
    replications: FilePath | None = Field(
        default=None,
        description="The desired-state file; relative to this file.",
        json_schema_extra={"default": "replications.yaml"},
    )
    state_dir: FilePath | None = Field(
        default=None,
        description="Where the store lies. By default /var/lib/replctl for /etc/replctl/config.yaml, and "
        "$XDG_STATE_HOME/replctl for a configuration in the home directory.",
    )
    history_keep_seconds: SomeDuration = duration(
        "400d", "history_keep", "How long operations are remembered."
    )
    observe_timeout_seconds: SomeDuration = duration(
        "3s", "observe_timeout", "How long a look waits for the backends, all together."
    )
    retry: Retry = Field(default=Retry(), description="How often a request is tried and how long between.")
    breaker: Breaker = Field(default=Breaker(), description="When a backend is left alone for a while.")
    daemon: Daemon = Field(default=Daemon(), description="How the daemon works.")
    metrics: Metrics = Field(default=Metrics(), description="What the metrics may cost.")
    discovery: Discovery = Field(default=Discovery(), description="How long what was discovered is believed.")
