"""What `-h` prints: usage as one would type it, commands under headings, options grouped by what they are for.

Plain text, laid out by typer's own formatter; nothing is imported for it. The last line names the page of the
manual, which says more.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

LONGEST_SENTENCE = 200  # characters: a command's first sentence is never cut
OWN = "Options"  # the heading of what belongs to one command only


class Command(TyperCommand):
    """A command whose options stand under the headings of their bundles."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", *(_usage(each) for each in self.params if each.param_type_name == "argument")]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        arguments = [each for each in self.get_params(ctx) if each.param_type_name == "argument"]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl([(_name(each), getattr(each, "help", None) or "") for each in arguments])
        _format_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _name_page(ctx, formatter)


class Group(TyperGroup):
    """A group whose commands stand under headings."""

    command_class = Command

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["COMMAND", "..."]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        _format_options(self, ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        headings: dict[str, list[tuple[str, str]]] = {}
        widest = max(len(name) for name in self.commands)
        for name, command in self.commands.items():
            heading = getattr(command, "rich_help_panel", None) or "Commands"
            short = command.get_short_help_str(LONGEST_SENTENCE)
            headings.setdefault(heading, []).append((name.ljust(widest), short))
        _write(formatter, headings)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _name_page(ctx, formatter)


def _name_page(ctx: Any, formatter: Any) -> None:
    formatter.write_paragraph()
    formatter.write_text(f"More: man {ctx.command_path.replace(' ', '-')}")


def _format_options(command: Any, ctx: Any, formatter: Any) -> None:
    headings: dict[str, list[tuple[str, str]]] = {}
    for each in command.get_params(ctx):
        record = each.get_help_record(ctx) if each.param_type_name == "option" else None
        if record is not None:
            headings.setdefault(getattr(each, "rich_help_panel", None) or OWN, []).append(record)
    _write(formatter, dict(sorted(headings.items(), key=lambda each: each[0] != OWN)))


def _write(formatter: Any, headings: dict[str, list[tuple[str, str]]]) -> None:
    for heading, rows in headings.items():
        with formatter.section(heading):
            formatter.write_dl(rows)


def _usage(argument: Any) -> str:
    name = _name(argument) + ("..." if argument.nargs != 1 else "")
    return name if argument.required else f"[{name}]"


def _name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())
