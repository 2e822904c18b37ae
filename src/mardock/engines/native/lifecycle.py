"""Starting the server until it answers, and stopping it until nothing of it is left."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import time
from pathlib import Path
from typing import Optional

from mardock import process
from mardock.client import probe
from mardock.engines import allocator, config_properties, log_files, warm
from mardock.engines.native import class_archive, launch, leftovers
from mardock.engines.native.installation import find_java, find_torchserve
from mardock.engines.native.preflight import check_folder, check_logs, check_ports
from mardock.engines.native.python import is_named, python_of, same
from mardock.engines.native.state import Home, Server, place
from mardock.engines.threads import shared_out, usable_cores
from mardock.errors import EngineError, EngineStartError
from mardock.settings.project import Project

_POLL_S = 0.02
_PROBE_TIMEOUT_S = 1.0
_STOP_TIMEOUT_S = 10.0
_WARM_TIMEOUT_S = 0.5  # without workers there is nothing to lose by a kill
_SHOWN_LINES = 40
_log = logging.getLogger(__name__)


def start(project: Project, home: Home, deadline: float) -> Server:
    """Start the project's server and wait until its Inference API answers; nothing is left running when it does not.

    Args:
        deadline: on the monotonic clock, in seconds.
    """
    config = launch.configuration(project, os.environ)
    check_ports(project.settings.machine)
    check_folder(project.logs)
    check_logs(project.logs)
    check_folder(project.model_store)
    discard(home)
    server_log = project.logs / log_files.SERVER_LOG
    logged = server_log.stat().st_size if server_log.exists() else 0
    server: Optional[Server] = None
    try:
        server = _spawn(project, home, config)
        home.write(server)
        _wait(server, home, server_log, logged, deadline)
    except BaseException:
        if server is not None:
            process.stop(server.process, timeout=_STOP_TIMEOUT_S)
        discard(home)
        raise
    return server


def join(server: Server, project: Project, home: Home, deadline: float) -> None:
    """Wait for a server that runs already.

    Raises:
        EngineError: it was started with other settings.
    """
    wanted = launch.configuration(project, os.environ)
    given = _given(server, home)
    asked = {*wanted, *given} if process.others(server.process) is None else given
    differing = sorted(key for key in asked if wanted.get(key) != given.get(key))
    if project.settings.machine.threads_per_worker not in (None, server.threads.per_worker):
        differing.append("threads_per_worker")
    if is_named(project.settings) and not same(python_of(project).program, Path(server.python)):
        differing.append("its Python")
    if differing:
        raise EngineError(
            f"TorchServe already runs for this project (pid {server.pid}) with other settings: {', '.join(differing)}",
            hint="mardock down && mardock up",
        )
    server_log = project.logs / log_files.SERVER_LOG
    _wait(server, home, server_log, 0, deadline)


def _given(server: Server, home: Home) -> dict[str, str]:
    """Return the configuration a server was started with; of another user's, which is private, where it listens."""
    if process.others(server.process) is not None:
        urls = {"inference": server.inference_url, "management": server.management_url, "metrics": server.metrics_url}
        return {f"{api}_address": url for api, url in urls.items()}
    return {key: found.value for key, found in config_properties.read(home.config).items()}


def stop(home: Home) -> None:
    """Stop the server, if there is one, and everything it started."""
    server = home.read()
    if server is not None:
        process.stop(server.process, timeout=_STOP_TIMEOUT_S)
        # Now, because its class list is complete only at its end, and no start has to wait for this.
        problem = class_archive.make(
            Path(server.java), Path(server.jar), server.jvm_options, home.class_list, Path(server.class_archive)
        )
        if problem:
            _log.info("TorchServe will start without a class archive: %s", problem)
    discard(home)


def discard(home: Home) -> None:
    """Remove what a server that is no more left behind."""
    leftovers.reap(home.path, home.temp)
    parent = warm.status(home.path, timeout=_WARM_TIMEOUT_S)
    warm.stop(home.path, timeout=_WARM_TIMEOUT_S)
    if parent is not None:
        leftovers.see_off(parent.pid)  # it ends after its last fork, a moment later
    warm.sweep(home.path)
    home.clear()


def _spawn(project: Project, home: Home, config: dict[str, str]) -> Server:
    serving = python_of(project)
    torchserve = find_torchserve(serving)
    home.make()
    launch.provide_kill(home)
    threads = shared_out(project.settings, usable_cores())
    env = {
        **launch.environment(project, home, os.environ, serving.program),
        **threads.environment(),
        **allocator.environment(os.environ),
    }
    python = serving.program
    if project.settings.machine.fast_workers:
        python = warm.ensure(home.path, str(python), env=env)  # first, for importing torch takes longest
    java = find_java(os.environ, serving)
    home.write_private(home.config, config_properties.render(config))
    home.write_private(home.console, "")
    options = launch.jvm_options(config)
    archive = class_archive.archive_path(java, torchserve.jar, options, os.environ)
    argv = launch.command(torchserve, java, project, home, config, python=python, archive=archive)
    started = process.spawn(argv, cwd=home.path, env={**env, leftovers.MARKER: str(home.path)}, output=home.console)
    machine = project.settings.machine
    return Server(
        pid=started.pid,
        created=started.started,
        **launch.urls(machine),
        grpc_inference_port=machine.grpc_inference_port,
        grpc_management_port=machine.grpc_management_port,
        token_auth=machine.token_auth,
        java=str(java.program),
        java_version=java.version,
        jvm_options=options,
        jar=str(torchserve.jar),
        torchserve=torchserve.version,
        python=str(serving.program),
        python_version=serving.version,
        class_archive=str(archive),
        place=place(),
        threads=dataclasses.replace(threads, per_model=python != serving.program),
    )


def _wait(server: Server, home: Home, server_log: Path, logged: int, deadline: float) -> None:
    """Wait until the server answers; `logged` is the length of its log before it was started."""
    while True:
        alive = process.alive(server.process)
        if alive and probe.answers(server.endpoint, _PROBE_TIMEOUT_S):
            return
        if not alive or time.monotonic() >= deadline:
            break
        time.sleep(_POLL_S)
    lines = [*log_files.lines_from(server_log, logged), *log_files.last_lines(home.console, -1)]
    what = "did not answer in time" if alive else f"ended while it started: {_cause(lines)}"
    raise EngineStartError(f"TorchServe {what}", details="\n".join(lines[-_SHOWN_LINES:]) or None, hint="mardock logs")


def _cause(lines: list[str]) -> str:
    """Return what says most about why a JVM ended: its last exception, else its first words."""
    for line in reversed(lines):
        found = re.search(r"\b\w+(?:Exception|Error)\b(?:: .+|$)", line)
        if found:
            return found.group()
    return lines[0] if lines else "it logged nothing"
