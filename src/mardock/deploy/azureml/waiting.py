"""Waiting for what the service does in minutes: shown, interruptible, bounded, and taken up again."""

from __future__ import annotations

import io
import time
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, Callable, Optional

from mardock.errors import DeployError

if TYPE_CHECKING:
    from azure.core.polling import LROPoller

    from mardock.deploy.azureml.options import Options
    from mardock.listener import Listener

UNDER_WAY = ("Creating", "Updating", "Scaling", "Deleting", "Provisioning")
_FINAL = ("Succeeded", "Failed", "Canceled")


def wait(
    what: str,
    options: Options,
    listener: Listener,
    *,
    poller: Optional[LROPoller[Any]] = None,
    state: Callable[[], str],
) -> str:
    """Wait until an operation ends and return the state it ends in; raises what the operation failed with.

    Args:
        poller: the operation, when this very command began it; it knows the reason of a failure.
        state: looks at what is operated on; asked for the end of an operation that another command began.

    Raises:
        DeployError: it did not end in time. It goes on, and the same command waits for it again.
    """
    deadline = time.monotonic() + options.timeout
    shown = ""
    # The SDK prints a dot to stdout at each of its looks.
    with redirect_stdout(io.StringIO()):
        while time.monotonic() < deadline:
            current = state()
            if current != shown:
                listener.note(f"{what}: {current}")
                shown = current
            if poller is None:
                if current in _FINAL:
                    return current
                time.sleep(options.poll_seconds)
                continue
            poller.wait(options.poll_seconds)
            if poller.done():
                poller.result()
                return state()
    raise DeployError(
        f"{what} is still {shown} after {options.timeout:g} s",
        hint="it goes on: the same command waits for it again; timeout under [deploy.azureml] is how long",
    )
