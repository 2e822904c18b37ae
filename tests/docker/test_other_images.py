"""Images that are not the official one: refused in one sentence where they lack something, else served as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.contract.projects import add_echo
from tests.docker.derived import derive, docker, trusting
from tests.docker.test_serve import health
from tests.support.listeners import Heard

from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.engines.docker.engine import DockerEngine
from mardock.errors import EngineError
from mardock.settings.schema import Machine

if TYPE_CHECKING:
    from tests.docker.conftest import MakeProject

    from mardock.settings.project import Project

PYTHON_OFF_PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OLD = ("torchserve==0.8.2", "torch-model-archiver==0.8.2")


def serves(project: Project) -> DockerEngine:
    """The engine of a running server that has answered a request to a model."""
    engine = DockerEngine(project)
    project.model_store.mkdir(exist_ok=True)
    add_echo(project, "m", "def handle(data, context):\n    return [bytes(data[0]['body'])] if data else None\n")
    endpoint = engine.up(timeout=120)
    with ManagementClient(endpoint) as management, InferenceClient(endpoint) as client:
        assert management.register("m", model_name="m", initial_workers=1).ready
        assert client.predict("m", b"hello").body == b"hello"
    return engine


@pytest.mark.parametrize(
    ("name", "lines", "lacks"),
    [
        ("no-shell", ["COPY certificates/none /none"], r"shell \(sh\)"),
        ("no-python", ["RUN true"], r"Python that its containers' user can run"),
    ],
)
def test_one_that_lacks_everything(make_project_on: MakeProject, name: str, lines: list[str], lacks: str) -> None:
    image = derive(name, "scratch" if name == "no-shell" else Machine.base_image, *lines)
    engine = DockerEngine(make_project_on(image))
    for call in (lambda: engine.up(timeout=60), lambda: engine.run("dev"), lambda: engine.build("dev")):
        with pytest.raises(EngineError, match=f"the image {image} has no {lacks}") as caught:
            call()
        assert "TORCHSERVE_IMAGE=" in (caught.value.hint or "")
    assert not docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}")


@pytest.mark.parametrize(
    ("name", "lines", "serve", "dev"),
    [
        ("no-torchserve", ["RUN pip uninstall --yes torchserve"], "has no TorchServe", "has no TorchServe"),
        ("no-java", ["ENV JAVA_HOME=/nowhere"], "has no Java runtime", None),
        ("no-pip", ["RUN pip uninstall --yes pip"], None, "has no pip"),
    ],
)
def test_one_that_lacks_a_part(
    make_project: MakeProject, torchserve_image: str, name: str, lines: list[str], serve: str | None, dev: str | None
) -> None:
    image = derive(name, torchserve_image, *lines)
    engine = DockerEngine(make_project(TORCHSERVE_IMAGE=image, MARDOCK_DEV_IMAGE=f"{image}-dev"))
    for call, message in ((lambda: engine.up(timeout=60), serve), (lambda: engine.build("dev"), dev)):
        if message is None:
            call()
        else:
            with pytest.raises(EngineError, match=message):
                call()
    engine.down()


def test_an_image_is_asked_once(make_project: MakeProject, torchserve_image: str) -> None:
    engine = DockerEngine(make_project())
    engine.up(timeout=120)
    (kept,) = (engine.project.state / "images").iterdir()
    before = kept.stat().st_mtime_ns
    engine.down()
    engine.up(timeout=120)
    assert [file.stat().st_mtime_ns for file in kept.parent.iterdir()] == [before]
    engine.down()


def test_one_whose_python_is_not_on_path(make_project_on: MakeProject, official_image: str) -> None:
    image = derive("off-path", official_image, PYTHON_OFF_PATH)
    engine = serves(make_project_on(image))
    assert health(engine) == 0
    assert engine.scratch().free > 0
    assert engine.exec(["python", "-c", "import ts, pydantic"], interactive=False) == 0
    assert engine.exec(["mardock", "--version"], interactive=False) == 0
    engine.down()


def test_one_with_conda(make_project_on: MakeProject, official_image: str) -> None:
    move = "RUN ln -s /home/venv /opt/conda && sed -i 1s,/home/venv,/opt/conda, /opt/conda/bin/torchserve"
    image = derive("conda", official_image, move, "ENV PATH=/opt/conda/bin:/usr/bin:/bin")
    engine = serves(make_project_on(image))
    assert engine.exec(["sh", "-c", "command -v python | grep /opt/conda/bin/"], interactive=False) == 0
    engine.down()


def test_an_older_torchserve(
    make_project_on: MakeProject, official_image: str, capfd: pytest.CaptureFixture[str]
) -> None:
    image = derive("older", official_image, *trusting(f"pip install --no-cache-dir --no-deps {' '.join(OLD)}"))
    heard = Heard()
    project = make_project_on(image)
    DockerEngine(project, listener=heard).up(timeout=120)
    assert "TorchServe 0.8.2 is started without --disable-token-auth and --enable-model-api" in heard.notes
    engine = serves(project)
    assert health(engine) == 0
    with ManagementClient(engine.endpoint()) as management:
        management.unregister("m")
    # What archives models is a newer one than the image's, which mardock could not use.
    code = "import importlib.metadata as m; print(m.version('torch-model-archiver'), m.version('torchserve'))"
    assert engine.exec(["python", "-c", code], interactive=False) == 0
    assert capfd.readouterr().out.endswith("0.12.0 0.8.2\n")
    engine.down()


def test_an_older_torchserve_that_is_to_ask_for_tokens(make_project_on: MakeProject, official_image: str) -> None:
    image = derive("older", official_image, *trusting(f"pip install --no-cache-dir --no-deps {' '.join(OLD)}"))
    engine = DockerEngine(make_project_on(image, MARDOCK_TOKEN_AUTH="true"))
    with pytest.raises(EngineError, match="has no tokens, which MARDOCK_TOKEN_AUTH asks for"):
        engine.up(timeout=60)


def test_one_without_torch_model_archiver(make_project: MakeProject, torchserve_image: str) -> None:
    image = derive("no-archiver", torchserve_image, "RUN pip uninstall --yes torch-model-archiver")
    engine = DockerEngine(make_project(TORCHSERVE_IMAGE=image, MARDOCK_DEV_IMAGE=f"{image}-dev"))
    assert engine.exec(["python", "-c", "import model_archiver"], interactive=False) == 0
    engine.down()
