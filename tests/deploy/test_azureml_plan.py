"""What an Azure ML plan renders: its native files, read by the vendor's own loaders, and what it refuses to render."""

from __future__ import annotations

import dataclasses
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai import ml

from mardock import extras
from mardock.deploy import azureml, deployment_yaml, experiment, targets
from mardock.deploy.azureml.experiment_image import build_context
from mardock.deploy.base import DeploymentName, Plan, Site
from mardock.deploy.experiment import Experiment
from mardock.deploy.provenance import Provenance
from mardock.errors import ConfigError
from mardock.settings.project import Project

GOLDEN = Path(__file__).parent / "golden" / "azureml"
OPTIONS = {"subscription_id": "sub", "resource_group": "group", "workspace": "space", "registry": "shop.azurecr.io"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = DeploymentName("shop", "blue")


@pytest.fixture
def planned(project: Project) -> Experiment:
    """The project's experiment as if it were of a known commit."""
    (project.root / "torchserve/digits/requirements.txt").write_text("pillow\n", encoding="ascii")
    found = experiment.load(project, "digits", allow_dirty=True)
    return dataclasses.replace(found, provenance=Provenance(COMMIT))


def plan(found: Experiment, name: DeploymentName = NAME, spec: Mapping[str, Any] | None = None, **options: Any) -> Plan:
    root = found.archive.path.parents[1]
    if spec is not None:
        (root / deployment_yaml.path(found)).write_text(yaml.safe_dump(spec), encoding="utf-8")
    return azureml.plan(Site(root, {**OPTIONS, **options}), found, name)


def test_the_native_files_are_the_golden_ones(planned: Experiment) -> None:
    digest = planned.archive.sha256  # differs between versions of zlib

    files = {path: text.replace(digest, "a" * 64).replace(digest[:16], "a" * 16) for path, text in plan(planned).files}

    assert files == {path.name: path.read_text(encoding="utf-8") for path in GOLDEN.iterdir()}


def test_the_vendors_loaders_read_the_files(planned: Experiment) -> None:
    files = dict(plan(planned).files)

    deployment = ml.load_online_deployment(io.StringIO(files["deployment.yml"]))
    assert (deployment.name, deployment.endpoint_name, deployment.instance_count) == ("blue", "shop", 2)
    assert deployment.request_settings is not None
    assert deployment.request_settings.request_timeout_ms == 30000
    assert deployment.readiness_probe is not None
    assert deployment.readiness_probe.initial_delay == 20
    assert ml.load_online_endpoint(io.StringIO(files["endpoint.yml"])).auth_mode == "key"
    assert ml.load_model(io.StringIO(files["model.yml"])).version == "3"
    environment = ml.load_environment(io.StringIO(files["environment.yml"]))
    assert environment.image == f"shop.azurecr.io/digits:git-{COMMIT[:12]}"
    assert environment.inference_config.scoring_route.path == "/predictions/model"


def test_an_own_dockerfile_replaces_the_rendered_one(planned: Experiment) -> None:
    own = dataclasses.replace(planned, dockerfile=Path("torchserve/digits/Dockerfile"))

    made = plan(own)

    assert "Dockerfile" not in dict(made.files)
    assert "torchserve/digits/Dockerfile" in made.steps[0]


def test_a_dirty_tree_has_another_image(planned: Experiment) -> None:
    dirty = dataclasses.replace(planned, provenance=Provenance(COMMIT, ("model.py",)))

    assert f"digits:git-{COMMIT[:12]}-dirty" in plan(dirty).steps[0]


def test_planning_needs_no_extra(planned: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "azure" or name.startswith("azure.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "azure", None)

    assert plan(planned).name == NAME
    with pytest.raises(Exception, match="needs the package azure") as refused:
        azureml.status(Site(Path("/nowhere"), OPTIONS), NAME)
    assert getattr(refused.value, "hint", "") == extras.how_to_add("azure")


@pytest.mark.parametrize("name", ["ab", "a" * 33, "1st", "end-", "under_score", "ümlaut", "a b c", "", "../up"])
def test_refuses_names_azure_would_refuse(planned: Experiment, name: str) -> None:
    with pytest.raises(ConfigError, match="endpoint name"):
        plan(planned, DeploymentName(name, "blue"))
    with pytest.raises(ConfigError, match="deployment"):
        plan(planned, DeploymentName("shop", name))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"instance_count": 1}, "instance_type is missing"),
        ({"instance_type": "x", "instance_count": 0}, "instance_count is 0"),
        ({"instance_type": "x", "instance_count": "two"}, "instance_count is 'two'"),
        ({"instance_type": "x", "model": "m"}, "model is not set there"),
        ({"instance_type": "x", "instance_cuont": 1}, "unknown key instance_cuont"),
        ({"instance_type": "x", "tags": ["a"]}, "tags is no mapping"),
    ],
)
def test_refuses_a_spec_and_names_its_file(planned: Experiment, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"torchserve/digits/torchserve-deployment\.yaml: {message}"):
        plan(planned, spec=spec)


def test_options_come_from_the_table_and_the_environment_wins(planned: Experiment) -> None:
    root = planned.archive.path.parents[1]
    site = Site(root, OPTIONS, {"MARDOCK_AZUREML_REGISTRY": "other.azurecr.io"})

    assert "other.azurecr.io/digits" in azureml.plan(site, planned, NAME).steps[0]


def test_names_the_option_that_is_missing_or_unknown(planned: Experiment) -> None:
    with pytest.raises(ConfigError, match="lacks workspace") as refused:
        azureml.plan(Site(Path("/nowhere"), {k: v for k, v in OPTIONS.items() if k != "workspace"}), planned, NAME)
    assert "MARDOCK_AZUREML_WORKSPACE" in (refused.value.hint or "")

    with pytest.raises(ConfigError, match="workspaec"):
        plan(planned, workspaec="space")


def test_there_is_no_other_target() -> None:
    with pytest.raises(ConfigError, match="no deploy target 'sagemaker'"):
        targets.load("sagemaker")


@pytest.mark.parametrize("text", ["instance_type: [", "- a list"])
def test_refuses_a_spec_that_is_no_mapping(planned: Experiment, text: str) -> None:
    (planned.archive.path.parents[1] / deployment_yaml.path(planned)).write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match=r"torchserve/digits/torchserve-deployment\.yaml"):
        plan(planned)


def test_names_the_spec_that_is_missing(planned: Experiment) -> None:
    (planned.archive.path.parents[1] / deployment_yaml.path(planned)).unlink()

    with pytest.raises(ConfigError, match=r"there is no torchserve/digits/torchserve-deployment\.yaml"):
        plan(planned)


def test_an_image_is_built_of_what_its_dockerfile_copies(project: Project, planned: Experiment) -> None:
    with build_context(project, planned) as (folder, dockerfile):
        held = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        text = (folder / dockerfile).read_text(encoding="utf-8")
    copied = {line.split()[1] for line in text.splitlines() if line.startswith("COPY ")}
    assert held == {*copied, str(dockerfile)}
    own = dataclasses.replace(planned, dockerfile=Path("torchserve/digits/Dockerfile"))
    with build_context(project, own) as given:
        assert given == (project.root, own.dockerfile)


def test_an_image_without_a_configuration_is_not_planned(planned: Experiment) -> None:
    config = planned.archive.path.parents[1] / "torchserve" / "config.properties"
    config.unlink()
    with pytest.raises(
        ConfigError, match=r"torchserve/config\.properties, which this project does not have"
    ) as refused:
        plan(planned)
    assert "mardock init --config" in (refused.value.hint or "")
    assert plan(dataclasses.replace(planned, dockerfile=Path("torchserve/digits/Dockerfile"))).steps
