"""What a rehearsal looks at, what it finds, and the container it finds it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Protocol

from mardock.errors import DeployError


@dataclass(frozen=True)
class Check:
    """What was looked at, whether the cloud would be content, and the figures."""

    name: str
    figures: str
    ok: bool = True


class Fault(Exception):  # noqa: N818 - it ends a rehearsal, and `error` is what the user is told
    """The check that failed, and why."""

    def __init__(self, check: str, error: DeployError) -> None:
        super().__init__(error.message)
        self.check = check
        self.error = error


class Container(Protocol):
    """The running container; `engines.docker.throwaway.Throwaway` is one."""

    host: str
    port: int
    user: str

    def exit_code(self) -> Optional[int]: ...

    def lines(self) -> list[str]: ...

    def fetch(self, url: str) -> Optional[bytes]: ...
