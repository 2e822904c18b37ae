"""A candidate that answers otherwise than eager is caught, whatever it answers otherwise to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from mardock.compile.candidate_process import verify
from mardock.compile.candidates import CANDIDATES, NotHereError
from mardock.compile.probes import copies, probes
from mardock.compile.reference import Reference, answer_all
from mardock.compile.report import DIVERGES, OTHER_NUMERICS, VERIFIED, CandidateReport
from mardock.compile.tolerance import Tolerance
from mardock.errors import ConfigError

IMAGE = (torch.linspace(0.1, 1.0, 3 * 8 * 8).reshape(1, 3, 8, 8),)
ROW = (torch.linspace(0.5, 1.5, 4).reshape(1, 4),)


class Net(nn.Module):
    """A convolution, a batch norm with statistics of its own, dropout, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        norm = nn.BatchNorm2d(8)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8, 16), nn.Dropout(0.5), nn.Linear(16, 6))
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.layers(images))
        return scores


class BranchOnValues(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x * 3


class BranchOnBatch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0) if len(x) > 1 else x


class BakedLength(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(x.shape[0])
        for i in range(x.shape[1]):
            total = total + x[:, i]
        return total


class Dictionary(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": x * 2, "hidden": x + 1}


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


class Tuple(nn.Module):
    def forward(self, x: torch.Tensor) -> Pair:
        return Pair(x * 2, x + 1)


class Unscriptable(nn.Module):
    def forward(self, x: torch.Tensor, *, options: Any = None) -> torch.Tensor:
        return x * getattr(self, "factor", 2)


def reference(model: nn.Module, sample: tuple[Any, ...]) -> Reference:
    return answer_all(model.eval(), probes(sample), Tolerance())


def judged(name: str, model: nn.Module, sample: tuple[Any, ...], folder: Path) -> CandidateReport:
    """Build one candidate and hold it against eager."""
    expected = reference(model, sample).answers
    candidate = CANDIDATES[name]
    with torch.no_grad():
        built = candidate.build(model, copies(sample), folder / f"{name}{candidate.suffix}")
    return verify(candidate, built.call, sample, expected, Tolerance())


FORMS = ["eager", "script", "trace", "freeze", "optimize", "channels_last"]
EXPORTS = hasattr(torch.export.Dim, "AUTO")


@pytest.mark.parametrize("name", FORMS + ["export"] * EXPORTS)
def test_forms_of_a_network_with_batch_norm_and_dropout_answer_as_it_does(name: str, tmp_path: Path) -> None:
    report = judged(name, Net().train(), IMAGE, tmp_path)
    assert (report.status, report.reason) == (VERIFIED, "")


@pytest.mark.skipif(EXPORTS, reason="this torch finds dynamic shapes")
def test_an_older_torch_is_named_where_export_needs_a_newer_one(tmp_path: Path) -> None:
    with pytest.raises(NotHereError, match=re.escape(torch.__version__)):
        judged("export", Net(), IMAGE, tmp_path)


@pytest.mark.parametrize("name", ["int8", "bf16", "bf16_channels_last"])
def test_other_numerics_are_named_as_such_with_the_tolerance_they_keep(name: str, tmp_path: Path) -> None:
    report = judged(name, Net(), IMAGE, tmp_path)
    assert report.status == OTHER_NUMERICS
    assert report.max_difference is not None
    assert report.max_difference > 1e-4
    assert report.tolerance == "5% of the output's largest value"


@pytest.mark.parametrize(
    ("model", "input_"), [(BranchOnValues, "negated"), (BranchOnBatch, "batch of 2"), (BakedLength, "larger")]
)
def test_a_trace_that_baked_in_a_branch_is_caught(model: type[nn.Module], input_: str, tmp_path: Path) -> None:
    report = judged("trace", model(), ROW, tmp_path)
    assert report.status == DIVERGES
    assert report.reason.startswith(f"{input_}: ")


def test_a_script_keeps_the_branch(tmp_path: Path) -> None:
    assert judged("script", BranchOnValues(), ROW, tmp_path).verified


@pytest.mark.parametrize("model", [Dictionary, Tuple])
@pytest.mark.parametrize("name", ["script", "trace", "freeze"])
def test_dictionaries_and_tuples_are_compared_leaf_by_leaf(name: str, model: type[nn.Module], tmp_path: Path) -> None:
    assert judged(name, model(), ROW, tmp_path).verified


def test_the_leaf_that_differs_is_named_with_the_largest_difference() -> None:
    expected = reference(Dictionary(), ROW).answers
    off = lambda x: {"logits": x * 2, "hidden": x + 1.25}  # noqa: E731
    report = verify(CANDIDATES["trace"], off, ROW, expected, Tolerance())
    assert (report.status, report.where) == (DIVERGES, ".hidden")
    assert report.max_difference == pytest.approx(0.25)
    assert report.reason == "sample: .hidden differs by up to 0.25"
    assert report.relative_difference == pytest.approx(0.25 / 2.5)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda x: {"logits": x * 2}, "sample: its output lacks .hidden"),
        (
            lambda x: {"logits": x * 2, "hidden": (x + 1).double()},
            "sample: .hidden is float64 [1, 4], not float32 [1, 4]",
        ),
        (
            lambda x: {"logits": x * 2, "hidden": (x + 1)[:, :2]},
            "sample: .hidden is float32 [1, 2], not float32 [1, 4]",
        ),
        (
            lambda x: {"logits": x * 2, "hidden": x / 0 * 0},
            "sample: .hidden is NaN where eager's is not, or the other way",
        ),
        (lambda x: 1 / 0, "sample: raises where eager answers: ZeroDivisionError: division by zero"),
    ],
)
def test_what_else_an_answer_can_have_wrong(answer: Any, reason: str) -> None:
    expected = reference(Dictionary(), ROW).answers
    report = verify(CANDIDATES["trace"], answer, ROW, expected, Tolerance())
    assert report.status == DIVERGES
    assert report.reason.startswith(reason)
    assert report.max_difference is None


def test_ranks_have_to_be_the_same_even_within_a_wide_tolerance() -> None:
    class Scores(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[1.0, 1.1, 0.2]]).expand(len(x), 3)

    expected = reference(Scores(), ROW).answers
    swapped = lambda x: torch.tensor([[1.1, 1.0, 0.2]]).expand(len(x), 3)  # noqa: E731
    report = verify(CANDIDATES["trace"], swapped, ROW, expected, Tolerance(relative=0.2, absolute=0.01))
    assert report.reason == "sample: its output ranks its top 5 otherwise"


def test_scores_that_are_equal_have_no_order() -> None:
    expected = reference(nn.Threshold(1e9, 0.0), ROW).answers
    report = verify(CANDIDATES["trace"], lambda x: torch.zeros_like(x), ROW, expected, Tolerance())
    assert report.verified


def test_a_model_that_draws_at_random_is_refused_with_the_operator() -> None:
    class Noisy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.dropout(x)

    with pytest.raises(ConfigError, match=r"not deterministic \(sample: .*forward draws random numbers \(aten"):
        reference(Noisy(), ROW)


def test_a_module_that_stays_in_training_is_named() -> None:
    class Stubborn(nn.Dropout):
        def train(self, mode: bool = True) -> Stubborn:
            return super().train()

    with pytest.raises(ConfigError, match="0 stays in training mode after eval"):
        reference(nn.Sequential(Stubborn(0.5)), ROW)


def test_a_model_that_keeps_something_between_calls_is_refused() -> None:
    class Counting(nn.Module):
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return x + self.calls

    with pytest.raises(ConfigError, match="keeps something from one call to the next"):
        reference(Counting(), ROW)


def test_nan_of_eagers_own_is_said_and_has_to_be_the_candidates_too(tmp_path: Path) -> None:
    class Logarithm(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.log()

    found = reference(Logarithm(), ROW)
    assert any(
        warning.startswith("eager itself answers NaN to: ") and "negated" in warning for warning in found.warnings
    )
    assert judged("script", Logarithm(), ROW, tmp_path).verified


def test_what_eager_itself_does_not_take_is_left_out() -> None:
    found = reference(nn.Linear(4, 2), ROW)
    assert found.left_out == ["larger", "smaller"]
    assert "batch of 4" in found.answers


def test_a_sample_the_model_does_not_take_is_told_with_its_shape() -> None:
    with pytest.raises(
        ConfigError, match=r"does not take the sample \(float32 \[1, 4\]\): .*shapes cannot be multiplied"
    ):
        reference(nn.Linear(5, 2), ROW)


def test_a_forward_that_writes_to_its_input_is_said_and_compared_all_the_same(tmp_path: Path) -> None:
    class Halving(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mul_(0.5)

    found = reference(Halving(), ROW)
    assert found.warnings == ["forward writes to its input"]
    assert judged("trace", Halving(), ROW, tmp_path).verified


def test_whole_numbers_stay_within_the_range_of_the_sample(tmp_path: Path) -> None:
    words = (torch.tensor([[3, 1, 4, 1]]),)
    assert judged("trace", nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 2)), words, tmp_path).verified


def test_a_model_that_cannot_be_scripted_says_why_in_a_line(tmp_path: Path) -> None:
    class Kwargs(nn.Module):
        def forward(self, x: torch.Tensor, **more: Any) -> torch.Tensor:
            return x

    from mardock.compile.reasons import first_line

    with pytest.raises(Exception, match="variable number of arguments") as raised:
        CANDIDATES["script"].build(Kwargs(), ROW, tmp_path / "script.pt")
    assert first_line(raised.value).endswith(f"(test_verification.py:{Kwargs.forward.__code__.co_firstlineno})")
    assert judged("freeze", Kwargs(), ROW, tmp_path).verified


@pytest.mark.parametrize(
    ("name", "model", "reason"),
    [
        ("int8", nn.Conv2d(3, 3, 1), "no nn.Linear"),
        ("channels_last", nn.Linear(4, 2), "no convolution"),
        ("script", torch.jit.script(nn.ReLU()), "TorchScript already"),
        ("compile", torch.jit.script(nn.ReLU()), "TorchScript already"),
        ("aoti", torch.jit.script(nn.ReLU()), "TorchScript already"),
    ],
)
def test_what_does_not_apply_says_so(
    name: str, model: nn.Module, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # a compiler that is missing is no reason then
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(NotHereError, match=reason):
        CANDIDATES[name].build(model, ROW, tmp_path / name)


@pytest.mark.parametrize("name", ["compile", "aoti"])
def test_without_a_compiler_what_needs_one_says_so(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(NotHereError, match="needs a C\\+\\+ compiler"):
        CANDIDATES[name].build(Net(), IMAGE, tmp_path / name)
