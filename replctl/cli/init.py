"""`init`: the first two files, asked for or told by flags, and written once every backend has let us in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replctl.cli.options import Common, Confirming, Looking
from replctl.cli.surroundings import PROGRAM

if TYPE_CHECKING:
    from replctl.bootstrap import Services
    from replctl.cli.gathering import Desk
    from replctl.cli.surroundings import Surroundings
    from replctl.core.secrets import Secret
    from replctl.diagnosis.contacting import Contacted
    from replctl.diagnosis.importing import Imported
    from replctl.diagnosis.visiting import Patience
    from replctl.settings.founding import NewBackend, NewFile, Place

HELD = "INIT_PASSWORD_OF_"  # variables of this process's own picture of the environment; no child sees them

Several = list[str] | None
OF_ARRAYS = "of one array, or of all"


def init(
    context: typer.Context,
    *,
    powerstore: Annotated[
        Several, typer.Option("--powerstore", metavar="NAME=URL", help="An array, by its management address.")
    ] = None,
    trident: Annotated[
        Several,
        typer.Option(
            "--trident", metavar="NAME=CONTEXT", help="A cluster, by its context in the kubeconfig."
        ),
    ] = None,
    kubeconfig: Annotated[
        Several,
        typer.Option("--kubeconfig", metavar="[NAME=]FILE", help="How one cluster, or all, are reached."),
    ] = None,
    username: Annotated[
        Several, typer.Option("--username", metavar="[NAME=]USER", help=f"Who signs in; {OF_ARRAYS}.")
    ] = None,
    ca_file: Annotated[
        Several, typer.Option("--ca-file", metavar="[NAME=]FILE", help=f"Who is trusted; {OF_ARRAYS}.")
    ] = None,
    password_file: Annotated[
        Several,
        typer.Option(
            "--password-file",
            metavar="[NAME=]FILE",
            help="Read the password there, once; `-`: standard input, a line for each array.",
        ),
    ] = None,
    password_env: Annotated[
        Several,
        typer.Option("--password-env", metavar="[NAME=]VARIABLE", help="The password stays in a variable."),
    ] = None,
    password_command: Annotated[
        Several,
        typer.Option(
            "--password-command", metavar="[NAME=]COMMAND", help="A program prints the password each time."
        ),
    ] = None,
    imports: Annotated[
        bool | None,
        typer.Option(
            "--import/--no-import", help="Write entries for what is replicated there, as `import` does."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Sign in to all, show the files, write nothing.")
    ] = False,
    confirming: Confirming,
    looking: Looking,
    common: Common,
) -> int:
    """Write the first two files, once every backend lets you in.

    Asks on a terminal for what the flags do not say. Each backend is signed in to; nothing is written before all
    have answered, and nothing that is there is written over.
    """
    from replctl.cli.gathering import Desk, Gathering, Told, by_name, for_each
    from replctl.cli.session import output_for
    from replctl.settings.founding import place_of, refuse_existing

    here: Surroundings = context.obj
    told = Told(
        arrays=by_name("--powerstore", powerstore),
        clusters=by_name("--trident", trident),
        kubeconfigs=for_each("--kubeconfig", kubeconfig),
        usernames=for_each("--username", username),
        ca_files=for_each("--ca-file", ca_file),
        password_files=for_each("--password-file", password_file),
        password_variables=for_each("--password-env", password_env),
        password_commands=for_each("--password-command", password_command),
    )
    place = place_of(str(common.config) if common.config is not None else None, here.environ)
    refuse_existing([place.config, place.replications])
    desk = Desk(here, output_for(here, common), here.interactive and not common.no_input)
    backends = Gathering(desk, told).backends()
    refuse_existing(place.credential(each.name) for each in backends if getattr(each, "secret", None))
    if imports is None:
        imports = desk.asks and desk.agrees(
            "Write entries for what is replicated there now? [Y/n] ", default=True
        )
    return _Founding(desk, common, looking, place, backends, imports).run(
        dry_run=dry_run, asks=desk.asks and not confirming.yes
    )


@dataclass(frozen=True, slots=True)
class _Founding:
    """Meets the backends by a configuration that is not in force yet, then writes the files."""

    desk: Desk
    common: Common
    looking: Looking
    place: Place
    backends: Sequence[NewBackend]
    imports: bool

    def run(self, *, dry_run: bool, asks: bool) -> int:
        from replctl.cli.lines import line
        from replctl.core.outcomes import ExitCode
        from replctl.diagnosis.contacting import code_of
        from replctl.settings.founding import NO_ENTRIES, lay_down, new_files

        met, found, entries = self._meet()
        code = code_of(met)
        files = new_files(self.backends, self.place, entries or NO_ENTRIES)
        if code or dry_run:
            self._show(met, found, files, written=False, dry_run=dry_run and not code)
            return int(code)
        if asks and not self._agreed(met, files):
            self.desk.output.tell([line("nothing was written")])
            return int(ExitCode.REFUSED)
        lay_down(files)
        self._show(met, found, files, written=True, said=asks)
        return int(found.exit_code) if found is not None else 0

    def _meet(self) -> tuple[list[Contacted], Imported | None, str]:
        """Every backend, and where all let us in the entries of what is replicated there."""
        from tempfile import TemporaryDirectory

        from replctl.cli.progress import Progress
        from replctl.cli.session import command_line, who_asks
        from replctl.cli.signals import Interrupts
        from replctl.diagnosis.contacting import code_of, contacts
        from replctl.diagnosis.visiting import Patience
        from replctl.settings.adding import added

        here = self.desk.here
        progress = Progress(self.desk.output, here.clock)
        with TemporaryDirectory(prefix=f"{PROGRAM}-init-") as name, Interrupts(here.leave) as interrupts:
            flags, environ = self._staged(Path(name))
            with here.assemble(
                flags=flags,
                environ=environ,
                clock=here.clock,
                report=progress,
                command=command_line(here.argv),
                who=who_asks(here.environ),
                observe_timeout_seconds=self.looking.observe_timeout_seconds,
                file_may_be_missing=True,
            ) as services:
                here.learned.redact = services.secrets.redact
                for each in self._secrets():
                    services.secrets.add(each)
                seconds = self.looking.observe_timeout_seconds or services.settings.observe_timeout_seconds
                patience = Patience(seconds=seconds, probe=True, cancel=interrupts.cancel)
                with progress.looking(", ".join(each.name for each in self.backends)):
                    met = contacts(services, patience)
                    found = self._imported(services, patience) if self.imports and not code_of(met) else None
                after = added(services.replications, found.entries).after if found and found.entries else ""
        return met, found, after

    def _imported(self, services: Services, patience: Patience) -> Imported:
        from replctl.core.names import check_name
        from replctl.diagnosis.importing import DEFAULT_NAMESPACE, Wish, take
        from replctl.engine import Request

        namespace = check_name(self.common.namespace or DEFAULT_NAMESPACE, "namespace")
        wish = Wish(backends=[each.name for each in self.backends], namespace=namespace)
        return take(services, wish, patience, Request(cancel=patience.cancel))

    def _staged(self, directory: Path) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The configuration in a place of its own, without any password: what we hold of them is in memory."""
        from replctl.settings.founding import NewArray, config_text

        environ = dict(self.desk.here.environ)
        backends: list[NewBackend] = []
        for at, each in enumerate(self.backends):
            if isinstance(each, NewArray) and each.secret is not None:
                variable = f"{HELD}{at}"
                environ[variable] = each.secret.reveal()
                each = replace(each, kept={"env": variable})
            backends.append(each)
        environ["REPLCTL_STATE_DIR"] = str(directory / "state")
        config = directory / "config.yaml"
        config.write_text(config_text(backends, self.place), encoding="utf-8")
        return {"config": str(config)}, environ

    def _secrets(self) -> Iterator[Secret]:
        for each in self.backends:
            secret: Secret | None = getattr(each, "secret", None)
            if secret is not None:
                yield secret

    def _agreed(self, met: Sequence[Contacted], files: Sequence[NewFile]) -> bool:
        from replctl.cli import founded

        self.desk.output.tell(
            [*founded.contacts(met, self.desk.output.message_width), *founded.listed(files)]
        )
        return self.desk.agrees("Write these files? [Y/n] ", default=True)

    def _show(
        self,
        met: Sequence[Contacted],
        found: Imported | None,
        files: Sequence[NewFile],
        *,
        written: bool,
        dry_run: bool = False,
        said: bool = False,
    ) -> None:
        """`said`: the backends were told already, with the question."""
        from replctl.cli import findings, founded
        from replctl.cli.output import Format

        output, width = self.desk.output, self.desk.output.message_width
        onward = self._next(found) if written else []
        if output.format.is_document:
            output.document(founded.document(self.place.config, met, found, files, onward, written=written))
        if not said:
            output.tell(founded.contacts(met, width))
        if found is not None:
            output.tell(findings.left_out(found, width))
        if output.format.is_document:
            return
        if output.format is Format.NAME:
            output.names(each.path for each in files if written or dry_run)
        elif dry_run:
            output.text(founded.shown(files))
        elif written:
            output.data(founded.written(files, found, onward))

    def _next(self, found: Imported | None) -> list[str]:
        from replctl.cli.surroundings import PROGRAM

        tail = "" if self.place.found else f" --config {shlex.quote(str(self.place.config))}"
        verbs = ["doctor", *([] if found is not None else ["import"]), "status"]
        return [f"{PROGRAM} {verb}{tail}" for verb in verbs]
