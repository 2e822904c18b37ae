"""Show what TorchServe counted for each model, now or in two captures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.cli import console

if TYPE_CHECKING:
    from mardock.client.metrics import ModelMetrics

Capture = Sequence["ModelMetrics"]


def show(found: Capture, *, as_json: bool) -> None:
    """Print requests and mean latencies of each model."""
    if as_json:
        console.data_json([model.to_dict() for model in found])
        return
    if not found:
        console.note("no predictions yet")
    console.table(
        ("MODEL", "VERSION", "REQUESTS", "MEAN INFERENCE", "MEAN QUEUE"),
        [
            (m.model, m.version, m.requests, _ms(m.mean_inference_latency_us), _ms(m.mean_queue_latency_us))
            for m in found
        ],
    )


def show_comparison(names: Sequence[Path], before: Capture, after: Capture, *, as_json: bool) -> None:
    """Print two captures side by side, with how many times larger the second one's figures are."""
    left, right = ({(m.model, m.version): m for m in capture} for capture in (before, after))
    keys = sorted({*left, *right})
    if as_json:
        pairs = [(key, left.get(key), right.get(key)) for key in keys]
        console.data_json(
            [
                {"model": model, "version": version, "before": a and a.to_dict(), "after": b and b.to_dict()}
                for (model, version), a, b in pairs
            ]
        )
        return
    rows = []
    for key in keys:
        a, b = left.get(key), right.get(key)
        rows.append((key[0], "requests", a.requests if a else "-", b.requests if b else "-", ""))
        for what, field in (("inference", "mean_inference_latency_us"), ("queue", "mean_queue_latency_us")):
            x, y = (getattr(m, field, None) for m in (a, b))
            rows.append((key[0], f"mean {what}", _ms(x), _ms(y), _ratio(x, y)))
    console.table(("MODEL", "", *(name.stem for name in names), "RATIO"), rows)


def _ms(microseconds: Optional[float]) -> str:
    return "-" if microseconds is None else f"{microseconds / 1000:.2f} ms"


def _ratio(before: Optional[float], after: Optional[float]) -> str:
    return f"{after / before:.2f}x" if before and after is not None else ""
