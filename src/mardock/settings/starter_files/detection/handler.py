"""An image in, the things found on it out: the label, the score and the box of each, the surest first.

The image is the request's body, the form field "data", or {"data": "<base64>"} sent as application/json. A box is left,
top, right and bottom in pixels of the image as it is seen, which is how its EXIF orientation turns it.
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
LEAST_SCORE = 0.5
MOST_OVERLAP = 0.5
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


def without_doubles(boxes: torch.Tensor, scores: torch.Tensor) -> list[int]:
    """Return which boxes [K, 4] to keep, the surest first: those that no surer one overlaps too much."""
    left = scores.argsort(descending=True)
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        left = left[overlap(boxes[best], boxes[left]) <= MOST_OVERLAP]
    return kept


def overlap(box: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return what a box [4] has in common with each of the others [K, 4], of what the two cover together."""
    common = (torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2])).clamp(min=0).prod(dim=1)
    areas = (others[:, 2:] - others[:, :2]).prod(dim=1)
    return common / ((box[2:] - box[:2]).prod() + areas - common)


class DetectionHandler(BaseHandler):  # type: ignore[misc]  # TorchServe has no types
    """Reads one batch of images; a request that holds none is answered 400 and leaves its neighbours alone.

    The device, the weights and index_to_name.json (as `self.mapping`) are BaseHandler's work.
    """

    def preprocess(self, requests: list[dict[str, Any]]) -> torch.Tensor:
        """Turn N requests into images [N, 3, SIDE, SIDE]; one that holds no image stays black."""
        self.refusals: dict[int, Any] = {}
        self.sizes = [(SIDE, SIDE)] * len(requests)  # as sent, for the boxes are answered in these
        images = torch.zeros(len(requests), 3, SIDE, SIDE)
        for index, request in enumerate(requests):
            try:
                image = read_image(request)
                self.sizes[index] = image.size
                pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) / np.float32(255)
                images[index] = torch.from_numpy(pixels).permute(2, 0, 1)
            except UNREADABLE as error:
                logger.info("Request %s holds no image: %s", self.context.get_request_id(index), error)
                self.refuse(index, f"the request holds no image that can be read; send one of {', '.join(FORMATS)}")
        return images

    def postprocess(self, proposals: tuple[torch.Tensor, torch.Tensor]) -> list[Any]:
        """Turn boxes [N, K, 4] and scores [N, K, labels] into N answers."""
        boxes, scores = (part.cpu() for part in proposals)
        answers = [self.found(*row) for row in zip(boxes, scores, self.sizes)]
        return [self.refusals.get(index, answer) for index, answer in enumerate(answers)]

    def found(self, boxes: torch.Tensor, scores: torch.Tensor, size: tuple[int, int]) -> list[dict[str, Any]]:
        """Choose among the boxes [K, 4] and scores [K, labels] of one image, width and height of which are given."""
        best, labels = scores.max(dim=1)
        sure = best >= LEAST_SCORE
        boxes, best, labels = boxes[sure] * torch.tensor([*size, *size]), best[sure], labels[sure]
        things = []
        for index in without_doubles(boxes, best):
            box = [round(edge, 1) for edge in boxes[index].tolist()]
            things.append({"label": self.mapping[str(int(labels[index]))], "score": float(best[index]), "box": box})
        return things

    def refuse(self, index: int, message: str) -> None:
        """Answer one request of the batch with 400, in the shape of TorchServe's own errors."""
        self.context.set_response_status(400, "Bad Request", index)
        self.refusals[index] = {"code": 400, "type": "BadRequestException", "message": message}
