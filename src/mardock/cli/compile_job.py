"""From a model's name to its report: sample inputs, the model itself, the candidates, what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from mardock.cli import compile_sample, compiled, console, scratch
from mardock.cli.candidate_option import ALL, WINNER
from mardock.compile.report import CompileReport, Tolerance
from mardock.errors import ArchiveError, ConfigError

if TYPE_CHECKING:
    from mardock.compile.source import Source
    from mardock.settings.project import Project
    from mardock.settings.schema import ModelSettings


@dataclass(frozen=True)
class Options:
    """What the flags of `mardock compile` say; see its help."""

    module: Optional[str]
    shapes: tuple[str, ...]
    dtypes: tuple[str, ...]
    batch: int
    only: tuple[str, ...]
    also: tuple[str, ...]
    save: Optional[str]
    tolerance: Tolerance
    threads: Optional[int]
    rounds: int
    timeout: float


def run(project: Project, name: str, settings: Optional[ModelSettings], options: Options) -> CompileReport:
    """Compile one model of the project here and now, and save what was asked for.

    Raises:
        ConfigError: the model or its sample cannot be used, or there is no such candidate; see
            `session.compile_model`. One that was named and is not packable is no error here: nothing is saved then.
        ArchiveError: what is to be kept, or is needed meanwhile, cannot be written.
    """
    from mardock.compile import session
    from mardock.compile.candidates import CANDIDATES

    named = [options.save] if options.save not in (None, WINNER, ALL) else []
    candidates = session.chosen(options.only, (*options.also, *named))
    if any(not CANDIDATES[candidate].suffix for candidate in named):
        raise ConfigError(f"TorchServe loads no file of {named[0]}", hint=f"try it without --save: --only {named[0]}")
    try:
        with scratch.folder(project, "compile-") as folder:
            return _run(project, name, settings, options, candidates, folder)
    except OSError as error:
        raise ArchiveError(
            f"cannot compile {name} in {project.state}: {error.strerror or error}", hint=f"df {project.state}"
        ) from error


def _run(
    project: Project,
    name: str,
    settings: Optional[ModelSettings],
    options: Options,
    candidates: tuple[str, ...],
    folder: Path,
) -> CompileReport:
    from mardock.compile import saving, session
    from mardock.compile.candidates import CANDIDATES

    sample = _sample(project, name, settings, options, folder / "sample")
    source, files = _source(project, settings, options, folder / "model")
    sources = compiled.digests(project.root, files)  # of the weights that are loaded next, not of later ones
    built = folder / "built"
    built.mkdir()
    plan = session.Plan(candidates, options.tolerance, options.threads, options.rounds, options.timeout)
    report = session.compile_model(name, source.load, sample, plan, built, console)
    if source.module_file and project.root in source.module_file.parents:
        sources |= compiled.digests(project.root, [str(source.module_file.relative_to(project.root))])
    report = report.with_sources(sources)
    kept = _kept(report, options.save)
    if kept is None:
        return report
    forms = [built / f"{candidate}{CANDIDATES[candidate].suffix}" for candidate in kept]
    return saving.save(report, forms, compiled.folder(project, name), project.root)


def _sample(
    project: Project, name: str, settings: Optional[ModelSettings], options: Options, folder: Path
) -> Callable[[], tuple[Any, ...]]:
    """Return what makes the sample inputs: from the shapes given, else from what the handler leaves in `folder`."""
    from mardock.compile import sample

    if options.shapes:
        return partial(sample.of_shapes, options.shapes, options.dtypes)
    if options.dtypes:
        raise ConfigError("--dtype without --input-shape", hint="the sample has types of its own: leave out --dtype")
    if settings is None:
        raise ConfigError(f"there is no sample input for {name}", hint="give its shape: --input-shape 1x3x224x224")
    folder.mkdir()
    return partial(sample.read, compile_sample.of_handler(project, name, settings, folder, options.batch))


def _source(
    project: Project, settings: Optional[ModelSettings], options: Options, folder: Path
) -> tuple[Source, list[str]]:
    """Return how to load the model, its archive unpacked into `folder` unless it is a module, and its files."""
    from mardock.compile.source import Source

    root = project.root
    if options.module is not None:
        known = compiled.sources(settings.archive) if settings else []
        return Source(module=options.module, folders=[root / "src", root]), [f for f in known if (root / f).exists()]
    assert settings is not None
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
    unpack(folder, {member.name: member.path for member in spec.resolve(root)}, manifest.render(spec))
    model_file = folder / Path(spec.model_file).name if spec.model_file else None
    return Source(folder / Path(spec.serialized_file).name, model_file), compiled.sources(spec)


def _kept(report: CompileReport, save: Optional[str]) -> Optional[list[str]]:
    """Return the candidates to save; None when what was saved before is to stay."""
    if save is None:
        return None
    if save == ALL:
        return [candidate.name for candidate in report.candidates if candidate.packable]
    if save == WINNER:
        return [report.winner.name] if report.winner else []
    return [save] if report.candidate(save).packable else None
