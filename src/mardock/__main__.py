"""The entry point of `mardock`: answers `--version` at once and leaves the rest to cli/."""

import gc
import sys


def main() -> None:
    """Run the command line of this process and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        from mardock import __version__

        print(f"mardock {__version__}")  # noqa: T201 - before typer, which takes longer to import than this takes to run
        return
    gc.disable()  # nothing that imports leave behind is garbage; cli.app turns it on again for what may run long
    from mardock.cli.app import run

    sys.exit(run())


if __name__ == "__main__":
    main()
