"""A row, or a list of rows, as JSON in; the probability for each out.

A row is an object with the columns of columns.json: {"age": 41, "monthly_spend": 9.5, "plan": "basic"}. A value that is
null or left out is missing, and the model makes do without it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from ts.torch_handler.base_handler import BaseHandler


def read_rows(request: dict[str, Any]) -> Any:
    """Return the JSON a request carries: TorchServe has parsed what came as application/json, and nothing else.

    Raises:
        ValueError: it is no JSON.
    """
    body = request.get("data") or request.get("body")
    if isinstance(body, (str, bytes, bytearray)):
        try:
            return json.loads(body)
        except (RecursionError, ValueError) as error:
            raise ValueError(f"the request is no JSON: {error}") from error
    return body


class TabularHandler(BaseHandler):  # type: ignore[misc]  # TorchServe has no types
    """Reads one batch of requests; one with rows that cannot be read is answered 400 and leaves the others alone.

    The device and the weights are BaseHandler's work.
    """

    def initialize(self, context: Any) -> None:
        """Load the model, and the columns it was trained on."""
        super().initialize(context)
        columns = json.loads((Path(context.system_properties["model_dir"]) / "columns.json").read_text("utf-8"))
        self.numbers: list[str] = columns["numbers"]
        self.categories: dict[str, list[str]] = columns["categories"]

    def preprocess(self, requests: list[dict[str, Any]]) -> torch.Tensor:
        """Turn the rows of all requests into one matrix [rows, columns], which the model computes at once."""
        self.refusals: dict[int, Any] = {}
        self.asked: list[Any] = []  # what each request holds: postprocess deals the answers out in the same way
        matrix: list[list[float]] = []
        for index, request in enumerate(requests):
            try:
                asked = read_rows(request)
                matrix += [self.encode(row) for row in (asked if isinstance(asked, list) else [asked])]
            except (OverflowError, ValueError) as error:
                self.refuse(index, str(error))
                asked = []
            self.asked.append(asked)
        return torch.tensor(matrix).reshape(len(matrix), len(self.numbers) + len(self.categories))

    def postprocess(self, probabilities: torch.Tensor) -> list[Any]:
        """Turn probabilities [rows] into an answer per request: one for a row, a list for a list."""
        # NaN is no JSON: what the model cannot tell is null.
        results = iter([{"probability": p if math.isfinite(p) else None} for p in probabilities.tolist()])
        answers = [[next(results) for _ in asked] if isinstance(asked, list) else next(results) for asked in self.asked]
        return [self.refusals.get(index, answer) for index, answer in enumerate(answers)]

    def encode(self, row: Any) -> list[float]:
        """Turn a row into the model's columns: numbers as they are, a category as its place, NaN for what is missing.

        Raises:
            ValueError: it is no row, or a value is none of its column's.
        """
        if not isinstance(row, dict):
            raise ValueError(f"a row is a JSON object, not {json.dumps(row)}")
        unknown = sorted(set(row) - set(self.numbers) - set(self.categories))
        if unknown:
            raise ValueError(f"unknown columns: {', '.join(unknown)}")
        numbers = [self.number(name, row.get(name)) for name in self.numbers]
        return numbers + [self.category(name, row.get(name)) for name in self.categories]

    def number(self, name: str, value: Any) -> float:
        """Return the value of a column of numbers."""
        if value is None:
            return math.nan
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name} is a number, not {json.dumps(value)}")
        return float(value) if math.isfinite(value) else math.nan

    def category(self, name: str, value: Any) -> float:
        """Return the place of a value among those of its column."""
        known = self.categories[name]
        if value is None:
            return math.nan
        if value not in known:
            raise ValueError(f"{name} is one of {', '.join(known)}, not {json.dumps(value)}")
        return float(known.index(value))

    def refuse(self, index: int, message: str) -> None:
        """Answer one request of the batch with 400, in the shape of TorchServe's own errors."""
        self.context.set_response_status(400, "Bad Request", index)
        self.refusals[index] = {"code": 400, "type": "BadRequestException", "message": message}
