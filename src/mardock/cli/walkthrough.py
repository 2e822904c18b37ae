"""`mardock demo`: the main job from training to predictions, each step skipped while it is up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from mardock.cli import console, context, predicting, registering, training
from mardock.cli.commands import archive as archive_command
from mardock.cli.commands import up
from mardock.errors import ServingError

if TYPE_CHECKING:
    from mardock.settings.project import Project

SAMPLES = 10
START_TIMEOUT_S = 180.0


def demo(project: Project, wanted: Optional[str]) -> None:
    """Train, archive, serve, register and predict one model.

    Raises:
        ServingError: fewer than nine in ten of the labelled samples came out right.
    """
    name, settings = project.settings.model(wanted)
    if settings.train:
        training.train(project, name, force=False)
    archive(project, name)
    endpoint = up.start(project, START_TIMEOUT_S)
    served = settings.archive.model_name
    registering.one(project, registering.server(project), name, replace=True)

    files = predicting.sources(project, name, [], pick=SAMPLES)
    answers = predicting.Job(project, served, files).run()
    predicting.raise_first_failure(answers)
    console.data("")
    predicting.show_labels(answers)
    sample = files[0].relative_to(project.root)
    console.data(f"\nTorchServe listens on {endpoint.inference_url} (management on {endpoint.management_url}). Try:\n")
    console.data(f"    curl {endpoint.inference_url}/predictions/{served} -T {sample}\n")
    if sum(answer.right for answer in answers) < 0.9 * len(answers):
        raise ServingError(f"{name} got too many samples wrong", hint=f"mardock train {name} --force")
    console.success(f"{name} is served", then="mardock status, or stop everything: make down")


def archive(project: Project, name: str) -> None:
    """Archive a model where torch is."""
    engine = context.torch_engine(project)
    if not engine.torch_is_here:
        written = project.model_store / f"{project.settings.models[name].archive.model_name}.mar"
        code = engine.exec(["mardock", "archive", name], interactive=False, writes=[written])
        if code != 0:
            raise ServingError(f"archiving {name} in the dev container failed", hint="its own message stands above")
        return
    result = archive_command.build(project, name)
    shown = result.archive.path.relative_to(project.root)
    console.note(f"{shown}: {'written' if result.changed else 'up to date'}")
