"""A prompt in, what a language model of Hugging Face's transformers makes of it out: whole, or piece by piece.

The prompt is the request's body, or JSON: {"prompt": "...", "max_new_tokens": 20, "stream": true}. The files of the
model, as save_pretrained wrote them, lie in the archive: nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TextStreamer
from ts.handler_utils.utils import send_intermediate_predict_response
from ts.torch_handler.base_handler import BaseHandler

DEFAULTS = {"max_new_tokens": 32, "stream": False}
MOST_NEW_TOKENS = 128


def read_prompt(request: dict[str, Any]) -> dict[str, Any]:
    """Return the prompt a request carries, and how it is to be answered.

    Raises:
        ValueError: there is none, or an option has an unfit value; the message tells the client.
    """
    body = request.get("data") or request.get("body")
    if isinstance(body, (bytes, bytearray)):
        try:
            body = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"the prompt is no UTF-8: {error.reason} at byte {error.start}") from error
    if isinstance(body, str) and body.lstrip().startswith("{"):  # JSON that was not sent as application/json
        with contextlib.suppress(RecursionError, ValueError):
            body = json.loads(body)
    asked = {**DEFAULTS, **(body if isinstance(body, dict) else {"prompt": body})}
    if not isinstance(asked.get("prompt"), str) or not asked["prompt"].strip():
        raise ValueError('the request holds no prompt; send it as the body, or {"prompt": "..."} as JSON')
    if type(asked["max_new_tokens"]) is not int or not 1 <= asked["max_new_tokens"] <= MOST_NEW_TOKENS:
        raise ValueError(f"max_new_tokens is a whole number from 1 to {MOST_NEW_TOKENS}")
    if not isinstance(asked["stream"], bool):
        raise ValueError("stream is true or false")
    return asked


class GenerativeHandler(BaseHandler):  # type: ignore[misc]  # TorchServe has no types
    """Goes on with the prompts of one batch; one that cannot be is answered 400 and leaves its neighbours alone."""

    def initialize(self, context: Any) -> None:
        """Load tokenizer and model from the archive, onto the GPU that TorchServe gave this worker, if any."""
        properties = context.system_properties
        model_dir, gpu = properties["model_dir"], properties.get("gpu_id")
        self.device = torch.device("cuda", int(gpu)) if gpu is not None and torch.cuda.is_available() else "cpu"
        # On the left, for a model goes on from the last token.
        self.tokenizer = AutoTokenizer.from_pretrained(model_dir, local_files_only=True, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(model_dir, local_files_only=True).to(self.device).eval()
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.initialized = True

    def preprocess(self, requests: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
        """Read the prompts, and refuse those that cannot be answered; what is left is by its place in the batch."""
        self.refusals: dict[int, Any] = {}
        prompts = {}
        for index, request in enumerate(requests):
            try:
                asked = read_prompt(request)
                self.check_length(asked)
                prompts[index] = asked
            except ValueError as error:
                self.refuse(index, str(error))
        return prompts

    def inference(self, prompts: dict[int, dict[str, Any]]) -> dict[int, Any]:
        """Answer at once the prompts that ask for the same number of tokens, and by itself each that is streamed."""
        answers: dict[int, Any] = {}
        whole = {index: asked for index, asked in prompts.items() if not asked["stream"]}
        for most in {asked["max_new_tokens"] for asked in whole.values()}:
            alike = {index: asked["prompt"] for index, asked in whole.items() if asked["max_new_tokens"] == most}
            texts = self.generate(list(alike.values()), most)
            answers.update({index: {"text": text} for index, text in zip(alike, texts)})
        for index in prompts.keys() - whole.keys():
            self.stream(index, prompts[index])
            answers[index] = ""  # all of it was sent; this ends the answer
        return answers

    def postprocess(self, answers: dict[int, Any]) -> list[Any]:
        """Bring answers and refusals into the order of the requests."""
        found = {**answers, **self.refusals}
        return [found[index] for index in sorted(found)]

    def generate(self, prompts: list[str], most: int, **options: Any) -> list[str]:
        """Return what follows each prompt: at most so many tokens, always the likeliest."""
        inputs = self.tokenizer(prompts, padding=True, return_tensors="pt", return_token_type_ids=False)
        inputs = inputs.to(self.device)
        with torch.inference_mode():
            tokens = self.model.generate(
                **inputs, max_new_tokens=most, do_sample=False, pad_token_id=self.tokenizer.pad_token_id, **options
            )
        texts: list[str] = self.tokenizer.batch_decode(tokens[:, inputs.input_ids.shape[1] :], skip_special_tokens=True)
        return texts

    def stream(self, index: int, asked: dict[str, Any]) -> None:
        """Send what follows a prompt word by word to the one client of the batch that asked for it."""
        request = {index: self.context.request_ids[index]}

        def send(text: str, stream_end: bool = False) -> None:
            send_intermediate_predict_response({index: text}, request, "streaming", 200, self.context)

        streamer = TextStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        streamer.on_finalized_text = send  # no class of its own: TorchServe wants the handler's alone in this file
        self.generate([asked["prompt"]], asked["max_new_tokens"], streamer=streamer)

    def check_length(self, asked: dict[str, Any]) -> None:
        """Raise ValueError unless the model has room for the prompt and what is to follow."""
        room, most = self.model.config.max_position_embeddings, asked["max_new_tokens"]
        length = len(self.tokenizer(asked["prompt"]).input_ids)
        if length + most > room:
            raise ValueError(f"the prompt has {length} tokens: with max_new_tokens {most} that is more than {room}")

    def refuse(self, index: int, message: str) -> None:
        """Answer one request of the batch with 400, in the shape of TorchServe's own errors."""
        self.context.set_response_status(400, "Bad Request", index)
        self.refusals[index] = {"code": 400, "type": "BadRequestException", "message": message}
