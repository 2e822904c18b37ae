"""The handler of the example model: an image in, its digit out as plain text."""

from __future__ import annotations

import base64
import io
import logging
from typing import Any

import numpy as np
import torch
from PIL import Image
from ts.torch_handler.base_handler import BaseHandler

logger = logging.getLogger(__name__)

SIDE = 28
# Naming the formats keeps a stranger's bytes away from Pillow's rarer decoders, such as EPS, which starts Ghostscript.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
NO_IMAGE = {  # the shape of TorchServe's own errors
    "code": 400,
    "type": "BadRequestException",
    "message": f"The request holds no image that can be read; send one of {', '.join(FORMATS)} as its body.",
}


def read_body(request: dict[str, Any]) -> bytes:
    """Return the bytes a request carries: a raw body, the form field "data", or base64 text, also as JSON.

    Raises:
        ValueError: there are none.
    """
    body = request.get("data") or request.get("body")
    if isinstance(body, dict):
        body = body.get("data")
    if isinstance(body, str):
        body = base64.b64decode(body)
    if not isinstance(body, (bytes, bytearray)):
        raise ValueError("no bytes under 'data' or 'body'")
    return bytes(body)


def to_grey(image: Image.Image) -> Image.Image:
    """Return an image in 8 bits of grey: 16 bits are scaled, which convert() would cut off; what is clear is black."""
    if image.mode.startswith("I"):
        values = np.asarray(image, dtype=np.float32)
        if image.mode != "I" or values.max() > 255:
            values = values / 257
        return Image.fromarray(values.clip(0, 255).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "black"), seen)
    return image.convert("L")


def read_image(content: bytes) -> torch.Tensor:
    """Decode an image file of any size and colour to float32 [1, 28, 28], 0 (black) to 1 (white).

    Raises:
        OSError, SyntaxError, ValueError, Image.DecompressionBombError: Pillow's ways to say that it is not one.
    """
    image = to_grey(Image.open(io.BytesIO(content), formats=FORMATS)).resize((SIDE, SIDE))
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).unsqueeze(0)


class MnistHandler(BaseHandler):
    """Reads digits in one batch; a request that holds no image is answered 400 and leaves its neighbours alone.

    Loads what the archive brings: a state dict with its model file, or TorchScript on its own.
    """

    def preprocess(self, requests: list[dict[str, Any]]) -> torch.Tensor:
        """Decode N requests to float32 [N, 1, 28, 28]; one that holds no image stays black and gets its status."""
        images = torch.zeros(len(requests), 1, SIDE, SIDE)
        for index, request in enumerate(requests):
            try:
                images[index] = read_image(read_body(request))
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
                logger.info("Request %s holds no image: %s", self.context.get_request_id(index), error)
                self.context.set_response_status(400, "Bad Request", index)
        return images

    def postprocess(self, logits: torch.Tensor) -> list[str | dict[str, Any]]:
        """Turn logits [N, 10] into N answers: the digit, or NO_IMAGE where preprocess found none."""
        readable = [self.context.get_response_status(index)[0] == 200 for index in range(len(logits))]
        digits = logits.argmax(dim=1).tolist()
        return [str(digit) if image else NO_IMAGE for digit, image in zip(digits, readable)]
