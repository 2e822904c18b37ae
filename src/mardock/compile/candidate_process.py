"""One candidate in a process of its own, forked from the one that loaded the model: it may hang, crash or change it."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Callable, Optional

import torch
from torch import nn
from torch.utils.benchmark import Timer

from mardock.compile.candidates import Candidate, NotHereError
from mardock.compile.outputs import Comparison, compare, leaves
from mardock.compile.probes import SAMPLE, Inputs, copies, probes
from mardock.compile.reasons import death, first_line
from mardock.compile.reference import Answers
from mardock.compile.report import DIVERGES, FAILED, NOT_HERE, OTHER_NUMERICS, VERIFIED, CandidateReport
from mardock.compile.tolerance import LOOSE, Tolerance

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Job:
    """What every candidate's process is given.

    Attributes:
        model: in eval mode; loaded while torch had one thread, for others do not survive a fork.
        folder: for the candidates' files, their logs and eager's answers.
        threads: of torch.
    """

    model: nn.Module
    sample: Inputs
    folder: Path
    tolerance: Tolerance
    threads: int

    @property
    def answers(self) -> Path:
        """Where eager's answers are kept for the others to compare with."""
        return self.folder / "eager.answers"


class CandidateProcess:
    """A context; leaving it ends the process and whatever that has started.

    Args:
        work: run in the process, given what sends and receives.
    """

    def __init__(self, work: Callable[[Connection], None], log: Path) -> None:
        self._here, there = _FORK.Pipe()
        self._log = log
        self._process = _FORK.Process(target=_live, args=(work, there, log, os.getpid()))
        self._process.start()
        there.close()

    def __enter__(self) -> CandidateProcess:
        return self

    def __exit__(self, *raised: object) -> None:
        for end in (self._process.kill, lambda: os.killpg(self._process.pid or 0, signal.SIGKILL)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end()
        self._process.join()
        self._here.close()

    def ask(self, question: Optional[float], timeout: float) -> Any:
        """Send a question (None: none, its first report is awaited) and return the answer.

        Raises:
            TimeoutError: there was none for so many seconds.
            EOFError: the process died; the message says of what.
        """
        try:
            if question is not None:
                self._here.send(question)
            if not self._here.poll(timeout):
                raise TimeoutError(f"not done within {timeout:g} s")
            return self._here.recv()
        except (EOFError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            self._process.join(1.0)
            said = self._log.read_text(encoding="utf-8", errors="replace").strip() if self._log.exists() else ""
            raise EOFError(death(self._process.exitcode or 0, said.rpartition("\n")[2])) from error


def run(candidate: Candidate, job: Job, pipe: Connection) -> None:
    """Build, verify and report; then answer each number of seconds with the times of as many seconds of calls."""
    torch.set_num_threads(job.threads)
    file = job.folder / f"{candidate.name}{candidate.suffix}"
    try:
        with torch.no_grad():
            built = candidate.build(job.model, copies(job.sample), file)
        report = verify(candidate, built.call, job.sample, torch.load(job.answers, weights_only=True), job.tolerance)
    except NotHereError as error:
        pipe.send(CandidateReport(candidate.name, NOT_HERE, str(error)))
        return
    except Exception as error:
        pipe.send(CandidateReport(candidate.name, FAILED, first_line(error)))
        return
    pipe.send(replace(report, servable=built.file is not None, reason=report.reason or built.note))
    with torch.inference_mode():
        while True:
            pipe.send(timed(built.call, job.sample, job.threads, pipe.recv()))


def verify(
    candidate: Candidate, call: Callable[..., Any], sample: Inputs, expected: Answers, tolerance: Tolerance
) -> CandidateReport:
    """Compare the candidate's answers to every probe with eager's; the first that is refused ends it."""
    worst, status, held_to = Comparison(0.0, "", None), VERIFIED, tolerance
    all_inputs = probes(sample)
    with torch.inference_mode():
        for label, answer in expected.items():
            try:
                found = leaves(call(*copies(all_inputs[label])))
            except Exception as error:
                reason = f"{label}: raises where eager answers: {first_line(error)}"
                return CandidateReport(candidate.name, DIVERGES, reason, tolerance=str(tolerance))
            result = compare(answer, found, tolerance)
            if result.why and candidate.other_numerics:
                status, held_to = OTHER_NUMERICS, LOOSE
                result = compare(answer, found, held_to, like=expected[SAMPLE])
            if result.why:
                return _judged(candidate, DIVERGES, f"{label}: {result.why}", result, held_to)
            if result.largest >= worst.largest:
                worst = result
    return _judged(candidate, status, "", worst, held_to)


def _judged(candidate: Candidate, status: str, reason: str, worst: Comparison, tolerance: Tolerance) -> CandidateReport:
    measured = math.isfinite(worst.largest)
    return CandidateReport(
        candidate.name,
        status,
        reason,
        max_difference=worst.largest if measured else None,
        where=worst.where,
        relative_difference=worst.largest / worst.size if measured and worst.size else None,
        tolerance=str(tolerance),
    )


def timed(call: Callable[..., Any], sample: Inputs, threads: int, seconds: float) -> list[float]:
    """Return the seconds of one call, measured several times by torch's own benchmark."""
    timer = Timer("call(*sample)", globals={"call": call, "sample": sample}, num_threads=threads)
    return list(timer.blocked_autorange(min_run_time=seconds).times)


def _live(work: Callable[[Connection], None], pipe: Connection, log: Path, parent: int) -> None:
    os.setsid()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    code = 1
    try:
        work(pipe)
        code = 0
    except EOFError:  # nothing more is asked
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # what the parent cleans up at its exit, such as the folder, is none of this process's business


def _end_with(parent: int) -> None:
    """End this process and what it has started once its parent was killed: whoever computes does not see its pipe."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.killpg(0, signal.SIGKILL)
