"""Archives under the name of their content: what a server serves can be told, and stays while it does."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path

import pytest

from mardock.errors import ArchiveError
from mardock.serving.pinned import archive_of, digest_of, links, pin


def archive(folder: Path, content: str, name: str = "mnist") -> Path:
    path = folder / f"{name}.mar"
    path.unlink(missing_ok=True)
    model = {"modelName": name, "modelVersion": "1.0", "handler": "handler.py"}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("handler.py", content)
        file.writestr("MAR-INF/MANIFEST.json", json.dumps({"runtime": "python", "model": model}))
    return path


def test_the_name_tells_the_content_and_the_bytes_are_shared(tmp_path: Path) -> None:
    path = archive(tmp_path, "one")
    pinned = pin(path)
    assert pinned.digest == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert pinned.url == f".mnist-{pinned.digest}.mar"
    assert (digest_of(pinned.url), archive_of(pinned.url)) == (pinned.digest, "mnist.mar")
    assert (tmp_path / pinned.url).samefile(path)
    assert pin(path).url == pinned.url
    assert {file.name for file in tmp_path.iterdir()} == {pinned.url, "mnist.mar"}


def test_a_new_archive_leaves_the_pinned_one_as_it_was(tmp_path: Path) -> None:
    old = pin(archive(tmp_path, "one"))
    before = (tmp_path / old.url).read_bytes()
    new = pin(archive(tmp_path, "two"))
    assert new.url != old.url
    assert (tmp_path / old.url).read_bytes() == before


def test_a_pinned_file_that_was_written_over_is_put_right(tmp_path: Path) -> None:
    path = archive(tmp_path, "one")
    url = pin(path).url
    (tmp_path / url).unlink()
    (tmp_path / url).write_bytes(b"other bytes")
    assert pin(path).url == url
    assert (tmp_path / url).samefile(path)


def test_only_an_archives_own_pinned_files_are_its_links(tmp_path: Path) -> None:
    first, second = pin(archive(tmp_path, "one")), pin(archive(tmp_path, "two"))
    pin(archive(tmp_path, "one", name="mnist-large"))
    (tmp_path / ".mnist.mar.tmp").touch()
    (tmp_path / ".mnist-notadigest00.mar").touch()
    assert sorted(link.name for link in links(tmp_path / "mnist.mar")) == sorted([first.url, second.url])


def test_a_file_system_without_hard_links_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = archive(tmp_path, "one")
    copy = tmp_path / pin(path).url
    assert copy.read_bytes() == path.read_bytes()
    assert not copy.samefile(path)


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 cut"])
def test_what_is_no_archive_is_refused_by_the_name_the_user_knows(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mnist.mar"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"/mnist\.mar is not a model archive"):
        pin(path)
    assert [file.name for file in tmp_path.iterdir()] == ["mnist.mar"]


@pytest.mark.parametrize(
    "url", ["mnist.mar", "https://host/mnist.mar", ".mnist-123.mar", "a/.mnist-0123456789ab.mar.x"]
)
def test_other_urls_tell_nothing(url: str) -> None:
    assert digest_of(url) is None
    assert archive_of(url) is None


def test_a_folder_keeps_its_name_and_what_it_holds_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "mnist" / "MAR-INF").mkdir(parents=True)
    model = {"modelName": "mnist", "modelVersion": "1.0", "handler": "handler.py"}
    (tmp_path / "mnist" / "handler.py").touch()
    (tmp_path / "mnist" / "MAR-INF" / "MANIFEST.json").write_text(json.dumps({"runtime": "python", "model": model}))
    pinned = pin(tmp_path / "mnist")
    assert (pinned.url, pinned.digest) == ("mnist", None)
