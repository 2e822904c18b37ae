"""The `[deploy.tir]` table: project, machine, bucket and scaling; and the keys, which the environment alone holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Optional

from annotated_types import Ge, Gt, MinLen

from mardock.deploy import tables
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.deploy.base import DeploymentName, Site

Text = Annotated[str, MinLen(1)]
Count = Annotated[int, Ge(1)]
Seconds = Annotated[float, Gt(0)]
Megabytes = Annotated[float, Gt(0)]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_URL = re.compile(r"https?://[^\s/]")
_FORBID_UNKNOWN: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True)
class AutoScale:
    """When replicas are added and taken away.

    Attributes:
        min_replicas, max_replicas: how few and how many there may be.
        metric: what is looked at.
        value: what one replica is to carry of the metric.
        watch_period: seconds the metric is looked at.
        stability_period: seconds before replicas are taken away.
        custom_metric_name: TorchServe's name of it, for `metric = "custom"`, e.g. `ts_queue_latency_microseconds`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_UNKNOWN

    max_replicas: Count
    value: Count
    min_replicas: Annotated[int, Ge(0)] = 1
    metric: Literal["concurrency", "requestRate", "custom"] = "concurrency"
    custom_metric_name: Optional[Text] = None
    watch_period: Count = 60
    stability_period: Count = 300

    def __post_init__(self) -> None:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas {self.min_replicas} is above max_replicas {self.max_replicas}")
        if (self.metric == "custom") != (self.custom_metric_name is not None):
            raise ValueError('metric = "custom" and custom_metric_name belong together')


@dataclass(frozen=True)
class Disk:
    """A disk that outlives a restart, so that the model is not downloaded again.

    Attributes:
        size: GB.
        mount_path: where it is in the container.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_UNKNOWN

    size: Count
    mount_path: Text


@dataclass(frozen=True)
class Options:
    """Each key that is text or a number may also be the environment variable `MARDOCK_TIR_<KEY>`, which wins.

    Attributes:
        project_id, location: the vendor's project and its data centre.
        sku_id: the machine, as the vendor numbers its plans.
        image: what TorchServe runs in; it must know `--disable-token-auth` (0.11 or newer).
        registry_namespace_id: where a private image lies in the vendor's registry.
        repository: the model repository; the experiment's name when not given.
        storage_type: `managed` buckets are made, and their keys told, by TIR; for the other two, `bucket` names it and
            its keys come from the environment.
        bucket: the name of one of your own.
        folder: what holds model-store/ and config/ in the bucket, MODEL/VERSION when not given: replicas of an older
            version keep loading theirs. Empty is the bucket itself.
        max_archive_mb: what the replicas have room for; the vendor names no limit, so a rehearsal knows that of `disk`
            alone unless it is set.
        auto_scale: one replica always runs where it is not set.
        disk: none where it is not set.
        replace: overwrite another archive of the same version in the bucket.
        api_url, object_store_url: the vendor's APIs, or a stand-in's.
        inference_url: where predictions are sent; `{project_id}` and `{endpoint_id}` are filled in.
        grpc_address: host and port for gRPC; the host of `inference_url` and 443 when not given.
        poll_seconds: between two looks at an endpoint that starts.
        settle_seconds: how long the state of before is not believed after a change.
        timeout: seconds to wait for it; it goes on without being watched.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_UNKNOWN

    project_id: Count
    location: Text
    sku_id: Count
    image: Text = "pytorch/torchserve:0.12.0-cpu"
    registry_namespace_id: Optional[Count] = None
    repository: Optional[Text] = None
    storage_type: Literal["managed", "e2e_s3", "external"] = "managed"
    bucket: Optional[Text] = None
    folder: Optional[str] = None
    auto_scale: Optional[AutoScale] = None
    disk: Optional[Disk] = None
    max_archive_mb: Optional[Megabytes] = None
    replace: bool = False
    api_url: Text = "https://api.e2enetworks.com/myaccount/api/v1/gpu"
    object_store_url: Text = "https://objectstore.e2enetworks.net"
    inference_url: Text = "https://infer.e2enetworks.net/project/p-{project_id}/endpoint/is-{endpoint_id}"
    grpc_address: Optional[Text] = None
    poll_seconds: Seconds = 5.0
    settle_seconds: Seconds = 60.0
    timeout: Seconds = 1800.0

    def __post_init__(self) -> None:
        if (self.storage_type == "managed") != (self.bucket is None):
            raise ValueError("bucket belongs to storage_type e2e_s3 and external, and to these only")
        for key in ("api_url", "object_store_url", "inference_url"):
            if not _URL.match(getattr(self, key)):
                raise ValueError(f"{key} {getattr(self, key)!r} is no http(s) URL")


@dataclass(frozen=True)
class Secrets:
    """The keys of one account; none of them appears in a file, a log or an error."""

    api_key: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def values(self) -> tuple[str, ...]:
        """What to blot out in foreign text."""
        return (self.api_key, self.token)


def read(site: Site) -> Options:
    """Return the options of a site.

    Raises:
        ConfigError: keys are missing, unknown or of the wrong type.
    """
    return tables.read(Options, site, "tir")


def read_secrets(environ: Mapping[str, str]) -> Secrets:
    """Return the keys of the API; raises ConfigError when one is not set."""
    return Secrets(_secret(environ, "TIR_API_KEY"), _secret(environ, "TIR_TOKEN"))


def read_bucket_keys(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return access key and secret key of a bucket that TIR does not manage; raises ConfigError when one is not set."""
    return _secret(environ, "TIR_S3_ACCESS_KEY"), _secret(environ, "TIR_S3_SECRET_KEY")


def check_name(name: DeploymentName) -> None:
    """Refuse an endpoint name that cannot be the name of a Kubernetes service, which is what TIR makes of it.

    Raises:
        ConfigError: also for a deployment's name: an endpoint of TIR is one deployment.
    """
    if not _NAME.fullmatch(name.endpoint):
        raise ConfigError(
            f"the endpoint name {name.endpoint!r} is none that TIR takes",
            hint="at most 63 small letters, digits and hyphens, neither beginning nor ending with a hyphen",
        )
    if name.deployment:
        raise ConfigError(
            f"an endpoint of TIR has no deployments, so {name.deployment!r} names nothing",
            hint="name a second endpoint instead, or leave it out",
        )


def _secret(environ: Mapping[str, str], variable: str) -> str:
    value = environ.get(variable, "")
    if not value:
        raise ConfigError(f"{variable} is not set", hint=f"export {variable}=…, from the API page of the TIR dashboard")
    return value
