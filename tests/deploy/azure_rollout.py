"""Bringing an experiment into the emulated workspace, without what needs a Docker Engine or a blob store."""

from __future__ import annotations

from tests.deploy.azure_emulator import Azure
from tests.support.listeners import Heard

from mardock.deploy import azureml, experiment
from mardock.deploy.azureml import render, rollout
from mardock.deploy.azureml.options import read
from mardock.deploy.azureml.workspace import connect
from mardock.deploy.base import DeploymentName, Plan, Site
from mardock.settings.project import Project


def planned(project: Project, site: Site, name: DeploymentName) -> Plan:
    return azureml.plan(site, experiment.load(project, "digits", allow_dirty=True), name)


def deploy(site: Site, plan: Plan, heard: Heard) -> None:
    """Roll a plan out, but for its image, which needs a Docker Engine."""
    options, files = read(site), dict(plan.files)
    with connect(options) as client:
        rollout.create_environment(client, files[render.ENVIRONMENT])
        rollout.create_endpoint(client, options, files[render.ENDPOINT], heard)
        rollout.create_deployment(client, options, plan, heard)


def register(azure: Azure, project: Project) -> None:
    """Have the model version registered already, where its blob does not matter."""
    found = experiment.load(project, "digits", allow_dirty=True)
    azure.add_model(found.name, found.archive.version, found.labels, render.model(found)["path"])
