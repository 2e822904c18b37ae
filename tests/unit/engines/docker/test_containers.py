"""Which containers of a folder are mardock's, and which are the user's own."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mardock.engines.docker import containers, daemon
from mardock.engines.mounts import STORE
from mardock.errors import EngineError

ROOT = Path("/work/shop")


def container(
    service: str, project: str = "shop-mardock", *, name: str = "", store: bool = True, needs: str = ""
) -> Any:
    """A container of the folder, as the engine tells of it."""
    labels = {
        containers.FOLDER_LABEL: str(ROOT),
        containers.PROJECT_LABEL: project,
        containers.SERVICE_LABEL: service,
        containers.NEEDS_LABEL: needs,
    }
    mounts = [{"Type": "bind", "Source": f"{ROOT}/artifacts", "Destination": str(STORE)}] if store else []
    found = {"Mounts": mounts, "Labels": labels}
    return SimpleNamespace(name=name or f"{project}-{service}", labels=labels, attrs=found, status="running")


def engine_with(*found: Any) -> Any:
    """A Docker Engine with these containers."""
    return SimpleNamespace(containers=SimpleNamespace(list=lambda **options: list(found)))


THEIRS = [container(service, "shop", store=False) for service in ("db", "dev", "serve")]


def test_a_user_s_own_of_the_same_folder_are_nobody_s_business() -> None:
    dev, serve = container("dev"), container("serve")
    client = engine_with(*THEIRS, dev, serve)
    assert containers.of_project(client, ROOT) == [dev, serve]
    assert containers.with_what_they_need(client, ROOT) == [dev, serve]
    assert containers.pick(client, ROOT, "serve") is serve
    assert containers.pick(engine_with(*THEIRS), ROOT, "serve") is None
    with pytest.raises(EngineError, match=r"shop-dev is there already and belongs to the project in /work/shop"):
        containers.pick(client, ROOT, "dev", "shop-dev")


def test_what_compose_started_for_them_goes_with_them() -> None:
    serve = container("serve", needs="features:service_started:false,cache:service_healthy:true")
    features, cache = container("features", store=False), container("cache", store=False)
    other, theirs = container("db", store=False), container("cache", "shop", store=False)
    client = engine_with(features, other, theirs, cache, serve)
    assert containers.with_what_they_need(client, ROOT) == [serve, features, cache]


@pytest.mark.parametrize(
    ("listed", "may"),
    [
        ([], False),
        ([container("serve")], True),
        ([container("db", "shop", store=False)], False),
        ([SimpleNamespace(attrs={"Labels": None, "Mounts": []})], False),
        # An engine that tells no mounts in its list is asked once more.
        ([container("serve", "shop", store=False)], True),
    ],
)
def test_it_is_told_cheaply_whether_there_may_be_any(
    monkeypatch: pytest.MonkeyPatch, listed: list[Any], *, may: bool
) -> None:
    answer = json.dumps([one.attrs for one in listed]).encode()
    monkeypatch.setattr(daemon, "ask", lambda path: answer)
    assert containers.may_exist(ROOT) is may


def test_a_user_s_own_with_mounts_is_known_cheaply(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = container("dev", "shop", store=False).attrs
    theirs["Mounts"] = [{"Destination": "/app"}]
    monkeypatch.setattr(daemon, "ask", lambda path: json.dumps([theirs]).encode())
    assert not containers.may_exist(ROOT)
