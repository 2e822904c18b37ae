"""Endpoint: the addresses and tokens of one TorchServe, the value engines hand to clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional


@dataclass(frozen=True)
class Endpoint:
    """Where one TorchServe listens.

    The URLs carry no trailing slash, e.g. `http://127.0.0.1:8080`. A deployed model has an inference URL alone,
    so the other two may be empty. Tokens are left out of `repr` so that they never reach a log.
    """

    inference_url: str
    management_url: str = ""
    metrics_url: str = ""
    inference_token: Optional[str] = field(default=None, repr=False)
    management_token: Optional[str] = field(default=None, repr=False)
