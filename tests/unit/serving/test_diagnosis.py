"""Finding the moment in a log again, and which errors are explained by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

import pytest

from mardock.causes.audience import Audience, Then
from mardock.client.refusals import refusal
from mardock.endpoint import Endpoint
from mardock.engines.base import EngineStatus, Stream
from mardock.engines.scratch import Scratch
from mardock.errors import ApiError, EngineNotRunningError, MardockError, ModelNotFoundError, Reason, ServingError
from mardock.serving.diagnosis import LogPosition, explain, explain_deaths, explain_start

TRACEBACK = (
    "Invoking custom service failed.",
    "Traceback (most recent call last):",
    '  File "/opt/venv/lib/python3.11/site-packages/ts/service.py", line 135, in predict',
    "    ret = self._entry_point(input_batch, self.context)",
    '  File "/tmp/models/0123456789abcdef0123456789abcdef/handler.py", line 7, in handle',
    "    raise KeyError('x')",
    "KeyError: 'x'",
)


class Written:
    """An engine of which nothing is left but its log."""

    name = "native"
    torch_is_here = True

    def __init__(self, lines: Sequence[str], *, running: bool = True) -> None:
        self.lines = list(lines)
        self.running = running

    def up(self, *, timeout: float) -> Endpoint:
        return self.endpoint()

    def down(self) -> None:
        self.running = False

    def status(self) -> EngineStatus:
        return EngineStatus(self.name, running=self.running)

    def ended(self) -> Optional[EngineNotRunningError]:
        return None

    def endpoint(self) -> Endpoint:
        raise EngineNotRunningError("it never ran")

    def logs(self, *, follow: bool, tail: int) -> Iterator[str]:
        return iter(self.lines if tail < 0 else self.lines[-tail:])

    def share_cores(self, model: str, workers: int) -> None:
        pass

    def sees(self, path: Path) -> Optional[Path]:
        return path

    def dial(self, port: int) -> Stream:
        raise EngineNotRunningError("it never ran")

    def scratch(self) -> Scratch:
        if not self.running:
            raise EngineNotRunningError("it never ran")
        return Scratch("/tmp", 1000, "df -h /tmp")

    def exec(self, argv: Sequence[str], *, interactive: bool, writes: Sequence[Path] = ()) -> int:
        return 1

    def exec_sees(self, paths: Sequence[Path]) -> bool:
        return True


def worker(*texts: str, time: str = "2026-11-21T09:57:10,813") -> list[str]:
    return [f"{time} [INFO ] W-9000-mnist_1.0-stdout MODEL_LOG - {text}" for text in texts]


def failed(status: int = 503, kind: str = "InternalServerException") -> ApiError:
    return ApiError("POST /predictions/mnist: the handler raised an exception", status=status, kind=kind)


def test_only_what_came_after_the_moment_is_read() -> None:
    engine = Written(worker(*TRACEBACK))
    since = LogPosition.now(engine)
    engine.lines += worker("new", "lines")
    assert since.lines_since(engine) == worker("new", "lines")


def test_lines_that_repeat_do_not_move_the_moment() -> None:
    engine = Written(worker("same", "same", "different"))
    since = LogPosition.now(engine)
    engine.lines += worker("same", "same", "new")
    assert since.lines_since(engine) == worker("same", "same", "new")


def test_a_clock_that_jumps_back_loses_nothing() -> None:
    engine = Written(worker("before"))
    since = LogPosition.now(engine)
    engine.lines += worker("after", time="1999-01-01T00:00:00,000")
    assert since.lines_since(engine) == worker("after", time="1999-01-01T00:00:00,000")


def test_a_moment_far_back_is_found_and_a_rotated_log_is_read_whole() -> None:
    engine = Written(worker("before"))
    since = LogPosition.now(engine)
    engine.lines += worker(*map(str, range(5_000)))
    assert len(since.lines_since(engine)) == 5_000
    engine.lines = worker("a new file")
    assert since.lines_since(engine) == worker("a new file")


def test_a_failed_prediction_keeps_its_status_and_gains_the_handlers_traceback() -> None:
    engine = Written(worker("before"))
    since = LogPosition.now(engine)
    engine.lines += worker(*TRACEBACK)
    error = explain(engine, "mnist", since, failed(), audience=Audience({"handler.py": "torchserve/mnist/handler.py"}))
    assert isinstance(error, ApiError)
    assert error.status == 503
    assert error.message == "model mnist: KeyError: 'x' (torchserve/mnist/handler.py:7 in handle)"
    assert str(error.details).startswith("torchserve/mnist/handler.py:7 in handle\n")
    assert error.hint == "mend torchserve/mnist/handler.py, then archive and register it again"


@pytest.mark.parametrize(
    "error",
    [
        ModelNotFoundError("no model", status=404, kind="ModelNotFoundException"),
        failed(413, ""),
        failed(405, "MethodNotAllowedException"),
        EngineNotRunningError("down"),
    ],
)
def test_what_the_handler_has_no_part_in_is_left_as_it_is(error: MardockError) -> None:
    engine = Written(worker(*TRACEBACK))
    assert explain(engine, "mnist", LogPosition(), error) is error


def test_a_server_that_is_not_ours_cannot_be_asked() -> None:
    error = failed()
    assert explain(None, "mnist", LogPosition(), error) is error


def test_a_model_nobody_answers_for_is_explained_by_the_worker_that_keeps_dying() -> None:
    told_by = "2026-11-21T09:57:10,9 [INFO ] W-9000-mnist_1.0 org.pytorch.serve.wlm.WorkerThread - "
    died = told_by + "Retry worker: 9000 in 5 seconds."
    engine = Written([*worker(*TRACEBACK), died])
    since = LogPosition.now(engine)
    for error in (failed(503, "ServiceUnavailableException"), ServingError("silent for 30 s")):
        told = explain(engine, "mnist", since, error)
        assert told.message.startswith("model mnist has no worker, for it keeps dying: KeyError: 'x'")
    recovered = told_by + "W-9000-mnist_1.0 State change WORKER_STARTED -> WORKER_MODEL_LOADED"
    overload = failed(503, "ServiceUnavailableException")
    engine.lines.append(recovered)
    assert explain(engine, "mnist", since, overload) is overload
    assert explain_deaths(engine, "mnist", "1.0") is None


def test_deaths_that_were_seen_are_told_whatever_the_log_s_end_says() -> None:
    audience = Audience({"handler.py": "torchserve/mnist/handler.py"}, then=Then.SAVE)
    told = explain_deaths(Written(worker(*TRACEBACK)), "mnist", "1.0", audience, seen=True)
    assert told is not None
    where = "torchserve/mnist/handler.py:7 in handle"
    assert told.message == f"model mnist 1.0: its worker keeps dying: KeyError: 'x' ({where})"
    assert told.hint == "mend torchserve/mnist/handler.py and save it"


def test_a_worker_that_keeps_dying_without_an_exception_is_told_by_its_last_words() -> None:
    died = "2026-11-21T09:57:10,9 [INFO ] W-9000-mnist_1.0 org.WorkerThread - Retry worker: 9000 in 5 seconds."
    engine = Written([*worker("about to go"), died])
    for told in (
        explain_deaths(engine, "mnist", "1.0"),
        explain(engine, "mnist", LogPosition(), failed(503, "ServiceUnavailableException")),
    ):
        assert told is not None
        assert told.message.endswith("keeps dying, without an exception")
        assert (told.details, told.hint) == ("about to go", "read what it said last: mardock logs mnist")


def test_a_killed_worker_is_told_apart_by_the_answer() -> None:
    error = ApiError("POST /models: killed", status=507, kind="InternalServerException", reason=Reason.KILLED)
    ended = "2026-11-21T09:57:10,9 [INFO ] W-9000-mnist_1.0 org.WorkerLifeCycle - Stopped Scanner - x-stdout"
    told = explain_start(Written([ended]), "mnist", "1.0", LogPosition(), error, what="model mnist 1.0")
    assert told.message.endswith("did not start: its worker was killed, most likely because memory ran out")
    assert "more memory" in str(told.hint)


@pytest.mark.parametrize(
    ("needs", "said", "hint"),
    [
        (1001, "unpacked it needs 1,001 bytes, /tmp has 1,000 bytes free", "mardock down && mardock up"),
        (1000, "TorchServe could not unpack the archive; /tmp has 1,000 bytes free", "full"),
        (None, "TorchServe could not unpack the archive; /tmp has 1,000 bytes free", "full"),
    ],
)
def test_an_archive_there_is_no_room_for(needs: Optional[int], said: str, hint: str) -> None:
    body = b'{"code": 500, "type": "InternalServerException", "message": "Failed to save model: mnist.mar"}'
    error, what = refusal(500, body, call="POST /models"), "model mnist 1.0"
    assert error.message == "POST /models: TorchServe could not unpack the archive"
    told = explain_start(Written(()), "mnist", "1.0", LogPosition(), error, what=what, needs=needs)
    assert told.message == f"model mnist 1.0 did not start: {said}"
    assert hint in (told.hint or "")


def test_a_handler_on_a_full_disk_is_told_how_full() -> None:
    full = "OSError: [Errno 28] No space left on device: '/tmp/x'"
    engine = Written(worker(*TRACEBACK[:-1], full))
    told = explain(engine, "mnist", LogPosition(), failed())
    assert full in told.message
    assert told.hint == "free some space on the disk it wrote to: /tmp has 1,000 bytes free; df -h /tmp"
    engine.running = False
    told = explain(engine, "mnist", LogPosition(), failed())
    assert told.hint == "free some space on the disk it wrote to"


def test_a_server_that_ended_while_it_loaded_a_model_shows_its_last_lines() -> None:
    engine = Written(worker("last"), running=False)
    told = explain_start(engine, "mnist", "1.0", LogPosition(), ServingError("hung up"), what="model mnist 1.0")
    assert isinstance(told, EngineNotRunningError)
    assert told.message == "TorchServe ended while it loaded model mnist 1.0"
    assert told.details == worker("last")[0]


def test_a_server_that_has_just_hung_up_is_watched_ending() -> None:
    class Ending(Written):
        def status(self) -> EngineStatus:
            found = super().status()
            self.running = False
            return found

    error = ServingError("hung up")
    told = explain_start(Ending(()), "mnist", "1.0", LogPosition(), error, what="model mnist 1.0")
    assert isinstance(told, EngineNotRunningError)


def test_a_log_that_still_grows_is_read_to_its_end() -> None:
    class Draining(Written):
        def logs(self, *, follow: bool, tail: int) -> Iterator[str]:
            self.lines += worker(f"line {len(self.lines)}") if len(self.lines) < 100 else []
            self.lines += worker(*TRACEBACK) if len(self.lines) == 100 else []
            return super().logs(follow=follow, tail=tail)

    told = explain(Draining(worker("begin")), "mnist", LogPosition(tuple(worker("begin"))), failed())
    assert told.message == "model mnist: KeyError: 'x' (handler.py:7 in handle)"


def test_requirements_pip_could_not_install_are_told_in_pips_own_words() -> None:
    event = "2026-11-21T16:44:01,962 [ERROR] epollEventLoopGroup-3-4 org.pytorch.serve.wlm.ModelManager - "
    since = LogPosition((event + "before",))
    engine = Written(
        [
            *since.lines,
            event + "Custom pip package installation failed for model mnist:",
            "WARNING: Requirement './nowhere.whl' looks like a filename, but the file does not exist",
            "ERROR: nowhere.whl is not a valid wheel filename.",
            "",
            event.replace("ERROR", "INFO ") + "Model mnist unregistered.",
            "after",
        ]
    )
    body = (
        b'{"code": 400, "type": "ModelException", "message": "Custom pip package installation failed for model mnist"}'
    )
    error = refusal(400, body, call="POST /models")
    told = explain_start(engine, "mnist", "1.0", since, error, what="model mnist 1.0")
    assert told.message == "model mnist 1.0 was not registered: pip could not install the model's requirements_file"
    assert str(told.details).splitlines()[-1] == "ERROR: nowhere.whl is not a valid wheel filename."
    assert "requirements_file" in str(told.hint)
