"""A TorchServe worker without its socket: loads a model and answers batches through TorchServe's own code.

Imports torch, and runs in a process made for it; see `trial`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Optional

import torch
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.protocol.otf_message_handler import retrieve_msg

from mardock.handler.answer_check import unfit
from mardock.handler.loader import TS_FOLDER, TimedLoader
from mardock.handler.outcome import BatchRun, Raised, Reply
from mardock.handler.recorder import Recorder, WatchedRequest
from mardock.handler.trial_spec import TrialSpec
from mardock.handler.wire import Answer, Incoming, read_answer
from mardock.payload import Payload

Failing = Callable[[BaseException], None]


@lru_cache
def metrics_cache() -> MetricsCacheYamlImpl:
    """Return TorchServe's own metrics, which take a while to read."""
    metrics = MetricsCacheYamlImpl(config_file_path=str(TS_FOLDER / "configs" / "metrics.yaml"))
    metrics.initialize_cache()
    return metrics


class HandlerError(Exception):
    """The model could not be loaded; `raised` says why."""

    def __init__(self, raised: Raised) -> None:
        super().__init__(raised.traceback)
        self.raised = raised


class Worker:
    """One model in one worker.

    Args:
        model_dir: the unpacked archive, MAR-INF/MANIFEST.json included.
        spec: how it is served; handlers find some of it in their context.
        recorder: told of every stage.
        failing: called with an exception while the frame that raised it still lives.

    Raises:
        HandlerError: the handler's module, class or `initialize` raised, or TorchServe refused them.
    """

    def __init__(self, model_dir: Path, spec: TrialSpec, recorder: Recorder, failing: Optional[Failing] = None) -> None:
        self.warnings: list[str] = []
        self._recorder, self._failing = recorder, failing
        self._returned: Any = None
        self._error: Optional[BaseException] = None
        self._streamed: list[bytes] = []
        model = json.loads((model_dir / "MAR-INF" / "MANIFEST.json").read_bytes())["model"]
        recorder.enter("load")
        try:
            self._service = self._load(model, model_dir, spec)
        except BaseException as error:
            self._stop(error)
            raise HandlerError(self._recorder.raised(error)) from error
        self._service.set_cl_socket(self)
        self._service._entry_point = self._observed(self._service._entry_point)

    def answer(self, requests: Sequence[Payload], max_response_size: int) -> BatchRun:
        """Run the handler on one batch.

        Args:
            max_response_size: bytes one reply may have before TorchServe kills the worker.
        """
        self._returned, self._error, self._streamed = None, None, []
        self._recorder.enter("handle")
        _, batch = retrieve_msg(Incoming(requests))
        try:
            answer = read_answer(self._service.predict(batch))
        except BaseException as error:  # SystemExit among them, which ends a worker
            if self._error is None:
                self._recorder.enter("answer")
                self._stop(error)
            return BatchRun(len(requests), self._recorder.take(), raised=self._recorder.raised(error))
        stages = self._recorder.take()
        if self._error is not None:
            return BatchRun(len(requests), stages, raised=self._recorder.raised(self._error))
        refusal = self._refusal(answer.message, len(requests)) if answer.code != 200 else None
        replies = self._with_streamed(answer) if refusal is None else ()
        self.warnings += unfit(self._returned, replies)
        largest = max((len(reply.body) for reply in replies), default=0)
        if largest > max_response_size:
            refusal = f"Message size exceed limit: {largest:,} bytes, max_response_size is {max_response_size:,}"
        return BatchRun(len(requests), stages, replies if refusal is None else (), refusal)

    def sendall(self, frame: bytes) -> None:
        """Take one part of a streamed answer; TorchServe's helpers for streaming call this as the socket's method."""
        self._streamed.append(frame)

    def _load(self, model: dict[str, Any], model_dir: Path, spec: TrialSpec) -> Any:
        metrics = metrics_cache()
        metrics.model_name = model["modelName"]
        gpu = 0 if torch.cuda.is_available() else None
        return TimedLoader(self._recorder).load(
            model["modelName"],
            str(model_dir),
            model["handler"],
            gpu,
            spec.batch_size,
            envelope=spec.envelope,  # the frontend takes none from the manifest
            limit_max_image_pixels=spec.limited_images,
            metrics_cache=metrics,
        )

    def _observed(self, entry_point: Callable[..., Any]) -> Callable[..., Any]:
        """Keep what the handler returns and raises, which TorchServe turns into a status."""

        def observed(requests: list[dict[str, Any]], context: Any) -> Any:
            watched = [WatchedRequest(request) for request in requests]
            try:
                self._returned = entry_point(watched, context)
            except BaseException as error:
                self._error = error
                self._stop(error)
                raise
            finally:
                self.warnings += dict.fromkeys(request.warning for request in watched if request.warning)
            return self._returned

        return observed

    def _stop(self, error: BaseException) -> None:
        if self._failing:
            self._failing(error)

    def _refusal(self, message: str, requests: int) -> str:
        """TorchServe's sentence, with what the handler returned."""
        if not isinstance(self._returned, list):
            return f"{message} (Invalid return type: {type(self._returned).__name__})"
        if len(self._returned) != requests:
            return f"{message} ({requests} requests, {len(self._returned)} results)"
        kinds = ", ".join(dict.fromkeys(type(item).__name__ for item in self._returned))
        return f"{message} ({kinds} is not JSON serializable)"

    def _with_streamed(self, answer: Answer) -> tuple[Reply, ...]:
        """Put the parts of each streamed answer before its last one, as its own client receives them."""
        parts = [read_answer(frame).by_request for frame in self._streamed]
        return tuple(
            Reply(
                reply.status, b"".join(part[one].body for part in parts if one in part) + reply.body, reply.content_type
            )
            for one, reply in answer.by_request.items()
        )
