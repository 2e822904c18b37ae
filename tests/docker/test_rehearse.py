"""Deployments rehearsed in real containers: one that its cloud would serve, and one for each thing it fails for."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.docker.conftest import lay_out
from tests.docker.derived import WAIT_FOR_JAVA, docker
from tests.support.images import unique_name

from mardock.archive.build import build
from mardock.archive.read import read
from mardock.deploy import azureml, deployment_yaml, tir
from mardock.deploy.base import Site
from mardock.deploy.experiment import Experiment
from mardock.deploy.provenance import Provenance
from mardock.deploy.rehearsal.contract import Contract
from mardock.deploy.rehearsal.rehearse import Rehearsal, rehearse
from mardock.engines.docker import containers
from mardock.engines.docker.daemon import sdk
from mardock.listener import SILENT
from mardock.settings.project import Project

HANDLER = "def handle(data, context):\n    return [bytes(data[0]['body'])] if data else None\n"
TOML = '[models.echo]\nsample = "sample"\n\n[models.echo.archive]\nhandler = "torchserve/echo/handler.py"\n'
SPEC = """instance_type: Standard_DS3_v2
request_settings:
  request_timeout_ms: 90000
liveness_probe:
  initial_delay: 1
  period: 1
  failure_threshold: 120
readiness_probe:
  initial_delay: 1
  period: 1
  failure_threshold: 120
"""
DOCKERFILE = """ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ENTRYPOINT []
CMD """
OPTIONS: dict[str, dict[str, Any]] = {
    "azureml": {"subscription_id": "sub", "resource_group": "group", "workspace": "space", "registry": "shop.invalid"},
    "tir": {"project_id": 42, "location": "Delhi", "sku_id": 7},
}
REHEARSE = [sys.executable, "-m", "mardock", "deploy", "rehearse", "--target", "tir", "--allow-dirty"]


@dataclass(frozen=True)
class Scene:
    """A project with one experiment, which is rehearsed after its files were changed."""

    root: Path
    image: str

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text, encoding="utf-8")

    @property
    def commit(self) -> str:
        """A name of its own for what is built of it."""
        return hashlib.sha1(str(self.root).encode()).hexdigest()

    def experiment(self) -> Experiment:
        project = Project(self.root)
        build(project.settings.models["echo"].archive, self.root, project.model_store)
        folder = Path("torchserve/echo")
        own = folder / "Dockerfile"
        return Experiment(
            name="echo",
            folder=folder,
            dockerfile=own if (self.root / own).exists() else None,
            requirements=None,
            provenance=Provenance(self.commit, ("handler.py",)),
            archive=read(project.model_store / "echo.mar"),
            serving=project.settings.models["echo"].serving,
        )

    def contract(self, target: str, **options: Any) -> tuple[Contract, Experiment]:
        if target == "tir":
            options["image"] = self.image
        found = self.experiment()
        site = Site(self.root, {**OPTIONS[target], **options}, os.environ)
        return {"azureml": azureml, "tir": tir}[target].contract(site, found, SILENT), found

    def rehearse(self, target: str, **options: Any) -> Rehearsal:
        return self.perform(*self.contract(target, **options))

    def perform(self, agreed: Contract, found: Experiment) -> Rehearsal:
        sources = {"handler.py": "torchserve/echo/handler.py"}
        with TemporaryDirectory(dir=self.root) as folder:
            return rehearse(agreed, found.archive, Path(folder), SILENT, sample=b"hello", sources=sources)


def failed(report: Rehearsal) -> tuple[str, str]:
    """The check that failed and what is told; all others are ok."""
    assert report.failure is not None
    assert [check.ok for check in report.checks] == [True] * (len(report.checks) - 1) + [False]
    return report.checks[-1].name, report.failure.message


@pytest.fixture
def scene(torchserve_image: str, tmp_path: Path) -> Iterator[Scene]:
    root = tmp_path / "project"
    lay_out(root)
    shutil.rmtree(root / "torchserve/mnist")
    (root / "torchserve/echo").mkdir()
    (root / "artifacts").mkdir()
    made = Scene(root, torchserve_image)
    made.write("mardock.toml", TOML)
    made.write(".env", f"TORCHSERVE_IMAGE={torchserve_image}\n")
    made.write("sample", "hello")
    made.write("torchserve/echo/handler.py", HANDLER)
    made.write(f"torchserve/echo/{deployment_yaml.FILE}", SPEC)
    yield made
    remove = ["docker", "image", "rm", "--force", f"shop.invalid/echo:git-{made.commit[:12]}-dirty"]
    subprocess.run(remove, check=True, capture_output=True)
    assert left_over(made) == []
    assert list((root / ".mardock").glob("rehearsal-*")) == []


def write_tir(scene: Scene, **more: Any) -> None:
    """Make the scene what the command line takes: a commit with TIR's settings, and an archive."""
    options = {**OPTIONS["tir"], "image": scene.image, **more}
    scene.write(
        "mardock.toml", TOML + "\n[deploy.tir]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in options.items())
    )
    scene.experiment()
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    for arguments in (["init", "-q"], ["add", "mardock.toml"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], cwd=scene.root, check=True)


@contextmanager
def interrupted(scene: Scene, number: int) -> Iterator[subprocess.Popen[str]]:
    """A rehearsal that got a signal while its container runs."""
    if not (scene.root / ".git").exists():
        write_tir(scene)
    scene.write("torchserve/echo/torchserve-deployment.yaml", SPEC.replace("initial_delay: 1", "initial_delay: 3000"))
    with subprocess.Popen(REHEARSE, cwd=scene.root, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert "the readiness probe asks after 3000 s" in running.stderr.readline()
        assert left_over(scene) != []
        running.send_signal(number)
        yield running


def left_over(scene: Scene) -> list[str]:
    """The workspaces whose container is still there."""
    label = "mardock.workspace"
    names = ("ps", "--all", "--filter", f"label={label}", "--format", f'{{{{.Label "{label}"}}}}')
    return [workspace for workspace in docker(*names).splitlines() if workspace.startswith(str(scene.root))]


@pytest.mark.parametrize("target", ["azureml", "tir"])
def test_what_the_cloud_would_serve_passes(scene: Scene, target: str) -> None:
    report = scene.rehearse(target)

    assert report.failure is None, report.failure.details
    assert report.answer == b"hello"
    names = ["archive", "image", "listens", "model", "liveness probe", "readiness probe", "request"]
    assert sorted(check.name for check in report.checks) == sorted(names)


def test_a_project_without_files_of_mardock_s_is_rehearsed(scene: Scene) -> None:
    for name in ("torchserve/config.properties", "torchserve/log4j2.xml", ".dockerignore", "docker-compose.yml"):
        (scene.root / name).unlink()
    assert scene.rehearse("tir").failure is None


def test_the_image_of_an_experiment_ends_at_sigterm(scene: Scene) -> None:
    agreed, _ = scene.contract("azureml")
    mount = f"type=bind,source={scene.root / 'artifacts'},target=/models,readonly"
    name = docker(
        "run", "--detach", "--name", unique_name(), "--env", "AZUREML_MODEL_DIR=/models", "--mount", mount, agreed.image
    )
    try:
        docker("exec", name, "python", "-c", WAIT_FOR_JAVA)
        docker("stop", "--time", "120", name)
        assert docker("inspect", name, "--format", "{{.State.ExitCode}}") == "143"
    finally:
        docker("rm", "--force", name)


def test_the_contract_is_read_from_what_is_planned(scene: Scene) -> None:
    scene.write("torchserve/echo/Dockerfile", DOCKERFILE + "sleep 600\n")
    scene.write(
        f"torchserve/echo/{deployment_yaml.FILE}",
        SPEC + "model_mount_path: /models\nenvironment_variables: {THREADS: 2}\n",
    )

    azureml, _ = scene.contract("azureml")
    assert list(azureml.files) == ["/models/echo/1.0/echo.mar"]
    assert azureml.environment == {"THREADS": "2", "AZUREML_MODEL_DIR": "/models/echo/1.0"}
    assert (azureml.readiness.period, azureml.liveness.timeout, azureml.request_timeout.value) == (1, 2, 90)
    assert str(azureml.sources.packages[0]) == "torchserve/echo/Dockerfile:2"

    scene.write("mardock.toml", TOML + "\n[deploy.tir.disk]\nsize = 3\n")
    tir, _ = scene.contract("tir", disk={"size": 3, "mount_path": "/mnt/models"}, folder="shop")
    assert list(tir.files) == ["/mnt/models/model-store/echo.mar", "/mnt/models/config/config.properties"]
    assert tir.command[0] == "torchserve"
    assert tir.environment["THREADS"] == "2"
    assert tir.largest_archive is not None
    assert (tir.largest_archive.value, str(tir.largest_archive.place)) == (3000, "mardock.toml:8")


def test_a_container_that_ends_shows_its_log(scene: Scene) -> None:
    agreed, found = scene.contract("azureml")
    report = scene.perform(replace(agreed, files={}), found)

    name, message = failed(report)
    assert (name, "ended with code 1" in message) == ("container", True)
    assert report.failure is not None
    assert "there is no .mar below AZUREML_MODEL_DIR" in str(report.failure.details)


def test_tokens_left_on(scene: Scene) -> None:
    scene.write(
        f"torchserve/echo/{deployment_yaml.FILE}",
        SPEC + "environment_variables:\n  TS_DISABLE_TOKEN_AUTHORIZATION: 'false'\n",
    )

    name, message = failed(scene.rehearse("tir"))
    assert name == "listens"
    assert message.startswith("torchserve/echo/torchserve-deployment.yaml:13: TorchServe asks for its token")


def test_bound_to_the_loopback_address(scene: Scene) -> None:
    path = "torchserve/config.properties"
    text = (scene.root / path).read_text(encoding="utf-8")
    scene.write(path, text.replace("inference_address=http://0.0.0.0", "inference_address=http://127.0.0.1"))
    line = 1 + [each.partition("=")[0] for each in text.splitlines()].index("inference_address")

    name, message = failed(scene.rehearse("azureml"))
    assert (name, message.partition(": ")[0]) == ("listens", f"{path}:{line}")


def test_probes_that_are_over_before_the_model_is_loaded(scene: Scene) -> None:
    scene.write("torchserve/echo/handler.py", "import time\n\ntime.sleep(15)\n" + HANDLER)
    scene.write("torchserve/echo/torchserve-deployment.yaml", SPEC.replace("90000", "1000"))

    report = scene.rehearse("azureml")

    name, message = failed(report)
    assert name == "readiness probe"
    assert message.startswith("torchserve/echo/torchserve-deployment.yaml:9: ")
    assert report.failure is not None
    assert "initial_delay: " in str(report.failure.hint)


def test_a_server_that_never_answers_is_restarted(scene: Scene) -> None:
    scene.write("torchserve/echo/Dockerfile", DOCKERFILE + "sleep 600\n")
    scene.write("torchserve/echo/torchserve-deployment.yaml", SPEC.replace("120", "3"))

    name, message = failed(scene.rehearse("azureml"))
    assert name == "liveness probe"
    assert message.startswith("torchserve/echo/torchserve-deployment.yaml:7: GET /ping failed 3 times within 3 s")


def test_another_name_than_the_route_has(scene: Scene) -> None:
    start = (
        "torchserve --start --foreground --ncs --disable-token-auth --model-store $AZUREML_MODEL_DIR"
        " --ts-config config.properties --models other=echo.mar"
    )
    scene.write("torchserve/echo/Dockerfile", DOCKERFILE + start + "\n")

    name, message = failed(scene.rehearse("azureml"))
    assert name == "model"
    assert message == ("torchserve/echo/Dockerfile:4: requests go to /predictions/model, and TorchServe serves other")


def test_last_words_that_torchserve_did_not_read(scene: Scene) -> None:
    """It stops reading when a worker is gone, here in the midst of much; the next one says less."""
    flood = "import os\nif not os.path.exists('/tmp/flooded'):\n    open('/tmp/flooded', 'w').close()\n"
    flood += "    for number in range(3000):\n        print('x' * 50, number, flush=True)\n"
    scene.write("torchserve/echo/handler.py", f"{flood}raise ValueError('the last words')\n" + HANDLER)

    name, message = failed(scene.rehearse("azureml"))
    assert name == "model"
    assert message.endswith("the model cannot be loaded: ValueError: the last words")


def test_a_package_the_image_does_not_have(scene: Scene) -> None:
    scene.write("torchserve/echo/handler.py", "import pytest\n\n\n" + HANDLER)
    agreed, found = scene.contract("azureml")
    (mounted,) = agreed.files
    in_folder_model = {mounted.replace("echo.mar", "model/echo.mar"): found.archive.path}

    name, message = failed(scene.perform(replace(agreed, files=in_folder_model), found))
    assert name == "model"
    assert message.startswith("torchserve/echo/requirements.txt: the handler needs pytest, which the image ")


def test_an_archive_that_is_too_large(scene: Scene) -> None:
    scene.write("mardock.toml", TOML + "\n[deploy.tir]\nmax_archive_mb = 0.0001\n")

    name, message = failed(scene.rehearse("tir", max_archive_mb=0.0001))
    assert name == "archive"
    assert message.startswith("mardock.toml:8: echo.mar weighs ")


def test_a_failure_as_json_tells_what_was_checked_before(scene: Scene) -> None:
    write_tir(scene, max_archive_mb=0.0001)
    done = subprocess.run([*REHEARSE, "--json"], cwd=scene.root, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert (done.returncode, told["prediction"]) == (6, None), done.stderr
    assert [(check["name"], check["ok"]) for check in told["checks"]] == [("archive", False)]
    assert "echo.mar weighs" in done.stderr


def test_ctrl_c_leaves_nothing(scene: Scene) -> None:
    with interrupted(scene, signal.SIGINT) as running:
        assert running.wait(timeout=120) == 130


def test_what_a_killed_one_left_goes_with_the_next(scene: Scene) -> None:
    with interrupted(scene, signal.SIGKILL) as running:
        running.wait(timeout=120)
    assert left_over(scene) != []
    with interrupted(scene, signal.SIGINT) as running:
        assert running.wait(timeout=120) == 130


def test_what_several_remove_at_once_is_gone_without_an_error(torchserve_image: str) -> None:
    with sdk() as client:
        container = client.containers.create(torchserve_image, ["true"], name=unique_name())
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: containers.discard(container), range(8)))
        assert client.containers.list(all=True, filters={"id": str(container.id)}, ignore_removed=True) == []
