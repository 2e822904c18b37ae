"""An experiment's image: built from its Dockerfile, and pushed to the registry its endpoint pulls from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.deploy.azureml import render
from mardock.deploy.azureml.workspace import credential, translated
from mardock.engines.docker.registry import Login
from mardock.errors import ConfigError, DeployError
from mardock.temp_folder import temp_folder

if TYPE_CHECKING:
    from mardock.deploy.azureml.options import Options
    from mardock.deploy.base import Site
    from mardock.deploy.experiment import ExperimentSource
    from mardock.listener import Listener
    from mardock.settings.project import Project

_NOBODY = "00000000-0000-0000-0000-000000000000"  # whom a container registry of Azure expects with a token
_USER, _PASSWORD = "MARDOCK_REGISTRY_USER", "MARDOCK_REGISTRY_PASSWORD"


def provide(site: Site, options: Options, source: ExperimentSource, listener: Listener) -> str:
    """Return the experiment's image once the registry has it; one of a commit is built and pushed once.

    Raises:
        EngineError: no Docker Engine answers, the build failed, or the registry refuses.
        DeployError: no login to the registry.
    """
    from mardock.engines.docker import registry
    from mardock.engines.docker.daemon import sdk

    image = render.image_reference(options, source)
    login = _login(options, site.environ)
    with sdk() as client:
        if not source.provenance.changed and registry.holds(client, image, login):
            listener.note(f"{image} is in the registry already")
            return image
        _build(site.root, source, image, site.environ, listener)
        registry.push(client, image, login, listener)
    return image


def require_config(root: Path, source: ExperimentSource) -> None:
    """Refuse an experiment whose image needs a config.properties that the project does not have.

    What runs in the cloud is of the commit, so the built-in one is no stand-in there.

    Raises:
        ConfigError: it has none, and no Dockerfile of its own.
    """
    if source.dockerfile is None and not (root / render.CONFIG).is_file():
        message = f"the image of {source.name} takes {render.CONFIG}, which this project does not have"
        raise ConfigError(message, hint="mardock init --config writes it; then commit it")


def have_here(site: Site, options: Options, source: ExperimentSource, listener: Listener) -> str:
    """Return the experiment's image once this machine has it; one of a commit is built once.

    Raises:
        EngineError: no Docker Engine answers, or the build failed.
    """
    from mardock.engines.docker.daemon import sdk
    from mardock.engines.docker.images import is_local

    image = render.image_reference(options, source)
    with sdk() as client:
        here = is_local(client, image)
    if source.provenance.changed or not here:
        _build(site.root, source, image, site.environ, listener)
    return image


def _build(root: Path, source: ExperimentSource, image: str, environ: Mapping[str, str], listener: Listener) -> None:
    from mardock.engines.docker.daemon import sdk
    from mardock.engines.docker.images import build, build_argv, chosen
    from mardock.settings.project import Project

    require_config(root, source)
    project = Project(root)
    machine = project.settings.machine
    with sdk() as client:
        base = chosen(client, machine.torchserve_image)
    listener.note(f"building {image} on {base}")
    with build_context(project, source) as (context, dockerfile):
        argv = build_argv(image, machine, environ, dockerfile=dockerfile.as_posix(), base=base)
        build(context, argv, image, environ, listener)


@contextmanager
def build_context(project: Project, source: ExperimentSource) -> Iterator[tuple[Path, Path]]:
    """Yield the folder the image is built from and the Dockerfile in it.

    It is the project's where the Dockerfile is. Else it holds what the rendered one copies, and nothing else.
    """
    if source.dockerfile is not None:
        yield project.root, source.dockerfile
        return
    copied = [Path(render.CONFIG)] + ([source.requirements] if source.requirements else [])
    with temp_folder(project.state, "image-") as folder:
        for name in copied:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(project.root / name, folder / name)
        (folder / "Dockerfile").write_text(render.dockerfile(source), encoding="utf-8")
        yield folder, Path("Dockerfile")


def _login(options: Options, environ: Mapping[str, str]) -> Optional[Login]:
    """The environment's user, else the vendor's login traded for the registry's, else what `docker login` keeps."""
    if environ.get(_PASSWORD):
        return Login(environ.get(_USER, ""), environ[_PASSWORD])
    if options.registry_url is None and not options.registry.endswith(".azurecr.io"):
        return None
    return Login(_NOBODY, _refresh_token(options))


def _refresh_token(options: Options) -> str:
    scope = f"{options.resource_manager_url.rstrip('/')}/.default"
    login = credential(options)
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import RetryPolicy
    from azure.core.rest import HttpRequest, HttpResponse

    url = options.registry_url or f"https://{options.registry}"
    client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(url, policies=[RetryPolicy(retry_total=4)])
    with translated(), client:
        form = {
            "grant_type": "access_token",
            "service": options.registry,
            "access_token": login.get_token(scope).token,
        }
        response = client.send_request(HttpRequest("POST", f"{url}/oauth2/exchange", data=form))
        response.raise_for_status()
        token = response.json().get("refresh_token")
    if not isinstance(token, str):
        raise DeployError(f"{options.registry} gave no token for the login to Azure", hint="az acr login shows why")
    return token
