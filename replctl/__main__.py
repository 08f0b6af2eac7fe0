"""The program's entry: `replctl`, and `python -m replctl`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line of this process and exit with its code.

    `--version`, and what a shell asks when TAB is pressed, are answered before anything slow is imported.
    """
    if sys.argv[1:] == ["--version"]:
        from replctl import __version__

        print(f"replctl {__version__}")
        return
    if sys.argv[1:2] == ["__complete"]:
        _complete()
    from replctl.cli.boundary import main as run

    leave_no_core()
    sys.exit(run())


def _complete() -> None:
    from replctl.completing.answering import safely

    text, code = safely(sys.argv[2:], os.environ)
    sys.stdout.buffer.write(text.encode())  # whatever the locale
    sys.stdout.flush()
    sys.exit(code)


def leave_no_core() -> None:
    """A crash writes no image of our memory, which holds passwords, to a disk (docs/adr/0027)."""
    import resource
    from contextlib import suppress

    with suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, most))


if __name__ == "__main__":
    main()
