"""TorchServe's config.properties: read as Java reads it, checked where TorchServe is silent, written back."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from mardock import permissions, text_files
from mardock.engines.mounts import HOME
from mardock.errors import ConfigError
from mardock.spelling import did_you_mean

IN_IMAGE = f"{HOME}/config.properties"
"""Where the official image has its own."""

OWN_FOLDER = "torchserve"
"""Where a project has its own config.properties and log4j2.xml, if it has them."""

# In the package, which the serve container mounts: docker-compose.yml looks there, too, for what a project has not.
_BUILT_IN = Path(__file__).parent / "built_in"


@dataclass(frozen=True)
class Property:
    """One key's value, unescaped, and the line it begins on."""

    value: str
    line: int


_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_KEY_AND_VALUE = re.compile(r"((?:[^\\=: \t\f]|\\.)*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)


def read(path: Path) -> dict[str, Property]:
    """Read a properties file; the last of two equal keys wins, as in Java.

    Raises:
        ConfigError: it cannot be read, or an escape in it is broken.
    """
    try:
        with permissions.told(ConfigError):
            raw = path.read_bytes()
        if fault := text_files.mark_fault(raw, path.name):
            raise ConfigError(fault.message, hint=fault.hint)
        return parse(raw.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n"), name=path.name)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint="mardock init --config writes one") from error


def chosen(root: Path, name: str = "config.properties") -> Path:
    """Return a project's own file for TorchServe, or the built-in one where it has none.

    Args:
        name: `config.properties` or `log4j2.xml`.
    """
    own = root / OWN_FOLDER / name
    return own if os.path.lexists(own) else _BUILT_IN / name


def of_project(root: Path) -> dict[str, Property]:
    """Read a project's config.properties, or the built-in one; see `read`."""
    return read(chosen(root))


def parse(text: str, *, name: str = "config.properties") -> dict[str, Property]:
    """Parse the text of a properties file; see `read`."""
    properties = {}
    for number, line in _logical_lines(text):
        match = _KEY_AND_VALUE.fullmatch(line)
        assert match is not None
        try:
            key, value = _unescape(match.group(1)), _unescape(match.group(2))
        except ValueError as error:
            raise ConfigError(f"{name}:{number}: malformed \\uXXXX", hint="write a backslash as \\\\") from error
        properties[key] = Property(value, number)
    return properties


def render(values: Mapping[str, str]) -> str:
    """Write properties so that Java reads them back unchanged, in ASCII."""
    return "".join(f"{_escape(key, '=: #!')}={_escape(value, '')}\n" for key, value in values.items())


def installs_requirements(root: Path) -> bool:
    """Say whether a project's TorchServe installs the packages that a model brings.

    Raises:
        ConfigError: the file cannot be read; see `read`.
    """
    switch = of_project(root).get("install_py_dep_per_model")
    return switch is not None and switch.value.strip().lower() == "true"


def check(
    properties: Mapping[str, Property], environ: Mapping[str, str], *, name: str = "config.properties"
) -> list[str]:
    """Check values that TorchServe would take without a word, and return warnings about keys it does not know.

    Args:
        environ: where TorchServe will look up its `$$NAME$$`.
        name: the file's name, for messages.

    Raises:
        ConfigError: with file and line, for each value of the wrong type and each name that does not resolve.
    """
    problems = []
    warnings = []
    for key, found in properties.items():
        where = f"{name}:{found.line}"
        if key not in KINDS:
            unknown = f"{where}: TorchServe has no key {key}"
            warnings.append(", ".join(filter(None, [unknown, did_you_mean(key, KINDS)])))
            continue
        problem = _unresolved(found.value, environ) or KINDS[key](_resolved(found.value, environ).strip())
        if problem:
            problems.append(f"{where}: {key}: {problem}")
    if problems:
        raise ConfigError(problems[0], details="\n".join(problems[1:]) or None, hint=f"mend that line of {name}")
    return warnings


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines that are neither blank nor comments, continued ones joined, with the number they begin on."""
    begun: Optional[tuple[int, str]] = None
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        line = raw.lstrip(" \t\f")
        if begun is None and (not line or line[0] in "#!"):
            continue
        start, before = begun or (number, "")
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            begun = (start, before + line[:-1])
        else:
            begun = None
            yield start, before + line
    if begun is not None:
        yield begun


def _unescape(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        escaped = match.group(1)
        if escaped[0] == "u":
            return chr(int(escaped[1:], 16))
        return _ESCAPES.get(escaped, escaped)

    units = re.sub(r"\\(u.{0,4}|.)", replace, text, flags=re.DOTALL)
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")  # joins two halves of a character


def _escape(text: str, special: str) -> str:
    names = {value: f"\\{letter}" for letter, value in _ESCAPES.items()}
    escaped = []
    for position, character in enumerate(text):
        if character == "\\" or character in special or (character == " " and position == 0):
            escaped.append(f"\\{character}")
        elif character in names:
            escaped.append(names[character])
        elif " " <= character <= "~":
            escaped.append(character)
        else:
            units = character.encode("utf-16-be", "surrogatepass")
            escaped += [f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)]
    return "".join(escaped)


_EXPANSION = re.compile(r"\$\$([^$]+[^$])\$\$")  # TorchServe's own: a name of one letter is not expanded


def _unresolved(value: str, environ: Mapping[str, str]) -> Optional[str]:
    for variable in _EXPANSION.findall(value):
        if variable not in environ:
            return f"$${variable}$$ is not set in the environment"
    shell = re.search(r"\$\{(\w+)\}", value)
    return f"TorchServe does not expand {shell.group()}; write $${shell.group(1)}$$" if shell else None


def _resolved(value: str, environ: Mapping[str, str]) -> str:
    return _EXPANSION.sub(lambda match: environ[match.group(1)], value)


def _any(value: str) -> Optional[str]:
    return None


def _integer(value: str) -> Optional[str]:
    return None if re.fullmatch(r"[+-]?\d+", value) else f"{value!r} is not a whole number"


def _number(value: str) -> Optional[str]:
    return None if re.fullmatch(r"\d+(\.\d+)?", value) else f"{value!r} is not a number"


def _positive(value: str) -> Optional[str]:
    return _integer(value) or (None if int(value) > 0 else f"{value} is not above 0")


def _port(value: str) -> Optional[str]:
    return _integer(value) or (None if 0 < int(value) < 65536 else f"{value} is not a port (1-65535)")


def _boolean(value: str) -> Optional[str]:
    return None if value.lower() in ("true", "false") else f"{value!r} is neither true nor false"


def _mode(value: str) -> Optional[str]:
    return None if value.lower() in ("log", "prometheus", "legacy") else f"{value!r} is not log, prometheus or legacy"


def _json(value: str) -> Optional[str]:
    try:
        json.loads(value)
    except ValueError as error:
        return f"not JSON: {error}"
    return None


def _host(value: str) -> Optional[str]:
    if re.fullmatch(r"[\d.]+", value):
        try:
            ipaddress.IPv4Address(value)
        except ValueError:
            return f"{value} is not an IP address"
        return None
    return None if re.fullmatch(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", value) else f"{value!r} is not a host"


def _address(value: str) -> Optional[str]:
    if re.fullmatch(r"unix:/.*", value, re.IGNORECASE):
        return None
    match = re.fullmatch(r"https?://([^:/]+)(?::(\d+))?", value, re.IGNORECASE)
    if match is None:
        return f"{value!r} is not an address like http://127.0.0.1:8080"
    return _host(match.group(1)) or (_port(match.group(2)) if match.group(2) else None)


def _of(kind: Callable[[str], Optional[str]], keys: str) -> dict[str, Callable[[str], Optional[str]]]:
    return dict.fromkeys(keys.split(), kind)


# The keys of TorchServe 0.12's ConfigManager, and of its launcher (vmargs, plugins_path), by the kind of their values.
KINDS: dict[str, Callable[[str], Optional[str]]] = {
    **_of(_address, "inference_address management_address metrics_address"),
    **_of(_host, "grpc_inference_address grpc_management_address"),
    **_of(_port, "grpc_inference_port grpc_management_port initial_worker_port initial_distribution_port"),
    **_of(
        _positive,
        "default_response_timeout default_startup_timeout unregister_model_timeout job_queue_size"
        " max_request_size max_response_size metric_time_interval",
    ),
    **_of(
        _integer,
        "default_workers_per_model number_of_gpu number_of_netty_threads netty_client_threads io_ratio"
        " grpc_inference_max_connection_age_ms grpc_inference_max_connection_age_grace_ms"
        " grpc_management_max_connection_age_ms grpc_management_max_connection_age_grace_ms",
    ),
    **_of(
        _boolean,
        "async_logging cpu_launcher_enable debug decode_input_request disable_system_metrics"
        " disable_token_authorization enable_envvars_config enable_grpc_ssl enable_metrics_api enable_model_api"
        " install_py_dep_per_model ipex_enable ipex_gpu_enable limit_max_image_pixels model_metrics_auto_detect"
        " prefer_direct_buffer use_env_allowed_urls use_native_io",
    ),
    **_of(_number, "token_expiration_min"),
    **_of(_mode, "metrics_mode"),
    **_of(_json, "models"),
    **_of(
        _any,
        "allowed_urls blacklist_env_vars certificate_file cors_allowed_headers cors_allowed_methods"
        " cors_allowed_origin cpp_log_config cpu_launcher_args default_service_handler keystore keystore_pass"
        " keystore_type load_models metrics_config model_server_home model_snapshot model_store plugins_path"
        " private_key_file python service_envelope system_metrics_cmd ts_header_key_sequence_end"
        " ts_header_key_sequence_id ts_header_key_sequence_start ts_open_inference_protocol version vmargs"
        " workflow_store",
    ),
}
