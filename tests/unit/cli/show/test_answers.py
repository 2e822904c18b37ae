"""What is shown of a model's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

import pytest

from mardock.cli.show import answers as shown
from mardock.errors import ServingError
from mardock.tasks.predict import Answer

FAILURE = ServingError("the handler raised", hint="mend it")


def answer(file: str, body: bytes = b"", failure: Optional[ServingError] = None) -> Answer:
    return Answer(file, body, failure)


def test_labels_are_shown_beside_predictions_with_the_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    shown.show_labels([answer("a/digit_0001_7.png", b"7"), answer("digit_0002_1.png", b"4\n"), answer("x_3.png", b"3")])
    assert capsys.readouterr().out == (
        "Predicted  Actual\n    7        7\n    4        1\n    3        3\n\n2 of 3 right, accuracy 66.7%\n"
    )


def test_a_file_without_an_answer_counts_as_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    shown.show_labels([answer("x_7.png", failure=FAILURE), answer("x_4.png", b"4")])
    assert "    -        7\n    4        4\n\n1 of 2 right" in capsys.readouterr().out


@pytest.mark.parametrize("show", [shown.show, shown.show_labels])
@pytest.mark.parametrize("count", [1, 3])
def test_without_any_answer_there_is_nothing_to_show(
    show: Callable[[list[Answer]], None], count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    show([answer("x_7.png", failure=FAILURE)] * count)
    assert capsys.readouterr().out == ""


def test_one_answer_is_written_untouched(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    shown.show([answer("x.png", b"\x00\xff no line end")])
    assert capfdbinary.readouterr().out == b"\x00\xff no line end"


def test_several_answers_take_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    shown.show([answer("a.png", b'{\n  "cat": 0.9\n}'), answer("long_name.png", b"x")])
    lines = ["FILE           PREDICTION", 'a.png          { "cat": 0.9 }', "long_name.png  x"]
    assert capsys.readouterr().out.splitlines() == lines


def test_the_first_failure_is_raised_with_their_number() -> None:
    answers = [answer("a.png", b"1"), answer("b.png", failure=ServingError("first")), answer("c.png", failure=FAILURE)]
    with pytest.raises(ServingError) as raised:
        shown.raise_first_failure(answers)
    assert raised.value.message == "2 of 3 files failed, first b.png: first"
    shown.raise_first_failure(answers[:1])
