"""Gives a worker the threads its model asks for, before the model is loaded."""

# Paths here are strings, as TorchServe hands them over.

from __future__ import annotations

import json
import os
import sys
from typing import Any, Optional

MODELS_VARIABLE = "MARDOCK_MODEL_THREADS"
KEY = "threadsPerWorker"
shares: dict[str, int] = {}
"""Threads by the name of a model that asks for none itself: told to the parent as it runs, inherited by its forks."""


def heed_models() -> None:
    """Have TorchServe's loader, which learns name and folder of the model first, set torch's threads."""
    module, torch = sys.modules.get("ts.model_loader"), sys.modules.get("torch")
    if module is None or torch is None:
        return
    load = module.TsModelLoader.load

    def load_with_threads(loader: Any, model_name: str, model_dir: str, *rest: Any) -> Any:
        threads = asked_for(model_name, model_dir)
        if threads is not None:
            torch.set_num_threads(threads)
        return load(loader, model_name, model_dir, *rest)

    module.TsModelLoader.load = load_with_threads


def asked_for(model_name: str, model_dir: str) -> Optional[int]:
    """Return what the model's model-config.yaml says, else what the server was told of it, at its start first."""
    told: dict[str, int] = json.loads(os.environ.get(MODELS_VARIABLE) or "{}")
    return _model_config(model_dir).get(KEY, told.get(model_name, shares.get(model_name)))


def _model_config(model_dir: str) -> dict[str, Any]:
    from ts.utils.util import get_yaml_config

    manifest = os.path.join(model_dir, "MAR-INF", "MANIFEST.json")
    if not os.path.exists(manifest):
        return {}
    with open(manifest, encoding="utf-8") as file:
        name = json.load(file)["model"].get("configFile")
    return (get_yaml_config(os.path.join(model_dir, name)) or {}) if name else {}
