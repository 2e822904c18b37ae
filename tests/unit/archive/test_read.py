from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path
from typing import Any, Optional

import pytest

from mardock.archive.build import build
from mardock.archive.read import read
from mardock.archive.spec import ArchiveSpec
from mardock.errors import ArchiveError

MANIFEST: dict[str, Any] = {
    "createdOn": "01/01/1980 00:00:00",
    "runtime": "python",
    "model": {"modelName": "m", "modelVersion": "1.0", "handler": "image_classifier"},
    "archiverVersion": "0.12.0",
}


def _mar(path: Path, *entries: zipfile.ZipInfo, manifest: Optional[bytes] = None, data: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for entry in entries:
            archive.writestr(entry, data)
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps(MANIFEST) if manifest is None else manifest)
    return path


def _refusal(path: Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        read(path)
    assert str(path) in caught.value.message
    return caught.value.message


def test_an_archive_is_described(project: Path, spec: ArchiveSpec) -> None:
    path = build(spec, project, project / "artifacts").archive.path
    archive = read(path)
    assert (archive.name, archive.version, archive.size) == ("mnist", "1.0", path.stat().st_size)
    assert archive.manifest["model"]["serializedFile"] == "weights.pt"
    assert [member.name for member in archive.members][:2] == ["handler.py", "model.py"]


def test_a_deflated_archive_and_a_directory_are_described_alike(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.mar", "w", zipfile.ZIP_DEFLATED) as mar:
        mar.writestr("a.txt", "a" * 100)
        mar.writestr("MAR-INF/MANIFEST.json", json.dumps(MANIFEST))
        mar.extractall(tmp_path / "m")
    file, folder = read(tmp_path / "m.mar"), read(tmp_path / "m")
    assert file.manifest == folder.manifest
    assert {(m.name, m.size) for m in file.members} == {(m.name, m.size) for m in folder.members}
    assert len(folder.sha256) == len(file.sha256) == 64
    before = folder.sha256
    (tmp_path / "m" / "a.txt").write_text("b" * 100)
    assert read(tmp_path / "m").sha256 != before


@pytest.mark.parametrize("content", [b"", b"random bytes" * 100, b"PK\x03\x04" + bytes(100)])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.mar").write_bytes(content)
    assert "is not a model archive" in _refusal(tmp_path / "m.mar")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "there is no archive" in _refusal(tmp_path / "m.mar")


@pytest.mark.parametrize("keep", [1, 100, 255_000, -1, -30])
def test_a_truncated_archive_is_refused(project: Path, spec: ArchiveSpec, keep: int) -> None:
    path = build(spec, project, project / "artifacts").archive.path
    path.write_bytes(path.read_bytes()[:keep])
    _refusal(path)


def test_a_flipped_bit_is_found_by_its_crc_unless_not_asked(project: Path, spec: ArchiveSpec) -> None:
    path = build(spec, project, project / "artifacts").archive.path
    content = bytearray(path.read_bytes())
    content[100_000] ^= 1
    path.write_bytes(content)
    assert "CRC" in _refusal(path)
    assert read(path, verify=False).name == "mnist"


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.mar", "w") as archive:
        archive.writestr("a", "a")
    assert "MAR-INF/MANIFEST.json" in _refusal(tmp_path / "m.mar")
    (tmp_path / "m").mkdir()
    assert "MAR-INF/MANIFEST.json" in _refusal(tmp_path / "m")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"", "is empty"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "no object 'model'"),
        (b"{}", "no object 'model'"),
        (json.dumps({**MANIFEST, "runtime": "java"}).encode(), "'runtime'"),
        (json.dumps({**MANIFEST, "model": {"modelVersion": "1", "handler": "h"}}).encode(), "model.modelName"),
        (json.dumps({**MANIFEST, "model": {"modelName": "m", "handler": "h"}}).encode(), "model.modelVersion"),
        (json.dumps({**MANIFEST, "model": {**MANIFEST["model"], "handler": ""}}).encode(), "model.handler"),
        (json.dumps({**MANIFEST, "model": {**MANIFEST["model"], "handler": "h.py:f"}}).encode(), "'h.py'"),
        (json.dumps({**MANIFEST, "model": {**MANIFEST["model"], "modelFile": "m.py"}}).encode(), "model.modelFile"),
        (b" " * (2 << 20), "at most"),
    ],
)
def test_a_bad_manifest_is_refused_by_field(tmp_path: Path, manifest: bytes, message: str) -> None:
    assert message in _refusal(_mar(tmp_path / "m.mar", manifest=manifest))


@pytest.mark.parametrize("name", ["../slip", "/etc/passwd", "a/../../b", "C:/x"])
def test_an_entry_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    assert name in _refusal(_mar(tmp_path / "m.mar", zipfile.ZipInfo(name)))


def test_a_symlink_entry_is_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("link")
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "is a symlink" in _refusal(_mar(tmp_path / "m.mar", entry))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    assert "is there twice" in _refusal(_mar(tmp_path / "m.mar", zipfile.ZipInfo("a"), zipfile.ZipInfo("a")))


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    path = _mar(tmp_path / "m.mar", zipfile.ZipInfo("a"))
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    assert "is encrypted" in _refusal(path)


def test_a_method_java_cannot_read_is_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("a")
    entry.compress_type = zipfile.ZIP_LZMA
    assert "method 14" in _refusal(_mar(tmp_path / "m.mar", entry))


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("zeros")
    entry.compress_type = zipfile.ZIP_DEFLATED
    assert "times its size" in _refusal(_mar(tmp_path / "m.mar", entry, data=bytes(100 << 20)))


def test_bytes_between_the_entries_are_refused(tmp_path: Path) -> None:
    path = _mar(tmp_path / "m.mar", zipfile.ZipInfo("a"))
    path.write_bytes(b"\0" * 40 + path.read_bytes())
    assert "bytes of no entry" in _refusal(path)
    with zipfile.ZipFile(tmp_path / "n.mar", "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps(MANIFEST))
        archive.writestr("hidden.py", "import os")
        archive.filelist.pop()
    assert "table of contents" in _refusal(tmp_path / "n.mar")


@pytest.mark.parametrize(("name", "hint"), [("cats.mar", "mardock archive cats"), ("cats", "mardock archive cats")])
def test_what_makes_an_archive_is_a_command_to_paste(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(ArchiveError, match="there is no archive") as caught:
        read(tmp_path / name)
    assert caught.value.hint == hint
    (tmp_path / name).write_bytes(b"PK\3\4")
    with pytest.raises(ArchiveError, match="is not a model archive") as caught:
        read(tmp_path / name)
    assert caught.value.hint == f"build it again: {hint} --force"
