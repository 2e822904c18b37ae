"""The command that builds the project's own image."""

from __future__ import annotations

from mardock.engines.docker.images import build_argv
from mardock.settings.schema import Machine


def test_what_pip_is_told_stays_out_of_the_command() -> None:
    environ = {"PIP_INDEX_URL": "https://user:secret@index.example/simple", "PIP_TRUSTED_HOST": "", "HOME": "/root"}
    argv = build_argv("own:1", Machine(base_image="debian:12"), environ)
    assert argv[:6] == ["docker", "build", "--file", "torchserve/Dockerfile", "--tag", "own:1"]
    assert [argv[i + 1] for i, word in enumerate(argv) if word == "--build-arg"] == [
        "BASE_IMAGE=debian:12",
        "PIP_INDEX_URL",
    ]
    assert "secret" not in " ".join(argv)
    assert argv[argv.index("--network") + 1] == "default"
    assert argv[-1] == "."


def test_the_build_may_use_the_machine_s_network() -> None:
    argv = build_argv("own:1", Machine(build_network="host"), {})
    assert argv[argv.index("--network") + 1] == "host"
