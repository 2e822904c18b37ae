"""What compiling found: each candidate's verdict and time, the winner, and the file that keeps them. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Optional

from mardock.errors import ConfigError

EAGER = "eager"
CANDIDATE_NAMES = (
    EAGER,
    "script",
    "trace",
    "freeze",
    "optimize",
    "compile",
    "export",
    "aoti",
    "int8",
    "channels_last",
    "bf16",
    "bf16_channels_last",
)
SUFFIXES = {
    **dict.fromkeys(("script", "trace", "freeze", "optimize", "int8", "channels_last"), ".pt"),
    **dict.fromkeys(("bf16", "bf16_channels_last"), ".pt"),
    "aoti": ".so",
}
"""Of the file each candidate is kept in that has one."""

OPT_IN = ("bf16", "bf16_channels_last")
"""Candidates that are tried only when they are named."""

WINNER = "winner"
"""Instead of a candidate's name: the fastest of those that answer as eager does."""

ALL = "all"
"""Instead of a candidate's name: every one that can be served."""

LEAST_GAIN = 0.02
"""A smaller gain is none, whatever its repetitions say: memory layout alone makes as much."""

VERIFIED = "verified"
OTHER_NUMERICS = "other numerics"
DIVERGES = "diverges"
FAILED = "failed"
NOT_HERE = "not here"


@dataclass(frozen=True)
class CandidateReport:
    """One candidate.

    Attributes:
        status: `verified`, `other numerics` (within `LOOSE` only), `diverges`, `failed`, or `not here` for what does
            not apply to this model or machine.
        reason: why it is not verified, or what to know about it; one line.
        max_difference: the largest absolute difference from eager over all inputs; None when nothing was compared.
        where: the output it is in, e.g. `.logits`.
        relative_difference: the same as a share of the largest value eager answered there.
        tolerance: what it was held against.
        servable: whether TorchServe's BaseHandler loads the file `--save` writes.
        median_s, iqr_s: seconds for one call with the sample, median and interquartile range of all rounds.
        rounds_s: the median of each round.
        gain: calls per second more than eager, as a share of eager's; 0.25 is 25 % more.
        beyond_noise: whether it was faster than eager in each round, and by at least `LEAST_GAIN`.
        file: where it was saved, relative to the project's root; sha256 is that file's.
    """

    name: str
    status: str
    reason: str = ""
    max_difference: Optional[float] = None
    where: str = ""
    relative_difference: Optional[float] = None
    tolerance: str = ""
    servable: bool = False
    median_s: Optional[float] = None
    iqr_s: Optional[float] = None
    rounds_s: Sequence[float] = ()
    gain: Optional[float] = None
    beyond_noise: bool = False
    file: Optional[str] = None
    sha256: Optional[str] = None

    @property
    def verified(self) -> bool:
        """Whether it answers as eager does."""
        return self.status == VERIFIED

    @property
    def agrees(self) -> bool:
        """Whether it answers as eager does, or as nearly as its other numbers let it."""
        return self.status in (VERIFIED, OTHER_NUMERICS)

    @property
    def packable(self) -> bool:
        """Whether TorchServe may be given it when it is named; without a name it has to be `verified` as well."""
        return self.agrees and self.servable

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "verified": self.verified}


@dataclass(frozen=True)
class CompileReport:
    """All candidates of one model, eager first.

    Attributes:
        model: its name in mardock.toml.
        sources: the sha256 of each file the model was made from, by path relative to the project's root.
        sample: shapes and types of the inputs, e.g. `float32 [1, 3, 224, 224]`.
        inputs: the inputs each candidate was verified with; `left_out` are those eager itself does not take.
        threads: of torch, for every candidate.
        rounds: in each of them all candidates were timed in turn.
        warnings: what the user should know about the model itself.
    """

    model: str
    torch: str
    machine: str
    threads: int
    rounds: int
    sample: Sequence[str]
    inputs: Sequence[str]
    left_out: Sequence[str]
    candidates: Sequence[CandidateReport]
    sources: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def candidate(self, name: str) -> CandidateReport:
        """Return a candidate by its name.

        Raises:
            ConfigError: there is none of that name.
        """
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        known = ", ".join(candidate.name for candidate in self.candidates)
        raise ConfigError(f"the report of {self.model} has no candidate {name!r}", hint=f"it has: {known}")

    @property
    def winner(self) -> Optional[CandidateReport]:
        """The fastest of those that answer as eager does, can be served, and gain more than noise; None without any."""
        found = [c for c in self.candidates if c.verified and c.servable and c.beyond_noise]
        return min(found, key=lambda c: c.median_s or 0.0, default=None)

    def with_files(self, files: Mapping[str, tuple[str, str]]) -> CompileReport:
        """Return it with the path and sha256 of each saved candidate."""
        return replace(
            self,
            candidates=[
                replace(c, file=files[c.name][0], sha256=files[c.name][1]) if c.name in files else c
                for c in self.candidates
            ],
        )

    def with_sources(self, sources: Mapping[str, str]) -> CompileReport:
        """Return it with the sha256 of the files the model was made from."""
        return replace(self, sources=dict(sources))

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON; times in seconds."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        winner = self.winner
        return {
            **known,
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "winner": winner.name if winner else None,
        }


def chosen(only: Sequence[str] = (), also: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the candidates to try: all but the opt-in ones, or `only` these, and `also` those.

    Raises:
        ConfigError: there is none of that name.
    """
    unknown = [name for name in (*only, *also) if name not in CANDIDATE_NAMES]
    if unknown:
        raise ConfigError(f"there is no candidate {unknown[0]!r}", hint=f"there are: {', '.join(CANDIDATE_NAMES)}")
    wanted = {EAGER, *also, *(only or (name for name in CANDIDATE_NAMES if name not in OPT_IN))}
    return tuple(name for name in CANDIDATE_NAMES if name in wanted)


def read_report(path: Path) -> CompileReport:
    """Read a report `mardock compile --save` wrote.

    Raises:
        ConfigError: it is missing or no such report.
    """
    try:
        return parse_report(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint="mardock compile MODEL --save") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no report of mardock compile", hint="mardock compile MODEL --save") from error


def parse_report(text: bytes) -> CompileReport:
    """Return a report from its JSON; its fields are there, their types are not checked.

    Raises:
        ValueError: it is no such report.
    """
    try:
        found = json.loads(text)
        candidates = [CandidateReport(**_known(CandidateReport, entry)) for entry in found["candidates"]]
        return CompileReport(**{**_known(CompileReport, found), "candidates": candidates})
    except (KeyError, TypeError) as error:
        raise ValueError("no report of mardock compile") from error


def _known(kind: Any, entry: Mapping[str, Any]) -> dict[str, Any]:
    return {f.name: entry[f.name] for f in fields(kind)}
