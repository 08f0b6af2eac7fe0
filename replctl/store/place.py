"""Where the store lies: the directory, who may write in it, and the sentences for those who may not.

Knows modes, owners, symbolic links and file systems; nothing of databases or locks. Everything that may not be
written is a `StoreRefused` that names the group to join and the way out (design §5): there is no falling back
to another place, because two stores do not know each other's locks.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from replctl.core.errors import StoreRefused

PRIVATE_DIRECTORY = 0o700
SHARED_DIRECTORY = 0o2770
PRIVATE_FILE = 0o600
SHARED_FILE = 0o660
MOUNTS = Path("/proc/self/mountinfo")
MOUNT_POINT_FIELD = 4
ANOTHER_PLACE = (
    "or name another store: REPLCTL_STATE_DIR=DIRECTORY (it will not know this one's locks and history)"
)
NETWORK_FILE_SYSTEMS = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "davfs", "9p"),
        *("ceph", "glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "pvfs2", "ocfs2", "gfs2"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.s3fs", "fuse.rclone"),
        *("fuse.davfs2", "fuse.gcsfuse", "fuse.juicefs", "fuse.mfs", "fuse.smbnetfs", "fuse.cifs"),
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """A directory that this process may write in, and how files in it are made.

    `owner` is set when root works in somebody's directory: the files become theirs, or their owner could not
    use them afterwards.
    """

    directory: Path
    shared: bool
    owner: tuple[int, int] | None

    @property
    def file_mode(self) -> int:
        return SHARED_FILE if self.shared else PRIVATE_FILE

    @property
    def directory_mode(self) -> int:
        return SHARED_DIRECTORY if self.shared else PRIVATE_DIRECTORY


def prepare(directory: Path) -> Place:
    """Make the directory if need be, and make sure that it may be written in.

    Raises StoreRefused when it lies on a network file system, is none, or may not be written.
    """
    try:
        _make(directory)
        info = directory.stat()
        if not stat.S_ISDIR(info.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
    except OSError as error:
        raise refusal(directory, error) from error
    refuse_network(directory)
    refuse_unwritable(directory, os.W_OK | os.X_OK)
    shared = bool(info.st_mode & stat.S_ISGID and info.st_mode & stat.S_IWGRP)
    foreign = os.geteuid() == 0 and info.st_uid != 0
    return Place(directory, shared, (info.st_uid, info.st_gid) if foreign else None)


def subdirectory(place: Place, name: str) -> Path:
    """A directory below the place, made like it; raises StoreRefused."""
    path = place.directory / name
    try:
        try:
            path.mkdir(PRIVATE_DIRECTORY)
        except FileExistsError:
            refuse_symlink(path)
            return path
        if place.owner is not None:
            os.chown(path, *place.owner)
        path.chmod(place.directory_mode)
    except OSError as error:
        raise refusal(path, error) from error
    return path


def open_file(place: Place, path: Path, flags: int) -> int:
    """Open a file of ours, made with the place's mode and owner if it is new; never through a link.

    Raises StoreRefused.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            descriptor = _make_file(place, path, flags)
        return descriptor if descriptor is not None else os.open(path, flags)
    except OSError as error:
        raise refusal(path, error) from error


def _make_file(place: Place, path: Path, flags: int) -> int | None:
    """None when somebody else made it meanwhile."""
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, place.file_mode)
    except FileExistsError:
        return None
    if place.owner is not None:
        os.fchown(descriptor, *place.owner)
    os.fchmod(descriptor, place.file_mode)  # whatever the umask took away
    return descriptor


def sync_directory(directory: Path) -> None:
    """Make names in the directory outlive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def identity(path: Path) -> tuple[int, int] | None:
    """Which file bears this name now (device and inode); None when none does. Raises StoreRefused."""
    try:
        info = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refusal(path, error) from error
    return (info.st_dev, info.st_ino)


def refuse_symlink(path: Path) -> None:
    """State files are never links: a link would let another place decide what we read and write.

    Raises StoreRefused.
    """
    try:
        linked = stat.S_ISLNK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise refusal(path, error) from error
    if linked:
        raise _linked(path)


def refuse_unwritable(path: Path, access: int = os.W_OK) -> None:
    if not os.access(path, access, effective_ids=os.access in os.supports_effective_ids):
        raise unwritable(path)


def refusal(path: Path, error: OSError) -> StoreRefused:
    """The operating system's no as a sentence and a way out."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return unwritable(path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return full(path)
    if error.errno == errno.ELOOP:
        return _linked(path)
    return StoreRefused(
        f"the store {path} cannot be used: {os.strerror(error.errno or 0)}", remedy=_mend(path)
    )


def unwritable(path: Path) -> StoreRefused:
    """Names who owns it, and the group to join."""
    nearest = _nearest(path)
    try:
        info = nearest.stat()
        owner, group = user_name(info.st_uid), group_name(info.st_gid)
    except OSError:
        owner = group = "unknown"
    who = user_name(os.geteuid())
    return StoreRefused(
        f"the store {path} may not be used by {who}: {nearest} belongs to user {owner}, group {group}",
        remedy=f"join group {group}, {ANOTHER_PLACE}",
    )


def full(
    path: Path, consequence: str = "nothing could be written down, so no change was sent"
) -> StoreRefused:
    return StoreRefused(
        f"the disk that holds the store {path} is full: {consequence}", remedy=f"make room, {ANOTHER_PLACE}"
    )


def is_full(directory: Path) -> bool:
    try:
        return os.statvfs(directory).f_bavail == 0
    except OSError:
        return False


def file_system(path: Path, mounts: str) -> str | None:
    """The type of the file system that holds the path, by a text like /proc/self/mountinfo; None: unknown."""
    best, kind = "", None
    for line in mounts.splitlines():
        mount, _, rest = line.partition(" - ")
        fields, types = mount.split(), rest.split()
        if len(fields) <= MOUNT_POINT_FIELD or not types:
            continue
        point = fields[MOUNT_POINT_FIELD].encode().decode("unicode_escape")  # \040 for a space
        if len(point) >= len(best) and path.is_relative_to(point):  # a later mount hides an earlier one
            best, kind = point, types[0]
    return kind


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _make(directory: Path) -> None:
    missing = []
    current = directory
    while not current.exists() and current != current.parent:
        missing.append(current)
        current = current.parent
    for path in reversed(missing):
        path.mkdir(PRIVATE_DIRECTORY, exist_ok=True)


def refuse_network(directory: Path) -> None:
    """Raises StoreRefused for a directory on a network file system, where locks do not hold."""
    try:
        mounts = MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return  # not Linux, or hidden: then it cannot be known
    kind = file_system(directory.resolve(), mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StoreRefused(
            f"the store {directory} lies on a network file system ({kind}), where locks do not hold",
            remedy="put it on a local disk: REPLCTL_STATE_DIR=DIRECTORY",
        )


def _linked(path: Path) -> StoreRefused:
    return StoreRefused(
        f"{path} is a symbolic link: the files of the store may not be links",
        remedy="remove the link; to move the store, name its place: REPLCTL_STATE_DIR=DIRECTORY",
    )


def _mend(path: Path) -> str:
    return f"look at {path}, {ANOTHER_PLACE}"


def _nearest(path: Path) -> Path:
    for candidate in (path, *path.parents):
        try:
            candidate.lstat()
        except OSError:
            continue
        return candidate
    return path
