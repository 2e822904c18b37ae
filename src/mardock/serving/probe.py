"""The probe: what a new version has to answer before it is made the default."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock.client.inference import InferenceClient
from mardock.errors import ServingError
from mardock.handler import golden
from mardock.handler.golden import Golden
from mardock.handler.outcome import Reply
from mardock.settings.project import Project
from mardock.settings.schema import ModelSettings

_OK = 200
_MARGIN_S = 10.0


@dataclass(frozen=True)
class Sample:
    """One request: a file of the project, by its path relative to it."""

    name: str
    body: bytes
    content_type: Optional[str] = None


@dataclass(frozen=True)
class Probe:
    """The requests to send, and the answers to expect when a golden file tells them."""

    name: str
    samples: Sequence[Sample]
    golden: Optional[Golden] = None

    @property
    def body(self) -> Optional[bytes]:
        """The first sample's; None without one."""
        return self.samples[0].body if self.samples else None

    def run(self, client: InferenceClient, model: str, version: Optional[str], timeout: float) -> Optional[bytes]:
        """Return the answer to the first sample, None without one.

        Args:
            timeout: seconds TorchServe gives a worker to answer.

        Raises:
            ServingError: a sample is not answered, or not as expected.
        """
        answers = []
        for sample in self.samples:
            found = client.predict(
                model,
                sample.body,
                version=version,
                content_type=sample.content_type,
                timeout=timeout + _MARGIN_S,
            )
            answers.append(found.body)
            self._compare(model, sample, Reply(_OK, found.body))
        return answers[0] if answers else None

    def _compare(self, model: str, sample: Sample, reply: Reply) -> None:
        differences = self.golden.check(sample.name, sample.body, reply) if self.golden else []
        if differences:
            raise ServingError(
                f"model {model} does not give the expected answer to {sample.name}",
                details="\n".join(differences),
                hint=f"mend it, or take the new answers for right: mardock try {self.name} --save-golden",
            )


def prepare(name: str, settings: ModelSettings, project: Project) -> Probe:
    """Read what to send: the samples of the golden file, else the model's first sample, else nothing.

    Args:
        name: the model's name in mardock.toml.

    Raises:
        ConfigError: the golden file cannot be read.
    """
    root = project.root
    golden_file = root / "torchserve" / name / "golden.json"
    if golden_file.exists():
        expected = golden.load(golden_file)
        kept = {label: wanted for label, wanted in expected.samples.items() if wanted.status == _OK}
        sent = {label: wanted.payload(root, label) for label, wanted in kept.items()}
        return Probe(name, [Sample(label, one.body, one.content_type) for label, one in sent.items()], expected)
    sample = project.first_sample(settings)
    return Probe(name, [_read(root, os.path.relpath(sample, root))] if sample else [])


def _read(root: Path, name: str) -> Sample:
    return Sample(name, (root / name).read_bytes())
