"""What `mardock predict` sends and shows, before and after the server is asked."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Optional

import pytest
from tests.support.command import mardock
from tests.unit.cli.conftest import Run

from mardock.cli import predicting
from mardock.cli.predicting import Answer
from mardock.endpoint import Endpoint
from mardock.errors import ConfigError, ServingError
from mardock.settings.project import Project

FAILURE = ServingError("the handler raised", hint="mend it")


def answer(file: str, body: bytes = b"", failure: Optional[ServingError] = None) -> Answer:
    return Answer(Path(file), body, failure)


@pytest.fixture
def samples(root: Path) -> Path:
    folder = root / "samples"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("arguments", "told", "hint"),
    [
        (["digits", "nowhere.png"], "there is no file nowhere.png", "check its path"),
        (["digits", "samples"], "there are no files in samples", "name a folder of samples"),
        (["digits"], "there are no files in ", "name a folder of samples"),
        (["cats"], "no file to send", "name one, or set sample under [models.cats]"),
        (["digit"], "mardock.toml lists no model 'digit'", "did you mean digits?"),
        (["horses"], "mardock.toml lists no model 'horses'", "mardock.toml lists: digits, cats"),
        ([], "which model?", "name one of: digits, cats"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_a_server_is_asked(
    arguments: list[str], told: str, hint: str, samples: Path, run: Run
) -> None:
    result = run("predict", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"error: {told}" in result.stderr
    assert result.stderr.endswith(f"hint: {hint}\n")


def test_more_requests_at_once_than_files_may_be_open_are_refused(root: Path, samples: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    job = predicting.Job(
        Project(root), "digits", [samples / "x.png"] * 100, concurrency=100, endpoint=Endpoint("http://127.0.0.1:1")
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (120, before[1]))
    try:
        with pytest.raises(ConfigError, match="100 requests at once need more open files than the 120") as refused:
            job.run()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "ulimit -n" in str(refused.value.hint)


def test_without_a_server_there_is_nobody_to_ask(root: Path, samples: Path) -> None:
    (samples / "digit_7.png").write_bytes(b"png")
    done = mardock(root, "predict", "digits", "samples/digit_7.png")
    assert done.code == 3
    assert done.err == "error: TorchServe is not running for this project\nhint: mardock up\n"


def test_a_folder_gives_its_files_in_order_without_hidden_ones_and_folders(root: Path, samples: Path) -> None:
    (samples / "deeper").mkdir()
    for name in ("b_2.png", "a_1.png", ".DS_Store"):
        (samples / name).touch()
    assert predicting.sources(Project(root), "digits", []) == [samples / "a_1.png", samples / "b_2.png"]


def test_some_are_picked_and_never_one_twice(root: Path, samples: Path) -> None:
    files = [samples / f"{number}.png" for number in range(20)]
    for file in files:
        file.touch()
    picked = predicting.sources(Project(root), "digits", [samples], pick=10)
    assert len(set(picked)) == 10
    assert set(picked) < set(files)
    assert len(predicting.sources(Project(root), "digits", [samples], pick=50)) == 20


def test_a_file_that_cannot_be_read_is_named(samples: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*samples: Is a directory"):
        predicting.read(samples)


def test_labels_are_shown_beside_predictions_with_the_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    predicting.show_labels(
        [answer("a/digit_0001_7.png", b"7"), answer("digit_0002_1.png", b"4\n"), answer("x_3.png", b"3")]
    )
    assert capsys.readouterr().out == (
        "Predicted  Actual\n    7        7\n    4        1\n    3        3\n\n2 of 3 right, accuracy 66.7%\n"
    )


def test_a_file_without_an_answer_counts_as_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    predicting.show_labels([answer("x_7.png", failure=FAILURE), answer("x_4.png", b"4")])
    assert "    -        7\n    4        4\n\n1 of 2 right" in capsys.readouterr().out


@pytest.mark.parametrize("show", [predicting.show, predicting.show_labels])
@pytest.mark.parametrize("count", [1, 3])
def test_without_any_answer_there_is_nothing_to_show(
    show: Callable[[list[Answer]], None], count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    show([answer("x_7.png", failure=FAILURE)] * count)
    assert capsys.readouterr().out == ""


def test_one_answer_is_written_untouched(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    predicting.show([answer("x.png", b"\x00\xff no line end")])
    assert capfdbinary.readouterr().out == b"\x00\xff no line end"


def test_several_answers_take_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    predicting.show([answer("a.png", b'{\n  "cat": 0.9\n}'), answer("long_name.png", b"x")])
    lines = ["FILE           PREDICTION", 'a.png          { "cat": 0.9 }', "long_name.png  x"]
    assert capsys.readouterr().out.splitlines() == lines


def test_the_first_failure_is_raised_with_their_number() -> None:
    answers = [answer("a.png", b"1"), answer("b.png", failure=ServingError("first")), answer("c.png", failure=FAILURE)]
    with pytest.raises(ServingError) as raised:
        predicting.raise_first_failure(answers)
    assert raised.value.message == "2 of 3 files failed, first b.png: first"
    predicting.raise_first_failure(answers[:1])
