"""Which target a command means, and what one that lacks a capability is refused with."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Optional

import pytest

from mardock.deploy import capabilities, destination, targets
from mardock.deploy.base import DeployTarget
from mardock.deploy.capabilities import DOING, CanStop, HasEndpoints, HasImages, HasModels, HasTraffic, Rehearsable
from mardock.errors import ConfigError
from mardock.settings.project import Project

WHAT_EACH_HAS = {
    "azureml": {HasImages, HasModels, HasEndpoints, HasTraffic, Rehearsable},
    "tir": {CanStop, Rehearsable},
}


def project(root: Path, *configured: str) -> Project:
    (root / "mardock.toml").write_text("".join(f"[deploy.{name}]\n" for name in configured), encoding="utf-8")
    return Project(root)


def test_every_target_is_one_and_has_what_it_says() -> None:
    for name, has in WHAT_EACH_HAS.items():
        assert isinstance(targets.load(name), DeployTarget)
        assert {each for each in DOING if isinstance(targets.load(name), each)} == has
    assert list(targets.MODULES) == list(WHAT_EACH_HAS)


def test_what_each_capability_lets_a_command_do_has_words() -> None:
    made = [each for each in vars(capabilities).values() if getattr(each, "__module__", "") == capabilities.__name__]
    assert {each for each in made if isinstance(each, type)} == {*DOING, capabilities.HasMetricsPage}


@pytest.mark.parametrize(
    ("configured", "given", "meant"),
    [
        ((), "tir", "tir"),
        (("tir",), None, "tir"),
        (("tir",), "azureml", "azureml"),
        ((), None, None),
        (("azureml", "tir"), None, None),
    ],
)
def test_which_target_is_meant(
    tmp_path: Path, configured: tuple[str, ...], given: Optional[str], meant: Optional[str]
) -> None:
    if meant is None:
        with pytest.raises(ConfigError, match="which cloud") as refused:
            destination.choose(project(tmp_path, *configured), given)
        assert refused.value.hint == "--target azureml or tir"
    else:
        assert destination.choose(project(tmp_path, *configured), given).name == meant


@pytest.mark.parametrize("configured", [(), ("azureml",), ("azureml", "tir")])
def test_the_only_one_that_can_is_meant(tmp_path: Path, configured: tuple[str, ...]) -> None:
    found = destination.able(project(tmp_path, *configured), None, HasTraffic)

    assert (found.name, found.options) == ("azureml", "--target azureml --endpoint NAME --deployment NAME")


def test_several_that_can_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which cloud") as refused:
        destination.able(project(tmp_path), None, Rehearsable)
    assert refused.value.hint == "--target azureml or tir"


@pytest.mark.parametrize(("configured", "given"), [(("tir",), None), (("azureml",), "tir")])
def test_one_that_cannot_is_refused(tmp_path: Path, configured: tuple[str, ...], given: Optional[str]) -> None:
    with pytest.raises(ConfigError, match=r"(?m)^tir cannot share out an endpoint's traffic; azureml can$") as refused:
        destination.able(project(tmp_path, *configured), given, HasTraffic)
    assert refused.value.hint == "--target azureml"


def test_what_nobody_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MODULES", {"tir": "mardock.deploy.tir"})

    with pytest.raises(ConfigError, match=r"(?m); no target can$") as refused:
        destination.able(project(tmp_path), "tir", HasTraffic)
    assert refused.value.hint is None
    with pytest.raises(ConfigError, match=r"^tir cannot share"):
        destination.able(project(tmp_path), None, HasTraffic)


def test_a_module_has_a_capability_by_having_its_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("made")
    vars(made)["set_traffic"] = lambda site, endpoint, shares, listener: None
    monkeypatch.setitem(targets.MODULES, "made", "made")
    monkeypatch.setitem(sys.modules, "made", made)

    assert targets.having(HasTraffic) == ["azureml", "made"]
    assert destination.able(project(tmp_path, "made"), None, HasTraffic).target is made


def test_settings_that_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "mardock.toml").write_text("[deploy]\ntir = 3\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"deploy\.tir is no table"):
        destination.choose(Project(tmp_path), None)


@pytest.mark.parametrize(
    ("names", "told"), [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")], ids=len
)
def test_names_in_words(names: list[str], told: str) -> None:
    assert targets.either(names) == told
