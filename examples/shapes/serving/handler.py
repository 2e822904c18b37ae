"""An image in, its likeliest shape out. What is not here, BaseHandler does."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from ts.torch_handler.base_handler import BaseHandler

SIDE = 32


def to_row(body: bytes) -> torch.Tensor:
    """Return an image, as the network was trained on them: [1, SIDE, SIDE], from 0 to 1."""
    image = ImageOps.fit(Image.open(io.BytesIO(body)).convert("L"), (SIDE, SIDE))
    return torch.from_numpy(np.asarray(image) / np.float32(255)).unsqueeze(0)


class ShapeHandler(BaseHandler):  # type: ignore[misc]  # TorchServe has no types
    """Answers a batch of images; what is no image is refused and leaves its neighbours alone."""

    def preprocess(self, requests: list[dict[str, Any]]) -> torch.Tensor:
        """Turn N requests into images [N, 1, SIDE, SIDE]; one that holds none stays black."""
        self.refused: set[int] = set()
        rows = torch.zeros(len(requests), 1, SIDE, SIDE)
        for index, request in enumerate(requests):
            try:
                rows[index] = to_row(request.get("data") or request.get("body") or b"")
            except (UnidentifiedImageError, OSError, TypeError):
                self.context.set_response_status(400, "Bad Request", index)
                self.refused.add(index)
        return rows

    def postprocess(self, logits: torch.Tensor) -> list[dict[str, Any]]:
        """Turn logits [N, labels] into N answers."""
        scores, labels = logits.softmax(dim=1).max(dim=1)
        answers: list[dict[str, Any]] = [
            {"label": self.mapping[str(label)], "score": round(score, 4)}
            for label, score in zip(labels.tolist(), scores.tolist())
        ]
        return [{"error": "no image"} if index in self.refused else answer for index, answer in enumerate(answers)]
