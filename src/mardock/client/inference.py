"""InferenceClient: ping, predictions and explanations, as bytes in and bytes out."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Optional

from mardock.client.addressing import inference_path
from mardock.client.model_status import parse_ping
from mardock.client.suggestions import explained
from mardock.client.transport import Body, Client, Transport, management_api
from mardock.defaults import ANSWER_TIMEOUT_S
from mardock.endpoint import Endpoint
from mardock.errors import ApiError


@dataclass(frozen=True)
class Prediction:
    """A handler's answer to one request.

    Attributes:
        body: the bytes as they came; a handler that returns a list or dict is answered as JSON.
        content_type: what the handler declared; TorchServe sets none by itself.
        request_id: TorchServe's id for it, also in its log; empty when the server gave none.
    """

    body: bytes
    content_type: Optional[str]
    request_id: str


class InferenceClient(Client):
    """Calls one TorchServe's Inference API; usable from several threads at once. Nothing is ever sent twice.

    Every method raises EngineNotRunningError when nothing listens, ModelNotFoundError with close names in its hint,
    and ApiError or ServingError for the rest.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(
            Transport(
                endpoint.inference_url,
                api="Inference API",
                token=endpoint.credentials.inference,
                headers=endpoint.headers,
                own_certificates=endpoint.certificates,
            )
        )
        self._endpoint = endpoint

    def ping(self, *, timeout: float = 5.0) -> str:
        """Return what the server says of its health: `Healthy`, which it is even without a single worker.

        Raises:
            ApiError: it calls itself unhealthy (500), or refuses the token (400).
        """
        return parse_ping(self._transport.get_json("/ping", timeout=timeout))

    def predict(
        self,
        model: str,
        body: Body,
        *,
        version: Optional[str] = None,
        content_type: Optional[str] = None,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> Prediction:
        """Send one request to a model's handler.

        Args:
            body: the bytes, or a binary file, that the handler finds under `body`.
            version: the default version when None.
            content_type: sent only when given; `application/json` makes TorchServe parse the body for the handler.
            timeout: seconds the server may stay silent.
        """
        return self._infer("predictions", model, body, version, content_type, timeout)

    def explain(
        self,
        model: str,
        body: Body,
        *,
        version: Optional[str] = None,
        content_type: Optional[str] = None,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> Prediction:
        """Ask a model's handler to explain its answer to one request; parameters as in `predict`."""
        return self._infer("explanations", model, body, version, content_type, timeout)

    def _infer(
        self, verb: str, model: str, body: Body, version: Optional[str], content_type: Optional[str], timeout: float
    ) -> Prediction:
        path = inference_path(verb, model, version)
        try:
            answer = self._transport.request("POST", path, body=body, content_type=content_type, timeout=timeout)
        except ApiError as error:
            raise explained(error, self._management_json, model, version) from error
        return Prediction(answer.body, answer.content_type, answer.request_id)

    def _management_json(self, path: str) -> object:
        with closing(management_api(self._endpoint)) as management:
            return management.get_json(path, timeout=5.0)
