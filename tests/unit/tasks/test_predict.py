"""What is refused before a file is sent."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from mardock.endpoint import Endpoint
from mardock.errors import ConfigError
from mardock.settings.project import Project
from mardock.tasks.predict import predict
from mardock.tasks.requests import Request


def test_more_requests_at_once_than_files_may_be_open_are_refused(tmp_path: Path) -> None:
    nowhere = Endpoint("http://127.0.0.1:1")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (120, before[1]))
    try:
        with pytest.raises(ConfigError, match="100 requests at once need more open files than the 120") as refused:
            predict(
                Project(tmp_path), "digits", [Request("x.png", Path("x.png"))] * 100, concurrency=100, endpoint=nowhere
            )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "ulimit -n" in str(refused.value.hint)
