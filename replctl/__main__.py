"""The program's entry: `replctl`, and `python -m replctl`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line of this process and exit with its code.

    `--version`, and what a shell asks when TAB is pressed, are answered before anything slow is imported.
    """
    _stand_on_open_streams()
    if sys.argv[1:] == ["--version"]:
        from replctl import __version__

        sys.exit(_print(f"replctl {__version__}\n"))
    if sys.argv[1:2] == ["__complete"]:
        from replctl.completing.answering import safely

        text, code = safely(sys.argv[2:], os.environ)
        sys.exit(_print(text) or code)
    from replctl.cli.boundary import main as run

    leave_no_core()
    sys.exit(run())


def _stand_on_open_streams() -> None:
    """A stream that was closed leads to nothing: else what is opened next would be written to as if it were it.

    The least free number is given to what is opened next, so that each gets its own.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", closefd=False))


def _print(text: str) -> int:
    """0, also where nobody reads any more; 1 where it could not be written."""
    try:
        sys.stdout.buffer.write(text.encode())  # whatever the locale
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0 if isinstance(error, BrokenPipeError) else 1
    return 0


def leave_no_core() -> None:
    """A crash writes no image of our memory, which holds passwords, to a disk (docs/adr/0027)."""
    import resource
    from contextlib import suppress

    with suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, most))


if __name__ == "__main__":
    main()
