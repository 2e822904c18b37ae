"""All candidates of one model: each built and verified in a process of its own, then timed in turns."""

from __future__ import annotations

import functools
import platform
import shutil
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Callable, Optional

import torch
from torch import nn

from mardock.compile import reference
from mardock.compile.candidate_process import CandidateProcess, Job, run
from mardock.compile.candidates import CANDIDATES
from mardock.compile.probes import Inputs, describe, probes
from mardock.compile.reference import Reference
from mardock.compile.report import EAGER, FAILED, LEAST_GAIN, OTHER_NUMERICS, VERIFIED, CandidateReport, CompileReport
from mardock.compile.tolerance import Tolerance
from mardock.errors import ConfigError
from mardock.listener import Listener

_ROUND_S = 0.3
_LEAST_FREE = 1 << 20  # bytes


@dataclass(frozen=True)
class Plan:
    """What to do with a model.

    Attributes:
        candidates: names of `CANDIDATES`; eager is always the first.
        threads: of torch; as many as it takes by itself when None.
        rounds: in each of them every candidate is timed for 0.3 s, or for one call where that takes longer.
        timeout: seconds each candidate may take to be built and verified, and for each round.
    """

    candidates: Sequence[str]
    tolerance: Tolerance
    threads: Optional[int]
    rounds: int
    timeout: float


def compile_model(
    name: str, load: Callable[[], nn.Module], sample: Callable[[], Inputs], plan: Plan, folder: Path, listener: Listener
) -> CompileReport:
    """Build, verify and time every candidate of the plan.

    The calling process must not have computed with several threads of torch: they do not survive the forks.

    Args:
        load: returns the model in eval mode.
        sample: returns the model's positional arguments.
        folder: an empty one, for the candidates' files and logs; a file is named after its candidate.
        listener: notes each step.

    Raises:
        ConfigError: eager does not take the sample, does not answer the same twice, or its process died.
    """
    threads = plan.threads or torch.get_num_threads()
    torch.set_num_threads(1)
    job = Job(load(), sample(), folder, plan.tolerance, threads)
    expected = _ask_eager(job, plan.timeout, listener)
    with ExitStack() as stack:
        reports: dict[str, CandidateReport] = {}
        alive: dict[str, CandidateProcess] = {}
        for candidate in plan.candidates:
            listener.note(f"{candidate}: building and verifying")
            process = CandidateProcess(
                functools.partial(run, CANDIDATES[candidate], job), job.folder / f"{candidate}.log"
            )
            stack.enter_context(process)
            reports[candidate] = _first_report(process, candidate, plan.timeout, job.folder)
            if reports[candidate].status in (VERIFIED, OTHER_NUMERICS):
                alive[candidate] = process
            else:
                process.__exit__()
        times = _times(alive, reports, plan, listener)
    return CompileReport(
        model=name,
        torch=str(torch.__version__),  # a plain text, for those without torch to read
        machine=f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        threads=job.threads,
        rounds=plan.rounds,
        sample=describe(job.sample),
        inputs=list(expected.answers),
        left_out=expected.left_out,
        candidates=[with_times(report, times) for report in reports.values()],
        warnings=expected.warnings,
    )


def _ask_eager(job: Job, timeout: float, listener: Listener) -> Reference:
    def work(pipe: Connection) -> None:
        torch.set_num_threads(job.threads)
        try:
            found = reference.answer_all(job.model, probes(job.sample), job.tolerance)
        except ConfigError as error:
            pipe.send(error_parts(error))
            return
        try:
            torch.save(found.answers, job.answers)
        except (OSError, RuntimeError) as error:  # RuntimeError is torch's own for a full disk
            failure = ConfigError(f"cannot write what eager answers: {error}", hint=f"df {job.folder.parent}")
            pipe.send(error_parts(failure))
            return
        pipe.send(replace(found, answers={label: {} for label in found.answers}))

    listener.note("eager: answering what the others are compared with")
    with CandidateProcess(work, job.folder / "answers.log") as process:
        try:
            found = process.ask(None, timeout)
        except (TimeoutError, EOFError) as error:
            raise ConfigError(f"the model itself does not run: {error}", hint="try a smaller --input-shape") from error
    if isinstance(found, Reference):
        return found
    message, hint = found
    raise ConfigError(message, hint=hint)


def error_parts(error: ConfigError) -> tuple[str, Optional[str]]:
    """Return what can be sent between processes: an exception with keyword arguments cannot."""
    return error.message, error.hint


def _first_report(process: CandidateProcess, name: str, timeout: float, folder: Path) -> CandidateReport:
    try:
        report: CandidateReport = process.ask(None, timeout)
    except (TimeoutError, EOFError) as error:
        is_full = shutil.disk_usage(folder).free < _LEAST_FREE  # torch aborts when it writes to a full disk
        return CandidateReport(name, FAILED, f"{error}: the disk is full" if is_full else str(error))
    return report


def _times(
    alive: dict[str, CandidateProcess], reports: dict[str, CandidateReport], plan: Plan, listener: Listener
) -> dict[str, list[list[float]]]:
    """Return the seconds of one call by candidate and round; who fails here is out."""
    times: dict[str, list[list[float]]] = {name: [] for name in alive}
    for number in range(1, plan.rounds + 1):
        listener.note(f"timing {len(times)} candidates, round {number} of {plan.rounds}")
        for name in list(times):
            try:
                times[name].append(alive[name].ask(_ROUND_S, plan.timeout))
            except (TimeoutError, EOFError) as error:
                del times[name]
                reports[name] = replace(reports[name], status=FAILED, reason=f"while it was timed: {error}")
    return times


def with_times(report: CandidateReport, times: dict[str, list[list[float]]]) -> CandidateReport:
    """Return a report with what the seconds of one call, by candidate and round, say about it."""
    rounds = times.get(report.name)
    if not rounds:
        return report
    all_times = sorted(seconds for round_ in rounds for seconds in round_)
    median = statistics.median(all_times)
    low, _, high = statistics.quantiles(all_times, n=4) if len(all_times) > 1 else (median, median, median)
    report = replace(report, median_s=median, iqr_s=high - low, rounds_s=[statistics.median(one) for one in rounds])
    eager = times.get(EAGER)
    if not eager or report.name == EAGER:
        return report
    gain = statistics.median(seconds for round_ in eager for seconds in round_) / median - 1
    always = all(own < statistics.median(theirs) for theirs, own in zip(eager, report.rounds_s))
    return replace(report, gain=gain, beyond_noise=gain >= LEAST_GAIN and always)
