"""`mardock logs` of a real server: a trace names the user's file, the last lines are counted, none is shown twice."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.projects import make_project
from tests.support.command import MARDOCK, environment, mardock, succeed

from mardock.engines.native import NativeEngine
from mardock.settings.project import Project

HANDLER = """
import helper

class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        return [helper.answer(bytes(row["body"])) for row in data]
"""
HELPER = """
def answer(body):
    if body.startswith(b"boom"):
        raise ValueError(body.decode())
    return body
"""
SETTINGS = """
[models.m.archive]
model_name = "served_as"
handler = "code/handler.py"
extra_files = ["code/lib/helper.py"]
"""
TORCHSERVE_S_OWN = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration>
  <Appenders>
    <RollingFile name="ts_log" fileName="${env:LOG_LOCATION}/ts_log.log" filePattern="${env:LOG_LOCATION}/ts_log.%i">
      <PatternLayout pattern="%d{ISO8601} [%-5p] %t %c - %m%n"/>
      <SizeBasedTriggeringPolicy size="100 MB"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <Logger name="org.pytorch.serve" level="debug"><AppenderRef ref="ts_log"/></Logger>
    <Logger name="MODEL_LOG" level="all"/>
    <Root level="info"><AppenderRef ref="ts_log"/></Root>
  </Loggers>
</Configuration>
"""


@pytest.fixture(scope="module")
def project(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose server logs as TorchServe does by itself: each line of its frontend twice; it has failed once."""
    project = make_project(tmp_path_factory.mktemp("logs") / "project")
    (project.root / "torchserve/log4j2.xml").write_text(TORCHSERVE_S_OWN)
    (project.root / "mardock.toml").write_text(SETTINGS)
    (project.root / "code/lib").mkdir(parents=True)
    (project.root / "code/handler.py").write_text(HANDLER)
    (project.root / "code/lib/helper.py").write_text(HELPER)
    succeed(project.root, "archive", "m")
    succeed(project.root, "up")
    fail(project.root, "boom one")
    yield project
    NativeEngine(project).down()


def fail(root: Path, body: str) -> None:
    (root / "body").write_text(body)
    failed = mardock(root, "predict", "served_as", "body")
    assert (failed.code, f"ValueError: {body} (code/lib/helper.py:4 in answer)" in failed.err) == (5, True), failed.err


@pytest.mark.parametrize(
    "asked", [(), ("served_as",), ("served_as", "--errors"), ("m", "--errors"), ("--errors",)], ids=" ".join
)
def test_a_trace_names_the_files_of_the_project(project: Project, asked: tuple[str, ...]) -> None:
    lines = succeed(project.root, "logs", *asked, "-n", "-1").out
    assert 'File "code/handler.py", line 9, in handle' in lines
    assert 'File "code/lib/helper.py", line 4, in answer' in lines
    assert "/models/" not in "".join(line for line in lines.splitlines() if ".py" in line)


def test_the_last_lines_are_those_that_are_asked_for(project: Project) -> None:
    every = succeed(project.root, "logs", "-n", "-1").out.splitlines()
    assert len(every) > 40
    assert succeed(project.root, "logs", "-n", "3").out.splitlines() == every[-3:]
    errors = succeed(project.root, "logs", "served_as", "--errors", "-n", "1").out.splitlines()
    assert [line.rpartition(" - ")[2] for line in errors] == ["ValueError: boom one"]  # however far back it lies


def test_a_model_nobody_knows_is_no_model_without_lines(project: Project) -> None:
    refused = mardock(project.root, "logs", "served_sa")
    assert (refused.code, refused.out) == (2, "")
    assert "lists no model 'served_sa'" in refused.err


def test_no_line_is_shown_twice(project: Project) -> None:
    written = (project.logs / "ts_log.log").read_text().splitlines()
    frontend = [line for line in written if " org.pytorch.serve." in line]
    assert len(frontend) > len(set(frontend)) * 1.9  # else this tests nothing
    shown = [
        line for line in succeed(project.root, "logs", "-n", "-1").out.splitlines() if " org.pytorch.serve." in line
    ]
    assert len(shown) == len(set(shown)) == len(set(frontend))


def test_what_comes_is_told_in_the_same_way(project: Project) -> None:
    argv = [*MARDOCK, "logs", "served_as", "--errors", "--follow", "-n", "1"]
    with subprocess.Popen(
        argv, cwd=project.root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as following:
        assert following.stdout is not None
        assert "ValueError: boom" in following.stdout.readline()  # the last one before
        asking = threading.Thread(target=fail, args=(project.root, "boom two"))
        asking.start()
        come = []
        for line in following.stdout:
            come.append(line)
            if "boom two" in line:
                break
        asking.join()
        following.send_signal(signal.SIGINT)
        following.stdout.read()
    assert any('File "code/handler.py", line 9, in handle' in line for line in come)
    assert "boom one" not in "".join(come)
