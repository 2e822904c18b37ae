"""A handler that uses what else is in its archive: a module in a folder, a text file, a value of model-config.yaml."""

import json
from pathlib import Path

import torch
from deep.rounding import rounded
from ts.torch_handler.base_handler import BaseHandler


class OwnHandler(BaseHandler):
    def preprocess(self, requests):
        return torch.tensor([json.loads(bytes(request["body"])) for request in requests], dtype=torch.float32)

    def postprocess(self, output):
        unit = Path(self.context.system_properties["model_dir"], "unit.txt").read_text(encoding="utf-8").strip()
        factor = self.context.model_yaml_config["handler"]["factor"]
        return [f"{rounded(row.sum().item() * factor)} {unit}" for row in output]
