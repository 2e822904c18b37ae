"""The two messages of TorchServe's gRPC prediction, from a descriptor in code: nothing has to be generated.

They are what `inference.proto` of TorchServe 0.12 declares, as far as a single prediction uses it.
"""

from __future__ import annotations

from typing import Any, Optional

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

METHOD = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions"
"""The unary call that takes a request and answers with a response."""

_PACKAGE = "org.pytorch.serve.grpc.inference"
_FIELD = descriptor_pb2.FieldDescriptorProto


def prediction_request(model: str, body: bytes, version: Optional[str] = None) -> bytes:
    """Return the bytes of a request; the handler finds the body under `body`, as over HTTP."""
    return bytes(_Request(model_name=model, model_version=version or "", input={"body": body}).SerializeToString())


def prediction(response: bytes) -> bytes:
    """Return the handler's answer.

    Raises:
        ValueError: it is no such message.
    """
    try:
        return bytes(_Response.FromString(response).prediction)
    except DecodeError as error:
        raise ValueError("not a PredictionResponse") from error


def prediction_response(body: bytes) -> bytes:
    """Return the bytes of a response, as a server sends it."""
    return bytes(_Response(prediction=body).SerializeToString())


def _messages() -> tuple[Any, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="inference.proto", package=_PACKAGE, syntax="proto3")
    request = file.message_type.add(name="PredictionsRequest")
    _add(request, "model_name", 1, _FIELD.TYPE_STRING)
    _add(request, "model_version", 2, _FIELD.TYPE_STRING)
    entry = request.nested_type.add(name="InputEntry", options=descriptor_pb2.MessageOptions(map_entry=True))
    _add(entry, "key", 1, _FIELD.TYPE_STRING)
    _add(entry, "value", 2, _FIELD.TYPE_BYTES)
    pairs = _add(request, "input", 3, _FIELD.TYPE_MESSAGE)
    pairs.label, pairs.type_name = _FIELD.LABEL_REPEATED, f".{_PACKAGE}.PredictionsRequest.InputEntry"
    _add(file.message_type.add(name="PredictionResponse"), "prediction", 1, _FIELD.TYPE_BYTES)
    pool = descriptor_pool.DescriptorPool()  # not the default one, where a program's generated classes may be
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in ("PredictionsRequest", "PredictionResponse"))
    request_class, response_class = map(message_factory.GetMessageClass, found)
    return request_class, response_class


def _add(message: Any, name: str, number: int, kind: int) -> Any:
    return message.field.add(name=name, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)


_Request, _Response = _messages()
