"""What a killed command left is told from what is the user's, and from what a watch left serving on purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Optional

import pytest

from mardock.endpoint import Endpoint
from mardock.serving.served_model import ServedModel
from mardock.serving.server import Server
from mardock.serving.sweep import Leftovers, leftovers, remove_folders


@pytest.mark.parametrize(
    ("registered", "default", "own", "found"),
    [
        # Nothing was left.
        (["1.0", "2.0"], "1.0", None, Leftovers(())),
        (["1.0", "1.0-nightly"], "1.0-nightly", "1.0", Leftovers(())),
        # A killed tune, replacement and debug session.
        (["1.0", "1.0-t03"], "1.0", None, Leftovers(("1.0-t03",))),
        (["1.0", "1.0-next"], "1.0-next", None, Leftovers(("1.0-next",), "1.0")),
        (["1.0", "1.0-debug"], "1.0-debug", "1.0", Leftovers(("1.0-debug",), "1.0")),
        # Of a debug session beside what a watch left serving, before another session and after registering.
        (["1.0-w0002", "1.0-w0002-debug"], "1.0-w0002-debug", None, Leftovers(("1.0-w0002-debug",), "1.0-w0002")),
        (
            ["1.0", "1.0-w0002", "1.0-w0002-debug"],
            "1.0-w0002-debug",
            "1.0",
            Leftovers(("1.0-w0002", "1.0-w0002-debug"), "1.0"),
        ),
        # What a watch left serves on until the model itself is registered.
        (["1.0-w0001", "1.0-w0002"], "1.0-w0002", None, Leftovers(("1.0-w0001",))),
        (["1.0-i0002"], "1.0-i0002", None, Leftovers(())),
        (["1.0", "1.0-w0002"], "1.0-w0002", "1.0", Leftovers(("1.0-w0002",), "1.0")),
        # The version in mardock.toml is another one since: the one that was registered answers.
        (["1.0-w0002", "2.0"], "1.0-w0002", "2.0", Leftovers(("1.0-w0002",), "2.0")),
        # Another version of the user's stays the default one.
        (["1.0", "2.0", "1.0-w0002"], "2.0", "1.0", Leftovers(("1.0-w0002",))),
        # It is all that serves the model.
        (["1.0-debug"], "1.0-debug", None, Leftovers(())),
        (["1.0-debug", "2.0"], "1.0-debug", None, Leftovers(("1.0-debug",), "2.0")),
        ([], None, None, Leftovers(())),
        # A version of the user's own that looks like a side version.
        (["1.0-next", "1.0-next-t01"], "1.0-next", "1.0-next", Leftovers(("1.0-next-t01",))),
        (["0.9", "1.0-debug"], "0.9", "1.0-debug", Leftovers(())),
    ],
)
def test_what_is_to_go_and_what_answers_then(
    registered: list[str], default: Optional[str], own: Optional[str], found: Leftovers
) -> None:
    assert leftovers(registered, default, own=own, serving=own is not None) == found


def test_only_this_models_folders_that_nothing_serves_are_deleted(tmp_path: Path) -> None:
    goes = [".digits-1.0-w0001", ".digits-1.0-debug", ".digits-2.0-w0001", ".digits-3.0-t01"]
    stays = [".digits-1.0-w0002", ".digits-0123456789ab", ".digits-big-1.0-w0001", ".digits-4.0-w0001", "digits-1.0"]
    for name in goes + stays:
        (tmp_path / name / "MAR-INF").mkdir(parents=True)
    manifest = {"model": {"modelName": "digits"}}  # of a version that mardock.toml does not name any more
    (tmp_path / ".digits-3.0-t01" / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))
    server = Server(Endpoint("http://127.0.0.1:9", "http://127.0.0.1:9"), store=tmp_path)
    with ServedModel(server, "digits") as model:
        remove_folders(model, ["1.0", "2.0-w0009"], {".digits-1.0-w0002"})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stays)
