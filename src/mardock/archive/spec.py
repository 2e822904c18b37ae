"""What goes into a model archive: the spec a project writes and the files it resolves to."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from mardock.archive import model_config
from mardock.archive.members import Collector, SourceFile
from mardock.archive.names import check_model_name, check_version
from mardock.archive.torch_model_archiver import default_handlers
from mardock.errors import ConfigError

RUNTIMES = ("python", "python3")


@dataclass(frozen=True)
class ArchiveSpec:
    """One model archive, in the words of `torch-model-archiver`; every path is relative to the project's root.

    Args:
        model_name: the name of the model and of the `.mar`.
        handler: a path to a `.py`, optionally `path.py:function`, or the name of one of TorchServe's own handlers.
        version: the model's version.
        model_file: the `.py` that holds the model's one class; needed when `serialized_file` is a state dict.
        serialized_file: the weights: a state dict or a TorchScript.
        extra_files: files, globs, or folders whose contents are added to the archive's root.
        requirements_file: what TorchServe is to `pip install` for this model.
        config_file: the model's `model-config.yaml`.
        runtime: `python` or `python3`.
    """

    model_name: str
    handler: str
    version: str = "1.0"
    model_file: Optional[str] = None
    serialized_file: Optional[str] = None
    extra_files: tuple[str, ...] = ()
    requirements_file: Optional[str] = None
    config_file: Optional[str] = None
    runtime: str = "python"

    @property
    def handler_file(self) -> Optional[str]:
        """The handler's path, or None when it is one of TorchServe's own."""
        path, _, _ = self.handler.partition(":")
        if path.endswith(".py"):
            return path
        return None if self.handler in default_handlers() else f"{path}.py"

    @property
    def handler_function(self) -> Optional[str]:
        """The function named after the colon of `path.py:function`, or None."""
        return self.handler.partition(":")[2] or None

    def resolve(self, root: Path) -> tuple[SourceFile, ...]:
        """Find every file of the archive below `root`, sorted by member name; the manifest is not among them.

        Raises:
            ConfigError: a name is not allowed, or files are missing, lie outside of `root`, are no regular files or
                would share a member name: all of them are listed at once.
        """
        check_model_name(self.model_name)
        check_version(self.version)
        if self.runtime not in RUNTIMES:
            raise ConfigError(f"runtime {self.runtime!r} is not one of {', '.join(RUNTIMES)}")
        collector = self._collected(root)
        if collector.faults:
            raise ConfigError(
                f"the files of model {self.model_name!r} cannot be archived: {collector.faults[0]}"
                + (f" (and {len(collector.faults) - 1} more)" if len(collector.faults) > 1 else ""),
                details="\n".join(collector.faults),
                hint=self._hint(collector),
            )
        return collector.members()

    def python_sources(self, root: Path) -> dict[str, str]:
        """Return the project's path of each Python member there is, by the member's name; for tracebacks."""
        members = self._collected(root).members()
        real = os.path.realpath(root)
        return {member.name: str(member.path.relative_to(real)) for member in members if member.name.endswith(".py")}

    def _collected(self, root: Path) -> Collector:
        collector = Collector(Path(os.path.realpath(root)))
        for field in ("serialized_file", "model_file", "handler_file", "requirements_file", "config_file"):
            path = getattr(self, field)
            if path is not None:
                collector.add_file(field.replace("handler_file", "handler"), Path(path))
        for entry in self.extra_files:
            collector.add_extra(entry)
        return collector

    def _hint(self, collector: Collector) -> str:
        if self.handler_file in collector.missing and ".py" not in self.handler:
            return f"give the handler's .py or one of TorchServe's handlers: {', '.join(default_handlers())}"
        if self.serialized_file in collector.missing:
            return "train the model first, or correct serialized_file"
        return f"correct the paths of model {self.model_name!r}; they are relative to the project's root"


@dataclass(frozen=True)
class CompletedSpec(ArchiveSpec):
    """An archive whose model-config.yaml, when it has one, is completed with what TorchServe reads nowhere else then.

    Args:
        completion: keys and values for what the file itself does not set.
    """

    completion: tuple[tuple[str, int], ...] = ()

    def resolve(self, root: Path) -> tuple[SourceFile, ...]:
        """Find every file of the archive, with the file's content where that is not what lies there; see above."""
        found = super().resolve(root)
        name = Path(self.config_file).name if self.config_file else None
        return tuple(self._completed(source) if source.name == name else source for source in found)

    def _completed(self, source: SourceFile) -> SourceFile:
        try:
            before = source.path.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read {self.config_file}: {error.strerror}") from error
        after = model_config.completed(before, dict(self.completion))
        return source if after == before else replace(source, content=after)
