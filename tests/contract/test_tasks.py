"""What the commands do, done by a script: values in, values out, and nothing printed."""

from __future__ import annotations

import pytest

from mardock.errors import EngineNotRunningError, WorkerFailedError
from mardock.listener import Silent
from mardock.serving import Registered, Server
from mardock.settings.project import Project
from mardock.tasks import lifecycle, local, models
from mardock.tasks.archive import archive
from mardock.tasks.predict import predict
from mardock.tasks.register import Registrar, register
from mardock.tasks.requests import Request

TOML = """
[models.doubler.archive]
handler = "doubler.py"
requirements_file = "requirements.txt"
[models.broken.archive]
handler = "broken.py"
"""
DOUBLER = """
def handle(data, context):
    return [str(2 * int(bytes(row["body"]))) for row in data or ()]
"""
BROKEN = """
def handle(data, context):
    raise RuntimeError("no weights")


raise RuntimeError("no weights")
"""


class Heard(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def project(project: Project) -> Project:
    """The project with a model that works and one that does not."""
    root = project.root
    for name, text in (("mardock.toml", TOML), ("doubler.py", DOUBLER), ("broken.py", BROKEN), ("21", "21")):
        (root / name).write_text(text)
    (root / "requirements.txt").write_text("a-package-that-nobody-has\n")
    return project


def test_a_script_serves_what_it_archived_and_hears_what_the_commands_would_tell(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    heard = Heard()
    with pytest.raises(EngineNotRunningError):
        register(project, "doubler")
    server = Server.of(project, lifecycle.start(project, listener=heard))
    for name in project.settings.models:
        archive(project, name, listener=heard)

    doubler, broken = Registrar(project, server, listener=heard).every()
    assert isinstance(doubler.done, Registered)
    assert (doubler.name, doubler.done.outcome, doubler.done.workers) == ("doubler", "registered", 1)
    assert isinstance(broken.done, WorkerFailedError)
    assert [warning.split(": ")[0] for warning in heard.warnings] == ["doubler"]  # of its requirements

    (answer,) = predict(project, "doubler", [Request("21", project.root / "21")])
    assert (answer.text, answer.failure) == ("42", None)
    scaled = models.scale(project, "doubler", 2)
    assert scaled.status.ready_workers == 2
    (again,) = register(project, "doubler", server_url="http://localhost")
    assert isinstance(again.done, Registered)
    assert again.done.outcome == "scaled"  # which is this project's own server, by another name
    assert Server.at(project, management_port=1).store is None

    assert models.unregister(project, "doubler")
    assert lifecycle.stop(project)
    assert not lifecycle.stop(project)
    assert capfd.readouterr() == ("", "")


def test_a_model_is_served_locally_until_the_block_ends(project: Project) -> None:
    archive(project, "doubler", listener=Heard())
    with local.serve(project, "doubler") as served:
        (answer,) = predict(project, local.SERVED_AS, [Request("21", project.root / "21")], endpoint=served.endpoint)
        assert answer.text == "42"
        assert isinstance(served.registration.done, Registered)
        assert served.registration.done.model == local.SERVED_AS
    assert not served.engine.status().running
