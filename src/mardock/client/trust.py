"""Which certificates are trusted: those the environment names, else the ones that come with requests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from mardock.errors import ConfigError

_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def own_certificates() -> Optional[str]:
    """Return the file of CA certificates that the environment names.

    Raises:
        ConfigError: it does not exist.
    """
    for variable in _VARIABLES:
        path = os.environ.get(variable)
        if path:
            if not Path(path).is_file():
                raise ConfigError(f"{variable} names {path}, which is no file", hint=f"unset {variable}, or correct it")
            return path
    return None


def certificates() -> str:
    """Return the file of CA certificates to trust; raises like `own_certificates`."""
    import certifi

    return own_certificates() or certifi.where()
