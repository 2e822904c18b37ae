"""Python tracebacks as text: found in a stream of lines and taken apart into exceptions and frames."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TORCHSERVE = r"[/\\](?:site|dist)-packages[/\\]ts[/\\]"
"""A regular expression of TorchServe's own files."""

_HEADER = "Traceback (most recent call last):"
_FRAME = re.compile(r'  File "(?P<path>.*)", line (?P<line>\d+)(?:, in (?P<function>.*))?')
_MARKERS = re.compile(r"[\s~^]*")
_LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
# What TorchServe's worker writes next; without it a message of several lines would have no end.
_WORKER_SAYS = re.compile(
    r"Backend (worker process died\.|received inference)|Failed to load model |Load model .* OOM|Frontend disconnected|"
    r"Invoking custom service failed|Prediction error|System out of memory|CUDA out of memory$|Unable to serialize|"
    r"s_name_part0=|Listening on port|\[PID\]|model_name: |model: .*, (Invalid return|number of batch)|\S*\[METRICS\]"
)
_LONGEST_MESSAGE = 60


@dataclass(frozen=True)
class Frame:
    """One call: the file as Python printed it, the line number, the function (empty for a SyntaxError), the source."""

    path: str
    line: int
    function: str
    code: str = ""


@dataclass
class Printed:
    """One exception of a chain as it was printed; `message` holds its lines, the first being `Type: text`."""

    frames: list[Frame] = field(default_factory=list)
    message: list[str] = field(default_factory=list)

    @property
    def exception(self) -> str:
        return "\n".join(self.message).rstrip()


class TracebackScanner:
    """Collects the tracebacks of one stream in `chains`: the exceptions of each, in the order they were printed."""

    def __init__(self) -> None:
        self.chains: list[list[Printed]] = []
        self._open = False
        self._linked = False

    def feed(self, text: str) -> bool:
        """Take the next line and say whether it is part of a traceback."""
        if text.rstrip() == _HEADER:
            self._start()
            return True
        if not self._open:
            return False
        raised = self.chains[-1][-1]
        if raised.message:
            return self._continue_message(raised, text)
        if text.startswith((" ", "\t")) or not text:
            _add_to_frames(raised.frames, text)
        else:
            raised.message.append(text)
        return True

    def _start(self) -> None:
        if not (self._open and self._linked):
            self.chains.append([])
        self.chains[-1].append(Printed())
        self._open, self._linked = True, False

    def _continue_message(self, raised: Printed, text: str) -> bool:
        if text.rstrip() in _LINKS:
            self._linked = True
        elif _WORKER_SAYS.match(text) or len(raised.message) >= _LONGEST_MESSAGE:
            self._open = False
        elif not self._linked:
            raised.message.append(text)
        return self._open


def _add_to_frames(frames: list[Frame], text: str) -> None:
    found = _FRAME.fullmatch(text)
    if found:
        frames.append(Frame(found["path"], int(found["line"]), found["function"] or ""))
    elif frames and not frames[-1].code and not _MARKERS.fullmatch(text):
        last = frames[-1]
        frames[-1] = Frame(last.path, last.line, last.function, text.strip())
