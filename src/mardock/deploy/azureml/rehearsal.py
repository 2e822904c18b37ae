"""How Azure ML would run an experiment: the planned image, mount, environment, routes, probes and request timeout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mardock.deploy import deployment_yaml
from mardock.deploy.azureml import experiment_image, render
from mardock.deploy.azureml.options import read
from mardock.deploy.base import DeploymentName
from mardock.deploy.deployment_yaml import mapping, number
from mardock.deploy.rehearsal.contract import Contract, Limit, SettingFiles, archive_limit
from mardock.deploy.rehearsal.places import Place, in_text, in_yaml
from mardock.deploy.rehearsal.prober import Probe

if TYPE_CHECKING:
    from mardock.deploy.base import Site
    from mardock.deploy.experiment import Experiment
    from mardock.listener import Listener

_NAME = DeploymentName("rehearsal", "rehearsal")
_MODELS = "/var/azureml-app/azureml-models"
_REQUEST_TIMEOUT_MS = 5000  # the service's own default
_CONFIG = Path(render.CONFIG)


def contract(site: Site, experiment: Experiment, listener: Listener) -> Contract:
    """Read the contract from the planned YAML; the image is built unless it is here; see `Rehearsable.contract`."""
    import yaml

    options = read(site)
    files = dict(render.plan(options, deployment_yaml.read(site, experiment), experiment, _NAME).files)
    planned = yaml.safe_load(files[render.DEPLOYMENT])
    routes = yaml.safe_load(files[render.ENVIRONMENT])["inference_config"]
    archive, sources = experiment.archive, _sources(site.root, experiment)
    folder = f"{planned.get('model_mount_path') or _MODELS}/{experiment.name}/{archive.version}"
    given = mapping(planned, "environment_variables")
    return Contract(
        image=experiment_image.have_here(site, options, experiment, listener),
        command=(),
        environment={**{str(key): str(value) for key, value in given.items()}, "AZUREML_MODEL_DIR": folder},
        files={f"{folder}/{archive.path.name}": archive.path},
        config=(site.root / sources.config).read_text(encoding="latin-1") if sources.config else "",
        model=routes["scoring_route"]["path"].rpartition("/")[2],
        version=archive.version,
        port=routes["scoring_route"]["port"],
        liveness=_probe("liveness", routes, planned),
        readiness=_probe("readiness", routes, planned),
        request_timeout=_request_timeout(sources, planned),
        largest_archive=archive_limit(site, "azureml", options.max_archive_mb),
        sources=sources,
    )


def _probe(kind: Literal["liveness", "readiness"], routes: Mapping[str, Any], planned: Mapping[str, Any]) -> Probe:
    where = f"{kind}_probe"
    given = mapping(planned, where)
    return Probe(
        kind,
        routes[f"{kind}_route"]["path"],
        initial_delay=number(given, "initial_delay", Probe.initial_delay, where),
        period=number(given, "period", Probe.period, where),
        timeout=number(given, "timeout", Probe.timeout, where),
        success_threshold=number(given, "success_threshold", Probe.success_threshold, where),
        failure_threshold=number(given, "failure_threshold", Probe.failure_threshold, where),
    )


def _request_timeout(sources: SettingFiles, planned: Mapping[str, Any]) -> Limit:
    given = mapping(planned, "request_settings")
    milliseconds = number(given, "request_timeout_ms", _REQUEST_TIMEOUT_MS, "request_settings", least=1)
    place = in_yaml(sources.root, sources.spec, "request_settings", "request_timeout_ms")
    return Limit(milliseconds / 1000, "request_timeout_ms", place)


def _sources(root: Path, experiment: Experiment) -> SettingFiles:
    spec, own = deployment_yaml.path(experiment), experiment.dockerfile
    if own is None:
        listed = experiment.requirements or experiment.folder / "requirements.txt"
        packages = Place(listed.as_posix()), f"write the package of {{module}} into {listed.as_posix()}"
        return SettingFiles(root, spec, None, _CONFIG, packages)
    copied = _CONFIG.as_posix() in (root / own).read_text(encoding="utf-8")
    packages = in_text(root, own, r"\bpip3? install\b", r"^\s*FROM\b"), "let it RUN pip install the package of {module}"
    return SettingFiles(root, spec, own, _CONFIG if copied else None, packages)
