"""Reading, checking and writing config.properties."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mardock.engines.config_properties import check, chosen, installs_requirements, parse, read, render
from mardock.errors import ConfigError

SHIPPED = Path(__file__).parents[3] / "torchserve" / "config.properties"


@pytest.mark.parametrize(
    ("text", "key", "value", "line"),
    [
        ("a=b", "a", "b", 1),
        ("# c\n! d\n\n  a : b", "a", "b", 4),
        ("a b c", "a", "b c", 1),
        ("a", "a", "", 1),
        ("a=b\\\n   c", "a", "bc", 1),
        ("a=b\\\\\nc=d", "a", "b\\", 1),
        ("a\\ b\\=c=d", "a b=c", "d", 1),
        ("a=\\u00e9\\t!", "a", "é\t!", 1),
        ("a=1\r\na=2\r\n", "a", "2", 2),
        ("a==b", "a", "=b", 1),
        ("a=b\\", "a", "b", 1),
    ],
)
def test_it_is_read_as_java_reads_it(text: str, key: str, value: str, line: int) -> None:
    found = parse(text)[key]
    assert (found.value, found.line) == (value, line)


def test_a_broken_escape_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"config\.properties:2"):
        parse("a=b\nc=\\u12x")


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_what_is_written_is_read_back(values: dict[str, str]) -> None:
    text = render(values)
    text.encode("ascii")
    assert {key: found.value for key, found in parse(text).items()} == values


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("job_queue_size=abc", "'abc' is not a whole number"),
        ("max_request_size=0", "0 is not above 0"),
        ("inference_address=http://256.1.1.1:80", "256.1.1.1 is not an IP address"),
        ("inference_address=127.0.0.1:80", "is not an address"),
        ("inference_address=http://127.0.0.1:99999", "99999 is not a port"),
        ("grpc_inference_port=0", "0 is not a port"),
        ("grpc_inference_address=a b", "is not a host"),
        ("enable_model_api=yes", "neither true nor false"),
        ("metrics_mode=prom", "not log, prometheus or legacy"),
        ("models={", "not JSON"),
        ("token_expiration_min=soon", "is not a number"),
        ("model_store=${NOPE}/m", r"does not expand \$\{NOPE\}; write \$\$NOPE\$\$"),
        ("model_store=$$NOPE$$/m", r"\$\$NOPE\$\$ is not set"),
    ],
)
def test_what_torchserve_takes_without_a_word_is_refused(line: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"config.properties:2: .*{problem}"):
        check(parse(f"\n{line}"), {})


@pytest.mark.parametrize(
    "line",
    [
        "inference_address=https://0.0.0.0:8443",
        "inference_address=http://localhost",
        "inference_address=unix:/tmp/socket",
        "model_store=$$STORE$$",
        "job_queue_size=$$SIZE$$",
        "token_expiration_min=0.5",
        "allowed_urls=(?!)",
    ],
)
def test_what_is_right_passes(line: str) -> None:
    assert check(parse(line), {"STORE": "/m", "SIZE": "5"}) == []


def test_an_unknown_key_is_a_warning_with_the_nearest_name() -> None:
    (warning,) = check(parse("job_queue_sise=5"), {})
    assert warning == "config.properties:1: TorchServe has no key job_queue_sise, did you mean job_queue_size?"


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        check(parse("debug=1\nio_ratio=x"), {})
    assert "config.properties:1: debug" in refused.value.message
    assert "config.properties:2: io_ratio" in str(refused.value.details)


def test_the_shipped_file_is_right_and_hardened() -> None:
    properties = read(SHIPPED)
    assert check(properties, {}) == []
    assert properties["allowed_urls"].value == "(?!)"
    assert properties["metrics_mode"].value == "prometheus"


def test_a_missing_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path / "config.properties")
    assert "mardock init" in str(refused.value.hint)


@pytest.mark.parametrize("name", ["config.properties", "log4j2.xml"])
def test_the_built_in_file_is_the_one_init_writes(tmp_path: Path, name: str) -> None:
    assert chosen(tmp_path, name).read_bytes() == (SHIPPED.parent / name).read_bytes()


def test_a_projects_own_file_goes_before_the_built_in_one(tmp_path: Path) -> None:
    assert not installs_requirements(tmp_path)
    (tmp_path / "torchserve").mkdir()
    own = tmp_path / "torchserve" / "config.properties"
    own.write_text("install_py_dep_per_model=true\n", encoding="ascii")
    assert chosen(tmp_path) == own
    assert installs_requirements(tmp_path)


def test_a_projects_own_file_that_leads_nowhere_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "torchserve").mkdir()
    (tmp_path / "torchserve" / "config.properties").symlink_to("gone")
    with pytest.raises(ConfigError, match="cannot read"):
        installs_requirements(tmp_path)
