"""How the cores are shared out among workers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mardock.engines.docker import compose
from mardock.engines.threads import Threads, shared_out, usable_cores
from mardock.settings.load import load

MODEL = '[models.{name}.archive]\nhandler = "h.py"\n{archive}[models.{name}.serving]\n{serving}'


def settings(root: Path, *models: str, env: str = "") -> Any:
    (root / "mardock.toml").write_text("\n".join(models))
    (root / ".env").write_text(env)
    return load(root, {})


def model(name: str, serving: str = "", archive: str = "") -> str:
    return MODEL.format(name=name, serving=serving + "\n", archive=archive + "\n")


def test_one_worker_has_all_cores(tmp_path: Path) -> None:
    assert shared_out(settings(tmp_path, model("a")), 4) == Threads(4, 4)
    assert shared_out(settings(tmp_path), 4).per_worker == 4


def test_the_model_with_the_most_workers_decides(tmp_path: Path) -> None:
    found = settings(tmp_path, model("a", "initial_workers = 3"), model("b", "initial_workers = 2"))
    assert shared_out(found, 8).per_worker == 2
    assert shared_out(found, 2).per_worker == 1


def test_model_config_wins_over_mardock_toml(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("batchSize: 8 # not minWorkers: 9\nminWorkers: 2 # two\n")
    found = settings(tmp_path, model("a", "initial_workers = 4", 'config_file = "config.yaml"'))
    assert shared_out(found, 8).per_worker == 4


def test_the_machine_wins_and_models_may_ask_for_their_own(tmp_path: Path) -> None:
    found = shared_out(settings(tmp_path, model("a", "threads_per_worker = 1"), env="MARDOCK_THREADS_PER_WORKER=3"), 2)
    assert (found.per_worker, found.models) == (3, {"a": 1})
    assert found.environment() == {"OMP_NUM_THREADS": "3", "MARDOCK_MODEL_THREADS": '{"a": 1}'}


def test_only_forked_workers_heed_their_model() -> None:
    forked, plain = Threads(2, 2, {"a": 1}, per_model=True), Threads(2, 2, {"a": 1})
    assert [forked.of("a", None), forked.of("a", 4), forked.of("b", None)] == [1, 4, 2]
    assert plain.of("a", 4) == 2


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="macOS knows neither affinity nor cgroups")
@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "250000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({}, 4),
    ],
)
def test_a_cgroup_may_grant_less_than_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cores(tmp_path) == expected


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({}, 8),
        ({"cpus": 2.5}, 2),
        ({"cpus": "0.5"}, 1),
        ({"deploy": {"resources": {"limits": {"cpus": "3"}}}}, 3),
        ({"cpuset": "0-1,4"}, 3),
        ({"cpus": 16}, 8),
    ],
)
def test_what_compose_grants_a_container(service: dict[str, Any], expected: int) -> None:
    assert compose.cores(service, 8) == expected
