"""A trial runs a handler as a worker does, and survives whatever the handler does to its process."""

from __future__ import annotations

import json
import os
import pty
import time
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.support.processes import is_running

from mardock.causes import failures, sentences
from mardock.causes.audience import Audience
from mardock.causes.cause import Cause
from mardock.handler import trial
from mardock.handler.child import Child
from mardock.handler.outcome import Raised, Stage, Trial
from mardock.handler.trial_folder import TrialFolder
from mardock.handler.trial_spec import TrialSpec
from mardock.payload import Field, Payload, form

STAGED = """
    class Handler:
        def initialize(self, context):
            self.context = context
        def preprocess(self, data):
            {preprocess}
        def inference(self, numbers):
            {inference}
        def postprocess(self, results):
            {postprocess}
        def handle(self, data, context):
            return self.postprocess(self.inference(self.preprocess(data)))
"""
STEPS = {
    "preprocess": "return [float(row['body']) for row in data]",
    "inference": "return [2 * number for number in numbers]",
    "postprocess": "return results",
}


def explain(raised: Raised, sources: dict[str, str]) -> Cause:
    return failures.of_traceback(raised.traceback, Audience(sources), reason=raised.reason)


def staged(**steps: str) -> str:
    return STAGED.format(**{**STEPS, **steps})


def answering(expression: str) -> str:
    return f"""
    import os, sys, json, time
    def handle(data, context):
        if data is None:
            return
        return {expression}
    """


class Bench:
    """Tries handlers written in a test's own folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, source: str, *bodies: bytes, **options: Any) -> Trial:
        spec = self.spec(source, [Payload(body) for body in bodies or (b"1",)], **options)
        return self.run_spec(spec)

    def spec(
        self, source: str, samples: Sequence[Payload], handler: str = "handler.py", config: str = "", **options: Any
    ) -> TrialSpec:
        members = {"handler.py": self._folder / "handler.py"}
        members["handler.py"].write_text(dedent(source))
        model = {"modelName": "m", "modelVersion": "1.0", "handler": handler}
        if config:
            members["model-config.yaml"] = self._folder / "config.yaml"
            members["model-config.yaml"].write_text(config)
            model["configFile"] = "model-config.yaml"
        manifest = json.dumps({"runtime": "python", "model": model}).encode()
        return TrialSpec(members, manifest, samples, **options)

    def run_spec(self, spec: TrialSpec) -> Trial:
        folder = self._folder / f"trial-{time.monotonic_ns()}"
        folder.mkdir()
        kept = TrialFolder(folder)
        with Child(trial.import_torchserve, trial.run) as child:
            return kept.conclude(spec, child.run(spec, kept))


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """Import torch once; every child is forked from here."""
    pytest.importorskip("ts")
    trial.import_torchserve()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def bodies(found: Trial) -> list[bytes]:
    assert found.raised is None
    return [run.replies[0].body for run in found.singles]


def shown(stages: Sequence[Stage]) -> list[tuple[str, str, str]]:
    return [(stage.name, stage.took, stage.gave) for stage in stages]


def test_every_stage_is_timed_and_described(bench: Bench) -> None:
    found = bench.run(staged(), b"2", b"3", batch=2)

    assert [stage.name for stage in found.start] == ["load", "initialize"]
    assert shown(found.singles[0].stages) == [
        ("preprocess", "list of 1 x {body: bytearray of 1}", "list of 1 x float"),
        ("inference", "list of 1 x float", "list of 1 x float"),
        ("postprocess", "list of 1 x float", "list of 1 x float"),
        ("handle", "list of 1 x {body: bytearray of 1}", "list of 1 x float"),
    ]
    assert bodies(found) == [b"4.0", b"6.0"]
    assert found.batch is not None
    assert [reply.body for reply in found.batch.replies] == [b"4.0", b"6.0"]
    assert not found.warnings


def test_the_time_of_a_stage_is_that_of_its_call(bench: Bench) -> None:
    stages = bench.run(staged(inference="import time; time.sleep(0.02); return numbers")).singles[0].stages

    seconds = {stage.name: stage.seconds for stage in stages}
    assert seconds["inference"] >= 0.02
    assert seconds["handle"] >= seconds["preprocess"] + seconds["inference"] + seconds["postprocess"]


def test_a_stage_called_several_times_is_one_row(bench: Bench) -> None:
    stages = bench.run(staged(postprocess="return self.inference(self.inference(results))")).singles[0].stages

    assert {stage.name: stage.calls for stage in stages} == {
        "preprocess": 1,
        "inference": 3,
        "postprocess": 1,
        "handle": 1,
    }


def test_a_plain_function_is_called_once_with_none_to_initialise(bench: Bench) -> None:
    found = bench.run(
        """
        calls = []
        def serve(data, context):
            calls.append(data is None)
            return [str(calls)] if data else None
        """,
        handler="handler.py:serve",
    )

    assert bodies(found) == [b"[True, False]"]


def test_the_handler_finds_what_a_worker_has(bench: Bench) -> None:
    config = "batchSize: 3\nlimit: 7\n"
    told = answering(
        """[json.dumps({"cwd": os.getcwd(), "first": sys.path[0], "dir": context.system_properties["model_dir"],
        "file": os.path.realpath(__file__), "config": context.model_yaml_config, "name": context.model_name,
        "batch_size": context.system_properties["batch_size"], "explain": context.get_request_header(0, "explain")})]"""
    )

    found = json.loads(bodies(bench.run(told, config=config, batch_size=3))[0])

    assert found["cwd"] == found["first"] == found["dir"]
    assert found["file"] == found["dir"] + "/handler.py"
    assert found["config"] == {"batchSize": 3, "limit": 7}
    assert (found["name"], found["batch_size"], found["explain"]) == ("m", 3, "False")


@pytest.mark.parametrize(
    ("content_type", "kind"), [(None, "bytearray"), ("application/json", "dict"), ("text/plain", "str")]
)
def test_a_body_reaches_the_handler_as_its_content_type_says(bench: Bench, content_type: str, kind: str) -> None:
    spec = bench.spec(answering("[type(data[0]['body']).__name__]"), [Payload(b'{"a": 1}', content_type)])

    assert bodies(bench.run_spec(spec)) == [kind.encode()]


def test_status_and_content_type_set_by_the_handler_are_in_the_reply(bench: Bench) -> None:
    found = bench.run(
        """
        def handle(data, context):
            if data:
                context.set_response_status(404, "Not Found", 0)
                context.set_response_content_type(0, "text/csv")
                return ["a,b"]
        """
    )

    reply = found.singles[0].replies[0]
    assert (reply.status, reply.content_type, reply.body) == (404, "text/csv", b"a,b")


def test_a_streamed_answer_is_put_together(bench: Bench) -> None:
    found = bench.run(
        """
        from ts.handler_utils.utils import send_intermediate_predict_response
        def handle(data, context):
            if data:
                for part in ("a", "b"):
                    send_intermediate_predict_response([part], context.request_ids, "ok", 200, context)
                return ["c"]
        """
    )

    assert bodies(found) == [b"abc"]


def test_of_one_batch_each_gets_what_was_streamed_to_it_alone(bench: Bench) -> None:
    found = bench.run(
        """
        from ts.handler_utils.utils import send_intermediate_predict_response
        def handle(data, context):
            for index, row in enumerate(data or []):
                if row["body"] != b"whole":
                    request = {index: context.request_ids[index]}
                    send_intermediate_predict_response({index: bytes(row["body"])}, request, "ok", 200, context)
            return ["."] * len(data or [])
        """,
        b"whole",
        b"a",
        b"b",
        batch=3,
    )

    assert bodies(found) == [b".", b"a.", b"b."]
    assert found.batch is not None
    assert [reply.body for reply in found.batch.replies] == [b".", b"a.", b"b."]


@pytest.mark.parametrize(
    ("expression", "refusal"),
    [
        ("data[:-1] + data + data", "number of batch response mismatched (1 requests, 2 results)"),
        ("[]", "number of batch response mismatched (1 requests, 0 results)"),
        ("'text'", "Invalid model predict output (Invalid return type: str)"),
        ("None", "Invalid model predict output (Invalid return type: NoneType)"),
        ("[object()]", "Unsupported model output data type. (object is not JSON serializable)"),
        ("['x' * 101]", "Message size exceed limit: 101 bytes, max_response_size is 100"),
    ],
)
def test_what_torchserve_would_refuse_is_refused(bench: Bench, expression: str, refusal: str) -> None:
    found = bench.run(answering(expression), max_response_size=100)

    assert found.singles[0].refusal == refusal
    assert not found.singles[0].answered


def test_a_handler_that_forgets_the_batch_is_found_out(bench: Bench) -> None:
    found = bench.run(answering("[bytes(data[0]['body'])]"), batch=2)

    assert found.singles[0].answered
    assert found.batch is not None
    assert found.batch.refusal == "number of batch response mismatched (2 requests, 1 results)"


def test_an_answer_that_depends_on_the_batch_is_warned_of(bench: Bench) -> None:
    found = bench.run(answering("[float(row['body']) / len(data) for row in data]"), b"1", batch=2)

    assert found.warnings == ("request 1 of 2 is answered otherwise in a batch than alone: $: expected 1.0, got 0.5",)


def test_a_handler_that_looks_for_another_key_is_warned_of(bench: Bench) -> None:
    found = bench.run(answering("[str(row.get('data')) for row in data]"))

    assert [warning.partition(";")[0] for warning in found.warnings] == [
        "the handler got None: it asked the request for 'data', which holds 'body'"
    ]


@pytest.mark.parametrize("expression", ["row.get('data') or row.get('body')", "dict(**row)['body']", "row['body']"])
def test_a_handler_that_finds_its_body_is_not_warned(bench: Bench, expression: str) -> None:
    assert not bench.run(answering(f"[bytes({expression}) for row in data]")).warnings


@pytest.mark.parametrize(
    ("source", "stage", "message"),
    [
        ("import no_such_module\ndef handle(data, context): ...", "load", "No module named 'no_such_module'"),
        ("def handle(data, context)", "load", "SyntaxError: "),
        ("class One:\n    def handle(self): ...\nclass Two: ...", "load", "Expected only one class"),
        ("def handle(data, context):\n    raise ValueError('boom')", "initialize", "ValueError: boom"),
        (staged(preprocess="raise KeyError('k')"), "preprocess", "KeyError: 'k'"),
        (staged(inference="import sys; sys.exit(3)"), "inference", "SystemExit: 3"),
        (staged(postprocess="raise MemoryError"), "postprocess", "MemoryError"),
    ],
)
def test_what_a_handler_raises_is_told_with_its_stage(bench: Bench, source: str, stage: str, message: str) -> None:
    found = bench.run(source)

    raised = found.raised or found.singles[0].raised
    assert raised is not None
    assert raised.stage == stage
    failure = explain(raised, {"handler.py": "torchserve/m/handler.py"})
    assert message in failure.exception
    assert "mardock" not in str(sentences.details(failure))


def test_the_users_own_call_is_named_in_the_project(bench: Bench) -> None:
    found = bench.run(staged(preprocess="import json; return json.loads('{')"))

    raised = found.singles[0].raised
    assert raised is not None
    failure = explain(raised, {"handler.py": "torchserve/m/handler.py"})
    assert failure.user_call is not None
    assert sentences.place(failure.user_call) == "torchserve/m/handler.py:6 in preprocess"


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        ("os._exit(3)", "the handler ended its process with exit code 3: in TorchServe the worker dies"),
        ("os.kill(os.getpid(), 9)", "the handler was killed (exit code 137), as systems do that are out of memory"),
    ],
)
def test_a_process_that_dies_is_told_of(bench: Bench, act: str, sentence: str) -> None:
    raised = bench.run(staged(inference=f"import os; {act}")).raised

    assert raised is not None
    assert (raised.stage, raised.traceback) == ("inference", sentence)


def test_a_crash_names_the_users_line(bench: Bench) -> None:
    raised = bench.run(staged(inference="import ctypes; ctypes.string_at(0)")).raised

    assert raised is not None
    failure = explain(raised, {"handler.py": "h.py"})
    assert failure.user_call is not None
    assert sentences.place(failure.user_call) == "h.py:8 in inference"
    assert "crashed Python: SIGSEGV (exit code 139)" in failure.exception


def test_the_memory_that_runs_out_has_its_mend(bench: Bench) -> None:
    raised = bench.run(staged(inference="import os; os.kill(os.getpid(), 9)")).raised

    assert raised is not None
    assert "memory" in str(sentences.hint(explain(raised, {}), Audience()))


@pytest.mark.parametrize(
    ("steps", "timeouts", "stage", "limit"),
    [
        ({"inference": "import time; time.sleep(60)"}, {"response_timeout": 0.3}, "inference", "response_timeout"),
        ({"inference": "while True: pass"}, {"response_timeout": 0.3}, "inference", "response_timeout"),
    ],
)
def test_a_handler_that_hangs_names_its_line(
    bench: Bench, steps: dict[str, str], timeouts: dict[str, float], stage: str, limit: str
) -> None:
    raised = bench.run(staged(**steps), **timeouts).raised

    assert raised is not None
    failure = explain(raised, {"handler.py": "h.py"})
    assert failure.user_call is not None
    assert sentences.place(failure.user_call) == "h.py:8 in inference"
    assert "mardock" not in str(sentences.details(failure))
    assert f"within {limit} (0.3 s)" in failure.exception
    assert raised.stage == stage


def test_a_load_that_hangs_has_its_own_limit(bench: Bench) -> None:
    raised = bench.run("import time\ntime.sleep(60)", startup_timeout=0.3).raised

    assert raised is not None
    assert "startup_timeout" in str(sentences.hint(explain(raised, {}), Audience()))


def test_ctrl_c_is_told_where_it_hit(bench: Bench) -> None:
    parent = os.getpid()
    source = staged(inference=f"import os, time; os.kill({parent}, 2); time.sleep(60)")

    raised = bench.run(source).singles[0].raised

    assert raised is not None
    assert raised.stage == "inference"
    assert raised.traceback.rstrip().endswith("KeyboardInterrupt")


def test_what_a_handler_starts_ends_with_the_trial(bench: Bench) -> None:
    found = bench.run(
        """
        import subprocess
        def handle(data, context):
            if data:
                return [str(subprocess.Popen(["sleep", "60"]).pid)]
        """
    )

    pid = int(bodies(found)[0])
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(pid)


def test_megabytes_of_prints_do_not_stop_it(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    found = bench.run(staged(inference="print('x' * 3_000_000); return numbers"))

    assert bodies(found) == [b"1.0"]
    out, err = capfd.readouterr()
    assert not out
    assert len(err) > 3_000_000


def test_the_handlers_own_log_is_shown_and_torchserves_is_not(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    bench.run(staged(inference="import logging; logging.getLogger('mine').info('hello'); raise ValueError"))

    err = capfd.readouterr().err
    assert "hello" in err
    assert "Invoking custom service failed" not in err


def test_a_handler_that_writes_into_its_folder_leaves_the_project_alone(bench: Bench, tmp_path: Path) -> None:
    found = bench.run(answering("[str(open(os.path.join(os.getcwd(), 'new.txt'), 'w').write('x'))]"))

    assert bodies(found) == [b"1"]
    assert not (tmp_path / "new.txt").exists()


def test_pdb_stops_at_the_users_innermost_call(bench: Bench) -> None:
    spec = bench.spec(staged(preprocess="import json; mine = 41; return json.loads('{')"), [Payload(b"1")], debug=True)
    terminal, inside = pty.openpty()
    saved = os.dup(0)
    os.write(terminal, b"p mine + 1\nq\n")
    os.dup2(inside, 0)
    try:
        stderr = os.dup(2)
        os.dup2(inside, 2)
        try:
            found = bench.run_spec(spec)
        finally:
            os.dup2(stderr, 2)
    finally:
        os.dup2(saved, 0)
    said = os.read(terminal, 65536).decode()
    assert "42" in said
    assert found.singles[0].raised is not None


@pytest.mark.parametrize(
    ("expression", "warned"),
    [
        ("list(__import__('torch').ones(len(data), 2))", ["return tensor.tolist()"]),
        ("list(__import__('torch').ones(len(data)))", ["return tensor.tolist()"]),
        ("[{'score': float('nan')}] * len(data)", ["an answer holds NaN"]),
        ("[[float('-inf')]] * len(data)", ["an answer holds -Infinity"]),
        ("[float('inf')] * len(data)", ["an answer holds Infinity"]),
        ("[json.dumps({'score': float('nan')})] * len(data)", ["an answer holds NaN"]),
        ("['NaN'] * len(data)", []),
        ("[b'[NaN, that is no JSON at all'] * len(data)", []),
        ("[[1.5, None]] * len(data)", []),
    ],
)
def test_an_answer_that_few_can_read_is_warned_of(bench: Bench, expression: str, warned: list[str]) -> None:
    found = bench.run(answering(expression))
    assert len(found.warnings) == len(warned)
    assert all(part in warning for part, warning in zip(warned, found.warnings))


def test_torchserves_switches_hold(bench: Bench) -> None:
    sent = [Payload(b'{"instances": ["one", "two"]}', "application/json")]
    enveloped = bench.spec(answering("[str(row) for row in data]"), sent, envelope="json")
    assert bodies(bench.run_spec(enveloped)) == [b'{"predictions": ["one", "two"]}']
    raw = bench.spec(answering("[type(data[0]['body']).__name__]"), sent, decoded=False)
    assert bodies(bench.run_spec(raw)) == [b"bytearray"]
    huge = bench.spec(
        answering("[str(context.system_properties['limit_max_image_pixels'])]"), [Payload(b"")], limited_images=False
    )
    assert bodies(bench.run_spec(huge)) == [b"False"]


def test_a_form_reaches_the_handler_field_by_field(bench: Bench) -> None:
    sent = form([Field("a", "1"), Field("f", file=Path("x.json"), content_type="application/json")], lambda _: b"[1]")
    found = bench.run_spec(bench.spec(answering("[[bytes(data[0]['a']).decode(), data[0]['f']]]"), [sent]))
    assert json.loads(bodies(found)[0]) == ["1", [1]]
