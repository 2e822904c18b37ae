"""What `mardock compile --save` left in `artifacts/compiled/`, archived for as long as it belongs to the weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.compile.report import WINNER, CandidateReport, CompileReport, read_report
from mardock.compile.saving import REPORT_NAME, sha256
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.archive.spec import ArchiveSpec
    from mardock.settings.project import Project


def folder(project: Project, model: str) -> Path:
    """Return where a model's compiled candidates and their report are kept."""
    return project.model_store / "compiled" / model


def report_file(project: Project, model: str) -> Path:
    """Return the report that is kept with them."""
    return folder(project, model) / REPORT_NAME


def digests(root: Path, files: Sequence[str]) -> dict[str, str]:
    """Return the sha256 of each file by its path relative to the project's root.

    Raises:
        ConfigError: one cannot be read.
    """
    try:
        return {file: sha256(root / file) for file in files}
    except OSError as error:
        raise ConfigError(f"cannot read {error.filename}: {error.strerror}", hint="train the model first") from error


def sources(spec: ArchiveSpec, root: Path) -> list[str]:
    """Return the files a model is made from: its class, what that may import, and its weights."""
    own = [file for file in (spec.model_file, spec.serialized_file) if file is not None]
    modules = spec.python_sources(root) if spec.model_file and spec.code else {}
    packaged = [path for name, path in modules.items() if spec.is_packaged(name) and name != spec.handler_member]
    return [*own, *(path for path in packaged if path not in own)]


def spec_of(project: Project, model: str, name: str) -> ArchiveSpec:
    """Return the model's archive with a saved candidate instead of its state dict and class, and with the report.

    Raises:
        ConfigError: it was not saved, did not answer as eager does, or was made from other weights or code.
    """
    spec = project.settings.models[model].archive
    kept = report_file(project, model)
    again = f"mardock compile {model} --save{'' if name == WINNER else f' {name}'}"
    if not kept.exists():
        raise ConfigError(f"{model} was not compiled yet", hint=again)
    report = read_report(kept)
    if report.sources != digests(project.root, list(report.sources)):
        raise ConfigError(f"{model} was compiled from other weights or code than there are now", hint=again)
    chosen = _chosen(report, name)
    if chosen.file is None:
        raise ConfigError(f"{model}: {chosen.name} was not saved", hint=f"mardock compile {model} --save {chosen.name}")
    if digests(project.root, [chosen.file])[chosen.file] != chosen.sha256:
        raise ConfigError(f"{chosen.file} is not the file that was verified", hint=again)
    if chosen.file.endswith(".so"):
        spec = dataclasses.replace(spec, config_file=_config_for_library(project.root, spec.config_file, kept.parent))
    extra = (*spec.extra_files, str(kept.relative_to(project.root)))
    return dataclasses.replace(spec, model_file=None, serialized_file=chosen.file, extra_files=extra)


def servable(project: Project, model: str) -> dict[str, ArchiveSpec]:
    """Return the model's archive as each compiled candidate that was saved, is servable and answers as eager does.

    Raises:
        ConfigError: there is none; see `spec_of`.
    """
    kept = report_file(project, model)
    if not kept.exists():
        raise ConfigError(f"{model} was not compiled yet", hint=f"mardock compile {model} --save all")
    usable = [c.name for c in read_report(kept).candidates if c.verified and c.servable and c.file is not None]
    if not usable:
        raise ConfigError(f"no compiled candidate of {model} was saved", hint=f"mardock compile {model} --save all")
    return {candidate: spec_of(project, model, candidate) for candidate in usable}


def _config_for_library(root: Path, config_file: Optional[str], kept: Path) -> str:
    """Write the model's configuration with what makes BaseHandler load a shared library, and return its path."""
    import yaml

    text = (root / config_file).read_text(encoding="utf-8-sig") if config_file else ""
    if "pt2" in (yaml.safe_load(text) or {}):
        raise ConfigError(
            f"{config_file} has settings under pt2 already", hint="take them out, or name another candidate"
        )
    target = kept / "model-config.yaml"
    target.write_text(f"{text.rstrip()}\npt2:\n  export:\n    aot_compile: true\n".lstrip(), encoding="utf-8")
    return str(target.relative_to(root))


def _chosen(report: CompileReport, name: str) -> CandidateReport:
    """Return the candidate of that name, or the fastest of those that were saved and answer as eager does."""
    if name != WINNER:
        found = report.candidate(name)
        failure = refusal(report, found)
        if failure:
            raise failure
        return found
    saved = [candidate for candidate in report.candidates if candidate.file is not None and candidate.verified]
    if not saved:
        raise ConfigError(
            f"nothing that can be served was faster than eager for {report.model}",
            hint=f"archive it as it is (mardock archive {report.model}), or save a candidate by its name",
        )
    return min(saved, key=lambda candidate: candidate.median_s or 0.0)


def refusal(report: CompileReport, candidate: CandidateReport) -> Optional[ConfigError]:
    """Return why a candidate must not be served in the model's place; None when it may be."""
    if candidate.packable:
        return None
    others = ", ".join(other.name for other in report.candidates if other.packable)
    hint = f"what can be packed: {others}" if others else "archive the model as it is"
    if candidate.agrees:
        return ConfigError(f"{report.model}: TorchServe loads no file of {candidate.name}", hint=hint)
    difference = f", largest difference {candidate.max_difference:.2g}" if candidate.max_difference else ""
    return ConfigError(
        f"{report.model}: {candidate.name} is not packed: {candidate.status}: {candidate.reason}{difference}",
        hint=hint,
    )
