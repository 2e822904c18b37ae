"""Container registries: whether one has an image, and pushing an image to it with a login that is shown to nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

from mardock.errors import EngineError
from mardock.listener import Listener

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True)
class Login:
    """A user of a registry."""

    user: str
    password: str = field(repr=False)

    def to_config(self) -> dict[str, str]:
        """Return it as the engine takes it."""
        return {"username": self.user, "password": self.password}


def holds(client: DockerClient, image: str, login: Optional[Login]) -> bool:
    """Say whether the registry has an image.

    Args:
        login: the docker command's own when `None`.

    Raises:
        EngineError: the registry refuses the login or does not answer.
    """
    from docker.errors import APIError, NotFound

    try:
        client.images.get_registry_data(image, auth_config=login.to_config() if login else None)
    except NotFound:
        return False
    except APIError as error:
        reason = str(error.explanation or error)
        if "manifest unknown" in reason or "name unknown" in reason:
            return False
        raise _refused(image, reason) from error
    return True


def push(client: DockerClient, image: str, login: Optional[Login], listener: Listener) -> None:
    """Push an image; layers the registry has are not sent, nor again after an interruption.

    Args:
        listener: told how many bytes are sent, as far as the engine knows them.

    Raises:
        EngineError: the registry refused it, with its reason.
    """
    from docker.errors import APIError

    sent: dict[str, tuple[int, int]] = {}
    config = login.to_config() if login else None
    try:
        with listener.progress(f"pushing {image}") as advance:
            for event in client.api.push(image, stream=True, decode=True, auth_config=config):
                if "error" in event:
                    raise _refused(image, event["error"])
                detail = event.get("progressDetail") or {}
                if event.get("id") and detail.get("total"):
                    sent[event["id"]] = (min(detail["current"], detail["total"]), detail["total"])
                    advance(sum(done for done, _ in sent.values()), sum(total for _, total in sent.values()))
    except APIError as error:
        raise _refused(image, str(error.explanation or error)) from error


def _refused(image: str, reason: str) -> EngineError:
    return EngineError(
        f"the registry does not take or give {image}: {reason.strip()}",
        hint="check the registry's name and your login: docker login, or the deploy target's own",
    )
