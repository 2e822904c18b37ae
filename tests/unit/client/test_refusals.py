"""Error answers: TorchServe's own become cause and remedy, foreign ones become harmless."""

from __future__ import annotations

import json
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mardock.client.refusals import refusal, sanitized
from mardock.errors import ApiError, ModelConflictError, ModelNotFoundError, Reason, ServingError, WorkerFailedError

ANY_TEXT = st.text() | st.binary().map(lambda raw: raw.decode("latin-1"))


def torchserve(status: int, kind: str, message: str) -> ServingError:
    body = json.dumps({"code": status, "type": kind, "message": message}, indent=2).encode()
    return refusal(status, body, call="POST /predictions/mnist")


@pytest.mark.parametrize(
    ("status", "kind", "message", "error", "hint"),
    [
        (400, "InvalidKeyException", "Token Authorization failed.", ApiError, "key_file.json"),
        (400, "InvalidModelException", "Model name is not defined.", ApiError, "mardock inspect"),
        (400, "ModelException", "Custom pip package installation failed for model m", ApiError, "requirements_file"),
        (403, "InvalidModelVersionException", "Cannot remove default version for model m", ApiError, "set-default"),
        (404, "ModelNotFoundException", "Model not found: m", ModelNotFoundError, ""),
        (404, "ModelVersionNotFoundException", "Model version: 2 does not exist", ModelNotFoundError, ""),
        (404, "ModelNotFoundException", "Model not found at: m.mar", ApiError, "mardock archive"),
        (404, "ResourceNotFoundException", "Requested resource is not found", ApiError, "which API"),
        (405, "MethodNotAllowedException", "Requested method is not allowed", ApiError, "--enable-model-api"),
        (409, "ConflictStatusException", "Model version 1.0 is already registered", ModelConflictError, "--replace"),
        (500, "InternalServerException", "Worker died.", ApiError, "mardock logs"),
        (500, "InternalServerException", "Failed to start workers for model m", WorkerFailedError, "mardock logs"),
        (503, "InternalServerException", "Prediction failed", ApiError, "mardock logs"),
        (503, "InternalServerException", "number of batch response mismatched", ApiError, "one entry per request"),
        (503, "ServiceUnavailableException", 'Model "m" has no worker', ApiError, "mardock models scale"),
        (507, "InternalServerException", "Worker died.", ApiError, "more memory"),
    ],
)
def test_torchserves_answers_name_cause_and_remedy(
    status: int, kind: str, message: str, error: type[ServingError], hint: str
) -> None:
    raised = torchserve(status, kind, message)

    assert type(raised) is error
    assert hint in (raised.hint or "")
    assert raised.message.startswith("POST /predictions/mnist: ")


@pytest.mark.parametrize(
    ("status", "kind", "message", "reason"),
    [
        (400, "ModelException", "Custom pip package installation failed for model m", Reason.PIP_FAILED),
        (500, "InternalServerException", "Failed to save model: m.mar", Reason.NOT_UNPACKED),
        (507, "InternalServerException", "Worker died.", Reason.KILLED),
        (507, "InternalServerException", "Failed to start workers for model m", Reason.KILLED),
        (500, "InternalServerException", "Worker died.", None),
    ],
)
def test_a_reason_is_data(status: int, kind: str, message: str, reason: Optional[Reason]) -> None:
    raised = torchserve(status, kind, message)

    assert isinstance(raised, ApiError)
    assert raised.reason is reason


def test_the_empty_413_names_the_setting() -> None:
    raised = refusal(413, b"", call="POST /predictions/mnist")

    assert "max_request_size" in raised.message


def test_a_proxys_html_is_not_passed_off_as_torchserves() -> None:
    page = b"<html><script>alert(1)</script><h1>502 Bad Gateway</h1></html>"

    raised = refusal(502, page, call="GET /models")

    assert "not in TorchServe's words" in raised.message
    assert raised.details == "502 Bad Gateway"


@pytest.mark.parametrize(("status", "hint"), [(401, "refuses the token"), (404, "no such address"), (502, None)])
def test_what_a_cloud_refuses_in_front_of_torchserve_has_a_hint(status: int, hint: str | None) -> None:
    raised = refusal(status, b'{"error": {"code": "Unauthorized"}}', call="POST /predictions/mnist")

    assert (raised.hint is None) == (hint is None)
    assert (hint or "") in (raised.hint or "")


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"[]", b"7", b'{"type": 1, "message": []}', b"[" * 60_000, b'{"message": "only"}'],
    ids=["empty", "not-utf8", "list", "number", "wrong-types", "deep", "no-type"],
)
def test_bodies_of_any_shape_still_report_the_status(body: bytes) -> None:
    raised = refusal(500, body, call="GET /models")

    assert isinstance(raised, ApiError)
    assert raised.status == 500


def test_an_echoed_token_is_blotted_out() -> None:
    body = json.dumps({"code": 400, "type": "BadRequestException", "message": "bad header Bearer s3cr3t"}).encode()

    for raised in (
        refusal(400, body, call="GET /models", secrets=["s3cr3t"]),
        refusal(400, b"<p>s3cr3t</p>", call="GET /models", secrets=["s3cr3t"]),
    ):
        assert "s3cr3t" not in f"{raised.message} {raised.details}"


@given(text=ANY_TEXT)
def test_foreign_text_becomes_one_short_printable_line(text: str) -> None:
    line = sanitized(text)

    assert line.isprintable()
    assert len(line) <= 300


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("a\r\nb\tc\x00", "a b c"),
        ("1 < 2", "1 < 2"),
        ("\u202egnp.exe", "gnp.exe"),
    ],
    ids=["colour", "window-title", "controls", "comparison", "right-to-left"],
)
def test_escapes_and_controls_are_dropped(text: str, line: str) -> None:
    assert sanitized(text) == line
