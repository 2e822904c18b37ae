"""Which file and line a failure names, and the edit it proposes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.deploy.rehearsal.scenes import DOCKERFILE, SPEC, agreed, write

from mardock.causes import failures
from mardock.causes.audience import Audience, Then
from mardock.client.refusals import INVALID_KEY
from mardock.deploy.rehearsal import faults
from mardock.deploy.rehearsal.prober import Answer
from mardock.errors import ApiError

TOKENS = Answer(400, f'{{"code": 400, "type": "{INVALID_KEY}"}}')
VARIABLES = "environment_variables:\n  TS_DISABLE_TOKEN_AUTHORIZATION: 'false'\n  TS_INFERENCE_ADDRESS: http://[::1]\n"
OVERRIDDEN = {"TS_DISABLE_TOKEN_AUTHORIZATION": "false", "TS_INFERENCE_ADDRESS": "http://[::1]"}
START = "FROM base\nCOPY torchserve/config.properties /home\nCMD torchserve --start --models=other=echo.mar\n"


def where(error: Exception) -> str:
    return str(error).partition(": ")[0]


def test_a_variable_of_the_spec_wins_where_torchserve_asks_the_environment(tmp_path: Path) -> None:
    write(tmp_path, SPEC, VARIABLES)
    asks = agreed(tmp_path, config="enable_envvars_config=true\n", environment=OVERRIDDEN)
    asks_not = agreed(tmp_path, config="inference_address=http://127.0.0.1:8080\n", environment=OVERRIDDEN)

    assert where(faults.probe_refused(asks, asks.liveness, TOKENS)) == f"{SPEC}:2"
    assert where(faults.loopback_only(asks)) == f"{SPEC}:3"
    assert faults.loopback_only(asks).hint == "write TS_INFERENCE_ADDRESS: 'http://0.0.0.0:8080'"
    assert where(faults.loopback_only(asks_not)) == "torchserve/config.properties:1"
    assert faults.loopback_only(asks_not).hint == "write inference_address=http://0.0.0.0:8080"


def test_an_own_dockerfile_is_named_where_it_decides(tmp_path: Path) -> None:
    contract = agreed(tmp_path, dockerfile=START)

    tokens = faults.probe_refused(contract, contract.liveness, TOKENS)
    assert where(tokens) == f"{DOCKERFILE}:3"
    assert str(tokens.hint).endswith("write --disable-token-auth")
    assert where(faults.wrong_name(contract, ["other"])) == f"{DOCKERFILE}:3"
    assert where(faults.ended(contract, 1, ["one", "two"])) == f"{DOCKERFILE}:3"
    assert faults.ended(contract, 1, ["one", "two"]).details == "one\ntwo"


def test_a_setting_that_torchserve_ends_at(tmp_path: Path) -> None:
    contract = agreed(tmp_path, config="model_store=a\nnumber_of_netty_threads=many\n")

    assert faults.ended(contract, 0, []).message.startswith(
        "torchserve/config.properties:2: number_of_netty_threads: 'many' is not a whole number, and the container of"
    )


def test_the_window_that_is_too_short(tmp_path: Path) -> None:
    write(
        tmp_path, SPEC, "readiness_probe:\n  period: 1\n  initial_delay: 2\nliveness_probe: {failure_threshold: 60}\n"
    )
    contract = agreed(tmp_path)

    early = faults.too_early(contract, 2.0, 19.5)
    assert where(early) == f"{SPEC}:3"
    assert "Ready after 2.0 s, loaded after 19.5 s, and a request is given 5 s" in early.message
    assert str(early.hint).endswith("initial_delay: 30 under readiness_probe")
    failed = faults.probe_failed(contract, contract.liveness, Answer(None, "the connection is refused"), [])
    assert where(failed) == f"{SPEC}:4"
    assert "failed 60 times within 60 s" in failed.message


def test_what_the_handler_cannot_import(tmp_path: Path) -> None:
    log = [
        "2026-11-21T16:13:54,485 [INFO ] W-9000-model_1.0-stdout MODEL_LOG - " + line
        for line in (
            "Traceback (most recent call last):",
            '  File "/home/model-server/tmp/models/0123456789abcdef0123456789abcdef/handler.py", line 1, in <module>',
            "    import cv2",
            "ModuleNotFoundError: No module named 'cv2'",
            "",
        )
    ]

    audience = Audience({"handler.py": "torchserve/echo/handler.py"}, then=Then.REHEARSE)
    cause = failures.find(log, "model", "1.0", audience)
    assert cause is not None

    error = faults.handler_failed(agreed(tmp_path), cause, log, audience)

    assert error.message == (
        "torchserve/echo/requirements.txt: the handler needs cv2, which the image shop/echo does not have"
    )
    assert "torchserve/echo/handler.py:1" in str(error.details)
    assert str(error.hint).startswith("write the package of cv2 into requirements.txt")


@pytest.mark.parametrize(
    ("status", "line"), [(404, "torchserve/config.properties"), (413, "torchserve/config.properties:2")]
)
def test_a_request_refused_for_what_is_configured(tmp_path: Path, status: int, line: str) -> None:
    contract = agreed(tmp_path, config="# limits\nmax_request_size=10\n")

    told = faults.refused(contract, ApiError("refused", status=status))

    assert told is not None
    assert where(told) == line
    assert faults.refused(contract, ApiError("failed", status=503)) is None


def test_a_sample_that_the_handler_refuses(tmp_path: Path) -> None:
    told = faults.refused(agreed(tmp_path), ApiError("no image", status=400))

    assert told is not None
    assert (told.message, told.hint) == (
        "model: its handler refuses the sample: no image",
        "predict another: --data FILE",
    )
