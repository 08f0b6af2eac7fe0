"""The program's entry: `replctl`, and `python -m replctl`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process and exit with its code; `--version` needs nothing but itself."""
    if sys.argv[1:] == ["--version"]:
        from replctl import __version__

        print(f"replctl {__version__}")
        return
    from replctl.cli.boundary import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
