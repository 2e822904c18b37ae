"""Uploads into a real S3 server: skipped when there, refused, continued after a cut, clear when keys are wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import random
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.deploy.broken_wires import Cutter
from tests.deploy.seaweedfs import ACCESS_KEY, SECRET_KEY
from tests.support.listeners import Heard

from mardock.deploy.object_store import Bucket, ObjectStore
from mardock.errors import DeployError

NAME = "mnist/1.0/model-store/mnist.mar"
MIB = 1 << 20


@pytest.fixture
def s3(object_store: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=object_store,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
    )


@pytest.fixture
def bucket(object_store: str, s3: Any, request: pytest.FixtureRequest) -> Bucket:
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:16]
    s3.create_bucket(Bucket=name)
    return Bucket(object_store, name, ACCESS_KEY, SECRET_KEY)


def a_file(folder: Path, size: int, seed: int = 0) -> Path:
    path = folder / f"{seed}.mar"
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


def unfinished(s3: Any, bucket: Bucket) -> list[Any]:
    found: list[Any] = s3.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])
    return found


def stored(s3: Any, bucket: Bucket) -> bytes:
    content: bytes = s3.get_object(Bucket=bucket.name, Key=NAME)["Body"].read()
    return content


@pytest.mark.parametrize("size", [0, 1000, 20 * MIB + 1], ids=["empty", "small", "in parts"])
def test_what_was_uploaded_is_there_and_is_not_sent_again(bucket: Bucket, s3: Any, tmp_path: Path, size: int) -> None:
    path = a_file(tmp_path, size)
    heard = Heard()
    store = ObjectStore(bucket)
    assert store.upload(path, NAME, metadata={"commit": "abc"}, listener=heard) == "uploaded"
    assert stored(s3, bucket) == path.read_bytes()
    assert heard.advances[-1] == (size, size)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert s3.head_object(Bucket=bucket.name, Key=NAME)["Metadata"] == {"commit": "abc", "sha256": digest}
    assert store.digest(NAME) == digest
    assert store.upload(path, NAME) == "unchanged"
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket.name)["Contents"]] == [NAME]
    assert unfinished(s3, bucket) == []


def test_other_content_under_the_name_is_refused_unless_asked(bucket: Bucket, s3: Any, tmp_path: Path) -> None:
    old, new = a_file(tmp_path, 1000, seed=1), a_file(tmp_path, 9 * MIB, seed=2)
    store = ObjectStore(bucket)
    store.upload(old, NAME)
    with pytest.raises(DeployError, match=r"holds another mnist/1\.0/model-store/mnist\.mar") as refused:
        store.upload(new, NAME)
    assert "replace = true" in (refused.value.hint or "")
    assert stored(s3, bucket) == old.read_bytes()
    assert store.upload(new, NAME, replace=True) == "uploaded"
    assert stored(s3, bucket) == new.read_bytes()


def test_an_upload_cut_half_way_continues_with_the_parts_that_are_missing(
    bucket: Bucket, s3: Any, object_store: str, tmp_path: Path
) -> None:
    path = a_file(tmp_path, 40 * MIB)
    with Cutter(object_store, 20 * MIB) as cutter, pytest.raises(DeployError, match="broke") as broken:
        ObjectStore(dataclasses.replace(bucket, url=cutter.url), attempts=1).upload(path, NAME)
    assert "run the same command again" in (broken.value.hint or "")
    assert ObjectStore(bucket).digest(NAME) is None
    (begun,) = unfinished(s3, bucket)
    parts = s3.list_parts(Bucket=bucket.name, Key=NAME, UploadId=begun["UploadId"])["Parts"]
    assert [part["PartNumber"] for part in parts] == [1, 2]

    with Cutter(object_store, 25 * MIB) as cutter:  # less than the whole: the two parts cannot be sent again
        store = ObjectStore(dataclasses.replace(bucket, url=cutter.url), attempts=1)
        assert store.upload(path, NAME) == "resumed"
    assert stored(s3, bucket) == path.read_bytes()
    assert unfinished(s3, bucket) == []


def test_an_upload_of_other_content_is_not_continued(
    bucket: Bucket, s3: Any, object_store: str, tmp_path: Path
) -> None:
    first, second = a_file(tmp_path, 40 * MIB, seed=1), a_file(tmp_path, 40 * MIB, seed=2)
    second.write_bytes(first.read_bytes()[: 16 * MIB] + second.read_bytes()[16 * MIB :])
    with Cutter(object_store, 20 * MIB) as cutter, pytest.raises(DeployError):
        ObjectStore(dataclasses.replace(bucket, url=cutter.url), attempts=1).upload(first, NAME)
    store = ObjectStore(bucket)
    assert store.upload(second, NAME) == "uploaded"
    assert store.digest(NAME) == hashlib.sha256(second.read_bytes()).hexdigest()
    assert stored(s3, bucket) == second.read_bytes()


def test_an_upload_the_server_has_forgotten_begins_anew(
    bucket: Bucket, s3: Any, object_store: str, tmp_path: Path
) -> None:
    path = a_file(tmp_path, 30 * MIB)
    with Cutter(object_store, 12 * MIB) as cutter, pytest.raises(DeployError):
        ObjectStore(dataclasses.replace(bucket, url=cutter.url), attempts=1).upload(path, NAME)
    (begun,) = unfinished(s3, bucket)
    s3.abort_multipart_upload(Bucket=bucket.name, Key=NAME, UploadId=begun["UploadId"])
    assert ObjectStore(bucket).upload(path, NAME) == "uploaded"
    assert stored(s3, bucket) == path.read_bytes()


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"secret_key": "another-secret"}, "refuses the access key"),
        ({"access_key": "AKIANOBODY"}, "refuses the access key"),
        ({"name": "no-such-bucket"}, "there is no bucket no-such-bucket"),
        ({"url": "http://127.0.0.1:1"}, "the connection to http://127.0.0.1:1 broke"),
        ({"url": "ftp://nowhere"}, "nowhere"),
        ({"url": "not a url"}, "cannot be used"),
    ],
    ids=["secret", "access key", "bucket", "nobody listens", "scheme", "no url"],
)
def test_what_cannot_work_is_one_clear_error_without_the_keys(
    bucket: Bucket, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, str], cause: str
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = dataclasses.replace(bucket, **change)
    with pytest.raises(DeployError, match=cause) as raised:
        ObjectStore(wrong, attempts=2).upload(a_file(tmp_path, 100), NAME)
    told = f"{raised.value} {raised.value.details} {raised.value.hint} {wrong!r} {wrong}"
    for secret in (wrong.secret_key, wrong.access_key):
        assert secret not in told
    assert wrong.secret_key not in caplog.text
