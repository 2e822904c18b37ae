"""How TIR would run an experiment: the planned image, arguments, bucket, environment and probes."""

from __future__ import annotations

import ast
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

from mardock.deploy import deployment_yaml
from mardock.deploy.base import DeploymentName
from mardock.deploy.rehearsal.contract import Contract, Limit, SettingFiles, archive_limit
from mardock.deploy.rehearsal.places import Place, in_toml
from mardock.deploy.rehearsal.prober import Probe
from mardock.deploy.tir import render
from mardock.deploy.tir.options import read

if TYPE_CHECKING:
    from mardock.deploy.base import Site
    from mardock.deploy.experiment import Experiment
    from mardock.deploy.tir.options import Options
    from mardock.listener import Listener

_NAME = DeploymentName("rehearsal")
_TOML = Path("mardock.toml")


def contract(site: Site, experiment: Experiment, listener: Listener) -> Contract:
    """Read the contract from the planned files; the image is pulled unless it is here; see `Rehearsable.contract`."""
    options = read(site)
    files = dict(render.plan(options, deployment_yaml.read(site, experiment), experiment, _NAME).files)
    endpoint, bucket = json.loads(files[render.ENDPOINT]), json.loads(files[render.BUCKET])
    details = endpoint["custom_endpoint_details"]
    probes = details["container"]["advance_config"]
    archive = experiment.archive
    prefix = len(bucket["folder"])
    timeout = in_toml(site.root, _TOML, f"models.{experiment.name}.serving", "response_timeout")
    return Contract(
        image=_have_here(details["container"]["container_name"], listener),
        command=tuple(ast.literal_eval(base64.b64decode(endpoint["detailed_info"]["args"]).decode())),
        environment={each["key"]: each["value"] for each in details["resource_details"]["env_variables"]},
        files={
            render.MOUNT + "/" + bucket["archive"][prefix:].lstrip("/"): archive.path,
            render.MOUNT + "/" + bucket["config"][prefix:].lstrip("/"): files[render.CONFIG],
        },
        config=files[render.CONFIG],
        model=archive.name,
        version=archive.version,
        port=probes["liveness_probe"]["port"],
        liveness=_probe("liveness", probes),
        readiness=_probe("readiness", probes),
        request_timeout=Limit(experiment.serving.response_timeout, "response_timeout", timeout),
        largest_archive=_largest_archive(site, options),
        sources=_sources(site.root, experiment),
    )


def _probe(kind: Literal["liveness", "readiness"], probes: Mapping[str, Any]) -> Probe:
    planned = probes[f"{kind}_probe"]
    return Probe(
        kind,
        planned["path"],
        initial_delay=planned["initial_delay_seconds"],
        period=planned["period_seconds"],
        timeout=planned["timeout_seconds"],
        success_threshold=planned["success_threshold"],
        failure_threshold=planned["failure_threshold"],
    )


def _have_here(planned: str, listener: Listener) -> str:
    """Return the planned image once it is here, or the project's own where only that is."""
    from mardock.engines.docker.daemon import sdk
    from mardock.engines.docker.images import chosen, is_local, pull

    with sdk() as client:
        image = chosen(client, planned)
        if image != planned:
            listener.note(f"{planned}, which TIR runs, is not here: {image} takes its part")
        if not is_local(client, image):
            pull(client, image, listener)
    return image


def _largest_archive(site: Site, options: Options) -> Optional[Limit]:
    if options.max_archive_mb is None and options.disk is not None:
        return Limit(options.disk.size * 1000, "the disk's size", in_toml(site.root, _TOML, "deploy.tir.disk", "size"))
    return archive_limit(site, "tir", options.max_archive_mb)


def _sources(root: Path, experiment: Experiment) -> SettingFiles:
    from mardock.settings.project import Project

    spec = Project(root).settings.model(experiment.name)[1].archive
    if spec.requirements_file is not None:
        place, edit = Place(spec.requirements_file), f"write the package of {{module}} into {spec.requirements_file}"
    else:
        place = in_toml(root, _TOML, f"models.{experiment.name}.archive", "requirements_file")
        edit = "name a file that lists the package of {module} there, as requirements_file"
    return SettingFiles(root, deployment_yaml.path(experiment), None, None, (place, f"{edit}, then archive again"))
