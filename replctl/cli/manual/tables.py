"""replctl-exit-codes(7) and replctl-metrics(7): the tables that the program itself reads, as pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from replctl.cli.manual import mdoc
from replctl.cli.manual.pages import Page
from replctl.core.counts import OPERATION_BUCKETS, PREFIX, TRANSLATION_BUCKETS
from replctl.core.metrics import FAMILIES, MISSION, OURS, Family, Type
from replctl.core.outcomes import CODES, MEANINGS, ExitCode, Outcome

Errors = Mapping[str, tuple[ExitCode, str]]


def exit_codes(errors: Errors, endings: Mapping[str, str]) -> Page:
    """`errors` end a command by themselves, `endings` say why an operation ended as it did."""
    return Page(
        name="replctl-exit-codes",
        section="7",
        about="what replctl ends with, and why",
        parts=(
            ("DESCRIPTION", _exit_codes()),
            ("OF SEVERAL", _of_several()),
            ("ERROR CODES", _errors(errors)),
            ("ENDINGS OF OPERATIONS", _endings(endings)),
            ("EXAMPLES", _script()),
        ),
        related=(("replctl", "1"), ("replctl-check", "1"), ("replctl-op-wait", "1"), ("replctl-guards", "7")),
    )


def _exit_codes() -> list[str]:
    rows = ((f"Sy {int(code)}", _meaning(code)) for code in ExitCode)
    return [
        *mdoc.paragraphs(
            (
                "0 means that the result was observed, by this command and after its last change, on every side that "
                "the change names. Everything else has a code of its own; scripts may rely on them, for changing one "
                "needs a major version. `replctl check` alone has others, those of Nagios and Icinga: see "
                "replctl-check(1).",
            )
        ),
        *mdoc.tagged(rows, width="143"),
    ]


def _meaning(code: ExitCode) -> list[str]:
    outcomes = [each for each in Outcome if CODES[each] is code]
    words = f" In the JSON: {', '.join(f'`{each}`' for each in outcomes)}." if outcomes else ""
    return mdoc.prose(f"{mdoc.begun(MEANINGS[code])}.{words}")


def _of_several() -> list[str]:
    return mdoc.prose(
        "Of several replications the worst truth wins. If the outcome of any is unknown, 9; else if any is still "
        "running, 8; else if some were changed and some were not, 3; else the code that they share, or 1 when they "
        "differ. `status`, `diff`, `discover` and `backends` end with 0 when every backend that was asked answered, "
        "3 when some did, and 11 when none did."
    )


def _errors(errors: Errors) -> list[str]:
    said = (
        (mdoc.command(code), mdoc.prose(f"{mdoc.begun(sentence)}. Exit code {int(exit_code)}."))
        for code, (exit_code, sentence) in sorted(errors.items())
    )
    return [
        *mdoc.prose(
            "What went wrong, as `error.code` of the JSON. The exit code is that of a command that ends by it."
        ),
        *mdoc.tagged(said),
    ]


def _endings(endings: Mapping[str, str]) -> list[str]:
    said = (
        (mdoc.command(code), mdoc.prose(f"{mdoc.begun(sentence)}."))
        for code, sentence in sorted(endings.items())
    )
    return [
        *mdoc.prose(
            "Why an operation ended as it did, as `error.code` too. The exit code goes with the outcome."
        ),
        *mdoc.tagged(said),
    ]


def _script() -> list[str]:
    return [
        *mdoc.prose(
            "A change in a script, with the answers that are no failure and those that need somebody:"
        ),
        *mdoc.display(
            (
                "replctl promote bank/ledger -y --no-input -o json > done.json",
                "case $? in",
                "0) ;;                                  # observed, or so already",
                "8) replctl op wait \"$(jq -r '.operations[0].operation_id' done.json)\" ;;",
                "6) jq -r '.operations[].refusal.next' done.json >&2; exit 1 ;;",
                '9) echo "look before anything else: replctl explain bank/ledger" >&2; exit 1 ;;',
                "*) exit 1 ;;",
                "esac",
            )
        ),
    ]


def metrics() -> Page:
    theirs = [each for each in FAMILIES.values() if each not in MISSION]
    return Page(
        name="replctl-metrics",
        section="7",
        about="what replctl counts and measures",
        parts=(
            ("DESCRIPTION", _metrics()),
            ("RECONCILES, CALLS AND STATES", _families(MISSION)),
            ("THE DAEMON AND ITS REPLICATIONS", _families(theirs)),
            ("EXAMPLES", _queries()),
        ),
        related=(
            ("replctl-daemon", "1"),
            ("replctl-monitoring-alerts", "1"),
            ("replctl-monitoring-dashboard", "1"),
            ("replctl-config", "5"),
        ),
    )


def _metrics() -> list[str]:
    calls, words = (_buckets(each) for each in (OPERATION_BUCKETS, TRANSLATION_BUCKETS))
    return mdoc.paragraphs(
        (
            "The daemon serves them for Prometheus under `/metrics` of `daemon.metrics_address`; --metrics-textfile "
            "leaves the same in a file for the textfile collector of node_exporter. Commands add what they count to "
            "the store, and the daemon tells the sum, over restarts too.",
            f"The names begin with `{PREFIX}` or `{OURS}`. What is not known has no series: never 0, never -1. A "
            "replication that goes takes its series along. `result` is `success` or `error` of this one reconcile.",
            f"The buckets of histograms end at {calls} seconds, and those of `translation_duration_seconds` at "
            f"{words} seconds. Above `metrics.per_replication_limit` replications the histogram of reconciles "
            "is kept for all of them together, with an empty `name`.",
        )
    )


def _buckets(bounds: Iterable[float]) -> str:
    return ", ".join(f"{each:.6f}".rstrip("0").rstrip(".") for each in bounds)


def _families(families: Iterable[Family]) -> list[str]:
    return mdoc.tagged((mdoc.command(each.name), _family(each)) for each in families)


def _family(family: Family) -> list[str]:
    labels = ", ".join(f"`{each}`" for each in family.labels) or "none"
    return [
        *mdoc.prose(family.help),
        ".Pp",
        *mdoc.prose(f"{family.type.capitalize()}. Unit: {family.unit}. Labels: {labels}."),
    ]


def _queries() -> list[str]:
    point, rpo = (
        f"{OURS}{each}" for each in ("last_consistent_point_timestamp_seconds", "rpo_target_seconds")
    )
    age = f"{PREFIX}backend_operation_duration_seconds_bucket"
    assert {point, rpo, f"{PREFIX}state"} <= FAMILIES.keys()
    assert FAMILIES[age.removesuffix("_bucket")].type is Type.HISTOGRAM
    return [
        *mdoc.prose("Copies that are older than they may be:"),
        *mdoc.display((f"time() - {point} > {rpo}",)),
        ".Pp",
        *mdoc.prose("How many replications are in each state:"),
        *mdoc.display((f"count by (state) ({PREFIX}state)",)),
        ".Pp",
        *mdoc.prose("How slow each backend is, at the 95th percentile:"),
        *mdoc.display(("histogram_quantile(0.95, sum by (le, backend) (", f"  rate({age}[10m])))")),
    ]
