"""TrialSpec: what a trial of a model's handler takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from mardock.defaults import WORKER_TIMEOUT_S
from mardock.payload import Payload

MAX_SIZE = 6_553_500  # TorchServe's own default for requests and answers, bytes


@dataclass(frozen=True)
class TrialSpec:
    """What to try.

    Attributes:
        members: the archive's files, or what one holds, by member name; `manifest` is the text of its MANIFEST.json.
        samples: the requests; at least one.
        batch: how many of them go into the batch after the single ones, repeated from the first one on; 1 for none.
        batch_size: what the model is registered with.
        startup_timeout, response_timeout: seconds for loading and for each batch.
        max_response_size: bytes one reply may have.
        decoded: whether JSON and text are parsed for the handler, as `decode_input_request` says.
        envelope: TorchServe's own that is put around the handler, as `service_envelope` says.
        packages: a folder of those the model brings.
        limited_images: whether Pillow refuses huge ones, as `limit_max_image_pixels` says.
        debug: stop in pdb where the handler raises; then nothing is limited in time.
    """

    members: Mapping[str, Union[Path, bytes]]
    manifest: bytes
    samples: Sequence[Payload]
    batch: int = 1
    batch_size: int = 1
    startup_timeout: float = WORKER_TIMEOUT_S
    response_timeout: float = WORKER_TIMEOUT_S
    max_response_size: int = MAX_SIZE
    decoded: bool = True
    envelope: Optional[str] = None
    limited_images: bool = True
    packages: Optional[Path] = None
    debug: bool = False
