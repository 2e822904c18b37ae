"""The entry point of `mardock`: answers `--version` at once, leaves the rest to cli/, and outlives its output."""

import gc
import io
import os
import sys


def main() -> None:
    """Run the command line of this process and exit with its code."""
    _make_printable()
    code = 1
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone, as `head` does: Python would complain of it at its own end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    gc.freeze()  # nor is anything now: the interpreter's last collection would cost more than most commands
    sys.exit(code)


def _run() -> int:
    if sys.argv[1:] == ["--version"]:
        from mardock import __version__

        print(f"mardock {__version__}")  # noqa: T201 - before typer, which takes longer to import than this takes to run
        return 0
    gc.disable()  # what imports leave behind is no garbage; cli.app turns it on for the command itself
    from mardock.cli.app import run

    return run()


def _make_printable() -> None:
    """Let no output fail: not that of a file name the terminal cannot show, nor any when a stream was closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
