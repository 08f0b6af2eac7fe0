"""Who asks a cluster, and what they may do: tokens, client certificates, the roles of CT §11.

The driver's identity holds exactly what the contract lists; an administrator may do everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from replctl.simulator.chance import digest
from replctl.simulator.kubernetes.kinds import SNAPSHOT, STORAGE, TRIDENT
from replctl.simulator.kubernetes.statuses import Object, Refused, unauthorized

DRIVER = "replctl"
ADMIN = "admin"
ADMINS = "system:masters"
ANONYMOUS = "system:anonymous"
ANY = "*"
_OBJECT_VERBS = ("get", "list", "watch", "create", "delete")
# API group, resource, verbs: CT §11, nothing beside it.
DRIVER_RULES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (TRIDENT, "tridentmirrorrelationships", (*_OBJECT_VERBS, "patch")),
    (TRIDENT, "tridentactionmirrorupdates", _OBJECT_VERBS),
    (TRIDENT, "tridentsnapshotinfos", _OBJECT_VERBS),
    ("", "persistentvolumeclaims", ("get", "list", "watch", "create", "patch")),
    ("", "persistentvolumes", ("get",)),
    ("", "events", ("list", "watch")),
    (SNAPSHOT, "volumesnapshots", _OBJECT_VERBS),
    (SNAPSHOT, "volumesnapshotcontents", ("get",)),
    (STORAGE, "volumeattachments", ("list",)),
    ("coordination.k8s.io", "leases", ("get", "create", "update")),
    ("apiextensions.k8s.io", "customresourcedefinitions", ("get",)),
)
# What everybody who is known may do besides, and what even strangers may.
BASIC_RULES = (("authorization.k8s.io", "selfsubjectaccessreviews", ("create",)),)
_PUBLIC_PATHS = ("/healthz", "/livez", "/readyz", "/version")
_DISCOVERY_PATHS = ("/api", "/apis", "/openapi")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody, with the groups that count."""

    name: str
    groups: tuple[str, ...] = ()

    @property
    def is_admin(self) -> bool:
        """Whether everything is allowed."""
        return ADMINS in self.groups


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for; a path alone where it is no resource."""

    verb: str
    path: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def full_resource(self) -> str:
        """resource/subresource, as rules name it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class Access:
    """The credentials of one cluster, and its rules."""

    def __init__(self, seed: int, cluster: str) -> None:
        self._seed = seed
        self._cluster = cluster
        self._issued = 0
        self._tokens: dict[str, User] = {}
        self.denied: set[tuple[str, str]] = set()  # (resource, verb) taken from the driver
        self.issue()
        self._tokens[self.admin_token] = User(ADMIN, (ADMINS,))

    @property
    def token(self) -> str:
        """The driver's newest token."""
        return "sim." + digest(self._seed, self._cluster, "token", self._issued)

    @property
    def admin_token(self) -> str:
        """The administrator's token, which never expires."""
        return "sim." + digest(self._seed, self._cluster, "admin")

    def issue(self) -> str:
        """A new token for the driver; the old ones stay valid until `expire`."""
        self._issued += 1
        self._tokens[self.token] = User(DRIVER)
        return self.token

    def expire(self) -> None:
        """The driver's tokens so far are not valid any more."""
        self._tokens = {token: user for token, user in self._tokens.items() if user.is_admin}

    def who(self, headers: Mapping[str, str], subject: tuple[str, tuple[str, ...]] | None) -> User:
        """Who asks; refused with 401 where credentials are not valid. Nobody at all is anonymous."""
        word, _, token = headers.get("authorization", "").partition(" ")
        if word.lower() == "bearer":
            user = self._tokens.get(token.strip())
            if user is None:
                raise unauthorized()
            return user
        if word:
            raise unauthorized()
        return User(*subject) if subject is not None else User(ANONYMOUS)

    def allows(self, user: User, wish: Wish) -> bool:
        """Whether somebody may do it."""
        if user.is_admin:
            return True
        if not wish.resource:
            known = () if user.name == ANONYMOUS else _DISCOVERY_PATHS
            paths = (*_PUBLIC_PATHS, *known)
            return wish.verb == "get" and any(
                wish.path == path or wish.path.startswith(path + "/") for path in paths
            )
        if user.name == ANONYMOUS:
            return False
        rules = (*BASIC_RULES, *(DRIVER_RULES if user.name == DRIVER else ()))
        if user.name == DRIVER and (wish.resource, wish.verb) in self.denied:
            return False
        return any(
            group == wish.group and resource == wish.full_resource and wish.verb in verbs
            for group, resource, verbs in rules
        )


def forbidden(user: User, wish: Wish) -> Refused:
    """403 in the words of RBAC."""
    if not wish.resource:
        text = f'forbidden: User "{user.name}" cannot {wish.verb} path "{wish.path}"'
        return Refused(403, "Forbidden", text, details={})
    subject = f"{wish.resource}.{wish.group}" if wish.group else wish.resource
    if wish.name:
        subject += f' "{wish.name}"'
    where = f'in the namespace "{wish.namespace}"' if wish.namespace else "at the cluster scope"
    text = (
        f'{subject} is forbidden: User "{user.name}" cannot {wish.verb} resource "{wish.full_resource}" '
        f'in API group "{wish.group}" {where}'
    )
    details: Object = {"kind": wish.resource}
    details |= {word: value for word, value in (("name", wish.name), ("group", wish.group)) if value}
    return Refused(403, "Forbidden", text, details=details)
