"""How to call an endpoint of TIR by hand: a REST call and a gRPC call, with the token left to the environment."""

from __future__ import annotations

from urllib.parse import urlsplit

from mardock.client.addressing import inference_path
from mardock.deploy.tir.options import Options

_SERVICE = "org.pytorch.serve.grpc.inference.InferenceAPIsService"


def inference_url(options: Options, endpoint_id: int) -> str:
    """Return where an endpoint takes predictions, without a trailing slash."""
    filled = options.inference_url.replace("{project_id}", str(options.project_id))
    return filled.replace("{endpoint_id}", str(endpoint_id)).rstrip("/")


def rest(options: Options, endpoint_id: int, model: str) -> str:
    """Return the curl call of one prediction."""
    url = inference_url(options, endpoint_id) + inference_path("predictions", model)
    return f'curl -H "Authorization: Bearer $TIR_TOKEN" -T FILE {url}'


def grpc(options: Options, endpoint_id: int, model: str) -> str:
    """Return the grpcurl call of one prediction; inference.proto comes with TorchServe's sources."""
    host = urlsplit(inference_url(options, endpoint_id)).hostname
    address = options.grpc_address or f"{host}:443"
    return (
        'grpcurl -proto inference.proto -H "authorization: Bearer $TIR_TOKEN" '
        f"""-d '{{"model_name": "{model}", "input": {{"data": "'$(base64 -w0 FILE)'"}}}}' {address} """
        f"{_SERVICE}/Predictions"
    )
