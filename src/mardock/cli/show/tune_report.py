"""Show and write what tuning found: a table on the terminal, JSON, an HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mardock import ownership
from mardock.cli import console
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.tuning.report import TuneReport

_HEADERS = ("WORKERS", "THREADS", "BATCH", "DELAY", "VARIANT", "REQ/S", "P99", "LOADED FOR", "")


def show(report: TuneReport, *, as_json: bool) -> None:
    """Print every setting that was tried, best first."""
    from mardock.tuning.html_report import remarks

    if as_json:
        console.data_json(report.to_dict())
        return
    rows = []
    for trial in report.trials:
        s = trial.setting
        serving = (s.workers, s.threads, s.batch_size, f"{s.max_batch_delay} ms", s.variant or "-")
        throughput = "-" if trial.throughput is None else f"{trial.throughput:.1f}"
        p99 = "-" if trial.p99_ms is None else f"{trial.p99_ms:.1f} ms"
        rows.append((*serving, throughput, p99, f"{trial.seconds:.1f} s", ", ".join(remarks(report, trial))))
    console.table(_HEADERS, rows)
    if not report.complete:
        console.warn(f"partial: {report.reason}")


def write(report: TuneReport, page: Path) -> None:
    """Write the page.

    Raises:
        ConfigError: it cannot be written.
    """
    from mardock.tuning.html_report import html_text

    try:
        ownership.replace(page, html_text(report).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise ConfigError(f"cannot write {page}: {error.strerror}", hint=f"ls -ld {page.parent}") from error
    console.success(f"wrote {page}")
