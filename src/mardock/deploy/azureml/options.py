"""The `[deploy.azureml]` table: which workspace and registry, and every address that is not the public cloud's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Optional

from annotated_types import Gt, MinLen

from mardock.deploy import tables
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.deploy.base import DeploymentName, Site

Text = Annotated[str, MinLen(1)]
Seconds = Annotated[float, Gt(0)]
Megabytes = Annotated[float, Gt(0)]

_NAME = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")
_SHORTEST, _LONGEST = 3, 32


@dataclass(frozen=True)
class Options:
    """Each key may also be the environment variable `MARDOCK_AZUREML_<KEY>`, which wins.

    Attributes:
        subscription_id, resource_group, workspace: where the workspace is.
        registry: the container registry, e.g. `shop.azurecr.io`.
        auth_mode: how callers of a new endpoint show who they are.
        resource_manager_url, authority_url, portal_url: another cloud than the public one, or an emulator.
        blob_url: the storage account's blob service, when it is not the one the workspace names.
        registry_url: where the registry trades a token of the vendor's login for its own.
        max_archive_mb: what the disk of the instances leaves for an archive; the vendor names no limit, so a rehearsal
            knows none unless it is set.
        poll_seconds: between two looks at a long operation.
        timeout: seconds to wait for one; it goes on without being watched, and is found again by the next command.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    subscription_id: Text
    resource_group: Text
    workspace: Text
    registry: Text
    auth_mode: Literal["key", "aml_token", "aad_token"] = "key"
    resource_manager_url: Text = "https://management.azure.com"
    authority_url: Optional[Text] = None
    portal_url: Text = "https://ml.azure.com"
    blob_url: Optional[Text] = None
    registry_url: Optional[Text] = None
    max_archive_mb: Optional[Megabytes] = None
    poll_seconds: Seconds = 5.0
    timeout: Seconds = 3600.0


def read(site: Site) -> Options:
    """Return the options of a site.

    Raises:
        ConfigError: keys are missing, unknown or of the wrong type.
    """
    return tables.read(Options, site, "azureml")


def check_deployment(name: DeploymentName) -> None:
    """Refuse a name that names no deployment, or one Azure would refuse; raises ConfigError."""
    check_name(name)
    if not name.deployment:
        raise ConfigError("which deployment of the endpoint?", hint="--deployment blue")


def check_name(name: DeploymentName) -> None:
    """Refuse an endpoint or a deployment that Azure would refuse by its name.

    Raises:
        ConfigError: it is not 3 to 32 letters, digits and hyphens that begin with a letter and end with no hyphen.
    """
    for kind, text in (("endpoint", name.endpoint), ("deployment", name.deployment)):
        if kind == "deployment" and not text:
            continue
        if not (_SHORTEST <= len(text) <= _LONGEST and _NAME.fullmatch(text)):
            raise ConfigError(
                f"the {kind} name {text!r} is none that Azure ML takes",
                hint=f"{_SHORTEST} to {_LONGEST} letters, digits and inner hyphens, beginning with a letter",
            )
