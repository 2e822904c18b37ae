"""Many models of one project, each in another form that TorchServe takes, through the command line."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.contract.projects import make_project
from tests.support.command import Ended, mardock, succeed
from tests.support.vision import vision_environment

from mardock.engines.native import NativeEngine
from mardock.settings.project import Project

ZOO = Path(__file__).parent / "zoo"
VOCABULARY = Counter({"good": 1, "film": 2, "good film": 3})  # a Counter: words it does not hold are 0


@pytest.fixture(scope="module")
def zoo(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a model in each form, archived, and its server."""
    project = make_zoo(tmp_path_factory.mktemp("zoo"))
    for model in project.settings.models:
        succeed(project.root, "archive", model)
    succeed(project.root, "up", "--no-models", env=vision_environment())
    yield project
    NativeEngine(project).down()


@pytest.fixture(scope="module")
def installing(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The same project on a server that installs requirements and unpacks JSON before a handler sees it."""
    project = make_zoo(tmp_path_factory.mktemp("installing"))
    config = project.root / "torchserve" / "config.properties"
    text = config.read_text(encoding="utf-8")
    text = text.replace("install_py_dep_per_model=false", "install_py_dep_per_model=true\nservice_envelope=json")
    config.write_text(text, encoding="utf-8")
    for model in ("plain", "greeter", "unmet"):
        succeed(project.root, "archive", model)
    succeed(project.root, "up", "--no-models")
    succeed(project.root, "register", "plain")
    yield project
    NativeEngine(project).down()


@pytest.fixture(scope="module")
def registered(zoo: Project) -> Ended:
    """How registering all of them went."""
    return mardock(zoo.root, "register", "--all")


def make_zoo(folder: Path) -> Project:
    """Write the project with its weights, and the wheel one of its models requires."""
    import torch
    from PIL import Image

    project = make_project(folder / "project", engine="native")
    shutil.copytree(ZOO, project.root, dirs_exist_ok=True)
    (project.root / "weights").mkdir()
    adder, classifier, segmenter, reader = (
        getattr(code(name), kind)().eval()
        for name, kind in (
            ("linear", "Adder"),
            ("classifier", "Classifier"),
            ("segmenter", "Segmenter"),
            ("reader", "Reader"),
        )
    )
    torch.nn.init.ones_(adder.weight)
    torch.nn.init.eye_(reader.embedding.weight)
    for name, model in {"linear": adder, "classifier": classifier, "segmenter": segmenter, "reader": reader}.items():
        torch.save(model.state_dict(), project.root / "weights" / f"{name}.pt")
    for name, model in {"linear": adder, "classifier": classifier}.items():
        torch.jit.script(model).save(project.root / "weights" / f"{name}_scripted.pt")
    torch.save(VOCABULARY, project.root / "weights" / "source_vocab.pt")
    Image.new("RGB", (320, 240), "orange").save(project.root / "picture.png")
    wheel = write_wheel(folder)
    (project.root / "code" / "requirements.txt").write_text(f"{wheel}\n")
    return project


def code(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"zoo_{name}", ZOO / "code" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_wheel(folder: Path) -> Path:
    """Write a package that no index has, so that nothing is fetched when it is installed."""
    path = folder / "greeting-1.0-py3-none-any.whl"
    info = "greeting-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("greeting.py", "WORDS = 'good morning'\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def test_those_that_cannot_be_loaded_do_not_stop_the_others(zoo: Project, registered: Ended) -> None:
    assert registered.code == 5
    assert "2 of 12 models failed: greeter, broken" in registered.err
    served = {model["name"]: model["ready"] for model in succeed(zoo.root, "status", "--json").json["models"]}
    assert served == dict.fromkeys(set(zoo.settings.models) - {"greeter", "broken"}, True)


def test_each_failure_shows_its_handlers_own_line(registered: Ended) -> None:
    assert 'code/broken.py:5 in handle\n    raise KeyError("never loads")' in registered.err
    assert "code/greeter.py:3 in <module>\n    import greeting" in registered.err


def test_a_model_whose_requirements_are_not_installed_is_told_of_the_switch(registered: Ended) -> None:
    assert "greeter: TorchServe does not install its code/requirements.txt" in registered.err
    assert "install_py_dep_per_model" in registered.err


@pytest.mark.parametrize("model", ["own", "scripted"], ids=["state-dict", "TorchScript"])
def test_a_handler_of_ones_own_serves_a_state_dict_and_a_torchscript(
    model: str, zoo: Project, registered: Ended
) -> None:
    sample = zoo.root / "numbers.json"
    sample.write_text("[1, 2.5, 3]", encoding="utf-8")
    assert predict(zoo, model, sample, "--content-type", "application/octet-stream") == "65.0 apples"


def test_a_handler_may_be_a_function_alone(zoo: Project, registered: Ended) -> None:
    assert predict(zoo, "function", zoo.root / "picture.png") == "function"


@pytest.mark.parametrize("model", ["animals", "animals-scripted"])
def test_image_classifier_answers_class_names(model: str, zoo: Project, registered: Ended) -> None:
    answer = json.loads(predict(zoo, model, zoo.root / "picture.png"))
    assert sorted(answer) == ["axolotl", "badger", "capybara", "dingo", "echidna"]
    assert sum(answer.values()) == pytest.approx(1, abs=1e-4)


def test_image_segmenter_answers_a_class_and_its_probability_for_each_pixel(zoo: Project, registered: Ended) -> None:
    answer = json.loads(predict(zoo, "segments", zoo.root / "picture.png"))
    assert [len(answer), len(answer[0]), len(answer[0][0])] == [14, 14, 2]


def test_object_detector_answers_the_likely_boxes_by_name(zoo: Project, registered: Ended) -> None:
    assert json.loads(predict(zoo, "boxes", zoo.root / "picture.png")) == [
        {"badger": [1.0, 2.0, 3.0, 4.0], "score": 0.75}
    ]


def test_text_classifier_reads_words_and_pairs_of_words(zoo: Project, registered: Ended) -> None:
    sample = zoo.root / "review.txt"
    sample.write_text("Good <b>FILM</b> nobody saw!", encoding="utf-8")
    unknown, good = 4 / 7, 1 / 7  # of the seven words and pairs; the reader scores nothing else
    likelier = math.exp(unknown) / (math.exp(unknown) + math.exp(good))
    assert json.loads(predict(zoo, "films", sample)) == pytest.approx({"0": likelier, "1": 1 - likelier})


def test_base_handler_takes_lists_of_numbers_through_an_envelope(installing: Project) -> None:
    sample = installing.root / "rows.json"
    sample.write_text('{"instances": [[1.5, 2, 3], [4, 5, 6]]}', encoding="utf-8")
    answer = predict(installing, "plain", sample, "--content-type", "application/json")
    assert json.loads(answer) == {"predictions": [[6.5], [15.0]]}


def test_requirements_are_installed_for_the_model_alone_when_they_may_be(installing: Project) -> None:
    sample = installing.root / "one.json"
    sample.write_text('{"instances": [0]}', encoding="utf-8")
    registered = succeed(installing.root, "register", "greeter")
    assert "does not install" not in registered.err
    answer = predict(installing, "greeter", sample, "--content-type", "application/json")
    assert json.loads(answer) == {"predictions": ["good morning"]}
    assert importlib.util.find_spec("greeting") is None


def test_requirements_that_cannot_be_installed_fail_the_registration(installing: Project) -> None:
    failed = mardock(installing.root, "register", "unmet")
    assert failed.code == 5
    assert "model unmet 1.0 was not registered: pip could not install" in failed.err
    assert "No matching distribution found for no-such-package-anywhere" in failed.err
    served = succeed(installing.root, "models", "list", "--json").json
    assert "unmet" not in [model["name"] for model in served]


def predict(project: Project, *arguments: object) -> str:
    return succeed(project.root, "predict", *arguments).out.strip()


def test_a_trial_finds_the_packages_and_the_envelope_that_the_served_handler_has(installing: Project) -> None:
    sample = installing.root / "one.json"
    sample.write_text('{"instances": [0]}', encoding="utf-8")
    tried = succeed(installing.root, "try", "greeter", "--data", sample, "--content-type", "application/json")
    assert json.loads(tried.out) == {"predictions": ["good morning"]}


FEW = """
from torch import nn


class Few(nn.Sequential):
    def __init__(self):
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
"""
OWN = """
from ts.torch_handler.image_classifier import ImageClassifier


class Handler(ImageClassifier):
    topk = 3
"""


def test_a_model_of_few_classes_is_served_as_the_hint_says(native: None, tmp_path: Path) -> None:
    from PIL import Image

    root = make_project(tmp_path / "few", engine="native").root
    Image.new("RGB", (32, 32)).save(root / "picture.png")
    for name, text in (("few.py", FEW), ("own.py", OWN)):
        (root / name).write_text(text, encoding="utf-8")
    archives = {"few": "image_classifier", "own": "own.py"}
    (root / "mardock.toml").write_text(
        "".join(
            f'[models.{name}.archive]\nhandler = "{handler}"\nmodel_file = "few.py"\n'
            for name, handler in archives.items()
        ),
        encoding="utf-8",
    )
    failed = mardock(root, "try", "few", "--data", "picture.png", env=vision_environment())
    assert failed.code == 5
    assert "class Handler(ImageClassifier): topk = N" in failed.err
    answered = mardock(root, "try", "own", "--data", "picture.png", env=vision_environment())
    assert len(answered.json) == 3


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("RGBA", "mode RGBA"),
        ("CMYK", "CMYK"),
        ("LA", "mode LA"),
        ("L", "mode L,"),
        ("P", "or P)"),
        ("I;16", "mode I;16"),
    ],
)
def test_a_picture_that_the_handler_cannot_take_is_told_by_its_mode(
    zoo: Project, registered: Ended, tmp_path: Path, mode: str, told: str
) -> None:
    from PIL import Image

    path = tmp_path / ("picture.jpg" if mode == "CMYK" else "picture.png")
    Image.new(mode, (300, 300)).save(path)
    failed = mardock(zoo.root, "predict", "animals", path)
    assert failed.code == 5
    assert told in failed.err.partition("hint:")[2]


def test_a_failed_explanation_shows_the_handlers_exception(zoo: Project, registered: Ended) -> None:
    (zoo.root / "text").write_text("no image", encoding="utf-8")
    failed = mardock(zoo.root, "explain", "animals", zoo.root / "text")
    assert failed.code == 5
    assert "UnidentifiedImageError" in failed.err
