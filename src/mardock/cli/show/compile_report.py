"""The table of `mardock compile`: candidates, whether they answer as eager does, and what they gain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from mardock.cli import console

if TYPE_CHECKING:
    from mardock.compile.report import CandidateReport, CompileReport

_HEADERS = ("CANDIDATE", "STATUS", "MEDIAN", "IQR", "GAIN", "MAX DIFFERENCE", "RELATIVE", "SERVABLE", "NOTE")
_NOISE = "no gain beyond noise"
_UNSTEADY = 0.5


def show(report: CompileReport, *, as_json: bool) -> None:
    """Print all candidates, what they were verified with, and what is wrong with the model itself."""
    if as_json:
        console.data_json(report.to_dict())
    else:
        console.table(_HEADERS, [_row(candidate) for candidate in report.candidates])
        console.data(
            f"\n{', '.join(report.sample)}; threads: {report.threads}; {report.rounds} interleaved rounds; "
            f"torch {report.torch}, {report.machine}"
        )
        tolerances = "; other numerics ".join(dict.fromkeys(c.tolerance for c in report.candidates if c.tolerance))
        console.data(f"verified with {len(report.inputs)} inputs ({', '.join(report.inputs)}), within {tolerances}")
        if report.left_out:
            console.data(f"left out, as eager does not take them: {', '.join(report.left_out)}")
    for warning in report.warnings:
        console.warn(f"{report.model}: {warning}")
    unsteady = [c.name for c in report.candidates if (c.iqr_s or 0.0) > _UNSTEADY * (c.median_s or 0.0)]
    if unsteady:
        console.warn(
            f"the times of {', '.join(unsteady)} vary by more than half: this machine is busy, or the model is tiny"
        )
    _offer_trace(report)


def _row(candidate: CandidateReport) -> tuple[object, ...]:
    difference = "-" if candidate.max_difference is None else f"{candidate.max_difference:.2g}"
    if candidate.where:
        difference += f" in {candidate.where}"
    return (
        candidate.name,
        candidate.status,
        seconds(candidate.median_s),
        seconds(candidate.iqr_s),
        _gain(candidate),
        difference,
        "-" if candidate.relative_difference is None else f"{candidate.relative_difference:.2g}",
        "yes" if candidate.servable else "-",
        candidate.reason,
    )


def _gain(candidate: CandidateReport) -> str:
    if candidate.gain is None:
        return "-"
    return f"{candidate.gain:+.0%}" if candidate.beyond_noise or candidate.gain < 0 else _NOISE


def seconds(value: Optional[float]) -> str:
    """Return a time with three digits: `1.23 ms`."""
    if value is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} us"


def _offer_trace(report: CompileReport) -> None:
    by_name = {candidate.name: candidate for candidate in report.candidates}
    script, trace = by_name.get("script"), by_name.get("trace")
    if script and script.status == "failed" and trace and trace.verified:
        console.note(f"{report.model} cannot be scripted; its trace answers as eager does and can be served instead")
