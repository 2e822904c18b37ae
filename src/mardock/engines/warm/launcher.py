"""Runs what `torchserve --start --foreground` would, with workers that a warm parent forks, and ends as its Java does.

The serve container runs this file, mounted into it, by the image's own Python: `python launcher.py --start ...`.
Without the parent, for whatever reason, workers start as they always did; `MARDOCK_FAST_WORKERS=false` asks for that.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

NEW_FLAGS = ("--disable-token-auth", "--enable-model-api")  # unknown before 0.11.1, which did without tokens
OFF = ("0", "f", "false", "n", "no", "off")  # what settings take for false


def main() -> None:
    """Run TorchServe with this process's arguments and never return."""
    # TorchServe needs no mardock; and what stands beside this file must not hide modules from it.
    sys.path[0] = str(Path(__file__).parents[3])
    from ts import model_server

    sys.argv[1:] = understood(sys.argv[1:])
    if os.environ.get("MARDOCK_FAST_WORKERS", "").lower() not in OFF:
        sys.executable = worker_python()
    model_server.subprocess = SimpleNamespace(Popen=run)
    model_server.start()
    raise SystemExit("TorchServe could not be started")  # why has been printed


def understood(arguments: list[str]) -> list[str]:
    """Return TorchServe's arguments without those that this TorchServe is too old to know."""
    from ts.arg_parser import ArgParser

    known = {option for action in ArgParser.ts_parser()._actions for option in action.option_strings}
    return [argument for argument in arguments if argument not in NEW_FLAGS or argument in known]


def run(command: list[str]) -> NoReturn:
    """Run Java to its end and take its exit code, which TorchServe's own script drops.

    SIGTERM ends this process, not Java, and the container with it: at that signal Java, too, breaks off the requests in
    flight at once, and then waits two seconds for nothing.
    """
    code = os.spawnvp(os.P_WAIT, command[0], command)  # noqa: S606
    raise SystemExit(code if code >= 0 else 128 - code)


def worker_python() -> str:
    """Return what TorchServe is to start workers with: the stub of a new warm parent, or this very Python."""
    try:
        from mardock.engines import warm

        return str(warm.ensure(Path(tempfile.gettempdir()), sys.executable, owner=os.getpid()))
    except Exception as error:  # whatever it is, TorchServe runs without
        sys.stderr.write(f"workers start plainly: {error!r}\n")
        return sys.executable


if __name__ == "__main__":
    main()
