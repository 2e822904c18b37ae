"""What a model-config.yaml may say: TorchServe drops the rest with a warning nobody reads."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, Optional

import pytest

from mardock.archive.model_config import completed, parse, read_model_config
from mardock.archive.read import ModelArchive, read
from mardock.errors import ArchiveError
from mardock.serving.servable import Servable, prepare
from mardock.settings.schema import Serving


def archive(folder: Path, config: Optional[str]) -> ModelArchive:
    model = {"modelName": "mnist", "modelVersion": "1.0", "handler": "handler.py"}
    with zipfile.ZipFile(folder / "mnist.mar", "w") as file:
        file.writestr("handler.py", "")
        if config is not None:
            model["configFile"] = "model-config.yaml"
            file.writestr("model-config.yaml", config)
        file.writestr("MAR-INF/MANIFEST.json", json.dumps({"runtime": "python", "model": model}))
    return read(folder / "mnist.mar")


@pytest.mark.parametrize(
    ("text", "config"),
    [
        (None, {}),
        ("{}", {}),
        ("minWorkers: 0\n", {"minWorkers": 0}),
        ("deviceType: CPU\nparallelType: PpTp\n", {"deviceType": "CPU", "parallelType": "PpTp"}),
        ("\ufeffbatchSize: 3\n", {"batchSize": 3}),
        ("batchSize: 0x10\n", {"batchSize": 16}),
        ("batchSize: 3\n<<: {batchSize: 4}\n", {"batchSize": 3}),
        ("handler:\n  3: cat\n  no: 4\n", {"handler": {3: "cat", False: 4}}),
        ("torchrun:\n  nproc-per-node: 2\n", {"torchrun": {"nproc-per-node": 2}}),
        ("minWorkers: 1\nmaxWorkers: 4\n", {"minWorkers": 1, "maxWorkers": 4}),
        ("deviceType: gpu\ndeviceIds: [0, 1]\n", {"deviceType": "gpu", "deviceIds": [0, 1]}),
        ("handler:\n  top_k: 5\nthreshold: 0.5\n", {"handler": {"top_k": 5}, "threshold": 0.5}),
    ],
)
def test_what_is_sound_is_returned_with_the_handlers_own_keys(
    tmp_path: Path, text: Optional[str], config: dict[str, Any]
) -> None:
    assert read_model_config(archive(tmp_path, text)) == config


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("batchSize: '4'", "batchSize must be a whole number from 1 on, not '4'"),
        ("batchSize: 0", "batchSize must be a whole number from 1 on, not 0"),
        ("minWorkers: true", "minWorkers must be a whole number from 0 on, not True"),
        ("maxBatchDelay: 1.5", "maxBatchDelay must be a whole number"),
        ("useVenv: 'yes'", "useVenv must be true or false"),
        (
            "minWorkers: 4.0",
            "model-config.yaml:1:13 of model mnist: minWorkers must be a whole number from 0 on, not 4.0",
        ),
        ("minWorkers:", "minWorkers must be a whole number from 0 on, not None"),
        ("responseTimeout: 3000000000", "responseTimeout must be a whole number of 2147483647 at most"),
        ("a: 1\nstartupTimeout: -1", "model-config.yaml:2:17 of model mnist: startupTimeout must be"),
        ("parallelType: dp", "parallelType must be one of pp, tp, pptp, custom, not 'dp'"),
        ("deviceIds: [0, -1]", "deviceIds must be a list of whole numbers"),
        ("torchrun: 2", "torchrun must be a mapping, not 2"),
        ("torchrun:\n  1: 2", "model-config.yaml:2:3 of model mnist: unknown key torchrun.1"),
        ("torchrun:\n  nnodes: two", "torchrun.nnodes must be a whole number from 1 on, not 'two'"),
        ("batchSize: 2\nbatchSize: 4", "model-config.yaml:2:1 of model mnist: batchSize is set twice, first on line 1"),
        ("0: cat", "model-config.yaml:1:1 of model mnist: the key 0 is read as int, not as text"),
        ("no: 3", "the key no is read as bool"),
        ("", "sets nothing"),
        ("# all comments\n", "sets nothing"),
        ("hello", "model-config.yaml:1:1 of model mnist is not a mapping"),
        ("a:\n\t- 1", "model-config.yaml:2:1 of model mnist is not YAML: a tab stands where YAML takes spaces alone"),
        ("a: 1\n---\nb: 1", "is not YAML: but found another document"),
        ("day: 2026-13-45", "is not YAML: month must be in 1..12"),
        ("a: !!python/object:os.system {}", "is not YAML"),
        ("a: " + "[" * 52 + "]" * 52, "is nested deeper than the 51 levels TorchServe reads"),
        ("deviceType: tpu", "deviceType must be one of cpu, gpu"),
        ("deviceIds: 0", "deviceIds must be a list of whole numbers"),
        ("batch_size: 4", "unknown key batch_size; did you mean batchSize?"),
        ("minworker: 4", "unknown key minworker; did you mean minWorkers?"),
        ("minWorkers: 3\nmaxWorkers: 2", "minWorkers 3 is more than maxWorkers 2"),
        ("[1, 2]", "is not a mapping"),
        ("a: [", "is not YAML"),
        ("batchSize: [", "is not YAML"),
    ],
)
def test_what_torchserve_would_drop_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ArchiveError) as refused:
        read_model_config(archive(tmp_path, text))
    assert fault in refused.value.message


def test_every_fault_is_told_at_once_and_the_first_with_what_mends_it(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as refused:
        read_model_config(archive(tmp_path, "batchSize: '4'\nuseVenv: 1\n"))
    assert refused.value.hint == "write batchSize: 4"
    assert refused.value.details == "model-config.yaml:2:10 of model mnist: useVenv must be true or false, not 1"


@pytest.mark.parametrize("text", ["batchSize: 4 # \xe9".encode("latin-1"), "batchSize: 4".encode("utf-16")])
def test_what_is_not_utf_8_is_refused(text: bytes) -> None:
    with pytest.raises(ArchiveError, match="is not UTF-8 text"):
        parse(text, "model-config.yaml", "mnist")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("batchSize: 4", "batchSize: 4\n# From mardock.toml:\nstartupTimeout: 300\n"),
        ("# mine\r\nbatchSize: 4\r\n", "# mine\r\nbatchSize: 4\r\n# From mardock.toml:\nstartupTimeout: 300\n"),
        ("startupTimeout: 7\n", "startupTimeout: 7\n"),
        ("{batchSize: 4}\n", "batchSize: 4\nstartupTimeout: 300\n"),
        ("  batchSize: 4\n", "batchSize: 4\nstartupTimeout: 300\n"),
        ("batchSize: 4\n...\n", "batchSize: 4\nstartupTimeout: 300\n"),
        ("- no mapping\n", "- no mapping\n"),
        ("a: [\n", "a: [\n"),
    ],
)
def test_what_it_does_not_set_is_added_and_the_rest_stays(text: str, after: str) -> None:
    assert completed(text.encode(), {"startupTimeout": 300}).decode() == after


def test_it_wins_over_the_projects_settings(tmp_path: Path) -> None:
    path = archive(tmp_path, "minWorkers: 2\nbatchSize: 8\nstartupTimeout: 7\n").path
    wanted = prepare(Servable(path, Serving(initial_workers=1, batch_size=2, response_timeout=9)))
    assert wanted.serving == Serving(initial_workers=2, batch_size=8, response_timeout=120, startup_timeout=7), (
        "TorchServe takes 120 s where the file names no time-out, whatever it is asked for"
    )


def test_the_command_line_wins_over_it(tmp_path: Path) -> None:
    path = archive(tmp_path, "minWorkers: 2\nmaxWorkers: 2\n").path
    assert prepare(Servable(path, Serving(), workers=3)).serving.initial_workers == 3
