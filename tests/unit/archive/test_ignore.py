"""One rule for what is left out, and one place that is asked for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePath

import pytest

from mardock.archive import ignore
from mardock.archive.ignore import BUILT_IN, IgnoreRule
from mardock.errors import ConfigError

LEFT_BY_EDITORS = (
    *(".#handler.py", "#handler.py#", "handler.py~", ".handler.py.swp", ".handler.py.swo", ".swp", ".a.un~"),
    *(".handler.py.kate-swp", ".goutputstream-X1Y2", ".~lock.table.ods#", "handler.py___jb_tmp___"),
    *(".DS_Store", "._handler.py", "Thumbs.db", ".nfs000001", "handler.pyc", ".mardockignore"),
)
HIDDEN = (".git", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".idea", ".vscode", ".venv")


@pytest.mark.parametrize("name", LEFT_BY_EDITORS)
def test_a_file_editors_leave_is_ignored_by_a_pattern_of_its_own(name: str) -> None:
    assert (BUILT_IN.reason(PurePath("src", name), is_folder=False) or "").startswith("built in: ")


@pytest.mark.parametrize("name", ["__pycache__", "__MACOSX", *HIDDEN])
def test_a_folder_of_caches_is_ignored(name: str) -> None:
    assert (BUILT_IN.reason(PurePath("src", name), is_folder=True) or "").endswith("/")


@pytest.mark.parametrize(
    "name",
    ["handler.py", "swp.py", ".env-like", "4913", "a.tmp", "notes.bak", "#tag", "labels.json", "x.sw", "model.pt"],
)
def test_other_files_are_kept(name: str) -> None:
    assert BUILT_IN.reason(PurePath("src", name), is_folder=False) is None


def _rule(root: Path, text: str) -> IgnoreRule:
    (root / ".mardockignore").write_text(text)
    return ignore.of_project(root)


def test_the_project_s_lines_are_git_s_and_named_by_their_number(tmp_path: Path) -> None:
    rule = _rule(tmp_path, "# logs\n\n*.log\n!keep.log\n/data/\nsub/**/deep.txt\n")
    reasons = {
        path: rule.reason(PurePath(path), is_folder=path.endswith("/"))
        for path in ("a.log", "src/keep.log", "data/", "src/data/", "sub/x/y/deep.txt", "data")
    }
    assert reasons == {
        "a.log": ".mardockignore:3: *.log",
        "src/keep.log": None,
        "data/": ".mardockignore:5: /data/",
        "src/data/": None,
        "sub/x/y/deep.txt": ".mardockignore:6: sub/**/deep.txt",
        "data": None,
    }


def test_the_project_may_keep_what_is_ignored_else(tmp_path: Path) -> None:
    rule = _rule(tmp_path, "!*.pyc\n!.config/\n")
    assert rule.reason(PurePath("src/fast.pyc"), is_folder=False) is None
    assert rule.reason(PurePath("src/.config"), is_folder=True) is None
    assert rule.reason(PurePath("src/.git"), is_folder=True)


def test_a_path_outside_of_the_project_is_told_by_its_names(tmp_path: Path) -> None:
    rule = _rule(tmp_path, "*.log\n")
    assert rule.reason(PurePath("../lib/a.log"), is_folder=False)
    assert rule.reason(PurePath("/elsewhere/a.log"), is_folder=False)
    assert rule.reason(PurePath("../lib/a.py"), is_folder=False) is None


def test_what_lies_in_an_ignored_folder_is_left_out_with_it(tmp_path: Path) -> None:
    rule = _rule(tmp_path, "cache/\n")
    assert rule.leaves_out(PurePath("src/cache/a/b.txt"), 1, is_folder=False)
    assert rule.leaves_out(PurePath("src/.git/objects/aa"), 1, is_folder=True)
    assert not rule.leaves_out(PurePath("src/.git/config"), 2, is_folder=False)  # .git itself is named
    assert not rule.leaves_out(PurePath("src/model.py"), 1, is_folder=False)


def test_without_a_file_the_rule_is_the_built_in_one(tmp_path: Path) -> None:
    assert ignore.of_project(tmp_path) == BUILT_IN
    assert _rule(tmp_path, "x\n") != BUILT_IN  # so a watch looks anew after an edit


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ok\n!\n", r"\.mardockignore:2: '!' is no pattern"),
        (b"[z-a]\n", r"\.mardockignore:1: "),
        (b"caf\xe9\n", "is not UTF-8"),
    ],
)
def test_a_line_that_is_no_pattern_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / ".mardockignore").write_bytes(content)
    with pytest.raises(ConfigError, match=message) as refused:
        ignore.of_project(tmp_path)
    assert refused.value.hint
    assert ignore.of_project_or_built_in(tmp_path) == BUILT_IN


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_a_pattern(tmp_path: Path) -> None:
    (tmp_path / ".mardockignore").write_bytes(b"\xef\xbb\xbf*.log\r\n*.txt\r\n")
    rule = ignore.of_project(tmp_path)
    assert rule.reason(PurePath("a.log"), is_folder=False)
    assert rule.reason(PurePath("a.txt"), is_folder=False)


@pytest.mark.parametrize("has_file", [False, True])
def test_pathspec_is_imported_only_for_a_project_that_has_such_a_file(tmp_path: Path, has_file: bool) -> None:
    if has_file:
        (tmp_path / ".mardockignore").write_text("*.log\n")
    code = (
        "import sys; from pathlib import Path; from mardock.archive import ignore\n"
        "ignore.of_project(Path(sys.argv[1])).reason(Path('a.py'), is_folder=False)\n"
        "print('pathspec' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(has_file)


def test_without_pathspec_the_hint_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pathspec", None)  # Python's own way to say that it cannot be imported
    with pytest.raises(ConfigError, match="pathspec, which is not installed") as refused:
        _rule(tmp_path, "*.log\n")
    assert refused.value.hint
    assert ignore.of_project_or_built_in(tmp_path) == BUILT_IN
