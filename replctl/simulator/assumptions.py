"""What the contracts do not establish, each as a named choice that a test can turn.

Every inferred, undocumented or contradictory fact of either contract that the simulator must decide stands here
once: its name, the answers that are possible, the one that the simulator gives by default (the unkind one, or the
contract's own choice where it makes one), the contract section, and one sentence. This module knows nothing of
arrays or clusters; the others ask it by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass


class UnknownAssumption(ValueError):
    """A name or a value that is not in the list; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """One undecided fact: its possible values and the value that holds unless somebody says otherwise."""

    name: str
    values: tuple[str, ...]
    default: str
    section: str
    sentence: str


def _row(name: str, values: str, section: str, sentence: str) -> Assumption:
    """Read `values` as `first|second`; the default is the one marked with a star."""
    marked = values.split("|")
    plain = tuple(value.rstrip("*") for value in marked)
    default = next(value.rstrip("*") for value in marked if value.endswith("*"))
    return Assumption(name, plain, default, section, sentence)


ASSUMPTIONS: tuple[Assumption, ...] = (
    # Sign-in (CP §2, §15, §17)
    _row(
        "expired_session_reply", "401*|403|302", "CP §2, §15.1", "What an expired login session is answered."
    ),
    _row(
        "basic_change_without_token",
        "accept|refuse*",
        "CP §2, §15.2",
        "Whether a change with Basic credentials and no CSRF token is accepted.",
    ),
    _row("token_rotation", "fixed|rotating*", "CP §17", "Whether each answer hands out a new CSRF token."),
    _row("logout_status", "204*|201", "CP §15.13", "The status of a successful logout."),
    _row(
        "idle_timeout_meaning",
        "remaining*|period",
        "CP §15.4",
        "Whether idle_timeout tells the idle seconds that remain or the whole period.",
    ),
    _row(
        "rule_on_destination",
        "null*|replica",
        "CP §6",
        "Whether a destination's session names the replica of the replication rule, or nothing.",
    ),
    # Refusals (CP §7.2, §17)
    _row(
        "refusal_status",
        "422*|400",
        "CP §7.2",
        "The status of an action that is illegal in the present state.",
    ),
    _row(
        "wrong_side_failover_status",
        "400*|422",
        "CP §7.2, §15.16",
        "The status of a failover on the wrong side.",
    ),
    _row(
        "already_failed_over_status",
        "422*|400",
        "CP §7.2",
        "The status of a failover that has already happened.",
    ),
    _row(
        "refusal_place",
        "job*|direct",
        "CP §5",
        "Whether an is_async action that the state forbids fails in its job or is refused at once.",
    ),
    _row(
        "peer_unreachable_delay",
        "0|5|30*|120",
        "CP §7.2, §17",
        "Seconds until an action that needs the peer reports that it is unreachable.",
    ),
    # Legality (CP §7.1)
    _row(
        "planned_failover_from_system_paused",
        "refuse*|accept",
        "CP §7.1",
        "Planned failover in System_Paused.",
    ),
    _row(
        "planned_failover_from_paused",
        "refuse*|accept",
        "CP §7.1",
        "Planned failover while Paused on both sides.",
    ),
    _row("failover_from_error", "refuse*|accept", "CP §7.1", "Failover, planned or not, in Error."),
    _row("action_from_error", "refuse*|accept", "CP §7.1", "Every other action in Error."),
    _row("pause_when_paused", "no_op|refuse*", "CP §7.1", "Pause while Paused on both sides."),
    _row("pause_while_switching", "refuse*|accept", "CP §7.1", "Pause in Switching_To_Metro_Sync."),
    _row(
        "unplanned_in_transient",
        "refuse*|accept",
        "CP §7.1",
        "Unplanned failover in Pausing, Resuming or Reprotecting.",
    ),
    _row(
        "unplanned_from_initializing",
        "refuse|accept*",
        "CP §7.1",
        "Unplanned failover in Initializing, where the copy is not complete.",
    ),
    _row(
        "unplanned_from_paused_for_system",
        "refuse*|accept",
        "CP §7.1",
        "Unplanned failover in Paused_For_NDU or Paused_For_Migration.",
    ),
    _row(
        "unplanned_from_fractured",
        "accept*|refuse",
        "CP §9.2, §17",
        "Unplanned failover of a Fractured session of type Synchronous.",
    ),
    _row(
        "stop_test_in_unlisted_state",
        "refuse*|accept",
        "CP §7.1",
        "stop_failover_test in the states marked '?'.",
    ),
    _row("sync_at_destination", "refuse*|accept", "CP §7", "A sync that is asked of the destination."),
    _row("resume_after_local_pause", "refuse*|accept", "CP §15.6", "Resume when only one side is paused."),
    _row(
        "reprotect_before_flip",
        "refuse*|accept",
        "CP §17",
        "Reprotect before the old source has stepped down.",
    ),
    _row("unplanned_with_reverse", "refuse*|ignore", "CP §7", "reverse:true on an unplanned failover."),
    _row("use_test_copy_without_test", "refuse*|ignore", "CP §7", "use_test_copy:true when no test runs."),
    _row(
        "force_when_not_failed_over",
        "ignore*|refuse",
        "CP §7",
        "force:true before the session is failed over.",
    ),
    _row("patch_role_to_non_preferred", "refuse*|accept", "CP §15.9", "PATCH role to Metro_Non_Preferred."),
    _row(
        "demote_needs_fracture",
        "yes*|no",
        "CP §15.15",
        "Whether demote is only for Fractured or Paused sessions.",
    ),
    _row(
        "failover_on_synchronous",
        "accept*|refuse",
        "CP §9.2, §15.10",
        "Failover and reprotect of type Synchronous.",
    ),
    _row(
        "sync_on_synchronous",
        "refuse*|accept",
        "CP §9.2",
        "The sync action on a session of type Synchronous.",
    ),
    _row(
        "test_on_synchronous", "refuse*|accept", "CP §17", "Test failover of a session of type Synchronous."
    ),
    # Transitions (CP §8, §17)
    _row(
        "session_id_same_on_peer", "yes|no*", "CP §6, §17", "Whether both arrays call the session by one id."
    ),
    _row(
        "role_flip_order", "source_first|destination_first*", "CP §17", "Which role a failover flips first."
    ),
    _row(
        "peer_shows_transient",
        "yes|no*",
        "CP §8, §17",
        "Whether the other side shows the transient state too.",
    ),
    _row("peer_shows_test", "yes|no*", "CP §8", "Whether the source shows failover_test_in_progress too."),
    _row(
        "command_end",
        "early*|with_state",
        "CP §5",
        "Whether a command ends before the session has reached the state that it leads to.",
    ),
    _row(
        "old_source_after_reconnect",
        "Failed_Over*|System_Paused|Paused",
        "CP §8, §17",
        "The state in which the old source steps down once it is connected again.",
    ),
    _row(
        "demotion_path",
        "both_links*|any_link",
        "CP §8",
        "Which links between the arrays an unplanned failover needs to demote a living source.",
    ),
    _row(
        "destination_on_link_loss",
        "unchanged*|System_Paused",
        "CP §8",
        "What the destination shows when its source cannot be reached.",
    ),
    _row(
        "destination_when_planned_breaks",
        "stuck*|System_Paused",
        "CP §8",
        "What the destination shows when the source is lost in the middle of a planned failover.",
    ),
    _row("reprotect_synchronizes", "yes*|no", "CP §8", "Whether a Synchronizing phase follows Reprotecting."),
    _row(
        "synchronous_link_loss",
        "Fractured*|System_Paused",
        "CP §9.2",
        "Type Synchronous when the link is lost.",
    ),
    _row(
        "metro_labels_on_fracture",
        "System_Defined*|System_Promoted",
        "CP §9.1",
        "local_resource_state of a fractured metro session without a witness.",
    ),
    _row(
        "next_sync_timestamp",
        "right|wrong*",
        "CP §6",
        "Whether 4.0 and 4.1 show a wrong next_sync_timestamp.",
    ),
    # Reading (CP §1, §4, §5, §17)
    _row("unknown_select", "400*|ignore", "CP §1", "Selecting a field that the release does not have."),
    _row("unordered_rows", "by_id|rotated*", "CP §4", "The order of rows when no order was asked for."),
    _row("job_retention", "60*|3600", "CP §17", "Seconds that a finished job can still be read."),
    # Trident's controller (CT §2 to §7, §15)
    _row(
        "unreadable_mirror",
        "promoted*|established",
        "CT §4.1, §4.3 H1",
        "What the state of a mirror counts as while ONTAP cannot be read.",
    ),
    _row(
        "paused_mirror",
        "nothing*|established",
        "CT §4.3 H2",
        "What a mirror that is quiesced for a promotion counts as; REST and ZAPI differ.",
    ),
    _row(
        "promotion_before_first_copy",
        "deleted*|refused",
        "CT §4.3 H3",
        "Whether a promotion before the first transfer ends deletes the relationship without a break.",
    ),
    _row(
        "status_conflict",
        "dropped*|retried",
        "CT §4.3 H4",
        "What becomes of a status that could not be written because the object was changed meanwhile.",
    ),
    _row(
        "missing_promoted_snapshot",
        "failed*|waits",
        "CT §4.3, §15 U1",
        "Promoting at a snapshot that has not arrived.",
    ),
    _row(
        "finalizer_write",
        "materialises*|plain",
        "CT §3, §15 U2",
        "Whether adding the finalizer writes strings that were left out, and so makes a new generation.",
    ),
    _row(
        "mirror_without_spec",
        "crash*|invalid",
        "CT §2.3",
        "A mirror relationship without a spec: the controller falls over, or says invalid.",
    ),
    _row(
        "update_without_conditions",
        "crash*|failed",
        "CT §6, §15 U7",
        "A mirror update of a relationship that has no conditions yet.",
    ),
    _row(
        "illegal_edit_and_deletion",
        "blocked*|deleted",
        "CT §2.4",
        "Whether a relationship that was edited illegally can be deleted before that is taken back.",
    ),
    _row(
        "first_transfer",
        "hidden*|establishing",
        "CT §15 U3",
        "Whether a new replica shows a state before its first transfer has ended.",
    ),
    _row(
        "release_drops_base",
        "yes*|no",
        "CT §15 U4",
        "Whether deleting the mirror relationship of a source loses the snapshots that a resync needs.",
    ),
    _row(
        "ontap_default_policy",
        "MirrorAndVault*|MirrorAllSnapshots",
        "CT §5, §15 U5",
        "The policy that ONTAP takes where none is named.",
    ),
    _row(
        "replica_snapshots",
        "kept*|deletable",
        "CT §8.4, §15 U8",
        "Whether a VolumeSnapshot of a volume that has become a replica can be deleted.",
    ),
    # Kubernetes (CT §12.5)
    _row(
        "watch_from_expired_version",
        "event*|http",
        "CT §12.5",
        "Whether a watch from a version that is gone is answered 200 with an ERROR event, or 410.",
    ),
)

_BY_NAME = {assumption.name: assumption for assumption in ASSUMPTIONS}


class Assumptions:
    """The values that hold in one world; `assumptions["name"]`.

    Raises UnknownAssumption when `chosen` holds a name or a value that is not in the list.
    """

    def __init__(self, chosen: Mapping[str, str] | None = None) -> None:
        self._values = {assumption.name: assumption.default for assumption in ASSUMPTIONS}
        for name, value in (chosen or {}).items():
            self.choose(name, value)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def choose(self, name: str, value: str) -> None:
        """Change one of them from now on."""
        known = _BY_NAME.get(name)
        if known is None:
            raise UnknownAssumption(f"there is no assumption named {name!r}")
        if str(value) not in known.values:
            raise UnknownAssumption(f"{name} can be {' or '.join(known.values)}, not {value!r}")
        self._values[name] = str(value)

    def values(self) -> dict[str, str]:
        """All of them, as a copy."""
        return dict(self._values)


def list_assumptions() -> list[tuple[str, tuple[str, ...], str, str, str]]:
    """Every assumption as (name, allowed values, default, contract section, sentence)."""
    return [(row.name, row.values, row.default, row.section, row.sentence) for row in ASSUMPTIONS]
