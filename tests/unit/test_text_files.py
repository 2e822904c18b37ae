"""Text as people's tools save it: what is taken, what is refused, and that the command of a refusal mends it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mardock import text_files

TEXT = "# café\r\nnumpy==1.26\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_requirements_are_read_as_pip_does(encoding: str) -> None:
    assert text_files.as_pip_reads(TEXT.encode(encoding)) == TEXT


def test_requirements_may_name_their_encoding() -> None:
    text = f"# -*- coding: latin-1 -*-\n{TEXT}"
    assert text_files.as_pip_reads(text.encode("latin-1")) == text


@pytest.mark.parametrize("raw", [TEXT.encode("latin-1"), b"# coding: nonsense\n\xe9"])
def test_what_pip_cannot_read_is_told_and_still_shown(raw: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        text_files.as_pip_reads(raw)
    assert "\ufffd" in text_files.shown(raw)


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-16", "my file: not UTF-8 but UTF-16 text, as PowerShell's > writes it"),
        ("utf-16-le", "my file: not UTF-8 but UTF-16 text"),
        ("utf-16-be", "my file: not UTF-8 but UTF-16 text"),
        ("utf-32", "my file: not UTF-8 but UTF-32 text"),
        ("latin-1", "my file:1: not UTF-8 text"),
        ("utf-8-sig", "my file:1: a byte order mark"),
    ],
)
def test_a_refusal_s_own_command_mends_the_file(tmp_path: Path, encoding: str, told: str) -> None:
    file = tmp_path / "my file"
    file.write_bytes(TEXT.encode(encoding))
    fault = text_files.utf8_fault(file.read_bytes(), file.name, mark=False)
    assert fault is not None
    assert fault.message.startswith(told)
    command = fault.hint[min(at for at in map(fault.hint.find, ("iconv", "sed")) if at >= 0) :]
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    assert file.read_bytes().decode("utf-8").lstrip(text_files.BOM) == TEXT
    assert [path.name for path in tmp_path.iterdir()] == ["my file"]


@pytest.mark.parametrize("raw", [b"", b"a", TEXT.encode(), TEXT.encode("utf-8-sig")])
def test_what_is_utf_8_is_taken(raw: bytes) -> None:
    assert text_files.utf8_fault(raw, "file") is None


def test_only_a_mark_or_a_wide_encoding_spoils_a_file_of_bytes() -> None:
    assert text_files.mark_fault(TEXT.encode("latin-1"), "file") is None
    assert text_files.mark_fault(TEXT.encode("utf-8-sig"), "file") is not None
    assert text_files.mark_fault(TEXT.encode("utf-16-le"), "file") is not None
