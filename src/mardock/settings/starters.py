"""Models to start from, one of each kind: their files and their tables in mardock.toml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mardock.archive.names import check_model_name
from mardock.errors import ConfigError
from mardock.spelling import did_you_mean

KINDS = ("text", "image", "tabular", "detection", "huggingface", "generative")

_FILES = Path(__file__).with_name("starter_files")
_EVERY_KIND = "every_kind"
_TEST = "test_model.py"


@dataclass(frozen=True)
class Starter:
    """A model that can be trained, archived and served as it is, and is then made one's own.

    Attributes:
        files: what to write, by its path relative to the project.
        table: the model's tables, as text of mardock.toml.
    """

    files: dict[str, bytes]
    table: str


def starter(kind: str, model: str) -> Starter:
    """Return the files and the tables of a new model.

    Everything a person reads lies in `torchserve/MODEL`, where `mardock try` keeps its expected answers, too.

    Args:
        kind: one of `KINDS`.
        model: the name it is to have.

    Raises:
        ConfigError: there is no such kind, or no model may have that name.
    """
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS) or f"choose one of {', '.join(KINDS)}"
        raise ConfigError(f"there is no handler of the kind {kind!r} to start from", hint=hint)
    check_model_name(model)
    found = {file.name: file.read_bytes() for name in (_EVERY_KIND, kind) for file in sorted(_files(name))}
    # Each test with a name of its own, for pytest refuses two of the same in folders that are no packages.
    tests = {_TEST: f"test_{re.sub('[^A-Za-z0-9]', '_', model)}.py"}
    files = {f"torchserve/{model}/{tests.get(name, name)}": content for name, content in found.items()}
    return Starter(files, _table(model, sorted(found)))


def _files(folder: str) -> list[Path]:
    return [path for path in (_FILES / folder).iterdir() if path.is_file()]


def _table(model: str, names: list[str]) -> str:
    """Write the tables from what kinds of files there are, for every kind of model names them alike."""
    key = model if re.fullmatch(r"[A-Za-z0-9_-]+", model) else f'"{model}"'
    folder = f"torchserve/{model}"
    sample = next(name for name in names if name.startswith("sample."))
    script = "model.py" if "model.py" in names else "make_model.py"
    written, outputs, archived = _pretrained(model) if script == "make_model.py" else _weights(model, names)
    return "\n".join(
        [
            f"[models.{key}]",
            f'sample = "{folder}/{sample}"  # what `mardock try` and `mardock predict` send when no file is named',
            "",
            f"[models.{key}.train]",
            f"command = {_array('python', f'{folder}/{script}', written)}",
            f"inputs = {_array(f'{folder}/{script}')}",
            f"outputs = {_array(*outputs)}",
            "",
            f"[models.{key}.archive]",
            'version = "1.0"',
            f'handler = "{folder}/handler.py"',
            *archived,
            "",
            f"[models.{key}.serving]",
            "batch_size = 8  # most requests the handler gets at once",
            "max_batch_delay = 10  # ms to wait for more of them",
            "",
        ]
    )


def _weights(model: str, names: list[str]) -> tuple[str, list[str], list[str]]:
    """Return what training writes, its outputs and how they are archived: weights, for a network of the project's."""
    folder, weights = f"torchserve/{model}", f"artifacts/{model}.pt"
    data = [f"{folder}/{name}" for name in names if name.endswith(".json") and not name.startswith("sample.")]
    archived = [f'model_file = "{folder}/model.py"', f'serialized_file = "{weights}"']
    return weights, [weights], [*archived, *([f"extra_files = {_array(*data)}"] if data else [])]


def _pretrained(model: str) -> tuple[str, list[str], list[str]]:
    """Return the same for what save_pretrained writes, a folder whose files the handler finds in the archive's root."""
    folder = f"artifacts/{model}-pretrained"
    # Whoever trains and tries it needs the packages, too, which nothing installs for them.
    requirements = f'requirements_file = "torchserve/{model}/requirements.txt"  # pip install -r it here, too'
    archived = [f"extra_files = {_array(folder)}", requirements]
    return folder, [f"{folder}/config.json", f"{folder}/model.safetensors"], archived


def _array(*items: str) -> str:
    return "[" + ", ".join(f'"{item}"' for item in items) + "]"
