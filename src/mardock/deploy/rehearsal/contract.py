"""Contract: how a cloud would run an experiment, read from the very files that are planned for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from mardock.defaults import WORKER_TIMEOUT_S
from mardock.deploy.rehearsal.places import Place, in_properties, in_text, in_toml, in_yaml
from mardock.deploy.rehearsal.prober import Probe
from mardock.engines import config_properties

if TYPE_CHECKING:
    from mardock.deploy.base import Site

_START = r"^\s*(CMD|ENTRYPOINT)\b"


@dataclass(frozen=True)
class Limit:
    """What may not be exceeded, what it is called, and where it is set."""

    value: float
    name: str
    place: Place


@dataclass(frozen=True)
class SettingFiles:
    """The project's files that decide how the container runs; paths relative to `root`.

    Attributes:
        spec: what the target reads of the experiment's folder, e.g. its torchserve-deployment.yaml.
        dockerfile: the experiment's own; None when the image is rendered or given.
        config: the config.properties that is in the image; None when it is rendered or the Dockerfile's own.
        packages: where the packages that a handler needs are listed, and how.
    """

    root: Path
    spec: Path
    dockerfile: Optional[Path]
    config: Optional[Path]
    packages: tuple[Place, str]


@dataclass(frozen=True)
class Contract:
    """What the cloud does with an experiment.

    Attributes:
        image: one that is on this machine.
        command: the container's arguments; the image's own when empty.
        environment: the spec's variables and the cloud's own.
        files: by their path in the container, a file of this machine or a text.
        config: the text of config.properties, as far as it is known.
        model, version: what TorchServe calls the model there.
        port: where it is probed and asked.
        request_timeout: the seconds that a request is given, from outside.
        largest_archive: in MB; None when nothing is known of a limit.
    """

    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, Union[Path, str]]
    config: str
    model: str
    version: str
    port: int
    liveness: Probe
    readiness: Probe
    request_timeout: Limit
    largest_archive: Optional[Limit]
    sources: SettingFiles

    @property
    def startup_timeout(self) -> float:
        """Seconds after which TorchServe itself ends a worker that has not loaded its model."""
        given = self._property("default_startup_timeout")
        return float(given) if given.isdigit() else float(WORKER_TIMEOUT_S)

    @property
    def management_url(self) -> str:
        """Where TorchServe's Management API is to be found within the container."""
        port = self._property("management_address").rpartition(":")[2]
        return f"http://127.0.0.1:{port if port.isdigit() else 8081}"

    def probe_place(self, probe: Probe, key: str) -> Place:
        """Return where a probe's value is set in the spec."""
        return in_yaml(self.sources.root, self.sources.spec, f"{probe.kind}_probe", key)

    def setting_place(self, key: str, flag: str = r"--start\b") -> Place:
        """Return where the container's value of a key of config.properties comes from.

        Args:
            flag: what stands in the same line of a Dockerfile when TorchServe's command line decides.
        """
        root, variable = self.sources.root, f"TS_{key.upper()}"
        if variable in self.environment and self._property("enable_envvars_config").lower() == "true":
            return in_yaml(root, self.sources.spec, "environment_variables", variable)
        if self.sources.config is not None and (self.sources.dockerfile is None or self._property(key)):
            return in_properties(root, self.sources.config, key)
        if self.sources.dockerfile is not None:
            return in_text(root, self.sources.dockerfile, variable, flag, _START)
        return Place(self.sources.spec.as_posix())

    @property
    def start_place(self) -> Place:
        """Return what the container starts by, for a failure whose cause is not known."""
        if self.sources.dockerfile is not None:
            return in_text(self.sources.root, self.sources.dockerfile, _START)
        return Place((self.sources.config or self.sources.spec).as_posix())

    def _property(self, key: str) -> str:
        found = config_properties.parse(self.config).get(key)
        return found.value.strip() if found else ""


def archive_limit(site: Site, target: str, megabytes: Optional[float]) -> Optional[Limit]:
    """Return the limit that the option `max_archive_mb` sets."""
    if megabytes is None:
        return None
    place = in_toml(site.root, Path("mardock.toml"), f"deploy.{target}", "max_archive_mb")
    return Limit(megabytes, "max_archive_mb", place)
