"""Try a model without a server: what is sent to its handler, the handler in a process of its own, what is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.engines.native.python import python_of
from mardock.errors import ServingError
from mardock.handler import golden, trial
from mardock.handler.child import Child
from mardock.interpreter import require
from mardock.tasks import samples, trial_plan, trial_verdict

if TYPE_CHECKING:
    from mardock.errors import MardockError
    from mardock.handler.golden import Golden
    from mardock.handler.outcome import Trial
    from mardock.handler.trial_spec import TrialSpec
    from mardock.handler.wire import Request
    from mardock.settings.project import Project


@dataclass(frozen=True)
class Tried:
    """A model that was tried, which may have failed.

    Attributes:
        requests: what was sent, each under its file's path relative to the project.
        interrupted: whether Ctrl-C ended it.
        failure: what TorchServe would end with, as the model is to be served.
        expected: the answers that are expected; None when nobody asked for them.
    """

    model: str
    requests: Mapping[str, Request]
    trial: Trial
    interrupted: bool
    failure: Optional[MardockError]
    expected: Optional[Golden] = None

    def check(self) -> None:
        """Compare the answers with the expected ones.

        Raises:
            ServingError: they differ.
        """
        assert self.expected is not None
        found = [
            line
            for (label, request), run in zip(self.requests.items(), self.trial.singles)
            for line in self.expected.check(label, request.body, run.replies[0])
        ]
        if found:
            raise ServingError(
                f"{self.model} does not give the expected answers",
                details="\n".join(found),
                hint=f"mend it, or take the new answers for right: mardock try {self.model} --save-golden",
            )

    def keep(self, file: Path) -> None:
        """Keep the answers as the expected ones.

        Raises:
            ConfigError: the file cannot be written, or what is there is no golden file.
        """
        from mardock.handler.comparison import Tolerance

        answers = {
            label: golden.expect(request.body, run.replies[0], request.content_type)
            for (label, request), run in zip(self.requests.items(), self.trial.singles)
        }
        golden.save(file, golden.Golden(answers, golden.load(file).tolerance if file.exists() else Tolerance()))


def begin() -> Child:
    """Return the process to try a model in, a context: it imports torch while it is found out what is to be tried."""
    return Child(trial.import_torchserve, trial.run)


def golden_file(project: Project, name: str) -> Path:
    """Return where a model's expected answers are kept."""
    return project.root / "torchserve" / name / "golden.json"


def try_model(
    child: Child,
    project: Project,
    name: str,
    files: Sequence[Path] = (),
    *,
    batch: Optional[int] = None,
    content_type: Optional[str] = None,
    timeout: Optional[float] = None,
    debug: bool = False,
    against_golden: bool = False,
) -> Tried:
    """Send every file alone to the model's handler, then all in one batch.

    Args:
        child: what `begin` returned.
        name: the model's in mardock.toml.
        files: what to send; without any, what answers are expected to, else the model's first sample.
        batch, timeout: see `trial_plan.plan`.
        content_type: the requests'.
        debug: stop in pdb where the handler raises.
        against_golden: read the expected answers.

    Raises:
        EngineNotFoundError: torch or TorchServe is not installed where the project is served; see also `python_of`.
        ConfigError: there is nothing to send, or no answers are expected; see also `trial_plan.plan`.
        ArchiveError: its model-config.yaml is unfit.
    """
    python = python_of(project)
    require(python, ("torch", "ts"), "a handler")
    if not python.here:
        child.move_to(python.program)
    expected = golden.load(golden_file(project, name)) if against_golden else None
    requests = _requests(project, _files(project, name, files, expected), content_type, expected)
    settings = project.settings.models[name]
    spec = trial_plan.plan(project, settings, requests, batch=batch, timeout=timeout, debug=debug)
    found = _carry_out(child, spec, project.state)
    failure = trial_verdict.failure(project, name, found, batched=spec.batch_size > 1)
    return Tried(name, requests, found, child.interrupted, failure, expected)


def _carry_out(child: Child, spec: TrialSpec, state: Path) -> Trial:
    from mardock.handler.trial_folder import TrialFolder
    from mardock.temp_folder import temp_folder

    with temp_folder(state, "try-") as folder:
        kept = TrialFolder(folder)
        return kept.conclude(spec, child.run(spec, kept))


def _files(project: Project, name: str, given: Sequence[Path], expected: Optional[Golden]) -> list[Path]:
    if given:
        return samples.to_send(project, name, given)
    if expected:
        return [project.root / sample for sample in expected.samples]
    return samples.to_send(project, name, [])[:1]


def _requests(
    project: Project, files: Sequence[Path], content_type: Optional[str], expected: Optional[Golden]
) -> dict[str, Request]:
    """Read the files, each under its path relative to the project."""
    from mardock.handler.wire import Request

    kept = expected.samples if expected else {}
    requests = {}
    for file in files:
        path = file.resolve()
        root = project.root.resolve()
        label = str(path.relative_to(root)) if root in path.parents else str(path)
        sent_as = content_type or (kept[label].content_type if label in kept else None)
        requests[label] = Request(samples.read(file), sent_as)
    return requests
