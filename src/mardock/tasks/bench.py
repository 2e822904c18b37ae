"""What `mardock bench` loads, and whether a load went well enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from mardock.endpoint import Endpoint
from mardock.engines import select
from mardock.errors import ServingError

if TYPE_CHECKING:
    from mardock.benchmark.report import BenchReport
    from mardock.deploy.base import Served
    from mardock.settings.project import Project


def endpoint(project: Project, deployed: Optional[Served], url: Optional[str]) -> Endpoint:
    """Return where to send the load: to a deployed model, another Inference API by its URL, or the project's server.

    Raises:
        EngineNotRunningError: it is the project's, and does not run.
    """
    if deployed is not None:
        return deployed.endpoint
    return Endpoint(url.rstrip("/")) if url else select.needed(project).endpoint()


def failure(report: BenchReport, max_error_rate: float, logs: str) -> Optional[ServingError]:
    """Return what a benchmark ends with whose server died, or that had too many requests fail; None otherwise.

    Args:
        max_error_rate: errors per request to put up with.
        logs: the command that shows what the server says.
    """
    for run in report.runs:
        if run.cut_short:
            return ServingError(f"{report.model}: {run.cut_short}; what was measured until then is kept", hint=logs)
        if run.error_rate > max_error_rate:
            kinds = ", ".join(f"{count} {kind}" for kind, count in run.errors.items())
            return ServingError(
                f"{report.model}, {run.label}: {run.error_rate:.2%} of the requests failed ({kinds})",
                hint=f"{logs}; to put up with some: --max-error-rate",
            )
    return None
