"""Try a model without a server: what is sent to its handler, the handler in a process of its own, what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.engines.native.python import python_of
from mardock.errors import ServingError
from mardock.handler import golden, trial
from mardock.handler.child import Child
from mardock.interpreter import require
from mardock.listener import SILENT, Listener
from mardock.tasks import trial_packages, trial_plan, trial_requests, trial_verdict
from mardock.tasks.requests import Given

if TYPE_CHECKING:
    from mardock.errors import MardockError
    from mardock.handler.golden import Golden
    from mardock.handler.outcome import Trial
    from mardock.handler.trial_spec import TrialSpec
    from mardock.settings.project import Project
    from mardock.tasks.trial_requests import Sent


@dataclass(frozen=True)
class Tried:
    """A model that was tried, which may have failed.

    Attributes:
        requests: what was sent, by what it is called; see `trial_requests.of`.
        interrupted: whether Ctrl-C ended it.
        failure: what TorchServe would end with, as the model is to be served.
        expected: the answers that are expected; None when nobody asked for them.
    """

    model: str
    requests: Mapping[str, Sent]
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
            for (label, sent), run in zip(self.requests.items(), self.trial.singles)
            for line in self.expected.check(label, sent.payload.body, run.replies[0])
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
            label: golden.expect(sent.payload, run.replies[0], sent.form)
            for (label, sent), run in zip(self.requests.items(), self.trial.singles)
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
    given: Given = Given(),
    *,
    batch: Optional[int] = None,
    timeout: Optional[float] = None,
    debug: bool = False,
    against_golden: bool = False,
    listener: Listener = SILENT,
) -> Tried:
    """Send every request alone to the model's handler, then all in one batch.

    Args:
        child: what `begin` returned.
        name: the model's in mardock.toml.
        given: what to send; see `trial_requests.of`.
        batch, timeout: see `trial_plan.plan`.
        debug: stop in pdb where the handler raises.
        against_golden: read the expected answers.

    Raises:
        EngineNotFoundError: torch or TorchServe is not installed where the project is served; see also `python_of`.
        ConfigError: there is nothing to send, or no answers are expected; see also `trial_plan.plan`.
        ServingError: TorchServe would refuse a request.
        WorkerFailedError: the packages it brings cannot be installed.
        ArchiveError: its model-config.yaml is unfit.
    """
    python = python_of(project)
    require(python, ("torch", "ts"), "a handler")
    if not python.here:
        child.move_to(python.program)
    expected = golden.load(golden_file(project, name)) if against_golden else None
    requests = trial_requests.of(project, name, given, expected=expected)
    settings = project.settings.models[name]
    payloads = {label: sent.payload for label, sent in requests.items()}
    trial_requests.check(payloads, trial_plan.max_request_size(project))
    spec = trial_plan.plan(project, settings, payloads, batch=batch, timeout=timeout, debug=debug)
    found = _carry_out(child, spec, project, name, listener)
    failure = trial_verdict.failure(project, name, found, batched=spec.batch_size > 1)
    return Tried(name, requests, found, child.interrupted, failure, expected)


def _carry_out(child: Child, spec: TrialSpec, project: Project, name: str, listener: Listener) -> Trial:
    from mardock.handler.trial_folder import TrialFolder
    from mardock.temp_folder import temp_folder

    with temp_folder(project.state, "try-") as folder:
        packages = trial_packages.install(project, name, project.settings.models[name], folder, listener)
        spec = replace(spec, packages=packages)
        kept = TrialFolder(folder)
        return kept.conclude(spec, child.run(spec, kept))
