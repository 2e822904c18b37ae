"""The reloading handler: saved code serves at the next call when it can, and never when it cannot."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mardock.handler import reloading
from mardock.handler.reloading import TAG, Reloader

CLASS = """
import reloaded_words
class Handler:
    def initialize(self, context):
        self.answer = reloaded_words.WORD
    def handle(self, data, context):
        return [self.answer for _ in data]
"""


class Served:
    """A served folder, the files that are edited, and what a worker prints."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.edited = root / "edited"
        self.model_dir = root / "served"
        self._capsys = capsys
        (self.model_dir / "MAR-INF").mkdir(parents=True)
        self.edited.mkdir()
        self.context: Any = SimpleNamespace(
            system_properties={"model_dir": str(self.model_dir)}, manifest={"model": {"handler": "other.py"}}
        )

    def load(self, handler: str = "reloaded.py", **files: str) -> Reloader:
        """Write files, serve them and return the handler."""
        sources = {}
        for stem, text in files.items():
            name = f"{stem.replace('__', '/')}.py"
            self.save(**{stem: text})
            (self.model_dir / name).parent.mkdir(exist_ok=True)
            (self.model_dir / name).write_text(text)
            sources[name] = {"path": str(self.edited / name), "label": f"torchserve/digits/{name}"}
        config = {"handler": handler, "sources": sources}
        (self.model_dir / reloading.CONFIG).write_text(json.dumps(config))
        return Reloader(self.context)

    def save(self, **files: str) -> None:
        for stem, text in files.items():
            path = self.edited / f"{stem.replace('__', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def call(self, reloader: Reloader) -> Any:
        reloader.refresh(self.context)
        return reloader.revision.entry([1], self.context)

    def told(self) -> list[dict[str, Any]]:
        lines = self._capsys.readouterr().out.splitlines()
        return [json.loads(line[len(TAG) :]) for line in lines if line.startswith(TAG)]


@pytest.fixture
def served(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    pytest.importorskip("ts")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield Served(tmp_path, capsys)
    for name in [name for name in sys.modules if name.startswith("reloaded")]:
        del sys.modules[name]


def test_a_saved_module_serves_at_the_next_call_also_when_the_handler_only_imports_it(served: Served) -> None:
    reloader = served.load(reloaded=CLASS, reloaded_words="WORD = 'one'")
    assert served.context.manifest["model"]["handler"] == "reloaded.py"
    assert served.call(reloader) == ["one"]
    assert served.told() == []
    served.save(reloaded_words="WORD = 'two'")
    assert served.call(reloader) == ["two"]
    assert [(told["revision"], told["error"]) for told in served.told()] == [(2, None)]


def test_a_function_may_be_the_entry_point(served: Served) -> None:
    text = "def entry(data, context):\n    return data and ['{}']\n"
    reloader = served.load("reloaded.py:entry", reloaded=text.format("one"))
    served.save(reloaded=text.format("two"))
    assert served.call(reloader) == ["two"]


@pytest.mark.parametrize(
    "fault", ["def (", "import nowhere_at_all", "raise SystemExit", "class A: pass\nclass B: pass"]
)
def test_what_cannot_be_loaded_is_told_once_and_the_code_before_serves(served: Served, fault: str) -> None:
    reloader = served.load(reloaded=CLASS, reloaded_words="WORD = 'one'")
    served.save(reloaded=fault)
    assert served.call(reloader) == served.call(reloader) == ["one"]
    (told,) = served.told()
    assert told["revision"] == 1
    assert told["digest"] == reloading.digest_of({"reloaded.py": fault.encode(), "reloaded_words.py": b"WORD = 'one'"})
    assert sys.modules["reloaded"].__dict__["Handler"] is type(reloader.revision.entry.__self__)
    served.save(reloaded=CLASS.replace("[self.answer", "['mended'"))
    assert served.call(reloader) == ["mended"]


def test_a_traceback_shows_the_lines_of_the_code_that_raised(served: Served) -> None:
    reloader = served.load(reloaded=CLASS, reloaded_words="WORD = 'one'")
    served.save(reloaded_words="x = {}\nWORD = x['absent']\n")
    served.call(reloader)
    (told,) = served.told()
    assert "torchserve/digits/reloaded_words.py\", line 2, in <module>\n    WORD = x['absent']" in told["error"]


def test_code_that_ended_a_worker_is_not_tried_again_until_it_is_saved_again(served: Served) -> None:
    reloader = served.load(reloaded=CLASS, reloaded_words="WORD = 'one'")
    served.save(reloaded_words="WORD = 'deadly'")
    digest = reloading.digest_of({"reloaded.py": CLASS.encode(), "reloaded_words.py": b"WORD = 'deadly'"})
    reloader._attempt_file(digest, "999999999").touch()  # no process has this number
    assert served.call(reloader) == ["one"]
    assert "a worker hung or ended" in served.told()[0]["error"]


def test_a_file_that_is_away_or_just_emptied_is_waited_for(served: Served) -> None:
    reloader = served.load(reloaded=CLASS, reloaded_words="WORD = 'one'")
    (served.edited / "reloaded_words.py").write_text("")
    assert served.call(reloader) == ["one"]
    (served.edited / "reloaded_words.py").unlink()
    assert served.call(reloader) == ["one"]
    assert served.told() == []


RELATIVE = CLASS.replace("import reloaded_words", "from . import words as reloaded_words")


def test_a_package_without_init_and_its_relative_handler_are_swapped(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(served.model_dir))
    reloader = served.load("reloaded_lib.handler", reloaded_lib__handler=RELATIVE, reloaded_lib__words="WORD = 'one'")
    assert served.call(reloader) == ["one"]
    served.save(reloaded_lib__words="WORD = 'two'")
    assert served.call(reloader) == ["two"]
    assert [report["error"] for report in served.told()] == [None]
