"""EndpointKeys: what opens an online endpoint, asked of the service again before it expires."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Optional

from mardock.deploy.azureml.workspace import translated

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_EARLY_S = 300.0


class EndpointKeys:
    """Credentials of one endpoint: its key, or a token that lasts an hour or so; usable from several threads at once.

    Every method raises DeployError when the service does not tell it.

    Args:
        endpoint: its name.
    """

    def __init__(self, client: MLClient, endpoint: str) -> None:
        self._client = client
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._ask()

    def inference(self, refused: Optional[str] = None) -> Optional[str]:
        """Return the key or the token; see `Credentials`."""
        with self._lock:
            if (refused is not None and self._token == refused) or time.time() >= self._due:
                with translated():
                    self._ask()
            return self._token

    def management(self, refused: Optional[str] = None) -> None:
        """Return none: predictions are all that the service passes on."""
        return

    def _ask(self) -> None:
        found = self._client.online_endpoints.get_keys(self._endpoint)
        self._token: Optional[str] = getattr(found, "primary_key", None) or getattr(found, "access_token", None)
        expires = float(getattr(found, "expiry_time_utc", None) or "inf")  # keys do not
        self._due = float(getattr(found, "refresh_after_time_utc", None) or expires - _EARLY_S)
