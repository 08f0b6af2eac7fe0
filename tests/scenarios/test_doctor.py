"""`doctor`: every trouble that it knows, each made for real, told with its cure."""

from __future__ import annotations

import ast
import datetime
import json
import re
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from cli.test_documents import fits
from scenarios.test_breakers import open_it
from scenarios.test_holds import hold_of
from sites import identified
from wire import Server, reply
from worlds import LEDGER, World

from replctl.diagnosis import arrays, doctor, memory, service
from replctl.store import place

Checks = list[dict[str, Any]]


def examined(world: World, *argv: str, code: int = 0) -> Checks:
    """All checks, in the document and on the screen; troubles have cures, and only they do."""
    ran = world.run("doctor", *argv, "-o", "json")
    fits("diagnosis", ran.json)
    checks: Checks = ran.json["checks"]
    assert ran.code == code, [check for check in checks if check["level"] != "ok"]
    assert ran.json["level"] in (("fail",) if code else ("ok", "warn"))
    assert all((check["cure"] is None) == (check["level"] == "ok") for check in checks)
    return checks


def troubles(checks: Checks, level: str = "fail") -> dict[str, dict[str, Any]]:
    """By name and subject, those of a level."""
    return {f"{check['name']} {check['subject']}": check for check in checks if check["level"] == level}


def only(checks: Checks, name: str, level: str = "fail") -> dict[str, Any]:
    """The one trouble there is, of that level; nothing else fails."""
    found = troubles(checks, level)
    assert [check["name"] for check in found.values()] == [name], found
    return next(iter(found.values()))


def edit(world: World, old: str, new: str) -> None:
    text = world.config.read_text(encoding="utf-8")
    assert old in text
    world.config.write_text(text.replace(old, new, 1), encoding="utf-8")


@contextmanager
def listening(world: World, answer: bytes) -> Iterator[None]:
    """Something answers so where the daemon's health would be."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        edit(world, "backends:", f'daemon: {{health_address: "127.0.0.1:{port}"}}\nbackends:')

        def serve() -> None:
            stream, _ = server.accept()
            with stream:
                stream.recv(65536)
                stream.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(timeout=10)


def health(**checks: bool) -> bytes:
    listed = [{"name": name, "healthy": well, "message": f"{name} said"} for name, well in checks.items()]
    body = json.dumps({"healthy": all(checks.values()), "checks": listed}).encode()
    return b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_what_the_daemon_says_of_itself(world: World) -> None:  # R64
    with listening(world, health(ticks=True, errors=False)):
        checks = examined(world, code=1)
    trouble = only(checks, "daemon")
    assert trouble["subject"].endswith(" errors")
    assert (trouble["sentence"], "journalctl" in trouble["cure"]) == ("errors said", True)
    assert [each["sentence"] for each in checks if each["name"] == "daemon"] == ["ticks said", "errors said"]


def test_more_replications_than_have_histograms_of_their_own_are_told(world: World) -> None:
    edit(world, "backends:", "metrics: {per_replication_limit: 3}\nbackends:")
    told = only(examined(world), "daemon", "warn")
    assert told["subject"] == "metrics.per_replication_limit 3"
    assert "4 replications are more" in told["sentence"]
    assert "metrics.per_replication_limit: 4" in told["cure"]


def test_where_no_daemon_runs_that_is_no_trouble(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    edit(world, "backends:", f'daemon: {{health_address: "127.0.0.1:{port}"}}\nbackends:')
    (said,) = [each["sentence"] for each in examined(world) if each["name"] == "daemon"]
    assert said == "none runs here"


@pytest.mark.parametrize("body", [b"<html>", b'{"checks": [7]}', b"[]"])
def test_what_is_no_daemon_is_told(world: World, body: bytes) -> None:
    with listening(world, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)):
        checks = examined(world)
    assert "no daemon of replctl" in only(checks, "daemon", "warn")["sentence"]


@pytest.mark.parametrize("body", [b"[" * 50_000, b"9" * 50_000, b"\xff", b'{"checks": "\\ud800"}'])
def test_what_means_harm_where_the_daemon_should_be_is_told(world: World, body: bytes) -> None:
    """Anybody on the machine may listen there while no daemon runs."""
    with listening(world, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)):
        checks = examined(world)
    assert "no daemon of replctl" in only(checks, "daemon", "warn")["sentence"]


def test_what_drips_where_the_daemon_should_be_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the answer never ends."""
    monkeypatch.setattr(service, "ANSWER_SECONDS", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        edit(world, "backends:", f'daemon: {{health_address: "127.0.0.1:{port}"}}\nbackends:')

        def drip() -> None:
            stream, _ = server.accept()
            with stream, suppress(OSError):
                stream.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not over.wait(0.05):
                    stream.sendall(b"x")

        over, thread = threading.Event(), threading.Thread(target=drip)
        thread.start()
        check = only(examined(world), "daemon", "warn")
        over.set()
        thread.join(timeout=10)
    assert "no daemon of replctl" in check["sentence"]


def test_what_listens_and_says_nothing_is_told(world: World) -> None:
    with listening(world, b""):
        checks = examined(world, code=1)
    assert "does not answer" in only(checks, "daemon")["sentence"]


def test_all_is_well(world: World) -> None:
    world.control.advance(900)
    checks = examined(world)
    assert {check["level"] for check in checks} == {"ok"}
    assert {check["name"] for check in checks} == {
        "configuration", "file-mode", "secret", "store", "history", "operation", "breaker", "hold", "name",
        "connection", "tls", "credentials", "clock", "clocks", "privileges", "link", "remote-system", "daemon",
    }  # fmt: skip
    ran = world.run("doctor")
    assert f"{len(checks)} checks: {len(checks)} ok, 0 warn, 0 fail" in ran.out
    assert "→" not in ran.out
    assert set(world.run("doctor", "-o", "name").out.split()) == {check["name"] for check in checks}


# -- files ---------------------------------------------------------------------------------------------------


def test_every_mistake_of_the_files_is_a_check_and_ends_the_rest(world: World) -> None:
    edit(world, "state_dir: state", "state_dri: state\nretry: {max_attempts: none}")
    checks = examined(world, code=1)
    assert len(troubles(checks)) == 2
    assert {check["name"] for check in checks} == {"configuration", "file-mode"}
    assert all("config validate" in check["cure"] for check in troubles(checks).values())


def test_no_configuration_is_a_failed_check_too(world: World, tmp_path: Path) -> None:
    ran = world.run("doctor", "-o", "json", "--config", str(tmp_path / "none.yaml"))
    assert ran.code == 1
    fits("diagnosis", ran.json)
    assert [check["level"] for check in ran.json["checks"]] == ["fail"]


def test_a_store_that_nobody_names_is_a_failed_check(world: World) -> None:
    edit(world, "state_dir: state", "")
    ran = world.run("doctor", "-o", "json", environ={"REPLCTL_STATE_DIR": ""})
    assert ran.code == 1
    assert any("state_dir" in (check["cure"] or "") for check in ran.json["checks"])


@pytest.mark.parametrize(
    ("mode", "level", "cure"), [(0o666, "fail", "chmod o-w"), (0o664, "warn", "chmod g-w")]
)
def test_a_configuration_that_others_may_write(world: World, mode: int, level: str, cure: str) -> None:
    world.config.chmod(mode)
    check = only(examined(world, code=int(level == "fail")), "file-mode", level)
    assert cure in check["cure"]


@pytest.mark.parametrize(("mode", "level"), [(0o644, "fail"), (0o640, "warn")])
def test_a_secret_that_others_may_read(world: World, mode: int, level: str) -> None:
    (world.config.parent / "credentials" / "west").chmod(mode)
    found = troubles(examined(world, code=int(level == "fail")), level)
    assert "secret west" in found
    assert f"{mode:04o}" in found["secret west"]["sentence"]


def test_a_directory_in_which_everyone_may_put_another_configuration(world: World) -> None:
    directory = world.config.parent
    directory.chmod(0o777)
    check = only(examined(world, code=1), "file-mode")
    assert (check["subject"], check["cure"]) == (str(directory), f"chmod o-w {directory}")
    directory.chmod(0o1777)  # as in /tmp: there nobody moves what is another's
    examined(world)
    directory.chmod(0o755)
    world.directory.chmod(0o777)  # the whole directory can be exchanged from above
    assert only(examined(world, code=1), "file-mode")["subject"] == str(world.directory)
    world.directory.chmod(0o755)


def test_a_link_to_a_configuration_in_a_directory_of_everyone(world: World, tmp_path: Path) -> None:
    """What counts is also where it leads to."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    world.config.rename(elsewhere / "config.yaml")
    world.config.symlink_to(elsewhere / "config.yaml")
    assert only(examined(world, code=1), "file-mode")["subject"] == str(elsewhere)


def test_a_store_that_everyone_may_write(world: World) -> None:
    world.run("breaker", "reset", "west")
    store = world.directory / "state"
    store.mkdir(exist_ok=True)
    store.chmod(0o777)
    check = only(examined(world), "store", "warn")
    assert "everyone may change or remove what replctl remembers" in check["sentence"]
    assert check["cure"] == f"chmod o= {store}"


def test_a_secret_that_is_not_there(world: World) -> None:
    (world.config.parent / "credentials" / "west").unlink()
    found = troubles(examined(world, code=1))
    assert "No such file" in found["secret west"]["sentence"]
    assert "credentials west" in found


# -- the way to an array -------------------------------------------------------------------------------------


def test_a_name_that_nobody_knows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def knows_no_other(host: Any, *more: Any, **words: Any) -> Any:
        if host == "east.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *more, **words)

    monkeypatch.setattr(socket, "getaddrinfo", knows_no_other)
    edit(world, world.simulator.ready["arrays"]["east"], "https://east.example")
    check = only(examined(world, code=1), "name")
    assert check["subject"] == "east"
    assert "east.example" in check["sentence"]
    assert "backends.east.url" in check["cure"]


def test_a_dead_array_hides_no_other(world: World) -> None:
    world.control.kill("east", mode="refuse")
    checks = examined(world, code=1)
    assert "refused" in only(checks, "connection")["sentence"]
    assert "link" in {check["name"] for check in checks if check["subject"] == "west"}
    assert "link" not in {check["name"] for check in checks if check["subject"] == "east"}


@contextmanager
def east_is(world: World, certificate: trustme.LeafCert, authority: trustme.CA) -> Iterator[Server]:
    """A server of ours stands where east is; it knows nobody."""
    server = Server(identified(certificate), lambda seen: reply(401))
    ca_file = world.config.parent / "east.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    edit(world, world.simulator.ready["arrays"]["east"], f"https://localhost:{server.port}")
    edit(world, "tls: {ca_file: ca.pem}", "tls: {ca_file: east.pem}")
    try:
        yield server
    finally:
        server.close()


def days(count: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=count)


CERTIFICATES: dict[str, tuple[Callable[[trustme.CA], trustme.LeafCert], str, str]] = {
    "of another authority": (
        lambda _: trustme.CA().issue_cert("localhost"),
        "not trusted",
        "backends.east.tls.ca_file",
    ),
    "that has ended": (
        lambda ca: ca.issue_cert("localhost", not_before=days(-9), not_after=days(-2)),
        "expired",
        "renew the certificate",
    ),
    "for another name": (
        lambda ca: ca.issue_cert("elsewhere.example"),
        "localhost",
        "backends.east.url",
    ),
}


@pytest.mark.parametrize("which", CERTIFICATES)
def test_a_certificate(world: World, which: str) -> None:
    issue, sentence, cure = CERTIFICATES[which]
    authority = trustme.CA()
    with east_is(world, issue(authority), authority) as server:
        check = only(examined(world, code=1), "tls")
        assert server.requests == [], "no password is offered to it"
    assert check["subject"] == "east"
    assert sentence in check["sentence"]
    assert cure in check["cure"]


def test_a_certificate_that_ends_soon(world: World) -> None:
    authority = trustme.CA()
    soon = authority.issue_cert("localhost", not_after=days(9.5))
    with east_is(world, soon, authority):
        checks = examined(world, code=1)
        warned = only(checks, "tls", "warn")
        assert "9 days left" in warned["sentence"]
        assert "renew" in warned["cure"]
        assert only(checks, "credentials")["subject"] == "east"
        world.clock.offset_seconds = 20 * arrays.DAY_SECONDS
        ended = troubles(examined(world, code=1))["tls east"]
        assert "has ended by this machine's clock" in ended["sentence"]


def test_a_certificate_that_is_not_judged(world: World) -> None:
    edit(world, "tls: {ca_file: ca.pem}", "tls: {ca_file: ca.pem, verify: false}")
    found = troubles(examined(world), "warn")
    assert "not judged" in found["tls east"]["sentence"]
    assert "tls.verify" in found["tls east"]["cure"]


def test_an_authority_that_cannot_be_read(world: World) -> None:
    edit(world, "ca.pem", "replications.yaml")
    check = only(examined(world, code=1), "tls")
    assert "cannot be read" in check["sentence"]
    assert "ca_file" in check["cure"]


# -- what the array lets us do -------------------------------------------------------------------------------


def test_a_wrong_password(world: World) -> None:
    (world.config.parent / "credentials" / "east").write_text("wrong")
    check = only(examined(world, code=1), "credentials")
    assert check["subject"] == "east"
    assert "wrong" not in json.dumps(check)


def test_a_user_that_may_not_read_everything(world: World) -> None:
    world.control.fault("west", "status", path="volume_group", status=403, times=50)
    found = troubles(examined(world, code=1))
    assert "volume group" in found["privileges west"]["sentence"]
    assert "role" in found["privileges west"]["cure"]


def test_clocks_that_are_apart(world: World) -> None:
    world.control.skew("east", 30.0)
    found = troubles(examined(world), "warn")
    assert set(found) == {"clock east", "clocks east, west"}
    assert "ahead of ours" in found["clock east"]["sentence"]
    assert "NTP" in found["clock east"]["cure"]
    world.control.skew("east", -2 * arrays.CLOCK_FAIL_SECONDS)
    found = troubles(examined(world, code=1))
    assert set(found) == {"clock east", "clocks east, west"}
    assert "behind that of west" in found["clocks east, west"]["sentence"]
    world.control.skew("east", arrays.CLOCK_WARN_SECONDS - 1)
    assert troubles(examined(world), "warn") == {}


def test_our_own_clock_is_wrong(world: World) -> None:
    world.clock.offset_seconds = 60.0
    assert set(troubles(examined(world), "warn")) == {"clock east", "clock west"}


def test_a_link_that_is_down(world: World) -> None:
    world.control.advance(900)
    world.control.link("down")
    world.control.advance(60)
    found = troubles(examined(world, code=1))
    assert {"link east", "link west"} <= set(found)
    assert "lost" in found["link west"]["sentence"]


def test_an_open_breaker_and_the_way_past_it(world: World) -> None:
    open_it(world, "east")
    world.control.revive("east")
    found = troubles(examined(world), "warn")
    assert "Connection refused" in found["breaker east"]["sentence"]
    assert "breaker reset east" in found["breaker east"]["cure"]
    assert "--probe" in found["credentials east"]["cure"]
    probed = examined(world, "--probe")
    assert "credentials east" not in troubles(probed, "warn")


# -- what we keep ourselves ----------------------------------------------------------------------------------


def test_a_store_on_a_network_file_system(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"36 35 0:42 / {tmp_path} rw - nfs4 filer:/home rw\n")
    monkeypatch.setattr(place, "MOUNTS", mounts)
    check = only(examined(world, code=1), "store")
    assert "nfs4" in check["sentence"]
    assert "REPLCTL_STATE_DIR" in check["cure"]


def test_a_store_that_is_no_directory(world: World) -> None:
    (world.directory / "state").write_text("")
    assert "not a directory" in only(examined(world, code=1), "store")["sentence"]


def test_a_store_that_cannot_be_read_is_told_once(world: World) -> None:
    state = world.directory / "state"
    state.mkdir()
    (state / "replctl.db").write_bytes(b"no database at all, whatever it is called" * 100)
    found = [check for check in examined(world, code=1) if check["level"] == "fail"]
    assert [check["name"] for check in found] == ["store"]
    assert "replctl.db" in found[0]["sentence"]
    assert world.run("backends").code == 0


def test_a_disk_that_is_nearly_full(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run("hold", LEDGER, "--reason", "so that there is a store")
    monkeypatch.setattr(memory, "SPACE_WARN_BYTES", 1 << 62)
    assert "MiB free" in only(examined(world), "store-space", "warn")["sentence"]
    monkeypatch.setattr(memory, "SPACE_FAIL_BYTES", 1 << 62)
    assert "will be refused" in only(examined(world, code=1), "store-space")["sentence"]


def test_a_history_that_somebody_edited(world: World) -> None:
    world.control.advance(900)
    assert world.act("promote", LEDGER).code == 0
    connection = sqlite3.connect(world.directory / "state" / "replctl.db")
    connection.execute("UPDATE history SET body = replace(body, 'user_requested', 'external')")
    connection.commit()
    connection.close()
    found = troubles(examined(world, code=1))
    assert f"history {LEDGER}" in found
    assert "history --verify" in found[f"history {LEDGER}"]["cure"]


def test_an_operation_that_nobody_carries_out(world: World) -> None:
    world.control.advance(900)
    begun = world.act("promote", LEDGER, "--no-wait")
    assert begun.code == 8
    operation = begun.operation["operation_id"]
    check = troubles(examined(world), "warn")[f"operation {operation}"]
    assert f"replctl op resume {operation}" in check["cure"]
    assert LEDGER in check["sentence"]


def test_a_hold_past_its_end(world: World) -> None:
    hold_of(world, "eve on elsewhere", ends_at=world.clock.now() + 60)
    assert troubles(examined(world), "warn") == {}
    world.control.advance(120)
    check = only(examined(world), "hold", "warn")
    assert check["cure"] == f"replctl release {LEDGER}"
    assert "eve on elsewhere" in check["sentence"]


# -- all of them ---------------------------------------------------------------------------------------------

DIAGNOSIS = Path(doctor.__file__).parent
TELLS = {"fails": 3, "warns": 3, "of_error": 3}  # by what a check is told, and where its cure stands
TO_DO = re.compile(
    r"replctl |`|chmod|chronyc|systemctl|journalctl|REPLCTL_|backends\.|daemon\.|state_dir|metrics\.|make room"
)


def told_cures() -> Iterator[tuple[str, str]]:
    """Where a trouble is told, and every word of its cure, with what the names in it were given above."""
    for path in sorted(DIAGNOSIS.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        given: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                given[node.targets[0].id] = given.get(node.targets[0].id, "") + ast.unparse(node.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (*TELLS, "judge"):
                cure = node.args[3]
                names = [each.id for each in ast.walk(cure) if isinstance(each, ast.Name)]
                words = "".join([ast.unparse(cure), *(given.get(each, "") for each in names)])
                yield f"{path.name}:{node.lineno}", words


def test_every_trouble_that_can_be_told_has_something_to_type_or_to_edit_in_its_cure() -> None:
    cures = [each for each in told_cures() if each[0].split(":")[0] != "checks.py"]
    assert len(cures) > 20
    assert [place for place, words in cures if not TO_DO.search(words)] == []
    assert [place for place, words in cures if "explain NAME" in words] == []
