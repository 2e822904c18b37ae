"""Which line of a file a setting stands in."""

from __future__ import annotations

from pathlib import Path

import pytest

from mardock.deploy.rehearsal.places import Place, in_properties, in_text, in_toml, in_yaml

HERE = Path("file")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("readiness_probe", "initial_delay"), 5),
        (("readiness_probe", "period"), 3),
        (("liveness_probe", "period"), None),
        (("environment_variables", "TS_MODELS"), 6),
    ],
)
def test_a_key_of_yaml_or_the_nearest_above_it(root: Path, keys: tuple[str, ...], line: int | None) -> None:
    (root / HERE).write_text(
        "# a comment\ninstance_type: small\nreadiness_probe:\n\n  initial_delay: 3\n"
        "environment_variables: {TS_MODELS: all}\n"
    )

    assert in_yaml(root, HERE, *keys) == Place("file", line)


@pytest.mark.parametrize("text", ["", "- a\n- list\n", "name: text\n"])
def test_yaml_without_the_key(root: Path, text: str) -> None:
    (root / HERE).write_text(text)

    assert in_yaml(root, HERE, "readiness_probe", "period") == Place("file")


def test_a_key_of_properties_the_last_of_equal_ones(root: Path) -> None:
    (root / HERE).write_text("# comment\nload_models=a,\\\n  b\ninference_address: one\ninference_address=two\n")

    assert in_properties(root, HERE, "inference_address") == Place("file", 5)
    assert in_properties(root, HERE, "model_store") == Place("file")


@pytest.mark.parametrize(
    ("table", "key", "line"),
    [
        ("deploy.tir", "max_archive_mb", 5),
        ("deploy.tir", "sku_id", 4),
        ("deploy.tir.disk", "size", 7),
        ("x", "y", None),
    ],
)
def test_a_key_of_a_toml_table(root: Path, table: str, key: str, line: int | None) -> None:
    (root / HERE).write_text(
        '[models.echo]\nmax_archive_mb = 3\n# [deploy.tir]\n[deploy."tir"]  # here\nmax_archive_mb = 2\n'
        "[ deploy.tir.disk ]\nsize=30\n"
    )

    assert in_toml(root, HERE, table, key) == Place("file", line)


def test_a_line_of_text_by_the_first_pattern_that_is_found(root: Path) -> None:
    (root / HERE).write_text("FROM base\nRUN torchserve --help\nCMD torchserve --start\n")

    assert in_text(root, HERE, "absent", r"--start\b", "FROM") == Place("file", 3)
    assert str(in_text(root, HERE, "torchserve")) == "file:3"
    assert str(in_text(root, HERE, "absent")) == "file"
