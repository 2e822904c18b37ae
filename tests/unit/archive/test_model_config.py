"""What a model-config.yaml may say: TorchServe drops the rest with a warning nobody reads."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, Optional

import pytest

from mardock.archive.model_config import read_model_config
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
        ("", {}),
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


def test_it_wins_over_the_projects_settings(tmp_path: Path) -> None:
    path = archive(tmp_path, "minWorkers: 2\nbatchSize: 8\nstartupTimeout: 7\n").path
    wanted = prepare(Servable(path, Serving(initial_workers=1, batch_size=2, response_timeout=9)))
    assert wanted.serving == Serving(initial_workers=2, batch_size=8, response_timeout=9, startup_timeout=7)
