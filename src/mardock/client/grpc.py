"""GrpcInferenceClient: predictions over gRPC, as bytes in and bytes out; the extra `grpc` brings what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from mardock import extras
from mardock.client.addressing import check_name, check_version, is_near, request_headers
from mardock.client.bearer import Bearer
from mardock.client.inference import Prediction
from mardock.client.refusals import INVALID_KEY, sanitized
from mardock.defaults import ANSWER_TIMEOUT_S
from mardock.errors import (
    ApiError,
    ConfigError,
    EngineNotFoundError,
    EngineNotRunningError,
    MardockError,
    ModelNotFoundError,
    ServingError,
)

if TYPE_CHECKING:
    from mardock.endpoint import Endpoint

_ANY_SIZE = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))

_TORCHSERVE = "org.pytorch.serve"  # the last line of every refusal of TorchServe's own names a class of it
_HTTP = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 413,
    "UNAVAILABLE": 503,
}


def channel_options(address: str) -> tuple[tuple[str, int], ...]:
    """Return the options of a channel to that host and port: TorchServe has limits of its own, and near it no proxy."""
    near = is_near(address.rpartition(":")[0].strip("[]"))
    return (*_ANY_SIZE, ("grpc.enable_http_proxy", int(not near)))


def grpc_library() -> Any:
    """Return the module `grpc`.

    Raises:
        EngineNotFoundError: the extra is not installed.
    """
    try:
        import google.protobuf.message  # noqa: F401 - the messages need it
        import grpc
    except ImportError as error:
        raise EngineNotFoundError("gRPC needs grpcio and protobuf", hint=extras.how_to_add("grpc")) from error
    return grpc


def grpc_address(endpoint: Endpoint) -> str:
    """Return host and port of an endpoint's gRPC Inference API.

    Raises:
        ConfigError: it has none.
    """
    if not endpoint.grpc_inference_address:
        raise ConfigError(f"{endpoint.inference_url} has no gRPC API that is known", hint="leave --grpc out")
    return endpoint.grpc_inference_address


def call_metadata(endpoint: Endpoint, token: Optional[str]) -> tuple[tuple[str, str], ...]:
    """Return what goes with a call: the endpoint's headers and a token, under lower-case names as gRPC wants."""
    headers = request_headers(endpoint.headers, token)
    return tuple((name.lower(), value) for name, value in headers.items())


def is_unreachable(error: Any) -> bool:
    """Whether a call failed before TorchServe saw it; also UNAVAILABLE is what a raising handler is answered with."""
    return error.code().name == "UNAVAILABLE" and _TORCHSERVE not in (error.details() or "")


class GrpcInferenceClient:
    """Calls one TorchServe's gRPC Inference API; usable from several threads at once. Nothing it took is sent twice.

    Raises:
        ConfigError: the endpoint has no such API, or its token cannot be sent.
        EngineNotFoundError: the extra is not installed.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        grpc = grpc_library()
        from mardock.client.grpc_messages import METHOD

        self._address = grpc_address(endpoint)
        self._endpoint = endpoint
        self._bearer = Bearer(endpoint.credentials.inference)
        call_metadata(endpoint, endpoint.credentials.inference())  # what cannot be sent is told at once
        self._failure = grpc.RpcError
        self._channel = grpc.insecure_channel(self._address, options=channel_options(self._address))
        self._call = self._channel.unary_unary(METHOD)

    def __enter__(self) -> GrpcInferenceClient:
        return self

    def __exit__(self, *raised: object) -> None:
        self._channel.close()

    def predict(
        self,
        model: str,
        body: bytes,
        *,
        version: Optional[str] = None,
        content_type: Optional[str] = None,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> Prediction:
        """Send one request to a model's handler.

        Args:
            body: what the handler finds under `body`.
            version: the default version when None.
            content_type: None; TorchServe takes none over gRPC.
            timeout: seconds until the whole answer.

        Raises:
            ConfigError: the name, the version or the content type cannot be sent.
            EngineNotRunningError: nothing listens there.
            ModelNotFoundError, ApiError: TorchServe refused.
            ServingError: there was no answer in time, or one that is not TorchServe's.
        """
        from mardock.client.grpc_messages import prediction

        request = prediction_message(model, body, version=version, content_type=content_type)

        def send(token: Optional[str]) -> Any:
            try:
                return self._call(request, timeout=timeout, metadata=call_metadata(self._endpoint, token))
            except self._failure as error:
                raise self._translated(error, model, timeout, token or "") from error

        answer = self._bearer.call(send)
        try:
            return Prediction(prediction(answer), None, "")
        except ValueError as error:
            raise ServingError(f"{self._address} answered what is no prediction") from error

    def _translated(self, error: Any, model: str, timeout: float, token: str) -> MardockError:
        """Return the error that names the cause; `code` and `details` are grpc's, and nothing in them is trusted."""
        code, lines = error.code().name, (error.details() or "").splitlines() or [""]
        said, kind = sanitized(lines[0], (token,)), sanitized(lines[-1].rstrip("().").rpartition(".")[2])
        call = f"gRPC {model}"
        if is_unreachable(error):
            message = f"nothing answers for gRPC at {self._address}"
            return EngineNotRunningError(message, details=said, hint="mardock up")
        if code == "DEADLINE_EXCEEDED":
            return ServingError(f"{call}: no answer in {timeout:g} s", hint="mardock logs")
        if kind in ("ModelNotFoundException", "ModelVersionNotFoundException"):
            return ModelNotFoundError(f"{call}: {said}", status=404, kind=kind, hint="mardock models list")
        if code == "PERMISSION_DENIED":  # of a token; the reason is a single line
            return ApiError(f"{call}: {said}", status=403, kind=INVALID_KEY, hint="mardock status; mardock up")
        return ApiError(f"{call}: {said}", status=_HTTP.get(code, 500), kind=kind, hint="mardock logs")


def prediction_message(
    model: str, body: bytes, *, version: Optional[str] = None, content_type: Optional[str] = None
) -> bytes:
    """Return the request that `predict` sends.

    Raises:
        ConfigError: the name, the version or the content type cannot be sent.
    """
    from mardock.client.grpc_messages import prediction_request

    if content_type is not None:
        raise ConfigError(
            "gRPC carries no content type", hint="leave out --content-type, --json-body and --form, or --grpc"
        )
    check_name(model, what="model name")
    if version is not None:
        check_version(version)
    return prediction_request(model, body, version)
