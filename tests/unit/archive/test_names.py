from __future__ import annotations

import pytest

from mardock.archive.names import check_model_name, check_version, member_fault
from mardock.errors import ConfigError


@pytest.mark.parametrize("name", ["mnist", "resnet-18", "a.b_c", "0", "x" * 128, "my_tokenizer", "console"])
def test_a_usable_model_name_passes(name: str) -> None:
    check_model_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x",
        "/x",
        "a/b",
        "-x",
        ".x",
        "x" * 300,
        "modèle",
        "a b",
        "mnist\n",
        "NUL",
        "com1.mar",
        "token",
        "Tokenizer",
    ],
)
def test_a_model_name_that_is_no_file_name_or_url_part_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="model name"):
        check_model_name(name)


@pytest.mark.parametrize("version", ["", "all", "1/2", "token1"])
def test_a_version_that_is_no_url_part_is_refused(version: str) -> None:
    with pytest.raises(ConfigError, match="model version"):
        check_version(version)


@pytest.mark.parametrize("name", ["../x", "a/../x", "/x", "C:/x", "a\\b", "a//b", "./a", "", "a\0b", "\udcff"])
def test_a_member_that_could_leave_its_folder_is_faulted(name: str) -> None:
    assert member_fault(name)


@pytest.mark.parametrize("name", ["a", "a/b.py", "folder/", ".hidden", "modèle.txt", "a..b"])
def test_a_member_that_stays_in_its_folder_is_fine(name: str) -> None:
    assert member_fault(name) is None
