"""The running server's key file, kept private to the user."""

from __future__ import annotations

import logging
from pathlib import Path

from mardock.endpoint import Endpoint
from mardock.engines import key_file
from mardock.errors import EngineError

_log = logging.getLogger(__name__)


def with_tokens(endpoint: Endpoint, path: Path) -> Endpoint:
    """Return the endpoint with the tokens of a key file, renewed when they are about to expire.

    Raises:
        EngineError: the file is missing or unreadable.
        ApiError: the server refused to renew a token.
    """

    def read() -> str:
        try:
            if path.stat().st_mode & 0o077:
                _log.warning("%s could be read by others; it is made private now", path)
                path.chmod(0o600)
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise EngineError(
                f"cannot read TorchServe's tokens from {path}: {error.strerror}", hint="mardock down && mardock up"
            ) from error

    return key_file.with_tokens(endpoint, read)
