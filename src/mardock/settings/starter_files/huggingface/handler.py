"""Text in, its label and the score of every label out, by a text classifier of Hugging Face's transformers.

The text is the request's body, the form field "data", or {"text": "..."} sent as application/json. The model's files,
as save_pretrained wrote them, lie in the archive; nothing is downloaded.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from ts.torch_handler.base_handler import BaseHandler


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


class ClassifierHandler(BaseHandler):  # type: ignore[misc]  # TorchServe has no types
    """Reads one batch of texts; a request without text is answered 400 and leaves its neighbours alone."""

    def initialize(self, context: Any) -> None:
        """Load tokenizer and model from the archive, onto the GPU that TorchServe gave this worker, if any."""
        properties = context.system_properties
        model_dir, gpu = properties["model_dir"], properties.get("gpu_id")
        self.device = torch.device("cuda", int(gpu)) if gpu is not None and torch.cuda.is_available() else "cpu"
        self.tokenizer = AutoTokenizer.from_pretrained(model_dir, local_files_only=True)
        self.model = AutoModelForSequenceClassification.from_pretrained(model_dir, local_files_only=True)
        self.model.to(self.device).eval()
        self.initialized = True

    def preprocess(self, requests: list[dict[str, Any]]) -> Any:
        """Turn N requests into the model's inputs, padded to the longest; one that holds no text gets a stand-in."""
        self.refusals: dict[int, Any] = {}
        texts = []
        for index, request in enumerate(requests):
            try:
                texts.append(read_text(request))
            except ValueError as error:
                self.refuse(index, str(error))
                texts.append("-")
        return self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")

    def inference(self, inputs: Any) -> torch.Tensor:
        """Score the texts: to logits [N, labels]."""
        with torch.inference_mode():
            logits: torch.Tensor = self.model(**inputs.to(self.device)).logits
        return logits

    def postprocess(self, logits: torch.Tensor) -> list[dict[str, Any]]:
        """Turn logits [N, labels] into N answers, with the labels of the model's config.json."""
        names = self.model.config.id2label
        answers = []
        for index, scores in enumerate(logits.softmax(dim=1).tolist()):
            named = {names[label]: score for label, score in enumerate(scores)}
            answers.append(self.refusals.get(index) or {"label": max(named, key=named.__getitem__), "scores": named})
        return answers

    def refuse(self, index: int, message: str) -> None:
        """Answer one request of the batch with 400, in the shape of TorchServe's own errors."""
        self.context.set_response_status(400, "Bad Request", index)
        self.refusals[index] = {"code": 400, "type": "BadRequestException", "message": message}
