"""Endpoint: the addresses and tokens of one TorchServe, the value engines hand to clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional


@dataclass(frozen=True)
class Endpoint:
    """Where one TorchServe listens.

    The URLs carry no trailing slash, e.g. `http://127.0.0.1:8080`. A deployed model has an inference URL alone,
    so the others may be empty. Tokens and headers are left out of `repr` so that they never reach a log.

    Attributes:
        grpc_inference_address: host and port, e.g. `127.0.0.1:7070`.
        headers: sent with each call of the Inference API, e.g. what makes a cloud's front end choose a deployment.
    """

    inference_url: str
    management_url: str = ""
    metrics_url: str = ""
    inference_token: Optional[str] = field(default=None, repr=False)
    management_token: Optional[str] = field(default=None, repr=False)
    grpc_inference_address: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
