"""From a model's name to its report: sample inputs, the model itself, the candidates, what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.compile import order
from mardock.compile.report import ALL, SUFFIXES, WINNER, CompileReport, chosen
from mardock.compile.tolerance import Tolerance
from mardock.engines.native.python import python_of
from mardock.errors import ArchiveError, ConfigError
from mardock.interpreter import Interpreter, require
from mardock.listener import SILENT, Listener
from mardock.tasks import compile_sample, compiled
from mardock.temp_folder import temp_folder

if TYPE_CHECKING:
    from mardock.settings.project import Project
    from mardock.settings.schema import ModelSettings


@dataclass(frozen=True)
class CompilePlan:
    """What to compile a model from and into, and how to hold the candidates against each other.

    Attributes:
        module: `package.module:factory`, what makes the nn.Module; the model's archive when None.
        shapes: of the inputs, e.g. `1x3x224x224`; what the handler makes of the model's sample without any.
        dtypes: of the inputs of these shapes; float32 without any.
        batch: samples in one call.
        only, also: candidates to try instead of all that are no matter of choice, and besides.
        save: what to keep: a candidate's name, `WINNER` or `ALL`; nothing when None.
        threads: of torch; as many as it takes by itself when None.
        rounds: how often each candidate is timed, in turns.
        timeout: seconds for each candidate.
    """

    module: Optional[str] = None
    shapes: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    batch: int = 1
    only: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    save: Optional[str] = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    threads: Optional[int] = None
    rounds: int = 5
    timeout: float = 600


def compile_model(
    project: Project,
    name: str,
    settings: Optional[ModelSettings],
    plan: CompilePlan,
    *,
    listener: Listener = SILENT,
) -> CompileReport:
    """Compile one model of the project here and now, and save what was asked for.

    Args:
        name: the model's in mardock.toml, or what to call a module alone; that one has no `settings`.

    Raises:
        EngineNotFoundError: torch is not installed where the project is served; see also `python_of`.
        ConfigError: the model or its sample cannot be used, or there is no such candidate; see
            `compilation.compile_model`. One that was named and is not packable is no error here: nothing is saved then.
        ArchiveError: what is to be kept, or is needed meanwhile, cannot be written.
    """
    python = python_of(project)
    require(python, ["torch"], "compiling")
    candidates = _candidates(plan)
    try:
        with temp_folder(project.state, "compile-") as folder:
            return _Compilation(project, name, settings, plan, folder, python, listener).run(candidates)
    except OSError as error:
        raise ArchiveError(
            f"cannot compile {name} in {project.state}: {error.strerror or error}", hint=f"df {project.state}"
        ) from error


def refusal(report: CompileReport, plan: CompilePlan) -> Optional[ConfigError]:
    """Return why the candidate that was to be kept by its name was not; None when it was, or none was named."""
    if plan.save in (None, WINNER, ALL):
        return None
    return compiled.refusal(report, report.candidate(plan.save))


def _candidates(plan: CompilePlan) -> tuple[str, ...]:
    named = [plan.save] if plan.save not in (None, WINNER, ALL) else []
    candidates = chosen(plan.only, (*plan.also, *named))
    if any(candidate not in SUFFIXES for candidate in named):
        raise ConfigError(f"TorchServe loads no file of {named[0]}", hint=f"try it without --save: --only {named[0]}")
    return candidates


@dataclass(frozen=True)
class _Compilation:
    """One model being compiled; `folder` holds what is needed meanwhile."""

    project: Project
    name: str
    settings: Optional[ModelSettings]
    plan: CompilePlan
    folder: Path
    python: Interpreter
    listener: Listener

    def run(self, candidates: tuple[str, ...]) -> CompileReport:
        from mardock.compile import saving

        root, plan = self.project.root, self.plan
        sample = self._sample(self.folder / "sample")
        model, files = self._model(self.folder / "model")
        sources = compiled.digests(root, files)  # of the weights that are loaded next, not of later ones
        built = self.folder / "built"
        built.mkdir()
        how = (candidates, plan.tolerance, plan.threads, plan.rounds, plan.timeout)
        done = self._carried_out(order.Order(self.name, model, sample, *how, built))
        if done.module_file and root in done.module_file.parents:
            sources |= compiled.digests(root, [str(done.module_file.relative_to(root))])
        report = done.report.with_sources(sources)
        kept = _kept(report, plan.save)
        if kept is None:
            return report
        forms = [built / f"{candidate}{SUFFIXES[candidate]}" for candidate in kept]
        return saving.save(report, forms, compiled.folder(self.project, self.name), root)

    def _carried_out(self, wanted: order.Order) -> order.Done:
        """Compile in this process, or in one of the Python that has torch."""
        if self.python.here:
            return order.carry_out(wanted, self.listener)
        from mardock.handler.child import Child

        answer = self.folder / "answer"
        with Child(order.prepare, order.work, python=self.python.program) as child:
            code = child.run(wanted, child.mouth, answer, hear=self.listener.note)
        if child.interrupted:
            raise KeyboardInterrupt
        return order.read(answer, code)

    def _sample(self, folder: Path) -> order.Sample:
        """Return the sample inputs: of the shapes given, else what the handler leaves in `folder`."""
        if self.plan.shapes:
            return order.Sample(self.plan.shapes, self.plan.dtypes)
        if self.plan.dtypes:
            raise ConfigError(
                "--dtype without --input-shape", hint="the sample has types of its own: leave out --dtype"
            )
        if self.settings is None:
            raise ConfigError(
                f"there is no sample input for {self.name}", hint="give its shape: --input-shape 1x3x224x224"
            )
        folder.mkdir()
        left = compile_sample.of_handler(
            self.project, self.name, self.settings, folder, self.plan.batch, self.python, self.listener
        )
        return order.Sample(file=left)

    def _model(self, folder: Path) -> tuple[order.Model, list[str]]:
        """Return how to load the model, its archive unpacked into `folder` unless it is a module, and its files."""
        root = self.project.root
        if self.plan.module is not None:
            known = compiled.sources(self.settings.archive, root) if self.settings else []
            found = order.Model(module=self.plan.module, folders=[root / "src", root])
            return found, [file for file in known if (root / file).exists()]
        assert self.settings is not None
        return _unpacked(root, self.settings, folder)


def _unpacked(root: Path, settings: ModelSettings, folder: Path) -> tuple[order.Model, list[str]]:
    from mardock.archive import manifest
    from mardock.handler.worker_process import unpack

    spec = settings.archive
    if spec.serialized_file is None:
        raise ConfigError(
            f"the archive of {spec.model_name} names no serialized_file to load",
            hint="name what makes the model: --module package.module:factory",
        )
    if settings.train and not (root / spec.serialized_file).exists():
        raise ConfigError(f"there is no {spec.serialized_file} yet", hint=f"mardock train {spec.model_name}")
    members = {member.name: member.content or member.path for member in spec.resolve(root)}
    unpack(folder, members, manifest.render(spec))
    model_file = folder / Path(spec.model_file).name if spec.model_file else None
    return order.Model(folder / Path(spec.serialized_file).name, model_file), compiled.sources(spec, root)


def _kept(report: CompileReport, save: Optional[str]) -> Optional[list[str]]:
    """Return the candidates to save; None when what was saved before is to stay."""
    if save is None:
        return None
    if save == ALL:
        return [candidate.name for candidate in report.candidates if candidate.packable]
    if save == WINNER:
        return [report.winner.name] if report.winner else []
    return [save] if report.candidate(save).packable else None
