"""A flat in, its price out: JSON both. What a flat is, the library says."""

from __future__ import annotations

import json
from typing import Any

import torch
from features import Flat, encode
from ts.torch_handler.base_handler import BaseHandler

NOBODY = Flat(0, 0, 0, "")


class PriceHandler(BaseHandler):  # type: ignore[misc]  # TorchServe has no types
    """Prices a batch of flats; what is no flat is refused and leaves its neighbours alone."""

    def preprocess(self, requests: list[dict[str, Any]]) -> torch.Tensor:
        """Turn N requests into features [N, features]."""
        self.refusals: dict[int, str] = {}
        return torch.tensor([encode(self.read(index, request)) for index, request in enumerate(requests)])

    def read(self, index: int, request: dict[str, Any]) -> Flat:
        """Return the flat of a request, or one that nobody asked about."""
        body = request.get("data") or request.get("body")
        try:
            return Flat.parse(body if isinstance(body, dict) else json.loads(body or b""))
        except ValueError as error:
            self.context.set_response_status(400, "Bad Request", index)
            self.refusals[index] = str(error)
            return NOBODY

    def postprocess(self, prices: torch.Tensor) -> list[dict[str, Any]]:
        """Turn prices [N, 1] into N answers."""
        answers: list[dict[str, Any]] = []
        for index, price in enumerate(prices.squeeze(1).tolist()):
            answers.append({"error": self.refusals[index]} if index in self.refusals else {"price": round(price)})
        return answers
