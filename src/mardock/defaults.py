"""Defaults and limits that more than one room goes by."""

from __future__ import annotations

START_TIMEOUT_S = 120.0
"""What a server gets to be up, images that are here already."""

WORKER_TIMEOUT_S = 120
"""What TorchServe gives a worker to load its model, and then to answer a batch, unless told otherwise."""

ANSWER_TIMEOUT_S = 150.0
"""What a client gives the server to answer: it outlasts a worker's time, to hear the verdict."""

DRAIN_S = 10.0
"""What requests under way get to be answered before the version they are sent to is taken away."""

MAX_WORKERS = 1024
"""More workers of one model are taken for a slip: TorchServe takes any number, and starts as many processes."""

MAX_THREADS = 1024
"""More threads of one worker are taken for a slip."""

LINKED_ABOVE = 64 << 20
"""Bytes above which a file is hard-linked into a folder that is served; copying as much takes some 30 ms."""

OWN_CONFIG = "torchserve/config.properties (mardock init --config writes one)"
"""Where a project changes how TorchServe is run, for a hint: it need not have the file."""
