"""The start of a proverb in, its end out: whole, or letter by letter.

The start is the request's body, or JSON: {"start": "...", "stream": true}.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from ts.handler_utils.utils import send_intermediate_predict_response

from .model import ProverbNet, encode, finish

MOST = 60


class ProverbHandler:
    """Finishes the proverbs of a batch, one after another."""

    def initialize(self, context: Any) -> None:
        """Load the weights, which lie in the archive's root."""
        weights = Path(context.system_properties["model_dir"]) / context.manifest["model"]["serializedFile"]
        self.model = ProverbNet()
        self.model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.model.eval()

    def handle(self, requests: list[dict[str, Any]], context: Any) -> list[Any]:
        """Answer a batch; a request without a start is refused and leaves its neighbours alone."""
        return [self.answer(index, request, context) for index, request in enumerate(requests)]

    def answer(self, index: int, request: dict[str, Any], context: Any) -> str:
        """Return the end of one proverb, or nothing when it was streamed already."""
        body = request.get("data") or request.get("body") or b""
        asked = body if isinstance(body, dict) else {"start": bytes(body).decode("utf-8", "replace")}
        start = str(asked.get("start", "")).strip()
        if not encode(start):
            context.set_response_status(400, "Bad Request", index)
            return 'send the start of a proverb, as the body or as {"start": "..."}'
        with torch.inference_mode():
            letters = finish(self.model, start, MOST)
            if not asked.get("stream"):
                return "".join(letters).strip()
            waiting = {index: context.request_ids[index]}
            for letter in letters:
                send_intermediate_predict_response({index: letter}, waiting, "streaming", 200, context)
        return ""
