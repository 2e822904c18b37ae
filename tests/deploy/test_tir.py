"""TIR from plan to delete: a stub of the documented API over HTTP, a real S3 server, and no secret in any output."""

from __future__ import annotations

import json
import logging
import random
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.deploy.seaweedfs import ACCESS_KEY, SECRET_KEY
from tests.deploy.tir_stub import API_KEY, LOCATION, PROJECT, TOKEN, Tir, Trouble
from tests.deploy.tir_stub import tir as run_stub
from tests.support.listeners import Heard

from mardock.archive.read import ModelArchive
from mardock.client.inference import InferenceClient
from mardock.deploy import deployment_yaml, tir
from mardock.deploy.base import DeploymentName, Plan, Site
from mardock.deploy.experiment import Experiment
from mardock.deploy.provenance import Provenance
from mardock.deploy.tir.options import Secrets, read
from mardock.errors import DeployError
from mardock.settings.schema import Serving

NAME = DeploymentName("digits")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECRETS = (API_KEY, TOKEN, SECRET_KEY, ACCESS_KEY)
ARCHIVE_BYTES = 20_000_000


@pytest.fixture
def s3(object_store: str) -> Any:
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    return boto3.client("s3", endpoint_url=object_store, region_name="us-east-1", **keys)


@pytest.fixture
def stub(s3: Any, request: pytest.FixtureRequest) -> Iterator[Tir]:
    bucket = f"test-{random.getrandbits(48):x}"
    s3.create_bucket(Bucket=bucket)
    with run_stub() as running:
        running.bucket = {"bucket_name": bucket, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
        yield running


@pytest.fixture
def site(stub: Tir, object_store: str, tmp_path: Path) -> Site:
    return make_site(stub, object_store, tmp_path)


def make_site(stub: Tir, object_store: str, root: Path, **options: Any) -> Site:
    table = {
        "project_id": PROJECT,
        "location": LOCATION,
        "sku_id": 7,
        "api_url": f"{stub.url}/api/",
        "object_store_url": object_store,
        "inference_url": f"{stub.url}/infer/p-{{project_id}}/is-{{endpoint_id}}",
        "poll_seconds": 0.01,
        **options,
    }
    return Site(root, table, {"TIR_API_KEY": API_KEY, "TIR_TOKEN": TOKEN})


@pytest.fixture(autouse=True)
def nothing_secret_is_told(
    heard: Heard, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Search everything that was logged, printed or noted, at every level, for every secret."""
    caplog.set_level(logging.DEBUG)
    yield
    records = caplog.get_records("call")
    printed = capfd.readouterr()
    everything = "\n".join([*map(logging.Formatter().format, records), printed.out, printed.err])
    # boto3's own debug lines hold the access key's name, which is no secret; nothing else holds even that.
    ours = "\n".join(record.getMessage() for record in records if not record.name.startswith("botocore"))
    assert [secret for secret in (API_KEY, TOKEN, SECRET_KEY) if secret in everything] == []
    assert [secret for secret in SECRETS if secret in "\n".join([ours, *heard.notes])] == []


def experiment(folder: Path, *, seed: int = 1, version: str = "1.0", workers: int = 1) -> Experiment:
    path, own = folder / "mnist.mar", folder / "torchserve/mnist"
    path.write_bytes(random.Random(seed).randbytes(ARCHIVE_BYTES))
    own.mkdir(parents=True, exist_ok=True)
    (own / deployment_yaml.FILE).write_text("instance_count: 1\n", encoding="utf-8")
    return Experiment(
        name="mnist",
        folder=Path("torchserve/mnist"),
        dockerfile=None,
        requirements=None,
        provenance=Provenance(COMMIT),
        archive=ModelArchive(path, "mnist", version, ARCHIVE_BYTES, {"model": {"modelName": "mnist"}}, ()),
        serving=Serving(initial_workers=workers),
    )


def planned(site: Site, root: Path, **what: Any) -> Plan:
    return tir.plan(site, experiment(root, **what), NAME)


def all_of(error: BaseException) -> str:
    """What an error can show: itself, its details and hint, and every traceback it drags along."""
    return "".join(
        [*traceback.format_exception(type(error), error, error.__traceback__)]
        + [str(getattr(error, name, "")) for name in ("message", "details", "hint")]
    )


def changes(stub: Tir) -> list[str]:
    return [call for call in stub.calls if not call.startswith("GET")]


def test_the_whole_way(site: Site, stub: Tir, s3: Any, heard: Heard, tmp_path: Path) -> None:
    assert tir.status(site, NAME).state == tir.ABSENT
    plan = planned(site, tmp_path)
    made = tir.apply(site, plan, heard)

    assert (made.state, made.commit, made.digest) == ("Running", COMMIT, plan.experiment.archive.sha256)
    stored = s3.get_object(Bucket=stub.bucket["bucket_name"], Key="mnist/1.0/model-store/mnist.mar")
    assert stored["Body"].read() == plan.experiment.archive.path.read_bytes()
    assert stored["Metadata"] == {"commit": COMMIT, "sha256": made.digest}
    config = s3.get_object(Bucket=stub.bucket["bucket_name"], Key="mnist/1.0/config/config.properties")
    assert config["Body"].read().decode() == dict(plan.files)["config/config.properties"]
    (_, repository), (_, endpoint) = stub.bodies
    assert repository == json.loads(dict(plan.files)["model-repository.json"])
    assert endpoint == {**json.loads(dict(plan.files)["endpoint.json"]), "model_id": 100}
    assert heard.advances[-1] == (ARCHIVE_BYTES, ARCHIVE_BYTES)
    assert [note for note in heard.notes if note.startswith("endpoint digits")] == [
        "endpoint digits: deploying",
        "endpoint digits: running",
    ]

    assert made.endpoint is not None
    with InferenceClient(made.endpoint) as client:
        answer = json.loads(client.predict("mnist", b"\x89PNG\x00", content_type="application/octet-stream").body)
    assert answer == {"path": "/infer/p-42/is-100/predictions/mnist", "bytes": 5}
    assert "/predictions/mnist" in made.details["REST"]
    assert "InferenceAPIsService/Predictions" in made.details["gRPC"]
    assert TOKEN not in repr(made)

    assert tir.control(site, NAME, "stop", heard).state == "Stopped"
    assert tir.control(site, NAME, "start", heard).state == "Running"
    assert tir.control(site, NAME, "restart", heard).state == "Running"
    assert list(tir.logs(site, NAME, tail=1)) == ["MODEL_LOG - ModuleNotFoundError: No module named 'cv2'"]
    with pytest.raises(DeployError, match="runs, and may be in use"):
        tir.destroy(site, NAME, heard, drain=False)
    tir.destroy(site, NAME, heard, drain=True)
    assert tir.status(site, NAME).state == tir.ABSENT
    tir.destroy(site, NAME, heard, drain=False)


def test_what_is_there_already_is_left_alone(site: Site, stub: Tir, heard: Heard, tmp_path: Path) -> None:
    plan = planned(site, tmp_path)
    tir.apply(site, plan, heard)
    before = changes(stub)
    tir.apply(site, plan, heard)
    assert changes(stub) == before
    assert heard.notes[-3:-1] == [
        "mnist/1.0/model-store/mnist.mar: unchanged",
        "mnist/1.0/config/config.properties: unchanged",
    ]


def test_an_interrupted_wait_is_taken_up_again(site: Site, stub: Tir, heard: Heard, tmp_path: Path) -> None:
    plan = planned(site, tmp_path)

    class Impatient(Heard):
        def note(self, text: str) -> None:
            if text == "endpoint digits: deploying":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tir.apply(site, plan, Impatient())
    made = changes(stub)
    assert tir.apply(site, plan, heard).state == "Running"
    assert changes(stub) == made == ["POST serving/model/", "POST serving/inference/"]


def test_an_interrupted_upload_is_taken_up_again(site: Site, heard: Heard, tmp_path: Path) -> None:
    plan = planned(site, tmp_path)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    heard.on_advance = interrupt
    with pytest.raises(KeyboardInterrupt):
        tir.apply(site, plan, heard)
    heard.on_advance = lambda done, total: None
    tir.apply(site, plan, heard)
    assert "mnist/1.0/model-store/mnist.mar: resumed" in heard.notes


def test_a_new_version_that_fails_leaves_what_ran_before(
    site: Site, stub: Tir, s3: Any, heard: Heard, tmp_path: Path
) -> None:
    old = planned(site, tmp_path)
    running = tir.apply(site, old, heard)
    objects = s3.list_objects_v2(Bucket=stub.bucket["bucket_name"])["Contents"]
    stub.outcome = "Failed"
    with pytest.raises(DeployError, match="endpoint digits is failed") as failed:
        tir.apply(site, planned(site, tmp_path, seed=2, version="2.0"), heard)
    assert "No module named 'cv2'" in (failed.value.details or "")
    assert tir.status(site, NAME).digest == running.digest
    (endpoint,) = stub.endpoints.values()
    assert endpoint["path"] == "mnist/1.0/"
    still = s3.list_objects_v2(Bucket=stub.bucket["bucket_name"])["Contents"]
    assert {(each["Key"], each["ETag"]) for each in objects} < {(each["Key"], each["ETag"]) for each in still}


def test_a_new_version_takes_the_place_of_the_old_one(site: Site, stub: Tir, heard: Heard, tmp_path: Path) -> None:
    tir.apply(site, planned(site, tmp_path), heard)
    new = planned(site, tmp_path, seed=2, version="2.0")
    assert tir.apply(site, new, heard).digest == new.experiment.archive.sha256
    assert changes(stub)[-1] == "PUT serving/inference/100/"


def test_a_change_of_the_configuration_alone_is_rolled_out(
    site: Site, stub: Tir, s3: Any, heard: Heard, tmp_path: Path
) -> None:
    tir.apply(site, planned(site, tmp_path), heard)
    new = planned(site, tmp_path, workers=3)
    tir.apply(site, new, heard)
    assert changes(stub)[-1] == "PUT serving/inference/100/"
    config = s3.get_object(Bucket=stub.bucket["bucket_name"], Key="mnist/1.0/config/config.properties")
    assert config["Body"].read().decode() == dict(new.files)["config/config.properties"]


def test_a_stopped_endpoint_is_updated_and_started(stub: Tir, object_store: str, heard: Heard, tmp_path: Path) -> None:
    site = make_site(stub, object_store, tmp_path, auto_scale={"max_replicas": 3, "value": 10})
    tir.apply(site, planned(site, tmp_path), heard)
    tir.control(site, NAME, "stop", heard)
    assert tir.apply(site, planned(site, tmp_path, seed=2, version="2.0"), heard).state == "Running"
    actions = [body["action"] for call, body in stub.bodies if call.startswith("PUT")]
    assert actions == ["stop", "patch", "update_auto_scale", "start"]


def test_the_same_version_with_other_content_is_refused_before_anything_changes(
    site: Site, stub: Tir, heard: Heard, tmp_path: Path
) -> None:
    running = tir.apply(site, planned(site, tmp_path), heard)
    before = changes(stub)
    with pytest.raises(DeployError, match=r"holds another mnist/1\.0/model-store/mnist\.mar"):
        tir.apply(site, planned(site, tmp_path, seed=2), heard)
    assert changes(stub) == before
    assert tir.status(site, NAME).digest == running.digest


def test_an_endpoint_that_never_starts_ends_the_wait(
    stub: Tir, object_store: str, heard: Heard, tmp_path: Path
) -> None:
    stub.outcome = "Deploying"
    site = make_site(stub, object_store, tmp_path, timeout=0.2)
    with pytest.raises(DeployError, match=r"still deploying after 0\.2 s") as raised:
        tir.apply(site, planned(site, tmp_path), heard)
    assert "the same command waits for it again" in (raised.value.hint or "")


def test_the_state_of_before_a_change_is_not_taken_for_the_new_one(
    site: Site, stub: Tir, heard: Heard, tmp_path: Path
) -> None:
    stub.outcome = "Failed"
    with pytest.raises(DeployError, match="is failed"):
        tir.apply(site, planned(site, tmp_path), heard)
    stub.outcome = "Running"
    assert tir.apply(site, planned(site, tmp_path, seed=2, version="2.0"), heard).state == "Running"
    heard.notes.clear()
    tir.control(site, NAME, "restart", heard)
    assert heard.notes == ["endpoint digits: running", "endpoint digits: deploying", "endpoint digits: running"]


def test_a_state_that_a_change_leaves_as_it_was_is_believed_in_the_end(
    stub: Tir, object_store: str, heard: Heard, tmp_path: Path
) -> None:
    site = make_site(stub, object_store, tmp_path, settle_seconds=0.1)
    tir.apply(site, planned(site, tmp_path), heard)
    stub.late, stub.looks = 1_000_000, 0
    assert tir.control(site, NAME, "restart", heard).state == "Running"
    assert heard.notes[-1] == "endpoint digits: running for 0.1 s since the change, taken as done"


def test_what_runs_is_not_started_and_what_is_stopped_not_stopped(
    site: Site, stub: Tir, heard: Heard, tmp_path: Path
) -> None:
    tir.apply(site, planned(site, tmp_path), heard)
    before = changes(stub)
    tir.control(site, NAME, "start", heard)
    assert changes(stub) == before
    tir.control(site, NAME, "stop", heard)
    tir.control(site, NAME, "stop", heard)
    assert changes(stub) == [*before, "PUT serving/inference/100/"]


def test_a_bucket_of_ones_own_takes_its_keys_from_the_environment(
    stub: Tir, object_store: str, s3: Any, heard: Heard, tmp_path: Path
) -> None:
    name = stub.bucket["bucket_name"]
    stub.bucket = {}
    bare = make_site(stub, object_store, tmp_path, storage_type="external", bucket=name)
    keys = {"TIR_S3_ACCESS_KEY": ACCESS_KEY, "TIR_S3_SECRET_KEY": SECRET_KEY}
    site = Site(bare.root, bare.options, {**bare.environ, **keys})
    tir.apply(site, planned(site, tmp_path), heard)
    (_, repository), _ = stub.bodies
    assert (repository["access_key"], repository["secret_key"]) == (ACCESS_KEY, SECRET_KEY)
    assert s3.head_object(Bucket=name, Key="mnist/1.0/model-store/mnist.mar")["ContentLength"] == ARCHIVE_BYTES


def test_bad_keys_of_the_bucket_are_one_clear_error(site: Site, stub: Tir, heard: Heard, tmp_path: Path) -> None:
    stub.bucket["secret_key"] = "not-the-secret"
    with pytest.raises(DeployError, match="refuses the access key") as refused:
        tir.apply(site, planned(site, tmp_path), heard)
    assert "not-the-secret" not in all_of(refused.value)


def failing(status: int, message: str = "", **more: Any) -> Trouble:
    body = {"code": status, "data": None, "errors": message, "message": f"echo {API_KEY} {TOKEN}"}
    return Trouble("POST serving/inference/", status, body, **more)


@pytest.mark.parametrize(
    ("trouble", "cause", "hint"),
    [
        (failing(401), "refuses TIR_TOKEN or TIR_API_KEY", "make new ones"),
        (failing(403), "does not allow it", "rights"),
        (failing(404), "knows no such thing", "project_id"),
        (failing(409, "name taken"), "exists already", "status"),
        (failing(422, "GPU quota exceeded for this project"), "the quota is used up", "sku_id"),
        (failing(429), "too many requests", "wait"),
        (failing(418, "a teapot"), "refuses it with HTTP 418", ""),
        (failing(500), "failed with HTTP 500", "later"),
        (Trouble("POST serving/inference/", 502, b"<html>Bad Gateway</html>"), "not in TIR's words", ""),
        (Trouble("POST serving/inference/", 200, {"code": 403, "data": None}), "does not allow it", "rights"),
        (Trouble("POST serving/inference/", 200, {"code": 200, "data": None}), "without the details", ""),
        (Trouble("POST serving/inference/", 200, b"[" * 100_000), "not in TIR's words", ""),
        (Trouble("POST serving/inference/", 0, cut=True), "broke the connection off", "same command again"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Trouble) else "",
)
def test_every_refusal_is_one_clear_error_without_a_secret(
    site: Site, stub: Tir, heard: Heard, tmp_path: Path, trouble: Trouble, cause: str, hint: str
) -> None:
    trouble.headers.setdefault("Retry-After", "0")
    stub.troubles.append(trouble)
    with pytest.raises(DeployError, match=cause) as raised:
        tir.apply(site, planned(site, tmp_path), heard)
    assert hint in (raised.value.hint or "")
    shown = all_of(raised.value)
    assert [secret for secret in SECRETS if secret in shown] == []
    assert stub.endpoints == {}


def test_a_wrong_token_and_a_wrong_project_are_told_apart(site: Site, heard: Heard) -> None:
    wrong = Site(site.root, site.options, {**site.environ, "TIR_TOKEN": "expired"})
    with pytest.raises(DeployError, match="refuses TIR_TOKEN"):
        tir.status(wrong, NAME)
    with pytest.raises(DeployError, match="does not allow it"):
        tir.status(Site(site.root, {**site.options, "project_id": 1}, site.environ), NAME)


def test_a_creation_cut_off_is_found_and_not_made_twice(site: Site, stub: Tir, heard: Heard, tmp_path: Path) -> None:
    stub.troubles.append(Trouble("POST serving/inference/", 0, cut=True, after=True, times=1))
    plan = planned(site, tmp_path)
    with pytest.raises(DeployError, match="broke the connection off"):
        tir.apply(site, plan, heard)
    assert tir.apply(site, plan, heard).state == "Running"
    assert changes(stub).count("POST serving/inference/") == 1


def test_waits_as_long_as_retry_after_says_and_repeats_only_what_is_safe(stub: Tir, object_store: str) -> None:
    from mardock.deploy.tir.api import TirApi

    options = read(make_site(stub, object_store, Path()))
    waited: list[float] = []
    busy = {"code": 429, "data": None, "message": "slow down"}
    stub.troubles += [
        Trouble("POST serving/model/", 429, busy, {"Retry-After": "17"}, times=2),
        Trouble("GET serving/model/100/", 503, {"code": 503}, times=1),
        Trouble("GET serving/inference/", 0, cut=True, times=1),
        Trouble("DELETE serving/inference/7/", 503, {"code": 503}, times=1),
    ]
    with TirApi(options, Secrets(API_KEY, TOKEN), pause=waited.append) as api:
        api.create_repository({"name": "mnist", "storage_type": "managed"})
        assert waited == [17, 17, 2]
        assert api.endpoint("digits") is None
        with pytest.raises(DeployError, match="failed with HTTP 503"):
            api.delete_endpoint(7)
    assert changes(stub).count("DELETE serving/inference/7/") == 1


def test_nobody_listens(site: Site, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mardock.deploy.tir.api._ATTEMPTS", 1)
    nowhere = Site(site.root, {**site.options, "api_url": "http://127.0.0.1:1/api"}, site.environ)
    with pytest.raises(DeployError, match=r"no connection to http://127\.0\.0\.1:1/api") as raised:
        tir.status(nowhere, NAME)
    assert API_KEY not in all_of(raised.value)
