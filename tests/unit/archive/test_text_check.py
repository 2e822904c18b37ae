"""A model's text files are read, before they are archived, as they are once it is served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mardock.archive.build import build, check_code
from mardock.archive.spec import ArchiveSpec
from mardock.errors import ArchiveError

REQUIREMENTS = "# café\r\nnot-installed-anywhere==1.0\r\n"
BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_requirements_are_taken_as_pip_takes_them(project: Path, spec: ArchiveSpec, encoding: str) -> None:
    (project / "code" / "handler.py").write_text("import brought_by_requirements\n\ndef handle(data, context): ...\n")
    (project / "requirements.txt").write_bytes(REQUIREMENTS.encode(encoding))
    spec = replace(spec, requirements_file="requirements.txt")
    assert build(spec, project, project / "artifacts").changed


def refused(project: Path, spec: ArchiveSpec) -> ArchiveError:
    with pytest.raises(ArchiveError) as caught:
        check_code(spec, spec.resolve(project), project)
    assert caught.value.hint
    return caught.value


def test_requirements_pip_could_not_read_are_refused(project: Path, spec: ArchiveSpec) -> None:
    (project / "code" / "requirements.txt").write_bytes(REQUIREMENTS.encode("latin-1"))
    told = refused(project, replace(spec, requirements_file="code/requirements.txt"))
    assert told.message == "code/requirements.txt:1: not UTF-8 text"
    assert "iconv -f LATIN1 -t UTF-8 code/requirements.txt" in (told.hint or "")


def test_a_configuration_may_begin_with_a_mark_and_be_nothing_but_utf_8(project: Path, spec: ArchiveSpec) -> None:
    spec = replace(spec, config_file="model-config.yaml")
    (project / "model-config.yaml").write_bytes(BOM + b"minWorkers: 1\n")
    check_code(spec, spec.resolve(project), project)
    (project / "model-config.yaml").write_bytes("minWorkers: 1\n".encode("utf-16"))
    assert "model-config.yaml: not UTF-8 but UTF-16" in refused(project, spec).message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (BOM + b'{"0": "cat"}', "index_to_name.json:1: a byte order mark"),
        ('{"0": "cat"}'.encode("utf-16"), "index_to_name.json: not UTF-8 but UTF-16"),
        (b'{"0": "cat",}', "index_to_name.json is not JSON"),
    ],
)
def test_class_names_are_read_as_torchserve_s_handlers_do(
    project: Path, spec: ArchiveSpec, content: bytes, told: str
) -> None:
    (project / "index_to_name.json").write_bytes(content)
    spec = replace(spec, extra_files=("index_to_name.json",))
    assert told in refused(project, spec).message
    (project / "code" / "handler.py").write_text("def handle(data, context): ...\n")
    check_code(spec, spec.resolve(project), project)  # what reads them then is the handler's own affair


def test_code_may_begin_with_a_mark_and_be_in_no_wide_encoding(project: Path, spec: ArchiveSpec) -> None:
    handler = project / "code" / "handler.py"
    text = handler.read_text()
    handler.write_bytes(BOM + text.encode())
    check_code(spec, spec.resolve(project), project)
    handler.write_bytes(text.encode("utf-16"))
    told = refused(project, spec)
    assert told.message.startswith("code/handler.py: not UTF-8 but UTF-16 text")
    handler.write_bytes(b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + text.encode())
    check_code(spec, spec.resolve(project), project)
