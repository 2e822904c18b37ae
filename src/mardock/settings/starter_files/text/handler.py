"""Text in, its label and the score of every label out.

The text is the request's body, the form field "data", or {"text": "..."} sent as application/json.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from ts.torch_handler.base_handler import BaseHandler

MAX_BYTES = 2048


def read_text(request: dict[str, Any]) -> str:
    """Return the text a request carries.

    Raises:
        ValueError: there is none; the message tells the client.
    """
    body = request.get("data") or request.get("body")
    if isinstance(body, dict):
        body = body.get("text")
    if isinstance(body, (bytes, bytearray)):
        try:
            body = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"the text is no UTF-8: {error.reason} at byte {error.start}") from error
    if not isinstance(body, str) or not body.strip():
        raise ValueError('the request holds no text; send it as the body, or {"text": "..."} as JSON')
    return body.strip()


def tokenize(text: str) -> torch.Tensor:
    """Turn a text into the numbers the model was trained on: its bytes; 0 is left to the padding."""
    return torch.tensor([byte for byte in text.encode()[:MAX_BYTES] if byte])


class TextHandler(BaseHandler):  # type: ignore[misc]  # TorchServe has no types
    """Reads one batch of texts; a request without text is answered 400 and leaves its neighbours alone.

    The device, the weights and index_to_name.json (as `self.mapping`) are BaseHandler's work.
    """

    def preprocess(self, requests: list[dict[str, Any]]) -> torch.Tensor:
        """Turn N requests into tokens [N, L]; one that holds no text becomes a row of padding."""
        self.refusals: dict[int, Any] = {}
        tokens = []
        for index, request in enumerate(requests):
            try:
                tokens.append(tokenize(read_text(request)))
            except ValueError as error:
                self.refuse(index, str(error))
                tokens.append(torch.zeros(1, dtype=torch.int64))
        return pad_sequence(tokens, batch_first=True)

    def postprocess(self, logits: torch.Tensor) -> list[dict[str, Any]]:
        """Turn logits [N, labels] into N answers."""
        answers = []
        for index, scores in enumerate(logits.softmax(dim=1).tolist()):
            named = {self.mapping[str(label)]: score for label, score in enumerate(scores)}
            answers.append(self.refusals.get(index) or {"label": max(named, key=named.__getitem__), "scores": named})
        return answers

    def refuse(self, index: int, message: str) -> None:
        """Answer one request of the batch with 400, in the shape of TorchServe's own errors."""
        self.context.set_response_status(400, "Bad Request", index)
        self.refusals[index] = {"code": 400, "type": "BadRequestException", "message": message}
