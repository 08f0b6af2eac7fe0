"""What the manual says beyond what the program itself knows: examples, more of the story, what belongs together.

Sentences carry the marks that `mdoc` reads. A test holds the tables against the command tree, and runs every
example through the command line's parser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from replctl.core.outcomes import ExitCode

Codes = Mapping[ExitCode, str]

_BEFORE = (ExitCode.USAGE, ExitCode.UNAUTHORIZED, ExitCode.NOT_FOUND)
_CHANGING = tuple(
    code for code in ExitCode if code not in (ExitCode.DIFFERENCES, ExitCode.INTERRUPTED, ExitCode.TERMINATED)
)


def _codes(*plain: ExitCode, said: Codes | None = None) -> Codes:
    """Codes with the general meaning, and those that mean something of their own here; in order."""
    said = said or {}
    return {code: said.get(code, "") for code in sorted({*plain, *said})}


CHANGES = _codes(*_CHANGING, ExitCode.INTERRUPTED, ExitCode.TERMINATED)
LOOKS = _codes(
    *_BEFORE,
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
    said={
        ExitCode.DONE: "every backend that was asked answered",
        ExitCode.PARTIAL: "some backends answered and some did not",
        ExitCode.UNREACHABLE: "no backend answered",
    },
)
READS_STORE = _codes(ExitCode.DONE, *_BEFORE)
PRINTS = _codes(ExitCode.DONE, ExitCode.USAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One command's part: `examples` are what is wanted and the command lines that do it."""

    examples: tuple[tuple[str, str], ...]
    exits: Codes
    related: tuple[str, ...]
    more: tuple[str, ...] = ()


SEVERAL = (
    "Of several the members are looked at and judged before the first change: one refusal stops all, and "
    "nothing is changed, unless --keep-going leaves it out. They move in waves by their `order`, lowest "
    "first; a wave that is not wholly done stops the next one."
)
AGAIN = (
    "Typed again it goes on with what was stopped, joins an operation that somebody carries out, and says "
    "`unchanged` for what is so already and proven."
)
GUARDED = "Whatever is not proven to be safe is refused; what each guard protects is in replctl-guards(7)."

COMMANDS: Mapping[str, Words] = MappingProxyType(
    {
        "status": Words(
            examples=(
                ("All that the file names, worst first:", "replctl status"),
                ("Both arrays' own words:", "replctl status -o wide --group payments"),
                ("A live screen, with sort, filter and details:", "replctl status --watch --every 10s"),
                (
                    "One document a line, for a program that reads along:",
                    "replctl status --watch -o jsonl | jq .observed_at",
                ),
            ),
            exits=LOOKS,
            related=("explain", "diff", "check"),
            more=(
                "`POINT` is the last consistent point: the moment to which the replica could go back. It is when the "
                "data was taken at the source, not when it arrived; what is not known is said to be unknown.",
                "The local end is the one that the verbs speak of. An end that cannot be read keeps what was "
                "last seen of it, with its age.",
            ),
        ),
        "plan": Words(
            examples=(
                ("What the file asks for:", "replctl plan"),
                ("For a script, 10 when there is something to do:", "replctl plan --exit-code -q"),
                (
                    "For one to agree to and another to carry out:",
                    "replctl plan --group payments --out move.json && replctl apply --plan move.json",
                ),
            ),
            exits=_codes(
                *_CHANGING,
                ExitCode.INTERRUPTED,
                said={
                    ExitCode.DONE: "it can be carried out, or there is nothing to do",
                    ExitCode.DIFFERENCES: "there is something to do (with --exit-code)",
                },
            ),
            related=("diff", "apply", "explain"),
            more=(
                "Steps and guards are shown, and nothing is written to any backend. A file that is there already is "
                "not replaced by --out; what it holds carries nothing out by itself, and has neither secrets nor "
                "answers to guards in it.",
            ),
        ),
        "diff": Words(
            examples=(
                ("What differs:", "replctl diff"),
                ("For a script:", "replctl diff --exit-code -l tier=gold -o json"),
            ),
            exits=_codes(
                *LOOKS,
                said={
                    **{code: words for code, words in LOOKS.items() if words},
                    ExitCode.UNKNOWN: "whether something differs cannot be told (with --exit-code)",
                    ExitCode.DIFFERENCES: "something differs (with --exit-code)",
                },
            ),
            related=("plan", "apply", "status"),
        ),
        "history": Words(
            examples=(
                ("The last moves of one replication:", "replctl history bank/ledger --limit 20"),
                ("That nothing in it was changed since it was written:", "replctl history --verify"),
            ),
            exits=_codes(
                ExitCode.DONE,
                *_BEFORE,
                said={ExitCode.FAILED: "something in it was changed (with --verify)"},
            ),
            related=("op list", "explain"),
            more=(
                "Each entry carries a hash of the one before it, by replication, so that one that was altered, moved "
                "or removed is found.",
            ),
        ),
        "explain": Words(
            examples=(("Why is it so, and what now?", "replctl explain bank/ledger"),),
            exits=_codes(
                *LOOKS,
                said={
                    ExitCode.DONE: "both ends could be read",
                    ExitCode.PARTIAL: "one of them could be read",
                    ExitCode.UNREACHABLE: "none of them could be read",
                },
            ),
            related=("status", "history", "plan"),
        ),
        "discover": Words(
            examples=(
                ("What replicates and is in no file:", "replctl discover"),
                ("Volumes and groups too, of one array:", "replctl discover west -o wide"),
            ),
            exits=_codes(
                *LOOKS,
                said={
                    ExitCode.DONE: "everything could be read",
                    ExitCode.PARTIAL: "a part of it could be read",
                    ExitCode.UNREACHABLE: "nothing could be read",
                },
            ),
            related=("import", "backends"),
        ),
        "check": Words(
            examples=(
                ("One service for all:", "replctl check --all"),
                ("With limits of its own:", "replctl check -l tier=gold -w 10m -c 30m"),
            ),
            exits=_codes(
                said={
                    ExitCode.DONE: "OK",
                    ExitCode.FAILED: "WARNING: a copy is older than its rpo, or something is not as it should be",
                    ExitCode.USAGE: "CRITICAL: a copy is older than twice its rpo, or a replication does not work",
                    ExitCode.PARTIAL: "UNKNOWN: it cannot be told, whatever the reason is",
                }
            ),
            related=("status", "monitoring alerts", "daemon"),
            more=(
                "The first line has the level, the counts and the performance data; a line follows for each "
                "replication that is not well. This command alone has codes of its own, those of the plugins of "
                "Nagios and Icinga.",
            ),
        ),
        "promote": Words(
            examples=(
                ("What would be done, and what refuses it:", "replctl promote bank/ledger --dry-run"),
                ("Planned, with nothing lost:", "replctl promote bank/ledger -y --reason 'moving to west'"),
                ("An application as a whole:", "replctl promote --group payments -y"),
                (
                    "The other site is dead, and a quarter of an hour may be lost:",
                    "replctl promote web/events --peer-is-down --accept-data-loss=15m",
                ),
                (
                    "It answers, and its hosts are cut off:",
                    "replctl promote web/events --peer-is-fenced='ports shut' --accept-data-loss=15m",
                ),
            ),
            exits=CHANGES,
            related=("failover", "demote", "reprotect", "explain", "plan"),
            more=(
                "A planned promotion ends when both sides were seen to be well in their new roles. An unplanned one "
                "is never begun quietly in its place: it is asked for by --peer-is-down, --peer-is-fenced or "
                "--from-replica, and ends when the local side was seen to be the source.",
                "Type it without these flags first: the refusal tells what was seen of the other side and what that "
                "proves, what would be lost at least and at most, and the command that would do it all the same.",
                SEVERAL,
                AGAIN,
            ),
        ),
        "demote": Words(
            examples=(
                (
                    "Hand over to the other site:",
                    "replctl demote bank/ledger -y --reason 'power works in west'",
                ),
                ("And let the file say so:", "replctl demote bank/ledger -y --update-file"),
            ),
            exits=CHANGES,
            related=("promote", "failover", "explain"),
            more=(GUARDED, SEVERAL, AGAIN),
        ),
        "failover": Words(
            examples=(
                ("Everything to the east, whichever side is local:", "replctl failover --all --to east -y"),
                (
                    "West is dead:",
                    "replctl failover --group payments --to east --peer-is-down --accept-data-loss=15m,unknown",
                ),
            ),
            exits=CHANGES,
            related=("promote", "demote", "reprotect"),
            more=(GUARDED, SEVERAL, AGAIN),
        ),
        "reprotect": Words(
            examples=(
                ("The dead site is back:", "replctl reprotect web/events"),
                (
                    "The journal does not know whose data to keep:",
                    "replctl reprotect web/events --survivor west",
                ),
            ),
            exits=CHANGES,
            related=("promote", "resync", "explain"),
            more=(
                "As long as both sides read as the source it waits for the old one to step down; an array does that "
                "once it hears of the other one. What the old source wrote since it was left is dropped by it.",
                GUARDED,
                AGAIN,
            ),
        ),
        "pause": Words(
            examples=(("For work on the link:", "replctl pause --group payments -y --reason 'link works'"),),
            exits=CHANGES,
            related=("resume", "resync"),
            more=(SEVERAL, "Trident has no such thing; it is refused there."),
        ),
        "resume": Words(
            examples=(("The work is done:", "replctl resume --group payments -y"),),
            exits=CHANGES,
            related=("pause", "resync"),
            more=(SEVERAL, "Trident has no such thing; it is refused there."),
        ),
        "sync": Words(
            examples=(
                ("Right before a change that may go wrong:", "replctl sync bank/ledger -y --timeout 30m"),
            ),
            exits=CHANGES,
            related=("resync", "status"),
            more=(SEVERAL,),
        ),
        "resync": Words(
            examples=(("Copying has stopped, whyever:", "replctl resync bank/ledger"),),
            exits=CHANGES,
            related=("resume", "sync", "reprotect"),
            more=(GUARDED, SEVERAL, AGAIN),
        ),
        "create": Words(
            examples=(
                ("What it would take:", "replctl create shop/orders --dry-run"),
                ("Begin, and see to the end later:", "replctl create shop/orders -y --no-wait"),
            ),
            exits=CHANGES,
            related=("delete", "import", "discover"),
            more=("What the file has to say for it is in replctl-replications(5).", AGAIN),
        ),
        "delete": Words(
            examples=(
                ("Between arrays:", "replctl delete lab/search -y"),
                ("Between clusters:", "replctl delete shop/orders --delete-promotes -y"),
            ),
            exits=CHANGES,
            related=("create",),
            more=(GUARDED, AGAIN),
        ),
        "apply": Words(
            examples=(
                ("What it would do:", "replctl apply --dry-run"),
                ("All that the file asks for, with two at once:", "replctl apply -y --max-parallel 2"),
                ("What somebody agreed to, and nothing else:", "replctl apply --plan move.json -y"),
            ),
            exits=CHANGES,
            related=("plan", "diff", "promote", "demote"),
            more=(
                "With --plan it is judged anew, and goes on only where the same states and ids are seen and the same "
                "steps would be taken; otherwise it ends with 7 before the first write.",
                SEVERAL,
            ),
        ),
        "init": Words(
            examples=(
                ("On a terminal, where it asks:", "replctl init"),
                (
                    "For two arrays, in a script; a line of standard input is the password of each:",
                    "replctl init --powerstore west=https://west.example --powerstore east=https://east.example "
                    "--username replctl --ca-file ca.pem --password-file - --import < passwords",
                ),
                (
                    "For two clusters, and nothing written:",
                    "replctl init --trident k8s-west=west --trident k8s-east=east --dry-run",
                ),
            ),
            exits=_codes(
                ExitCode.DONE,
                *_BEFORE,
                ExitCode.INTERRUPTED,
                said={
                    ExitCode.FAILED: "several backends did not let us in, for several reasons; nothing was written",
                    ExitCode.REFUSED: "the question whether to write was not answered with yes",
                    ExitCode.PARTIAL: "written; with --import, not everything was read or clear",
                    ExitCode.UNREACHABLE: "a backend could not be reached; nothing was written",
                },
            ),
            related=("doctor", "import", "config validate"),
            more=(
                "Every backend is signed in to before anything is written, and a file that is there is never "
                "written over. A password is asked for without being shown, or read from a file, standard input, "
                "a variable or a program; it is no argument. What replctl keeps of it is a file of its own beside "
                "the configuration, readable by its owner alone.",
            ),
        ),
        "import": Words(
            examples=(
                ("The patch, and nothing written:", "replctl import --dry-run"),
                ("A first file, with west as the local side:", "replctl import --local west -n bank"),
                ("Into another file:", "replctl import --out found.yaml"),
            ),
            exits=_codes(
                *_BEFORE,
                ExitCode.INTERRUPTED,
                said={
                    ExitCode.DONE: "everything was read, and everything in it was clear",
                    ExitCode.PARTIAL: "not everything was read, or not everything was clear; the rest was written",
                    ExitCode.UNREACHABLE: "no backend answered",
                },
            ),
            related=("discover", "diff", "plan"),
        ),
        "hold": Words(
            examples=(
                (
                    "Until you say otherwise:",
                    "replctl hold bank/ledger --reason 'migration, ask Ann' --for 4h",
                ),
            ),
            exits=_codes(*READS_STORE, ExitCode.REFUSED, ExitCode.CONFLICT),
            related=("release", "status"),
            more=(
                "A hold stops the daemon, and refuses everybody's changes, its owner's too, by the guard `held`. Its "
                "end, --for, only reminds. It reaches as far as one store: the other site takes its own.",
            ),
        ),
        "release": Words(
            examples=(("Hands on again:", "replctl release bank/ledger"),),
            exits=_codes(*READS_STORE, ExitCode.REFUSED, ExitCode.CONFLICT),
            related=("hold", "status"),
        ),
        "backends": Words(
            examples=(("Who answers, and how fast:", "replctl backends -o wide"),),
            exits=LOOKS,
            related=("doctor", "breaker list", "discover"),
        ),
        "doctor": Words(
            examples=(("Before the first change, and when something ails:", "replctl doctor"),),
            exits=_codes(
                ExitCode.USAGE,
                ExitCode.INTERRUPTED,
                said={
                    ExitCode.DONE: "all is well, or there are only warnings",
                    ExitCode.FAILED: "a check fails",
                },
            ),
            related=("backends", "config validate"),
        ),
        "completion": Words(
            examples=(
                ("In ~/.bashrc:", "source <(replctl completion bash)"),
                ("For fish:", "replctl completion fish > ~/.config/fish/completions/replctl.fish"),
            ),
            exits=PRINTS,
            related=("",),
        ),
        "daemon": Words(
            examples=(
                ("In the foreground, saying more:", "replctl daemon -v"),
                ("One look, to try it:", "replctl daemon --once"),
            ),
            exits=_codes(
                *CHANGES,
                said={
                    ExitCode.DONE: "it was told to stop, and what was under way is journalled; with --once, every "
                    "backend answered and what was begun is done",
                    ExitCode.PARTIAL: "with --once: some backends did not answer, or something changed and something "
                    "did not",
                    ExitCode.UNREACHABLE: "with --once: no backend answered",
                },
            ),
            related=("systemd install", "monitoring alerts", "hold", "apply"),
            more=(
                "Each look ends with one sentence in the log: what was seen, what is done, and why. The log is text "
                "on a terminal, and one JSON object a line elsewhere.",
                "A role that changed without it is never turned back: it takes a hold, which stops only the daemon, "
                "and tells. An edit under a hold, more edits at once than `daemon.max_switchovers`, and one that "
                "failed as often as `retry.max_attempts` wait for a person.",
            ),
        ),
        "simulate": Words(
            examples=(
                ("Two arrays and two clusters, to try things on:", "replctl simulate --dir sim > sim.json &"),
                (
                    "Arrays alone, ten times as fast:",
                    "replctl simulate --dir sim --vendors powerstore --speed 10",
                ),
                ("What the vendors' interfaces leave open:", "replctl simulate --assumptions"),
            ),
            exits=PRINTS,
            related=("demo",),
        ),
        "demo": Words(
            examples=(("A failover to watch:", "replctl demo"),),
            exits=_codes(
                ExitCode.DONE,
                ExitCode.INTERRUPTED,
                said={ExitCode.FAILED: "a command in it ended otherwise than it should have"},
            ),
            related=("simulate",),
        ),
        "drill start": Words(
            examples=(("Test a failover:", "replctl drill start bank/ledger -y --reason 'yearly test'"),),
            exits=CHANGES,
            related=("drill stop", "promote"),
            more=(SEVERAL, "Trident has no such thing; it is refused there."),
        ),
        "drill stop": Words(
            examples=(("The test is over:", "replctl drill stop bank/ledger -y --keep"),),
            exits=CHANGES,
            related=("drill start",),
            more=(SEVERAL,),
        ),
        "systemd show": Words(
            examples=(("Look at it first:", "replctl systemd show --program /usr/bin/replctl"),),
            exits=PRINTS,
            related=("systemd install", "daemon"),
        ),
        "systemd install": Words(
            examples=(
                ("On this machine, as root:", "replctl systemd install"),
                (
                    "Into a package:",
                    "replctl systemd install --root debian/replctl --program /usr/bin/replctl",
                ),
            ),
            exits=PRINTS,
            related=("systemd show", "daemon"),
        ),
        "monitoring alerts": Words(
            examples=(("For Prometheus:", "replctl monitoring alerts > /etc/prometheus/replctl.rules.yaml"),),
            exits=PRINTS,
            related=("monitoring dashboard", "check", "daemon"),
        ),
        "monitoring dashboard": Words(
            examples=(("For Grafana:", "replctl monitoring dashboard > replctl.json"),),
            exits=PRINTS,
            related=("monitoring alerts", "daemon"),
        ),
        "op list": Words(
            examples=(("What is not finished:", "replctl op list --open"),),
            exits=READS_STORE,
            related=("op show", "op wait", "op resume", "op abandon", "history"),
        ),
        "op show": Words(
            examples=(("Its steps, and why it ended as it did:", "replctl op show op-1f0c8d3e5b7a"),),
            exits=READS_STORE,
            related=("op list", "op wait", "op resume", "op abandon"),
        ),
        "op wait": Words(
            examples=(("Half an hour at most:", "replctl op wait op-1f0c8d3e5b7a --timeout 30m -o json"),),
            exits=CHANGES,
            related=("op list", "op show", "op resume"),
        ),
        "op resume": Words(
            examples=(
                ("Go on where a killed command left it:", "replctl op resume op-1f0c8d3e5b7a -y"),
                (
                    "With what its guards want to hear again:",
                    "replctl op resume op-1f0c8d3e5b7a --peer-is-down --accept-data-loss=15m",
                ),
            ),
            exits=CHANGES,
            related=("op list", "op show", "op wait", "op abandon"),
        ),
        "op abandon": Words(
            examples=(("Only after a look at both ends:", "replctl op abandon op-1f0c8d3e5b7a"),),
            exits=_codes(
                *_BEFORE,
                ExitCode.REFUSED,
                ExitCode.CONFLICT,
                said={ExitCode.DONE: "the books are closed"},
            ),
            related=("op show", "op resume", "explain"),
            more=(
                "For an operation that nobody can finish any more. What it sent is not called back, and nothing is "
                "looked at; while somebody carries it out it is refused. `op resume` opens it again.",
            ),
        ),
        "breaker list": Words(
            examples=(("Whom we leave alone, and until when:", "replctl breaker list"),),
            exits=READS_STORE,
            related=("breaker reset", "doctor", "backends"),
        ),
        "breaker reset": Words(
            examples=(("The array is back:", "replctl breaker reset east"),),
            exits=READS_STORE,
            related=("breaker list", "doctor"),
            more=("Any verb asks past an open breaker with --probe, without closing it.",),
        ),
        "config show": Words(
            examples=(("Where each value comes from:", "replctl config show --origin"),),
            exits=PRINTS,
            related=("config validate", "config path"),
        ),
        "config validate": Words(
            examples=(("Before it is put into force:", "replctl config validate --config new/config.yaml"),),
            exits=_codes(
                ExitCode.DONE, said={ExitCode.USAGE: "a file is wrong; every mistake is told at once"}
            ),
            related=("config show", "doctor"),
        ),
        "config path": Words(
            examples=(("Edit whichever is used:", '"${EDITOR:-vi}" "$(replctl config path)"'),),
            exits=PRINTS,
            related=("config show",),
        ),
    }
)
"""Every command that does something, by its words."""

ABOUT = (
    "replctl drives the replication of volumes between two storage arrays, or two clusters with NetApp "
    "Trident, directly over the vendors' interfaces, from outside, one command at a time: `replctl promote "
    "bank/ledger`. It is for the night when one site is gone, for scripts and for runbooks.",
    "It keeps five promises, in this order: never two sides that hosts write to, by its hand; 0 means that "
    "the result was observed on every side that the change names; what will be lost is stated before it is "
    "lost, and unknown is said as unknown; nothing is forgotten, for each change is written down before it is "
    "made, and is never sent twice blindly; it answers fast, also when a site is dead.",
    "A replication is one replicated thing, named `NAMESPACE/NAME` by the desired-state file. Its local end "
    "is the one that the verbs speak of; the other one is its peer.",
    "Looking never changes anything. A change is refused, with evidence, wherever it is not proven to be safe; the "
    "refusal names each guard, what was seen and how old that is, and the command to type next. See "
    "replctl-guards(7). Off a terminal a change wants -y, which answers no other guard.",
    "Data goes to standard output and all else to standard error. With `-o json` exactly one document is "
    "printed, also when the command fails.",
)
"""replctl(1), from the beginning."""

FIRST: tuple[tuple[str, str], ...] = (
    ("Try it without an array, and look:", "replctl simulate --dir sim > sim.json &"),
    ("Then, with what it wrote:", "REPLCTL_CONFIG=sim/config.yaml replctl status"),
    ("What would be done, and what refuses it:", "replctl promote bank/ledger --dry-run"),
    ("Planned: the sides swap roles.", "replctl promote bank/ledger -y --reason 'moving to west'"),
    ("After Ctrl-C, or a crash: what was begun, and is not finished.", "replctl op list --open"),
)
"""Examples of replctl(1)."""

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "REPLCTL_CONFIG": "The configuration, where --config names none.",
        "REPLCTL_*": "Keys of the configuration, such as `REPLCTL_DAEMON__INTERVAL`; see replctl-config(5).",
        "NO_COLOR": "Not empty: no colours, unless --color says otherwise.",
        "COLUMNS": "How wide the screen is, where that is no terminal.",
    }
)
"""What replctl reads from the environment."""
