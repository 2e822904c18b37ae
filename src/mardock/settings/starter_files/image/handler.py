"""An image in, its likeliest labels with their scores out.

The image is the request's body, the form field "data", or {"data": "<base64>"} sent as application/json.
"""

from __future__ import annotations

import base64
import io
import logging
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from ts.torch_handler.base_handler import BaseHandler

logger = logging.getLogger(__name__)

SIDE = 64
TOP = 5
# As in training; for a model trained on ImageNet: (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225).
MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)
# Naming the formats keeps a stranger's bytes away from Pillow's rarer decoders, such as EPS, which starts Ghostscript.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""Pillow's ways to say that something is no image, or a broken one."""


def read_image(request: dict[str, Any]) -> Image.Image:
    """Decode the image a request carries, upright and in RGB.

    Raises:
        OSError, SyntaxError, ValueError, Image.DecompressionBombError: it carries none that can be read.
    """
    body = request.get("data") or request.get("body")
    if isinstance(body, dict):
        body = body.get("data")
    if isinstance(body, str):
        body = base64.b64decode(body)
    if not isinstance(body, (bytes, bytearray)):
        raise ValueError("no bytes under 'data' or 'body'")
    return to_rgb(ImageOps.exif_transpose(Image.open(io.BytesIO(body), formats=FORMATS)))


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB: 16 bits are scaled to 8, and what is transparent shows white."""
    if image.mode.startswith("I"):  # grey of 16 bits, which Pillow would clip at 255
        image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


class ImageHandler(BaseHandler):  # type: ignore[misc]  # TorchServe has no types
    """Reads one batch of images; a request that holds none is answered 400 and leaves its neighbours alone.

    The device, the weights and index_to_name.json (as `self.mapping`) are BaseHandler's work.
    """

    def preprocess(self, requests: list[dict[str, Any]]) -> torch.Tensor:
        """Turn N requests into images [N, 3, SIDE, SIDE]; one that holds no image stays grey."""
        self.refusals: dict[int, Any] = {}
        images = torch.zeros(len(requests), 3, SIDE, SIDE)
        for index, request in enumerate(requests):
            try:
                image = ImageOps.fit(read_image(request), (SIDE, SIDE), Image.Resampling.BILINEAR)
                images[index] = torch.from_numpy(np.asarray(image) / np.float32(255)).permute(2, 0, 1)
            except UNREADABLE as error:
                logger.info("Request %s holds no image: %s", self.context.get_request_id(index), error)
                self.refuse(index, f"the request holds no image that can be read; send one of {', '.join(FORMATS)}")
        return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)

    def postprocess(self, logits: torch.Tensor) -> list[Any]:
        """Turn logits [N, labels] into N answers, each with the likeliest label first."""
        scores, labels = logits.softmax(dim=1).topk(min(TOP, logits.shape[1]))
        answers = [
            [{"label": self.mapping[str(label)], "score": score} for label, score in zip(*row)]
            for row in zip(labels.tolist(), scores.tolist())
        ]
        return [self.refusals.get(index, answer) for index, answer in enumerate(answers)]

    def refuse(self, index: int, message: str) -> None:
        """Answer one request of the batch with 400, in the shape of TorchServe's own errors."""
        self.context.set_response_status(400, "Bad Request", index)
        self.refusals[index] = {"code": 400, "type": "BadRequestException", "message": message}
