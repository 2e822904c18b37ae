"""TorchServe's log, line by line: which worker a line is about, and what that worker wrote."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Optional

_WORKER = r"(?:^|\s)W-(?P<port>\d+)-{name}(?:-(?P<stream>stdout|stderr))? (?P<logger>\S+) -(?: |$)(?P<text>.*)"
_EVENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S* \[(?P<level>\w+) *\]")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
# What a worker says whatever the model is.
_ALWAYS_SAID = re.compile(
    r"s_name_part\d=|Listening on port|Successfully loaded |\[PID\]|Torch worker started|Python runtime: |model_name: |"
    r"Connection accepted|Frontend disconnected|Backend received|OpenVINO is|proceeding without|Torch TensorRT|"
    r".*\[METRICS\]"
)
_FRONTEND = re.compile(r" org\.pytorch\.serve\.\S+ - ")
_TWICE_WITHIN = 8  # other threads write between the two
_ANY = r"\S+?"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

STARTED = "-> WORKER_STARTED"
LOADED = "-> WORKER_MODEL_LOADED"
"""What TorchServe writes about a worker once its process runs, and once the model is loaded there."""


@dataclass(frozen=True)
class WorkerLine:
    """One line about a worker of one model.

    Attributes:
        port: TorchServe's number for the worker, e.g. `9000`; a describe answer calls it `id`.
        stream: `stdout` or `stderr` when the worker wrote it; empty when TorchServe wrote it about the worker.
        text: without the log's prefix, terminal escapes and control characters.
        model: the name it is served under.
    """

    port: str
    stream: str
    text: str
    model: str = ""


@dataclass(frozen=True)
class LogLine:
    """A line of the whole log: its level (a stack trace's lines have their event's), and its worker if it is ours."""

    raw: str
    level: str
    worker: Optional[WorkerLine]


def log_lines(lines: Iterable[str], model: Optional[str], version: Optional[str] = None) -> Iterator[LogLine]:
    """Tell for every line of the log whether it is about a worker of `model`, or of any when it is None.

    TorchServe tags a line with `W-<port>-<model>_<version>` and leaves the lines of a Java stack trace untagged; they
    belong to the line before.
    """
    pattern = _worker_pattern(model, version)
    level, worker = "", None
    for raw in lines:
        event = _EVENT.search(raw)
        tagged = pattern.search(raw)
        if tagged:
            stream = tagged["stream"] if tagged["logger"] == "MODEL_LOG" else ""
            worker = WorkerLine(tagged["port"], stream or "", plain(tagged["text"]), tagged["model"])
        elif event or worker is None:
            worker = None
        else:
            worker = WorkerLine(worker.port, "", plain(raw), worker.model)
        level = event["level"] if event else level
        yield LogLine(raw, level, worker)


def last_words(lines: Iterable[str], model: Optional[str], version: Optional[str] = None, *, count: int = 15) -> str:
    """Return the last lines the model's own code printed, without what TorchServe's worker always says."""
    said = [
        line.worker.text
        for line in log_lines(lines, model, version)
        if line.worker and line.worker.stream and line.worker.text and not _ALWAYS_SAID.match(line.worker.text)
    ]
    return "\n".join(said[-count:])


def ends(lines: Iterable[str], model: Optional[str], version: Optional[str] = None) -> int:
    """Return how many workers of the model ended with as much of what they printed as TorchServe read in these lines.

    It stops reading the moment it learns that the worker is gone, so the last words may be missing, an exception too.
    """
    return sum(
        line.worker is not None
        and line.worker.text.startswith("Stopped Scanner - ")
        and line.worker.text.endswith("-stdout")
        for line in log_lines(lines, model, version)
    )


def pip_output(lines: Iterable[str], model: Optional[str]) -> str:
    """Return what pip said when it last failed to install a model's requirements; empty when it did not."""
    mark = f"Custom pip package installation failed for model {model or ''}"
    said: list[str] = []
    collecting = False
    for line in lines:
        if _EVENT.search(line):
            collecting = mark in line
            said = [] if collecting else said
        elif collecting and line.strip():
            said.append(plain(line))
    return "\n".join(said)


def once(lines: Iterable[str]) -> Iterator[str]:
    """Leave out what TorchServe wrote twice: with its own log4j2.xml ts_log.log has each line of its frontend so.

    What a worker printed stands there once, and may well be the same twice.
    """
    events: deque[tuple[str, list[str]]] = deque(maxlen=_TWICE_WITHIN)
    following: list[str] = []  # lines of the first copy's stack trace that are still to come again
    for line in lines:
        if _EVENT.match(line):
            again = next((more for head, more in events if head == line), None) if _FRONTEND.search(line) else None
            following = [] if again is None else list(again)
            if again is not None:
                continue
            events.append((line, []))
        elif following and following[0] == line:
            del following[0]
            continue
        elif events:
            events[-1][1].append(line)
        yield line


def plain(text: str) -> str:
    """Remove terminal escapes and control characters other than a tab."""
    return _CONTROL.sub("", _ESCAPES.sub("", text))


def _worker_pattern(model: Optional[str], version: Optional[str]) -> re.Pattern[str]:
    # `.next` is the name an archive is tried under before it replaces what is served.
    name = rf"(?P<model>{re.escape(model) if model else _ANY})(?:\.next)?"
    # Both names may hold an underscore; of an unknown version it is taken that it does not.
    return re.compile(_WORKER.format(name=f"{name}_{re.escape(version) if version else '[^_ ]+?'}"))
