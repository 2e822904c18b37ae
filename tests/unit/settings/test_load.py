"""What .env, mardock.toml, the environment and flags come to, and how mistakes in them are told."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from mardock.errors import ConfigError
from mardock.settings.load import load
from mardock.settings.schema import COMPOSE_ONLY, ENVIRONMENT_NAMES

MODEL = '[models.mnist.archive]\nhandler = "torchserve/mnist/handler.py"\n'


def write(folder: Path, toml: str = MODEL, env: bytes | None = None) -> Path:
    (folder / "mardock.toml").write_text(toml, encoding="utf-8")
    if env is not None:
        (folder / ".env").write_bytes(env)
    return folder


def test_defaults(tmp_path: Path) -> None:
    settings = load(write(tmp_path), {})
    assert settings.machine.engine == "auto"
    assert settings.machine.inference_port == 8080
    assert settings.models["mnist"].archive.model_name == "mnist"
    assert settings.models["mnist"].serving.initial_workers == 1


@pytest.mark.parametrize("before", [None, "logfire"])
def test_the_environment_stays_as_it_was(before: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "PYDANTIC_DISABLE_PLUGINS"
    monkeypatch.delenv(name, raising=False)
    if before is not None:
        monkeypatch.setenv(name, before)
    load(write(tmp_path))
    assert os.environ.get(name) == before


def test_flag_beats_environment_beats_env_file_beats_project_file(tmp_path: Path) -> None:
    root = write(tmp_path, 'engine = "docker"\n' + MODEL)
    assert load(root, {}).machine.engine == "docker"
    write(root, 'engine = "docker"\n' + MODEL, b"MARDOCK_ENGINE=native\n")
    assert load(root, {}).machine.engine == "native"
    assert load(root, {"MARDOCK_ENGINE": "auto"}).machine.engine == "auto"
    assert load(root, {"MARDOCK_ENGINE": "auto"}, engine="docker").machine.engine == "docker"


def test_the_python_that_serves_is_named_by_the_project_or_the_machine(tmp_path: Path) -> None:
    assert load(write(tmp_path), {}).native.python is None
    root = write(tmp_path, '[native]\npython = ".venv/bin/python"\n' + MODEL, b"MARDOCK_NATIVE_PYTHON=/opt/torch\n")
    settings = load(root, {})
    assert (settings.native.python, settings.machine.native_python) == (".venv/bin/python", "/opt/torch")
    with pytest.raises(ConfigError, match=r"mardock\.toml:2: unknown key native\.pyhton") as refused:
        load(write(tmp_path, '[native]\npyhton = "x"\n' + MODEL), {})
    assert "python" in str(refused.value.hint)


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert (
        load(write(tmp_path, env=b"MARDOCK_ENGINE=\n"), {"MARDOCK_INFERENCE_PORT": ""}).machine.inference_port == 8080
    )


def test_variables_expand_in_the_env_file(tmp_path: Path) -> None:
    env = b"BASE=90\nMARDOCK_INFERENCE_PORT=${BASE}80\nMARDOCK_METRICS_PORT=${NOPE:-9082}\n"
    machine = load(write(tmp_path, env=env), {}).machine
    assert (machine.inference_port, machine.metrics_port) == (9080, 9082)


def test_what_compose_alone_reads_is_no_misspelling(tmp_path: Path) -> None:
    env = b"MARDOCK_UID=1234\nMARDOCK_GID=1234\nMARDOCK_PACKAGE=/opt/mardock\nMARDOCK_BUILD_NETWORK=host\n"
    assert load(write(tmp_path, env=env), {}).machine.build_network == "host"


def test_the_example_names_every_variable_with_its_default(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / ".env.example"
    lines = [line[2:] for line in example.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    variables = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    assert {*ENVIRONMENT_NAMES.values(), *COMPOSE_ONLY} <= variables.keys()
    settable = {name: value for name, value in variables.items() if name in ENVIRONMENT_NAMES.values()}
    assert load(write(tmp_path), settable).machine == load(write(tmp_path), {}).machine


@pytest.mark.parametrize(
    ("env", "where", "hint"),
    [
        (b"A=1\nnonsense here\n", ".env:2", "quote"),
        (b"A='x\n", ".env:1", "quote"),
        (b"\xef\xbb\xbfA=1\n", ".env:1: a byte order mark", "without BOM"),
        (b"A=1\nB=2\r\n", ".env:2: a Windows line end", "sed"),
        (b"A=1\nB=\0\n", ".env:2: a NUL", "remove"),
        (b"A=\xff\n", ".env:1: not UTF-8", "UTF-8"),
        (b"A=1\n# twice\nA=2\n", ".env:3: A is set twice", "one of"),
        (b"A=${NOPE}\n", ".env:1: ${NOPE} is not set", "${NOPE:-default}"),
        (b"\n\nMARDOCK_INFERENCE_PROT=1\n", ".env:3: unknown variable", "MARDOCK_INFERENCE_PORT"),
        (b"A=1\nMARDOCK_INFERENCE_PORT=abc\n", ".env:2: MARDOCK_INFERENCE_PORT", ".env"),
        (b"MARDOCK_INFERENCE_PORT=70000\n", ".env:1: MARDOCK_INFERENCE_PORT", ".env"),
        (b"MARDOCK_INFERENCE_PORT=8081\n", "the same port", ".env"),
        (b"MARDOCK_SHM_SIZE=much\n", "MARDOCK_SHM_SIZE=much is no size", ".env"),
        (b"MARDOCK_SHM_SIZE=4 gb\n", "write 4gb or 512mb", ".env"),
    ],
)
def test_a_broken_env_file_is_refused_with_its_line(tmp_path: Path, env: bytes, where: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, env=env), {})
    assert where in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("toml", "where", "hint"),
    [
        ("x = \n", "mardock.toml:1", "line"),
        (MODEL + 'verson = "2"\n', "mardock.toml:3: unknown key models.mnist.archive.verson", "version"),
        (MODEL + "version = 1.0\n", "mardock.toml:3: models.mnist.archive.version", 'version = "1.0"'),
        (
            MODEL + "[models.mnist.serving]\nbatch_size = 0\n",
            "mardock.toml:4: models.mnist.serving.batch_size",
            "batch_size",
        ),
        ("[models.mnist.archiv]\n", "mardock.toml:1: unknown key models.mnist.archiv", "archive"),
        ('[models.mnist]\nsample = "x"\n', "models.mnist.archive is missing", "[models.mnist]"),
        ('engine = "podman"\n', "mardock.toml:1: engine", "engine"),
        ("[models.m.train]\ncommand = []\n", "models.m.train.command", "[models.m]"),
    ],
)
def test_a_broken_project_file_is_refused_with_line_and_key(tmp_path: Path, toml: str, where: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, toml), {})
    assert where in f"{caught.value.message}\n{caught.value.details}"
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("line", "literal", "hint"),
    [
        ("version = 1.10", "1.10", 'version = "1.10"'),
        ("version = 1.0e1  # ten", "1.0e1", 'version = "1.0e1"'),
        ("version = 1_000", "1_000", 'version = "1_000"'),
        ("version = 0x10", "0x10", 'version = "0x10"'),
        ("version = 2024-01-05", "2024-01-05", 'version = "2024-01-05"'),
        ("version = 2024-01-05 10:00:00Z", "2024-01-05 10:00:00Z", 'version = "2024-01-05 10:00:00Z"'),
        ("version = true", "true", 'version = "true"'),
        ('extra_files = ["a", 1.10]', "1.10", '"1.10" in extra_files'),
    ],
)
def test_what_should_be_text_is_told_as_it_is_written(tmp_path: Path, line: str, literal: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, f"{MODEL}{line}\n"), {})
    assert f"(it is {literal})" in caught.value.message
    assert caught.value.hint == f"write {hint}"


def test_a_project_file_may_begin_with_a_mark(tmp_path: Path) -> None:
    root = write(tmp_path, MODEL)
    before = load(root, {})
    (root / "mardock.toml").write_bytes(b"\xef\xbb\xbf" + MODEL.encode().replace(b"\n", b"\r\n"))
    assert load(root, {}) == before


@pytest.mark.parametrize(
    ("content", "told"),
    [(MODEL.encode("utf-16"), "mardock.toml: not UTF-8 but UTF-16"), (b"# a\n# \xe9\n", "mardock.toml:2: not UTF-8")],
)
def test_a_project_file_in_another_encoding_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    root = write(tmp_path)
    (root / "mardock.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=told) as caught:
        load(root, {})
    assert "iconv" in (caught.value.hint or "")


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, MODEL + "[models.mnist.serving]\nbatch_size = 0\nmax_batch_delay = -1\n"), {})
    assert "batch_size" in caught.value.message
    assert "max_batch_delay" in (caught.value.details or "")


def test_the_only_model_needs_no_name(tmp_path: Path) -> None:
    assert load(write(tmp_path), {}).model()[0] == "mnist"


def test_an_unknown_model_is_answered_with_the_closest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no model 'minst'") as caught:
        load(write(tmp_path), {}).model("minst")
    assert caught.value.hint == "did you mean mnist?"


def test_several_models_have_to_be_named(tmp_path: Path) -> None:
    root = write(tmp_path, MODEL + MODEL.replace("mnist", "other"))
    with pytest.raises(ConfigError) as caught:
        load(root, {}).model()
    assert "mnist, other" in (caught.value.hint or "")


def test_two_models_of_one_archive_are_refused_with_both_lines(tmp_path: Path) -> None:
    toml = MODEL + '[models.other.archive]\nhandler = "other.py"\nmodel_name = "mnist"\n'
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, toml), {})
    assert refused.value.message == (
        "mardock.toml:5: the models mnist (line 1) and other are both archived as mnist.mar"
    )
    assert "[models.other.archive]" in str(refused.value.hint)
