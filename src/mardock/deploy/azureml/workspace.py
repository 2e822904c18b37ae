"""One Azure ML workspace through the vendor's SDK: logging in, and its exceptions translated where they enter."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import urlsplit

from mardock.deploy.base import missing_extra
from mardock.errors import ConfigError, DeployError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import HttpResponseError

    from mardock.deploy.azureml.options import Options

_PUBLIC = "https://management.azure.com"
_RETRIES = 4
_REFUSED = 400
_QUOTA = re.compile(r"quota|OutOfCapacity", re.IGNORECASE)
_SIGNATURE = re.compile(r"\bsig=[^&\s'\")]+")  # of a shared access signature, in an URL
_HINTS = {
    401: "az login, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
    403: "ask for the role AzureML Data Scientist on the workspace, and AcrPush on the registry",
    404: "check subscription_id, resource_group and workspace under [deploy.azureml]",
    409: "another operation is under way, or the name is taken: wait, then run the command again",
    429: "Azure asks for patience: run the command again later, it goes on where it was",
}


class NoRoomError(DeployError):
    """The quota or the region's capacity is used up: nothing was started that could tell more."""


def credential(options: Options) -> TokenCredential:
    """Return the vendor's login: the environment's client, a managed identity, or that of `az login`.

    Raises:
        DeployError: the extra is missing.
    """
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError as error:
        raise missing_extra("--target azureml", "azure", error) from error
    logging.getLogger("azure.identity").setLevel(logging.ERROR)  # it warns of each login it tried; the error tells them
    if options.authority_url is None:
        return DefaultAzureCredential()
    return DefaultAzureCredential(authority=options.authority_url, disable_instance_discovery=True)


@contextmanager
def connect(options: Options) -> Iterator[MLClient]:
    """Yield a client of the workspace; what fails inside the block is raised as a DeployError."""
    try:
        from azure.ai.ml import MLClient
    except ImportError as error:
        raise missing_extra("--target azureml", "azure", error) from error
    with translated():
        yield MLClient(
            credential(options),
            options.subscription_id,
            options.resource_group,
            options.workspace,
            enable_telemetry=False,
            show_progress=False,
            retry_total=_RETRIES,
            **_cloud(options),
        )


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the vendor's SDK raises inside the block as a DeployError or a ConfigError."""
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, IncompleteReadError
    from marshmallow import ValidationError

    try:
        yield
    except IncompleteReadError as error:
        raise _cut(error) from error
    except HttpResponseError as error:
        if isinstance(error, ClientAuthenticationError) and error.response is None:
            raise DeployError(f"no login to Azure: {_first_line(error)}", hint=_HINTS[401]) from error
        raise _refused(error) from error
    except (MlException, ValidationError) as error:
        raise ConfigError(f"Azure ML refuses a file: {_first_line(error)}", details=str(error)) from error
    except AzureError as error:
        raise _cut(error) from error


def _cloud(options: Options) -> Mapping[str, Any]:
    """Return what points the SDK at another cloud; nothing for the public one."""
    url = options.resource_manager_url.rstrip("/")
    if url == _PUBLIC:
        return {}
    return {
        "cloud": urlsplit(url).netloc,
        "cloud_metadata": {
            "azure_portal": options.portal_url,
            "resource_manager": url,
            "active_directory": options.authority_url or "https://login.microsoftonline.com",
            "aml_resource_id": url,
            "storage_endpoint": "core.windows.net",
            "registry_discovery_endpoint": url,
        },
    }


def _cut(error: Exception) -> DeployError:
    return DeployError(
        f"the connection to Azure failed: {_first_line(error)}",
        hint="check the network, then run the command again: it goes on where it was",
    )


def _refused(error: HttpResponseError) -> DeployError:
    status = error.status_code
    reason = _reason(error)
    if _QUOTA.search(reason):
        return NoRoomError(
            f"Azure has no room: {reason}", hint="ask for more quota, or set a smaller instance_type or instance_count"
        )
    # That an operation failed is answered with 200.
    answered = f"Azure answered {status}" if status and status >= _REFUSED else "Azure failed"
    wait = getattr(error.response, "headers", {}).get("Retry-After")
    return DeployError(
        f"{answered}: {reason}" + (f" (again in {wait} s)" if wait else ""),
        hint=_HINTS.get(status or 0, "run the command again: it goes on where it was"),
    )


def _reason(error: HttpResponseError) -> str:
    """The service's own code and message; a failed operation carries them without a response of its own."""
    details: Optional[Any] = getattr(error, "error", None)
    if details is not None and getattr(details, "message", None):
        return f"{details.code}: {details.message}".splitlines()[0]
    return _first_line(error)


def _first_line(error: Exception) -> str:
    return _SIGNATURE.sub("sig=***", (str(error).strip().splitlines() or [type(error).__name__])[0])
