"""All checks that `doctor` makes, in the order in which one mends: files, secrets, store, daemon, backends."""

from __future__ import annotations

from replctl.bootstrap import Services
from replctl.diagnosis.arrays import check_backends
from replctl.diagnosis.checks import Check
from replctl.diagnosis.files import check_secrets
from replctl.diagnosis.memory import check_memory
from replctl.diagnosis.service import check_daemon, check_metrics
from replctl.diagnosis.visiting import Patience


def examine(services: Services, patience: Patience) -> list[Check]:
    """Everything but the files, which are checked before there are services. Changes nothing."""
    return [
        *check_secrets(services.settings),
        *check_memory(services),
        *check_daemon(services),
        *check_metrics(services),
        *check_backends(services, patience),
    ]
