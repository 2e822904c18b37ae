"""The example's handler under TorchServe's own loader and Context: whole digits, broken bytes, and both model forms."""

from __future__ import annotations

import base64
import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import ts
from PIL import Image
from ts.context import RequestProcessor
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.model_loader import TsModelLoader
from ts.service import Service

from character_recognizer import train
from character_recognizer.mnist import MnistNet

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "datasets" / "MNIST" / "sample_images").glob("*.png"))
PNG = SAMPLES[0].read_bytes()
STATE_DICT = {"serializedFile": "mnist_cnn.pt", "modelFile": "mnist.py"}
TORCHSCRIPT = {"serializedFile": "mnist_cnn_scripted.pt"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with both saved forms of a model that has seen enough to tell digits apart."""
    folder = tmp_path_factory.mktemp("weights")
    images, labels = train.load_digits(ROOT / "datasets" / "MNIST" / "mnist.npz", "train")
    torch.manual_seed(0)
    model = MnistNet()
    train.train(model, images[:4000], labels[:4000], epochs=2)
    train.save(model, folder)
    return folder


@pytest.fixture(params=[STATE_DICT, TORCHSCRIPT], ids=["state dict", "TorchScript"])
def service(
    request: pytest.FixtureRequest, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """Load the handler as a worker does, from a folder that holds what its archive would."""
    shutil.copy(ROOT / "torchserve" / "mnist" / "handler.py", tmp_path)
    shutil.copy(weights / request.param["serializedFile"], tmp_path)
    if "modelFile" in request.param:
        shutil.copy(ROOT / "src" / "character_recognizer" / "mnist.py", tmp_path)
    (tmp_path / "MAR-INF").mkdir()
    (tmp_path / "MAR-INF" / "MANIFEST.json").write_text(json.dumps({"model": request.param}))
    monkeypatch.syspath_prepend(tmp_path)
    metrics = MetricsCacheYamlImpl(str(Path(ts.__file__).parent / "configs" / "metrics.yaml"))
    metrics.initialize_cache()
    yield TsModelLoader().load("mnist", str(tmp_path), "handler.py", batch_size=1, metrics_cache=metrics)
    for module in ("handler", "mnist"):
        sys.modules.pop(module, None)


def ask(service: Service, *requests: dict[str, Any]) -> list[Any]:
    """Put one batch through the handler and return its answers."""
    service.context.request_processor = [RequestProcessor({}) for _ in requests]
    service.context.request_ids = {index: f"request-{index}" for index in range(len(requests))}
    service.context.metrics.request_ids = service.context.request_ids
    answers: list[Any] = service._entry_point(list(requests), service.context)
    return answers


def statuses(service: Service) -> list[int]:
    return [processor.get_response_status_code() for processor in service.context.request_processor]


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_a_batch_of_samples_is_read(service: Service) -> None:
    answers = ask(service, *({"body": path.read_bytes()} for path in SAMPLES))
    right = sum(answer == path.stem[-1] for answer, path in zip(answers, SAMPLES))
    assert right > 80
    assert set(statuses(service)) == {200}


def test_every_way_to_send_the_same_image_gives_the_same_digit(service: Service) -> None:
    text = base64.b64encode(PNG).decode()
    ways: list[dict[str, Any]] = [
        {"body": bytearray(PNG)},
        {"data": PNG},
        {"body": text},
        {"data": text},
        {"body": {"data": text}},
    ]
    assert set(ask(service, *ways)) == {SAMPLES[0].stem[-1]}


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "PNG"), ("RGBA", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("1", "BMP"), ("F", "TIFF"), ("RGB", "WEBP")],
)
def test_any_size_and_colour_is_brought_to_the_same_scale(service: Service, mode: str, kind: str) -> None:
    image = Image.new("L", (300, 200), 255).convert(mode)
    white = sys.modules["handler"].read_image(encoded(image, kind))
    assert (white.shape, white.dtype) == ((1, 28, 28), torch.float32)
    torch.testing.assert_close(white, torch.ones(1, 28, 28), atol=0.01, rtol=0)


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_sixteen_bits_are_scaled_and_not_cut_off(service: Service, mode: str) -> None:
    half = Image.fromarray(np.full((28, 28), 0x8080, np.uint16 if mode == "I;16" else np.int32))
    grey = sys.modules["handler"].read_image(encoded(half, "TIFF"))
    torch.testing.assert_close(grey, torch.full((1, 28, 28), 128 / 255), atol=0.01, rtol=0)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_background(service: Service, mode: str) -> None:
    clear = Image.new("RGBA", (28, 28), (255, 255, 255, 0)).convert(mode)
    assert sys.modules["handler"].read_image(encoded(clear, "PNG")).max() == 0


@pytest.mark.parametrize(
    "request_",
    [
        {"body": b"this is no image"},
        {"body": b""},
        {"body": PNG[:-60]},
        {"body": PNG[:60] + b"\0" * 40 + PNG[100:]},
        {"body": "not base64, é"},
        {"body": {"data": [0, 1]}},
        {"image": PNG},
        {},
    ],
    ids=["text", "empty", "truncated", "overwritten", "not base64", "numbers", "wrong field", "nothing"],
)
def test_a_request_without_an_image_fails_alone(service: Service, request_: dict[str, Any]) -> None:
    first, broken, last = ask(service, {"body": PNG}, request_, {"body": PNG})
    assert first == last == SAMPLES[0].stem[-1]
    assert statuses(service) == [200, 400, 200]
    assert broken["code"] == 400
    assert "holds no image" in broken["message"]


def test_an_image_that_would_fill_the_memory_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    ask(service, {"body": PNG})
    assert statuses(service) == [400]
