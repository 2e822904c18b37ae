"""How the server is launched: the configuration it gets, the command line and the environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from mardock.engines import config_properties
from mardock.engines.native import class_archive
from mardock.engines.native.installation import Java, TorchServe
from mardock.engines.native.state import Home
from mardock.settings.project import Project
from mardock.settings.schema import Machine

_HOST = "127.0.0.1"
# The quickest to start. Limiting the compiler, too, starts a little sooner, and costs a tiny handler a quarter or more.
_COLLECTOR = "-XX:+UseSerialGC"
_log = logging.getLogger(__name__)


def configuration(project: Project, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the project's config.properties, or the built-in one, with what differs natively.

    That is addresses, ports, folders and the token switch.

    Raises:
        ConfigError: something in the file is wrong.
    """
    properties = config_properties.of_project(project.root)
    for warning in config_properties.check(properties, environ, name="torchserve/config.properties"):
        _log.warning("%s", warning)
    machine = project.settings.machine
    return {
        **{key: found.value for key, found in properties.items()},
        **{name.replace("_url", "_address"): url for name, url in urls(machine).items()},
        "grpc_inference_address": _HOST,
        "grpc_management_address": _HOST,
        "grpc_inference_port": str(machine.grpc_inference_port),
        "grpc_management_port": str(machine.grpc_management_port),
        "model_store": str(project.model_store),
        "workflow_store": str(project.model_store),
        "enable_model_api": "true",
        "disable_token_authorization": str(not machine.token_auth).lower(),
    }


def urls(machine: Machine) -> dict[str, str]:
    """Return where the three HTTP APIs listen: `inference_url`, `management_url`, `metrics_url`."""
    return {
        f"{api}_url": f"http://{_HOST}:{getattr(machine, f'{api}_port')}"
        for api in ("inference", "management", "metrics")
    }


def environment(project: Project, home: Home, environ: Mapping[str, str], python: Path) -> dict[str, str]:
    """Return the server's environment: the caller's, without the variables TorchServe would let win over its file.

    Args:
        python: what serves; its programs come first.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("TS_")}
    encoding = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    if not encoding.upper().replace("-", "").endswith("UTF8"):
        kept["LC_ALL"] = "C.UTF-8"  # else the JVM cannot open a path that is not ASCII
    return {
        **kept,
        "PATH": os.pathsep.join([str(python.parent), environ.get("PATH", os.defpath), str(home.programs)]),
        "TMPDIR": str(home.temp),
        "TEMP": str(home.temp),
        "LOG_LOCATION": str(project.logs),
        "METRICS_LOCATION": str(project.logs),
        "MARDOCK_CONSOLE_LEVEL": "off",  # read by torchserve/log4j2.xml
    }


def provide_kill(home: Home) -> None:
    """Put a `kill` program last on the server's PATH: TorchServe runs one to end workers, and slim systems have none.

    Without it scaling down and unregistering answer 500 and the model stays.
    """
    home.programs.mkdir(exist_ok=True)
    program = home.programs / "kill"
    program.write_text('#!/bin/sh\nkill "$@"\n', encoding="ascii")
    program.chmod(0o700)


def jvm_options(config: Mapping[str, str]) -> list[str]:
    """Return the garbage collector that starts fast, unless the `vmargs` of the configuration choose one, and these."""
    own = config.get("vmargs", "").split()
    chosen = any(option.startswith("-XX:+Use") and option.endswith("GC") for option in own)
    return own if chosen else [_COLLECTOR, *own]


def command(
    torchserve: TorchServe,
    java: Java,
    project: Project,
    home: Home,
    config: Mapping[str, str],
    *,
    python: Path,
    archive: Path,
) -> list[str]:
    """Return the command line that `torchserve --start --ncs --enable-model-api` would end in, with a fast JVM.

    Args:
        python: the interpreter workers are started with.
        archive: where the class archive belongs.
    """
    plugins = config.get("plugins_path")
    class_path = [str(torchserve.jar)] + ([plugins if "*" in plugins else f"{plugins}/*"] if plugins else [])
    log_config = config_properties.chosen(project.root, "log4j2.xml")  # TorchServe's own logs each line twice
    return [
        str(java.program),
        *class_archive.start_options(archive, home.class_list),
        *jvm_options(config),
        f"-Dmodel_server_home={torchserve.home}",
        f"-Djava.io.tmpdir={home.temp}",
        f"-Dlog4j.configurationFile={log_config.as_uri()}",
        "-cp",
        os.pathsep.join(class_path),
        "org.pytorch.serve.ModelServer",
        "--python",
        str(python),
        "-f",
        str(home.config),
        "-s",
        str(project.model_store),
        "-ncs",
        "--enable-model-api",
        *([] if project.settings.machine.token_auth else ["--disable-token-auth"]),
    ]
