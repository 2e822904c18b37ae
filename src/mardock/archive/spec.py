"""What goes into a model archive: the spec a project writes and the files it resolves to."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Optional

from mardock import place
from mardock.archive import ignore, model_config
from mardock.archive.ignore import IgnoreRule
from mardock.archive.members import Collector, Ignored, SourceFile
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
        code: packages and modules to import: folders and `.py` files that lie beside the handler under their own name.
        extra_files: files, globs, or folders whose contents are added to the archive's root.
        requirements_file: what TorchServe is to `pip install` for this model.
        config_file: the model's `model-config.yaml`.
        runtime: `python` or `python3`.
        allow_outside: whether files may lie outside of the git repository around the project; see `boundary`.
    """

    model_name: str
    handler: str
    version: str = "1.0"
    model_file: Optional[str] = None
    serialized_file: Optional[str] = None
    code: tuple[str, ...] = ()
    extra_files: tuple[str, ...] = ()
    requirements_file: Optional[str] = None
    config_file: Optional[str] = None
    runtime: str = "python"
    allow_outside: bool = False

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

    @property
    def handler_member(self) -> Optional[str]:
        """The handler's name in the archive: in the root, or where `code` brings it with its package."""
        if self.handler_file is None:
            return None
        path = PurePath(os.path.normpath(self.handler_file))
        for entry in self.code:
            folder = PurePath(os.path.normpath(entry))
            if folder in path.parents:
                return (folder.name / path.relative_to(folder)).as_posix()
        return path.name

    @property
    def handler_module(self) -> Optional[str]:
        """What a worker imports of the archive: `handler`, or `mylib.handler`; None when it is one of TorchServe's."""
        return None if self.handler_member is None else self.handler_member[: -len(".py")].replace("/", ".")

    def is_packaged(self, member: str) -> bool:
        """Say whether a member comes with a package of `code`, where files may lie that nobody imports."""
        return member.partition("/")[0] in {PurePath(os.path.normpath(entry)).name for entry in self.code}

    def resolve(self, root: Path) -> tuple[SourceFile, ...]:
        """Find every file of the archive below `root`, sorted by member name; the manifest is not among them.

        Raises:
            ConfigError: a name is not allowed, or files are missing, lie where they may not (see `boundary`), are no
                regular files, would share a member name or hide each other: all of them are listed at once.
        """
        return self.look(root)[0]

    def look(self, root: Path) -> tuple[tuple[SourceFile, ...], tuple[Ignored, ...]]:
        """Find every file as `resolve` does, and what is ignored on the way; raises like it."""
        check_model_name(self.model_name)
        check_version(self.version)
        if self.runtime not in RUNTIMES:
            raise ConfigError(f"runtime {self.runtime!r} is not one of {', '.join(RUNTIMES)}")
        collector = self._collected(root, ignore.of_project(root))
        if collector.faults:
            raise ConfigError(
                f"the files of model {self.model_name!r} cannot be archived: {collector.faults[0]}"
                + (f" (and {len(collector.faults) - 1} more)" if len(collector.faults) > 1 else ""),
                details="\n".join(collector.faults),
                hint=self._hint(collector),
            )
        return collector.members(), tuple(dict.fromkeys(collector.ignored))

    def python_sources(self, root: Path) -> dict[str, str]:
        """Return the project's path of each Python member there is, by the member's name; for tracebacks."""
        members = self._collected(root, ignore.of_project_or_built_in(root)).members()
        real = os.path.realpath(root)
        return {member.name: os.path.relpath(member.path, real) for member in members if member.name.endswith(".py")}

    def beyond(self, root: Path) -> tuple[Path, ...]:
        """Return the real paths of what is to be had from outside of the project's folder, whether it can be or not."""
        found = self._collected(root, ignore.of_project_or_built_in(root))
        faulty = (Path(os.path.realpath(root / path)) for path in sorted(found.outside | found.missing))
        members = (member.path for member in found.members())
        return tuple(path for path in (*faulty, *members) if found.root not in path.parents)

    def _collected(self, root: Path, rule: IgnoreRule) -> Collector:
        collector = Collector(Path(os.path.realpath(root)), rule, allow_outside=self.allow_outside)
        for field in ("serialized_file", "model_file", "requirements_file", "config_file"):
            path = getattr(self, field)
            if path is not None:
                collector.add_file(field, Path(path))
        if self.handler_file is not None:
            collector.add_file("handler", Path(self.handler_file), self.handler_member)
        for entry in self.code:
            collector.add_code(entry)
        for entry in self.extra_files:
            collector.add_extra(entry)
        model_file = PurePath(self.model_file).name if self.model_file else None
        collector.check_root({"handler": self.handler_member, "model_file": model_file})
        return collector

    def _hint(self, collector: Collector) -> str:
        if collector.mend:
            return collector.mend
        if self.handler_file in collector.missing and ".py" not in self.handler:
            return f"give the handler's .py or one of TorchServe's handlers: {', '.join(default_handlers())}"
        if collector.outside and not collector.missing:
            return self._way_in()
        if self.serialized_file in collector.missing:
            return "train the model first, or correct serialized_file"
        if not collector.missing:
            return f"rename it, or change [models.{self.model_name}.archive] in mardock.toml"
        return f"correct the paths of model {self.model_name!r}; they are relative to the project's root"

    def _way_in(self) -> str:
        """Return what mends that files lie where they may not."""
        if place.inside():
            return (
                f"copy it into the project; or, outside of the container, mardock archive {self.model_name} packs it,"
                " and --engine native runs all else without containers"
            )
        return (
            "copy it into the project, or, if it is meant to be taken from there, set allow_outside = true under"
            f" [models.{self.model_name}.archive]"
        )


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
