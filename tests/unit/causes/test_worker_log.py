"""TorchServe's log as it is shown: each line once, and a model's files by the paths they have in the project."""

from __future__ import annotations

from mardock.causes import failures
from mardock.causes.audience import Audience
from mardock.causes.worker_log import log_lines, once

AT = "2026-01-31T12:00:00,123"
STATE = (
    f"{AT} [DEBUG] W-9000-m_1.0 org.pytorch.serve.wlm.WorkerThread - W-9000-m_1.0 State change null -> WORKER_STARTED"
)
OTHER = f"{AT} [INFO ] main org.pytorch.serve.ModelServer - Metrics API bind to: http://127.0.0.1:8082"
FAILED = f"{AT} [ERROR] W-9000-m_1.0 org.pytorch.serve.wlm.WorkerThread - Backend worker error"
STACK = ["java.lang.Exception: no", "\tat org.pytorch.serve.A.b(A.java:1)", "\tat org.pytorch.serve.A.b(A.java:1)"]
SAID = f"{AT} [INFO ] W-9000-m_1.0-stdout MODEL_LOG - loading"
ACCESS = f'{AT} [INFO ] epoll-1 ACCESS_LOG - /127.0.0.1:1 "GET /ping HTTP/1.1" 200 0'


def frame(model: str, folder: str) -> str:
    said = f'File "/tmp/{folder}/handler.py", line 7, in handle'
    return f"{AT} [INFO ] W-9000-{model}_1.0-stdout MODEL_LOG -   {said}"


def test_what_the_frontend_wrote_twice_is_shown_once() -> None:
    doubled = [STATE, STATE, OTHER, FAILED, OTHER, *STACK, FAILED, *STACK, SAID]
    assert list(once(doubled)) == [STATE, OTHER, FAILED, *STACK, SAID]


def test_what_a_worker_printed_twice_and_the_same_request_twice_stay() -> None:
    lines = [SAID, SAID, ACCESS, ACCESS]
    assert list(once(lines)) == lines


def test_a_log_without_doubles_is_left_alone() -> None:
    lines = ["no event", STATE, STATE.replace(",123", ",124"), FAILED, *STACK, OTHER]
    assert list(once(lines)) == lines


def test_files_are_named_by_their_paths_in_the_project() -> None:
    audiences = {"m": Audience({"handler.py": "a/handler.py"}), "my_n": Audience({"handler.py": "b/handler.py"})}
    unpacked = "models/0123456789abcdef0123456789abcdef"
    lines = [frame("m", unpacked), frame("my_n", ".my_n-0123456789ab"), frame("x", unpacked), frame("m.next", unpacked)]
    shown = list(failures.selected(lines, audience_of=lambda model: audiences.get(model, Audience())))
    told = [line.partition('File "')[2].partition('"')[0] for line in shown]
    assert told == ["a/handler.py", "b/handler.py", f"/tmp/{unpacked}/handler.py", "a/handler.py"]
    assert [line.worker and line.worker.model for line in log_lines(lines, None)] == ["m", "my_n", "x", "m"]
