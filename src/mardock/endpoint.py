"""Endpoint: the addresses of one TorchServe and what opens its doors, the value engines hand to clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional, Protocol


class Credentials(Protocol):
    """Where the tokens of one TorchServe come from: asked for each call, for tokens expire while a command goes on.

    Both methods take a token that was refused, which is not remembered then, and return None when none is asked for.
    They raise MardockError when there is a token and it cannot be had.
    """

    def inference(self, refused: Optional[str] = None) -> Optional[str]:
        """Return the token to call the Inference API with now."""
        ...

    def management(self, refused: Optional[str] = None) -> Optional[str]:
        """Return the token to call the Management API with now."""
        ...


@dataclass(frozen=True)
class Tokens:
    """Credentials that stay as they are; none unless they are given."""

    inference_token: Optional[str] = field(default=None, repr=False)
    management_token: Optional[str] = field(default=None, repr=False)

    def inference(self, refused: Optional[str] = None) -> Optional[str]:
        """Return the token that was given; see `Credentials`."""
        return self.inference_token

    def management(self, refused: Optional[str] = None) -> Optional[str]:
        """Return the token that was given; see `Credentials`."""
        return self.management_token


@dataclass(frozen=True)
class Endpoint:
    """Where one TorchServe listens.

    The URLs carry no trailing slash, e.g. `http://127.0.0.1:8080`. A deployed model has an inference URL alone,
    so the others may be empty. Credentials and headers are left out of `repr` so that they never reach a log.

    Attributes:
        credentials: where its tokens come from; two endpoints of one server are equal whatever those are just now.
        certificates: the file of CA certificates it is trusted by over HTTPS; None leaves that to `client.trust`.
        grpc_inference_address: host and port, e.g. `127.0.0.1:7070`.
        headers: sent with each call of the Inference API, e.g. what makes a cloud's front end choose a deployment.
    """

    inference_url: str
    management_url: str = ""
    metrics_url: str = ""
    credentials: Credentials = field(default=Tokens(), repr=False)
    certificates: Optional[str] = None
    grpc_inference_address: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
