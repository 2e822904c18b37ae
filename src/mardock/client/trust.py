"""Which certificates are trusted: an endpoint's own, those the environment names, or those that come with requests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from mardock.errors import ConfigError

_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def certificates(own: Optional[str] = None) -> str:
    """Return the file of CA certificates to trust.

    Args:
        own: the endpoint's, when it has some of its own.

    Raises:
        ConfigError: that or the one which the environment names does not exist.
    """
    if own is not None:
        if not Path(own).is_file():
            raise ConfigError(f"the certificates {own} are no file", hint=f"ls -l {own}")
        return own
    for variable in _VARIABLES:
        path = os.environ.get(variable)
        if path:
            if not Path(path).is_file():
                raise ConfigError(f"{variable} names {path}, which is no file", hint=f"unset {variable}, or correct it")
            return path
    import certifi

    return certifi.where()
