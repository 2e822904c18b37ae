"""The entry point of `mardock`: answers `--version` at once, leaves the rest to cli/, and outlives its output."""

import contextlib
import gc
import io
import os
import sys

OUTPUT_FAILED = 8
"""The exit code when standard output cannot be written, e.g. to a full disk."""


class _OutputError(Exception):
    """Standard output cannot be written: whatever the command did, its result is lost."""


class _StandardOutput(io.FileIO):
    """Tells its own failures from those of the files a command writes."""

    def write(self, data):  # type: ignore[no-untyped-def] # as the base class has it
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _OutputError(error.strerror) from error


def main() -> None:
    """Run the command line of this process and exit with its code."""
    _make_printable()
    code = 1
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone, as `head` does
        _discard_output()
    except _OutputError as error:
        _discard_output()
        sys.stderr.write(f"error: standard output cannot be written: {error}\nhint: write it elsewhere\n")
        code = OUTPUT_FAILED
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
            if name == "stdout":
                sys.stdout = _watched(stream)


def _watched(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a stream to the same file, as Python opens it, whose failures are known for what they are."""
    raw = _StandardOutput(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _forget_current_folder() -> None:
    """Look for no module in the current folder, as `python -m` does: a worker of TorchServe would not find it there."""
    with contextlib.suppress(OSError):  # it was deleted
        if sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 - pathlib takes longer to import than all of this
            del sys.path[0]


def _discard_output() -> None:
    """Let what is still to be written go nowhere: Python would complain of it at its own end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    _forget_current_folder()
    main()
