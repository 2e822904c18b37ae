"""docs/recipes.md: what it says of files and requests is what the loader and TorchServe do."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.projects import REPOSITORY, add_echo
from tests.support.command import succeed

from mardock.client.management import ManagementClient
from mardock.engines.native import NativeEngine
from mardock.settings.load import load

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = (REPOSITORY / "docs" / "recipes.md").read_text(encoding="utf-8")
SENT = re.findall(r"^\| `(curl URL .+?)` \| `(.+?)` \|$", PAGE, re.MULTILINE)
FORMS = [(curl, row) for curl, row in SENT if " -F " in curl]
TABLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SHOW = """
def handle(data, context):
    return [repr(row) for row in data or ()]
"""


@pytest.fixture(scope="module")
def url(native_server: NativeEngine) -> Iterator[str]:
    """Where a model answers what it is handed."""
    endpoint = native_server.endpoint()
    with ManagementClient(endpoint) as client:
        folder = add_echo(native_server._project, "show", SHOW)
        client.register(folder, model_name="show", initial_workers=1)
        yield f"{endpoint.inference_url}/predictions/show"
        client.unregister("show")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat.jpg", "cat.txt"):
        (tmp_path / name).write_text("...")
    return tmp_path


@pytest.mark.parametrize(("curl", "row"), SENT)
def test_what_curl_sends_is_what_the_page_says(curl: str, row: str, url: str, folder: Path) -> None:
    command = curl.replace("curl URL", f"curl --silent --noproxy '*' {url}")
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == row


@pytest.mark.parametrize(("curl", "row"), FORMS)
def test_a_trial_is_handed_the_same_form(curl: str, row: str, native: None, folder: Path) -> None:
    (folder / "handler.py").write_text(SHOW)
    (folder / "mardock.toml").write_text('[models.show.archive]\nhandler = "handler.py"\n')
    fields = curl.replace("curl URL", "").replace("-F", "--form").split()
    assert succeed(folder, "try", "show", "--engine", "native", *fields).out == row


@pytest.mark.parametrize("text", TABLES)
def test_every_table_is_one_the_loader_takes(text: str, tmp_path: Path) -> None:
    if not text.startswith("["):
        text = f"[models.cats.archive]\n{text}"
    model = tomllib.loads(text).get("models", {}).get("cats", {})
    if model and "handler" not in model.get("archive", {}):
        header = "" if "archive" in model else "\n[models.cats.archive]"
        text = text.replace("[models.cats.archive]\n", '[models.cats.archive]\nhandler = "handler.py"\n')
        text += f'{header}\nhandler = "handler.py"\n' if header else ""
    (tmp_path / "mardock.toml").write_text(text, encoding="utf-8")
    load(tmp_path, {})


@pytest.mark.parametrize("name", sorted(set(re.findall(r"^(?:MARDOCK|COMPOSE|TORCHSERVE)_[A-Z_]+(?==)", PAGE, re.M))))
def test_every_variable_is_one_there_is(name: str) -> None:
    known = (REPOSITORY / "docs/reference/env.md").read_text(encoding="utf-8")
    assert f"`{name}`" in known or name in (REPOSITORY / "docs/docker.md").read_text(encoding="utf-8")


def test_curl_is_there() -> None:
    assert shutil.which("curl")
    assert FORMS
