"""The log lines of urllib3, which show whole URLs: cleaned of the secrets that some clouds want in the query."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from urllib.parse import quote

_LOGGERS = ("urllib3.connectionpool", "urllib3.util.retry")


@contextmanager
def without(secrets: Collection[str]) -> Iterator[None]:
    """Blot these out, as they are and percent-encoded, of all that is logged meanwhile."""
    cleaned = _Cleaned(secrets)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(cleaned)
    try:
        yield
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(cleaned)


class _Cleaned(logging.Filter):
    def __init__(self, secrets: Collection[str]) -> None:
        super().__init__()
        self._secrets = {spelled for secret in secrets for spelled in (secret, quote(secret, safe=""))}

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        for secret in self._secrets:
            message = message.replace(secret, "***")
        record.msg, record.args = message, ()
        return True
