"""A whole deploy target: its cloud is a folder of this machine, and an address at which somebody answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mardock.deploy import tables
from mardock.deploy.base import Deployment, DeploymentName, Plan, Served, Site
from mardock.deploy.provenance import COMMIT_TAG, DIGEST_TAG
from mardock.endpoint import Endpoint
from mardock.errors import ConfigError, DeployError

if TYPE_CHECKING:
    from mardock.deploy.experiment import Experiment
    from mardock.listener import Listener

SPEC = "toy.json"
"""What this target reads of an experiment's folder: a file in words of its own."""


@dataclass(frozen=True)
class Options:
    """The `[deploy.toy]` table."""

    cloud: str
    url: str
    metrics_url: str = ""


def plan(site: Site, experiment: Experiment, name: DeploymentName) -> Plan:
    tables.read(Options, site, "toy")
    spec = experiment.folder / SPEC
    try:
        replicas = json.loads((site.root / spec).read_text(encoding="utf-8"))["replicas"]
    except FileNotFoundError as error:
        raise ConfigError(f"there is no {spec}", hint='write {"replicas": 1} into it') from error
    archive = experiment.archive
    text = json.dumps({"serves": archive.name, "replicas": replicas, "labels": experiment.labels})
    return Plan("toy", name, (("toy.json", text),), (f"copy {archive.path.name}", f"serve it as {name}"), experiment)


def apply(site: Site, plan: Plan, listener: Listener) -> Deployment:
    archive, folder = plan.experiment.archive.path, _folder(site, plan.name)
    folder.mkdir(parents=True, exist_ok=True)
    with listener.progress(f"copying {archive.name}") as advance:
        shutil.copyfile(archive, folder / archive.name)
        advance(1, 1)
    for name, text in plan.files:
        (folder / name).write_text(text, encoding="utf-8")
    listener.note(f"{plan.name} is told")
    return status(site, plan.name)


def status(site: Site, name: DeploymentName) -> Deployment:
    told = _folder(site, name) / "toy.json"
    if not told.exists():
        return Deployment(name, "absent")
    found = json.loads(told.read_text(encoding="utf-8"))
    labels = found["labels"]
    details = {"serves": found["serves"], "replicas": str(found["replicas"])}
    return Deployment(name, "there", _endpoint(site), labels[COMMIT_TAG], labels[DIGEST_TAG], details)


def served(site: Site, name: DeploymentName) -> Served:
    found = status(site, name)
    if found.endpoint is None:
        raise DeployError(f"there is no endpoint {name}", hint="mardock deploy apply")
    return Served(found.endpoint, called=found.details["serves"], models=(found.details["serves"],))


def logs(site: Site, name: DeploymentName, *, tail: int) -> Iterator[str]:
    yield from ["the first line", f"{name} has nothing to tell"][-tail:]


def destroy(site: Site, name: DeploymentName, listener: Listener, *, drain: bool) -> None:
    listener.note(f"deleting {name}")
    shutil.rmtree(_folder(site, name), ignore_errors=True)


def _folder(site: Site, name: DeploymentName) -> Path:
    return Path(tables.read(Options, site, "toy").cloud, name.endpoint)


def _endpoint(site: Site) -> Endpoint:
    options = tables.read(Options, site, "toy")
    return Endpoint(options.url, metrics_url=options.metrics_url)
