"""The kinds that an API server serves: names, scope, printer columns, schemas, what counts as a new generation.

Facts of the contract alone (CT §1, §2, §6, §14); nothing here acts.
"""

from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]

TRIDENT = "trident.netapp.io"
SNAPSHOT = "snapshot.storage.k8s.io"
STORAGE = "storage.k8s.io"
FINALIZER = "trident.netapp.io"
# What makes `generation` grow: the spec, everything but metadata, or nothing.
BY_SPEC, BY_ALL, NEVER = "spec", "all", "never"
VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")
STATUS_VERBS = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column: what `kubectl get` shows; `path` is a JSONPath without braces."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One resource; `schema` None means that everything is taken as it is."""

    group: str
    version: str
    plural: str
    name: str
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    has_status: bool = False
    generation: str = NEVER
    schema: Schema | None = None
    columns: tuple[Column, ...] = ()
    is_custom: bool = False
    selectable: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    returns_deleted: bool = False
    finalizers: tuple[str, ...] = field(default=())

    @property
    def resource(self) -> str:
        """plural.group, as messages name it; the plural alone in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """group/version, as objects name it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """The name for one."""
        return self.name.lower()


def _object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    found: Schema = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_MAPPING = _object(
    ("localPVCName",), localPVCName=_TEXT, remoteVolumeHandle=_TEXT, promotedSnapshotHandle=_TEXT
)
_CONDITION = _object(
    state=_TEXT,
    message=_TEXT,
    lastTransitionTime=_TEXT,
    observedGeneration=_WHOLE,
    localVolumeHandle=_TEXT,
    localPVCName=_TEXT,
    remoteVolumeHandle=_TEXT,
    replicationPolicy=_TEXT,
    replicationSchedule=_TEXT,
)
MIRROR_SCHEMA = _object(
    spec=_object(
        ("volumeMappings",),
        state={"type": "string", "enum": ["", "promoted", "established", "reestablished"]},
        replicationPolicy=_TEXT,
        replicationSchedule=_TEXT,
        volumeMappings={"type": "array", "items": _MAPPING, "minItems": 1, "maxItems": 1},
    ),
    status=_object(conditions={"type": "array", "items": _CONDITION}),
)
_ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_SNAPSHOT_INFO_SCHEMA = _object(
    spec=_object(("snapshotName",), snapshotName=_TEXT),
    status=_object(snapshotHandle=_TEXT, lastTransitionTime=_TEXT, observedGeneration=_WHOLE),
)
_AGE = Column("Age", ".metadata.creationTimestamp", "date")

MIRROR = Kind(
    TRIDENT,
    "v1",
    "tridentmirrorrelationships",
    "TridentMirrorRelationship",
    short=("tmr", "tmrelationship", "tmirrorrelationship"),
    categories=("trident", "trident-internal", "trident-external"),
    has_status=True,
    generation=BY_SPEC,
    schema=MIRROR_SCHEMA,
    columns=(
        Column("Desired State", ".spec.state"),
        Column("Local PVC", ".spec.volumeMappings[*].localPVCName"),
        Column("Actual state", ".status.conditions[*].state"),
        Column("Message", ".status.conditions[*].message"),
    ),
    is_custom=True,
)
UPDATE = Kind(
    TRIDENT,
    "v1",
    "tridentactionmirrorupdates",
    "TridentActionMirrorUpdate",
    short=("tamu", "tamupdate", "tamirrorupdate"),
    categories=("trident", "trident-external"),
    generation=BY_ALL,
    schema=_ANYTHING,
    columns=(
        Column("Namespace", ".metadata.namespace"),
        Column("State", ".status.state"),
        Column("CompletionTime", ".status.completionTime", "date"),
        Column("Message", ".status.message", priority=1),
        Column("LocalVolumeHandle", ".status.localVolumeHandle", priority=1),
        Column("RemoteVolumeHandle", ".status.remoteVolumeHandle", priority=1),
    ),
    is_custom=True,
)
SNAPSHOT_INFO = Kind(
    TRIDENT,
    "v1",
    "tridentsnapshotinfos",
    "TridentSnapshotInfo",
    short=("tsi", "tsinfo", "tsnapshotinfo"),
    categories=("trident", "trident-internal", "trident-external"),
    has_status=True,
    generation=BY_SPEC,
    schema=_SNAPSHOT_INFO_SCHEMA,
    columns=(Column("Snapshot Handle", ".status.snapshotHandle"),),
    is_custom=True,
)
BACKEND = Kind(
    TRIDENT,
    "v1",
    "tridentbackends",
    "TridentBackend",
    short=("tbe", "backend"),
    categories=("trident", "trident-internal"),
    schema=_ANYTHING,
    generation=BY_ALL,
    columns=(
        Column("Backend", ".backendName"),
        Column("Backend UUID", ".metadata.name"),
    ),
    is_custom=True,
)
VOLUME = Kind(
    TRIDENT,
    "v1",
    "tridentvolumes",
    "TridentVolume",
    short=("tvol",),
    categories=("trident", "trident-internal"),
    schema=_ANYTHING,
    generation=BY_ALL,
    columns=(_AGE, Column("Size", ".config.size")),
    is_custom=True,
)
CLAIM = Kind(
    "",
    "v1",
    "persistentvolumeclaims",
    "PersistentVolumeClaim",
    short=("pvc",),
    has_status=True,
    columns=(
        Column("Status", ".status.phase"),
        Column("Volume", ".spec.volumeName"),
        Column("Capacity", ".status.capacity.storage"),
        Column("Access Modes", ".status.accessModes[*]"),
        Column("StorageClass", ".spec.storageClassName"),
        _AGE,
    ),
    returns_deleted=True,
    finalizers=("kubernetes.io/pvc-protection",),
)
PERSISTENT_VOLUME = Kind(
    "",
    "v1",
    "persistentvolumes",
    "PersistentVolume",
    short=("pv",),
    namespaced=False,
    has_status=True,
    columns=(
        Column("Capacity", ".spec.capacity.storage"),
        Column("Access Modes", ".spec.accessModes[*]"),
        Column("Reclaim Policy", ".spec.persistentVolumeReclaimPolicy"),
        Column("Status", ".status.phase"),
        Column("Claim", ".spec.claimRef.name"),
        Column("StorageClass", ".spec.storageClassName"),
        _AGE,
    ),
    returns_deleted=True,
)
NAMESPACE = Kind(
    "",
    "v1",
    "namespaces",
    "Namespace",
    short=("ns",),
    namespaced=False,
    has_status=True,
    columns=(Column("Status", ".status.phase"), _AGE),
    returns_deleted=True,
)
EVENT = Kind(
    "",
    "v1",
    "events",
    "Event",
    short=("ev",),
    columns=(
        Column("Last Seen", ".lastTimestamp", "date"),
        Column("Type", ".type"),
        Column("Reason", ".reason"),
        Column("Object", ".involvedObject.name"),
        Column("Message", ".message"),
    ),
    selectable=(
        "involvedObject.kind",
        "involvedObject.name",
        "involvedObject.namespace",
        "involvedObject.uid",
        "reason",
        "type",
        "source",
    ),
)
ATTACHMENT = Kind(
    STORAGE,
    "v1",
    "volumeattachments",
    "VolumeAttachment",
    namespaced=False,
    has_status=True,
    columns=(
        Column("Attacher", ".spec.attacher"),
        Column("PV", ".spec.source.persistentVolumeName"),
        Column("Node", ".spec.nodeName"),
        Column("Attached", ".status.attached", "boolean"),
        _AGE,
    ),
)
STORAGE_CLASS = Kind(
    STORAGE,
    "v1",
    "storageclasses",
    "StorageClass",
    short=("sc",),
    namespaced=False,
    columns=(
        Column("Provisioner", ".provisioner"),
        Column("ReclaimPolicy", ".reclaimPolicy"),
        Column("VolumeBindingMode", ".volumeBindingMode"),
        _AGE,
    ),
)
VOLUME_SNAPSHOT = Kind(
    SNAPSHOT,
    "v1",
    "volumesnapshots",
    "VolumeSnapshot",
    short=("vs",),
    has_status=True,
    generation=BY_SPEC,
    columns=(
        Column("ReadyToUse", ".status.readyToUse", "boolean"),
        Column("SourcePVC", ".spec.source.persistentVolumeClaimName"),
        Column("RestoreSize", ".status.restoreSize"),
        Column("SnapshotClass", ".spec.volumeSnapshotClassName"),
        Column("SnapshotContent", ".status.boundVolumeSnapshotContentName"),
        _AGE,
    ),
    is_custom=True,
)
SNAPSHOT_CONTENT = Kind(
    SNAPSHOT,
    "v1",
    "volumesnapshotcontents",
    "VolumeSnapshotContent",
    short=("vsc", "vscs"),
    namespaced=False,
    has_status=True,
    generation=BY_SPEC,
    columns=(
        Column("ReadyToUse", ".status.readyToUse", "boolean"),
        Column("DeletionPolicy", ".spec.deletionPolicy"),
        Column("Driver", ".spec.driver"),
        Column("VolumeSnapshot", ".spec.volumeSnapshotRef.name"),
        _AGE,
    ),
    is_custom=True,
)
SNAPSHOT_CLASS = Kind(
    SNAPSHOT,
    "v1",
    "volumesnapshotclasses",
    "VolumeSnapshotClass",
    short=("vsclass", "vsclasses"),
    namespaced=False,
    columns=(Column("Driver", ".driver"), Column("DeletionPolicy", ".deletionPolicy"), _AGE),
    is_custom=True,
)
LEASE = Kind(
    "coordination.k8s.io",
    "v1",
    "leases",
    "Lease",
    columns=(Column("Holder", ".spec.holderIdentity"), _AGE),
)
DEFINITION = Kind(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    short=("crd", "crds"),
    namespaced=False,
    has_status=True,
    columns=(Column("Created At", ".metadata.creationTimestamp", "date"),),
    verbs=("get", "list", "watch"),
)
REVIEW = Kind(
    "authorization.k8s.io",
    "v1",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    namespaced=False,
    verbs=("create",),
)
KINDS = (
    NAMESPACE,
    CLAIM,
    PERSISTENT_VOLUME,
    EVENT,
    ATTACHMENT,
    STORAGE_CLASS,
    VOLUME_SNAPSHOT,
    SNAPSHOT_CONTENT,
    SNAPSHOT_CLASS,
    MIRROR,
    UPDATE,
    SNAPSHOT_INFO,
    BACKEND,
    VOLUME,
    LEASE,
    DEFINITION,
    REVIEW,
)
