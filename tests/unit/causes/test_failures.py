"""The handler's own exception found in TorchServe's log; `torchserve_logs/` was written by TorchServe 0.12.0."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from mardock.causes import sentences
from mardock.causes.audience import Audience
from mardock.causes.cause import Call, Cause, Link
from mardock.causes.crash_loop import keeps_dying
from mardock.causes.failures import find, of_traceback, selected
from mardock.causes.worker_log import ends, last_words
from mardock.errors import Reason

LOGS = Path(__file__).parent / "torchserve_logs"
SOURCES = Audience({"handler.py": "torchserve/mnist/handler.py", "model.py": "src/net.py"})
UNPACKED = "/tmp/ts/models/0123456789abcdef0123456789abcdef"
HEADER = "Traceback (most recent call last):"
SERVICE = (
    '  File "/opt/venv/lib/python3.11/site-packages/ts/service.py", line 135, in predict\n    ret = self._entry_point()'
)


def captured(name: str) -> list[str]:
    return (LOGS / f"{name}.log").read_text(encoding="utf-8").splitlines()


def said(text: str, *, port: int = 9000, tag: str = "mnist_1.0", stream: str = "stdout") -> list[str]:
    """The log lines TorchServe makes of what a worker prints."""
    prefix = f"2026-11-21T09:57:10,813 [INFO ] W-{port}-{tag}-{stream} MODEL_LOG - "
    return [prefix + line for line in text.split("\n")]


def raised(exception: str, *frames: str) -> str:
    return "\n".join(
        ["Invoking custom service failed.", "Traceback (most recent call last):", SERVICE, *frames, exception]
    )


def user(line: int, function: str, code: str = "work()", file: str = "handler.py") -> str:
    return f'  File "{UNPACKED}/{file}", line {line}, in {function}\n    {code}'


def found(lines: list[str], model: str = "mnist", version: Optional[str] = "1.0") -> Cause:
    failure = find(lines, model, version, SOURCES)
    assert failure is not None
    return failure


def place(failure: Cause) -> Optional[str]:
    return sentences.place(failure.user_call) if failure.user_call else None


def mend(failure: Cause) -> Optional[str]:
    return sentences.remedy(failure.remedy) if failure.remedy else None


def told(failure: Cause) -> str:
    return sentences.details(failure) or ""


def test_the_users_last_frame_comes_first_and_torchserves_own_are_left_out() -> None:
    failure = found(captured("raises"), "raises")
    assert told(failure) == (
        "torchserve/mnist/handler.py:7 in pre\n"
        "    return int('x')\n"
        "ValueError: invalid literal for int() with base 10: 'x'\n"
        "called from torchserve/mnist/handler.py:5 in handle\n"
        "    return self.pre(data)"
    )
    assert place(failure) == "torchserve/mnist/handler.py:7 in pre"
    assert [call.function for call in failure.chain[0].calls] == ["predict", "handle", "pre"]


@pytest.mark.parametrize("folder", [UNPACKED, "/home/me/project/artifacts/.mnist-1.0-w0002", "/store/.mnist-1.0-i0011"])
def test_a_frame_of_what_is_served_is_the_projects_own(folder: str) -> None:
    failure = found(said(raised("KeyError: 'x'", user(3, "handle").replace(UNPACKED, folder))))
    assert place(failure) == "torchserve/mnist/handler.py:3 in handle"


def test_a_chained_exception_of_several_lines_tells_its_cause_last() -> None:
    failure = found(captured("initraise"), "initraise")
    assert failure.exception == "RuntimeError: cannot load\nsecond line"
    assert place(failure) == "torchserve/mnist/handler.py:8 in load"
    assert told(failure).endswith(
        "caused by:\n"
        "torchserve/mnist/handler.py:6 in load\n"
        "    int('x')\n"
        "ValueError: invalid literal for int() with base 10: 'x'"
    )


def test_a_missing_module_is_not_taken_for_a_missing_handler() -> None:
    failure = found(captured("missing"), "missing")
    assert failure.exception == "ModuleNotFoundError: No module named 'nosuchmodule_abc'"
    assert place(failure) == "torchserve/mnist/handler.py:1 in <module>"
    assert "requirements_file" in str(mend(failure))


def test_a_syntax_error_names_the_line() -> None:
    failure = found(captured("syntax"), "syntax")
    assert told(failure) == "torchserve/mnist/handler.py:1\n    def f(:\nSyntaxError: invalid syntax"


@pytest.mark.parametrize(
    ("log", "exception", "hint"),
    [
        ("hang-load", "the worker did not load the model within startup_timeout", "startup_timeout"),
        ("hang-predict", "the worker did not answer within response_timeout", "response_timeout"),
        ("big", "Message size exceed limit: 200000", "max_response_size"),
        ("notlist", "Invalid return type: <class 'str'>.", "one entry per request"),
        ("notser", "TypeError: Object of type object is not JSON serializable", "tolist()"),
        ("noclass", "ValueError: Expected only one class in custom service code", "exactly one class"),
        ("sdmiss", "RuntimeError: Error(s) in loading state_dict for Net:", "model_file"),
    ],
)
def test_what_torchserve_itself_refused_is_told_with_its_mend(log: str, exception: str, hint: str) -> None:
    failure = found(captured(log), log.partition("-")[0])
    assert failure.exception.startswith(exception)
    assert place(failure) is None
    assert hint in str(mend(failure))


def test_a_worker_that_exits_leaves_no_exception() -> None:
    lines = captured("osexit")
    assert find(lines, "osexit") is None
    assert last_words(lines, "osexit") == ""
    assert ends(lines, "osexit") == 1


def test_last_words_are_the_codes_own() -> None:
    text = "\n".join(
        ["s_name_part0=/tmp, pid=1", "[PID]1", *(f"epoch {n}" for n in range(20)), "Frontend disconnected."]
    )
    assert last_words(said(text), "mnist", count=3) == "epoch 17\nepoch 18\nepoch 19"


def test_a_worker_that_died_and_is_retried_keeps_dying_until_it_loaded_or_was_unregistered() -> None:
    lines = captured("loop")
    death = max(i for i, line in enumerate(lines) if "Retry worker" in line)
    assert keeps_dying(lines[: death + 1], "loop")
    assert not keeps_dying(lines, "loop")


def test_two_workers_that_fail_at_once_are_kept_apart() -> None:
    first = said(raised("ValueError: one", user(1, "handle")), port=9000)
    second = said(raised("KeyError: 'two'", user(2, "handle")), port=9001)
    interleaved = [line for pair in zip(first, second) for line in pair]
    failure = found(interleaved)
    assert failure.exception == "KeyError: 'two'"
    assert told(failure).splitlines()[0] == "torchserve/mnist/handler.py:2 in handle"


def test_other_models_and_versions_are_left_alone() -> None:
    text = raised("ValueError: not ours", user(1, "handle"))
    for tag in ("mnist_2.0", "mnist_a_1.0", "other_mnist_1.0", "mnist-b_1.0"):
        assert find(said(text, tag=tag), "mnist", "1.0") is None
    assert find(said(text, tag="mnist_a_1.0"), "mnist") is None
    assert find(said(text, tag="mnist_2.0"), "mnist") is not None


def test_a_message_ends_where_the_worker_speaks_again() -> None:
    text = raised("ValueError: a\n\n  b", user(1, "handle")) + "\nBackend received inference at: 1\nhello"
    assert found(said(text)).exception == "ValueError: a\n\n  b"


def test_terminal_escapes_and_control_characters_are_removed() -> None:
    text = raised("ValueError: caf\u00e9 \x1b[31mred\x1b[0m \x07\ufffd", user(1, "handle"))
    assert found(said(text)).exception == "ValueError: caf\u00e9 red \ufffd"


def test_megabytes_of_prints_do_not_hide_the_failure() -> None:
    noise = said("\n".join(["x" * 500] * 20_000))
    assert found([*noise, *said(raised("ValueError: here", user(1, "handle"))), *noise[:5_000]]).user_call


def test_a_traceback_the_handler_printed_itself_is_only_second_best() -> None:
    printed = said(f"Traceback (most recent call last):\n{user(3, 'guess')}\nValueError: caught", stream="stderr")
    failing = said(raised("KeyError: 'real'", user(9, "handle")))
    assert found([*failing, *printed]).exception == "KeyError: 'real'"
    assert found(printed).exception == "ValueError: caught"


def test_the_worker_that_stops_after_a_failure_is_no_failure_of_its_own() -> None:
    echo = f"Traceback (most recent call last):\n{SERVICE}\nRuntimeError: 500 - Unknown exception"
    assert find(said(echo), "mnist") is None


def test_a_traceback_that_is_still_being_written_is_not_told() -> None:
    lines = said(raised("ValueError: x", user(1, "handle")))
    assert find(lines[:-1], "mnist") is None


def test_a_librarys_frame_below_the_users_is_shown_after_it() -> None:
    library = (
        '  File "/opt/venv/lib/python3.11/site-packages/PIL/Image.py", line 3498, in open\n    raise Unidentified()'
    )
    failure = found(
        said(raised("PIL.UnidentifiedImageError: no image", user(4, "preprocess", "Image.open(b)"), library))
    )
    assert told(failure).splitlines() == [
        "torchserve/mnist/handler.py:4 in preprocess",
        "    Image.open(b)",
        "PIL.UnidentifiedImageError: no image",
        "raised in PIL/Image.py:3498 in open",
        "    raise Unidentified()",
    ]


def test_members_are_mapped_to_the_project_and_installed_packages_are_not_the_users() -> None:
    installed = user(8, "patch", file="somelib/__init__.py")
    failure = found(said(raised("ValueError: x", user(1, "handle"), user(5, "forward", file="model.py"), installed)))
    assert place(failure) == "src/net.py:5 in forward"
    unmapped = find(said(raised("ValueError: x", user(5, "forward", file="model.py"))), "mnist")
    assert unmapped is not None
    assert place(unmapped) == "model.py:5 in forward"


@pytest.mark.parametrize(
    ("exception", "hint"),
    [
        ("ModuleNotFoundError: No module named 'sklearn.svm'", "add sklearn to"),
        ("RuntimeError: size mismatch for fc.weight: copying a param", "model_file"),
        ("RuntimeError: ... maximum supported version for reading is 9. Your PyTorch", "newer torch"),
        ("_pickle.UnpicklingError: Weights only load failed. In PyTorch 2.6", "state_dict()"),
        (f"FileNotFoundError: [Errno 2] No such file or directory: '{UNPACKED}/vocab.txt'", "add vocab.txt"),
        ("RuntimeError: PytorchStreamReader failed locating file constants.pkl: file not found", "needs a model_file"),
        ("RuntimeError: PytorchStreamReader failed reading zip archive: not a ZIP archive", "damaged"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "fewer workers"),
        ("MemoryError", "fewer workers"),
        ("TypeError: Object of type Tensor is not JSON serializable", "tolist()"),
    ],
)
def test_known_causes_have_a_mend(exception: str, hint: str) -> None:
    assert hint in str(mend(found(said(raised(exception, user(1, "handle"))))))


def test_an_unknown_cause_has_none() -> None:
    assert mend(found(said(raised("ValueError: anything", user(1, "handle"))))) is None


def test_the_summary_is_one_short_line() -> None:
    link = Link("ValueError: " + "x" * 500 + "\nmore", (Call("a.py", 1, "f"),))
    assert sentences.summary(Cause(Reason.RAISED, (link,))) == "ValueError: " + "x" * 188 + " (a.py:1 in f)"


def test_one_models_own_lines_are_selected_with_their_stack_traces() -> None:
    java = [
        "2026-11-21T09:57:10,9 [ERROR] W-9000-mnist_1.0 org.WorkerThread - Backend worker error",
        "java.lang.Oops",
        "\tat x",
    ]
    lines = [
        *said("hello"),
        *said("not ours", tag="other_1.0"),
        "2026-11-21T09:57:11,0 [INFO ] main Server - up",
        *java,
    ]
    assert list(selected(lines, model="mnist")) == [*said("hello"), *java]
    assert list(selected(lines)) == lines


def test_errors_are_the_tracebacks_and_what_torchserve_calls_an_error() -> None:
    failing = said("Traceback (most recent call last):\n" + user(1, "handle") + "\nValueError: x")
    java = ["2026-11-21T09:57:10,9 [ERROR] W-9000-mnist_1.0 org.WorkerThread - Backend worker error", "java.lang.Oops"]
    calm = [*said("Backend received inference at: 1"), *said("fine")]
    assert list(selected([*failing, *calm, *java, *calm], model="mnist", errors=True)) == [*failing, *java]


def test_what_torchserve_tried_before_is_not_what_is_to_be_mended() -> None:
    guess = f'{HEADER}\n  File "/opt/ts/model_loader.py", line 2, in load\n    import_module(name)'
    text = (
        f"{guess}\nModuleNotFoundError: No module named 'image_classifier'\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        f"{guess}\nRuntimeError: operator torchvision::nms does not exist"
    )
    assert "torchvision's compiled part does not load" in str(mend(of_traceback(text, SOURCES)))


def test_a_function_that_is_not_ready_for_its_first_call_is_told_of_it() -> None:
    loader = '  File "/x/site-packages/ts/model_loader.py", line 9, in <lambda>\n    entry(None, ctx)'
    text = f"{HEADER}\n{loader}\n{user(3, 'handle')}\nTypeError: 'NoneType' object is not iterable"
    assert "once with None for the data" in str(mend(of_traceback(text, SOURCES)))
