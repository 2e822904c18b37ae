"""What may stand in a call to TorchServe: base URL, token, model, version and archive.

TorchServe registers names it can never find again and runs code from any absolute path, so these checks are made
before a call leaves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Optional
from urllib.parse import SplitResult, quote, unquote, urlsplit

from mardock.errors import ConfigError

_LONGEST_NAME = 255
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, section 5.1


def split_address(url: str) -> SplitResult:
    """Take an API's base URL apart; raises ConfigError when it is no http(s) URL."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and " " not in url
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{url!r} is not the URL of a TorchServe API", hint="write it as http://127.0.0.1:8080")
    return parts


def is_near(host: str) -> bool:
    """Whether a host is reached past all proxies: this machine's loopback, or a neighbour named by one word."""
    return is_loopback(host) or ("." not in host.rstrip(".") and ":" not in host)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def authorization(token: Optional[str]) -> dict[str, str]:
    """Return the header that carries a token, if there is one.

    Raises:
        ConfigError: no header can carry it; the message does not repeat it.
    """
    if token is None:
        return {}
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError("the token is empty or holds characters that no token has", hint="copy it again")
    return {"Authorization": f"Bearer {token}"}


def request_headers(headers: Mapping[str, str], token: Optional[str]) -> dict[str, str]:
    """Return an endpoint's own headers and the one that carries its token.

    Raises:
        ConfigError: one of them cannot be sent; the message repeats no value.
    """
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
            raise ConfigError(f"the header {name!r} cannot be sent", hint="names and values are printable ASCII")
    return {**headers, **authorization(token)}


def models_path(model: str, version: Optional[str] = None) -> str:
    """Return the Management API's path of a model, or of one version of it.

    Raises:
        ConfigError: the model or the version cannot stand in a URL.
    """
    check_name(model, what="model name")
    if version is None:
        return f"/models/{_segment(model)}"
    check_version(version)
    return f"/models/{_segment(model)}/{_segment(version)}"


def inference_path(verb: str, model: str, version: Optional[str] = None) -> str:
    """Return the Inference API's path of a model, e.g. `/predictions/mnist/1.0`; raises like `models_path`."""
    return models_path(model, version).replace("/models", f"/{verb}", 1)


def check_version(version: str) -> None:
    """Refuse a version TorchServe could not address; `all` means every version in its URLs."""
    check_name(version, what="model version")
    if version == "all":
        raise ConfigError("the model version 'all' means every version to TorchServe", hint="choose another version")


def check_name(name: str, *, what: str) -> None:
    """Refuse a name that TorchServe would accept and then never find again.

    Raises:
        ConfigError: it is empty, `.` or `..`, longer than 255 characters, or holds a slash or a control character.
    """
    if not is_addressable(name):
        raise ConfigError(
            f"the {what} {name[:_LONGEST_NAME]!r} cannot be addressed in a TorchServe URL",
            hint="use letters, digits, '_', '-' and '.'",
        )


def is_addressable(name: str) -> bool:
    """Whether a name can be one part of a path; TorchServe registers others, too."""
    return 0 < len(name) <= _LONGEST_NAME and name not in (".", "..") and "/" not in name and name.isprintable()


def check_archive_url(url: str, *, allow_remote: bool) -> None:
    """Refuse an archive URL that would make TorchServe run code from outside its model store.

    Args:
        url: a file or an unarchived folder of the model store, e.g. `mnist.mar`, or an http(s) URL.
        allow_remote: let http(s) URLs through, whichever host they name; TorchServe fetches the archive and runs it.

    Raises:
        ConfigError: it is empty, absolute, climbs with `..` (percent-encoded or not), has another scheme than
            http(s), or is remote without `allow_remote`.
    """
    path = _fully_unquoted(url)
    scheme = urlsplit(path).scheme.lower()
    remote = scheme in ("http", "https")
    if remote and not allow_remote:
        raise ConfigError(
            f"refusing to let TorchServe fetch and run {url!r}",
            hint="download the archive into the model store, or allow remote archives explicitly",
        )
    outside = path.startswith(("/", "\\")) or ".." in path.replace("\\", "/").split("/")
    if not path or not path.isprintable() or outside or (scheme and not remote):
        raise ConfigError(
            f"the archive {url!r} is not inside the model store",
            hint="name a file of the model store, e.g. mnist.mar",
        )


def _segment(name: str) -> str:
    quoted = quote(name, safe="")
    # With tokens on, TorchServe takes every path that holds "/token" for its token API; "%74oken" it reads as a name.
    return "%74" + quoted[1:] if quoted.startswith("token") else quoted


def _fully_unquoted(text: str) -> str:
    while (plain := unquote(text)) != text:
        text = plain
    return text
