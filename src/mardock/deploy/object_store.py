"""Uploads to an S3 object store: what is there already is skipped, what was cut off half-way is continued.

S3 does not tell which content an unfinished upload is of, so a small object beside it, named by the
content's digest, keeps the upload's id until it is complete.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, Optional
from urllib.parse import urlsplit

from mardock.client.addressing import is_near
from mardock.client.refusals import sanitized
from mardock.deploy.base import missing_extra
from mardock.errors import DeployError
from mardock.listener import SILENT, Advance, Listener

Outcome = Literal["uploaded", "resumed", "unchanged"]

DIGEST = "sha256"
"""The metadata that holds an object's SHA-256 in hex."""

_PART = 8 << 20
_MAX_PARTS = 10_000
_UNFINISHED = ".mardock/uploads"
_ATTEMPTS = 4
_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 60
_KEYS_REFUSED = frozenset({"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_NOT_THERE = frozenset({"404", "NoSuchKey", "NoSuchUpload"})


@dataclass(frozen=True)
class Bucket:
    """One bucket of an S3 server, e.g. `https://objectstore.e2enetworks.net`, and the keys that open it."""

    url: str
    name: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)

    def __str__(self) -> str:
        return f"bucket {self.name} of {self.url}"


def require_boto3() -> None:
    """Raise a DeployError when the extra that brings boto3 is not installed."""
    try:
        import boto3  # noqa: F401 - it is used later, when other things were changed already
    except ImportError as error:
        raise missing_extra("an S3 object store", "tir", error) from error


class ObjectStore:
    """Writes objects into one bucket. Calls that fail on the way are repeated, as often as boto3's standard mode does.

    Args:
        attempts: how often one call is made at most.

    Raises:
        DeployError: boto3 is not installed, or the address is none. Of every method: the keys are refused, there is
            no such bucket, or the connection broke and stayed broken.
    """

    def __init__(self, bucket: Bucket, *, attempts: int = _ATTEMPTS) -> None:
        self._bucket = bucket
        with self._explained("connecting"):
            self._s3 = _connect(bucket, attempts)

    def upload(
        self,
        path: Path,
        name: str,
        *,
        replace: bool = False,
        metadata: Optional[Mapping[str, str]] = None,
        listener: Listener = SILENT,
    ) -> Outcome:
        """Store a file under a name; an upload of the same content that was cut off is continued.

        Args:
            name: the object's whole name, e.g. `mnist/1.0/model-store/mnist.mar`.
            replace: overwrite an object with other content.
            metadata: kept with the object, beside its digest.
            listener: told how many bytes are there.

        Raises:
            DeployError: there is an object of this name with other content.
        """
        digest, size = _digest(path), path.stat().st_size
        with self._explained(f"uploading {name}"), listener.progress(f"uploading {path.name}") as advance:
            stored = self._stored(name)
            if stored is not None and stored.get(DIGEST) == digest:
                advance(size, size)
                return "unchanged"
            if stored is not None and not replace:
                raise DeployError(
                    f"{self._bucket} holds another {name}: its SHA-256 is {stored.get(DIGEST, 'not known')[:12]}, "
                    f"and that of {path.name} is {digest[:12]}",
                    hint="give it a new version, or set replace = true",
                )
            with path.open("rb") as file:
                send = self._send_parts if size > _PART else self._send_whole
                return send(file, size, name, {**(metadata or {}), DIGEST: digest}, advance)

    def digest(self, name: str) -> Optional[str]:
        """Return the SHA-256 an object was stored with; None when there is no such object or it tells none."""
        with self._explained(f"looking at {name}"):
            return (self._stored(name) or {}).get(DIGEST)

    def _stored(self, name: str) -> Optional[Mapping[str, str]]:
        """Return the metadata of an object, None when there is no such object."""
        try:
            answer = self._s3.head_object(Bucket=self._bucket.name, Key=name)
        except self._s3.exceptions.ClientError as error:
            if _code(error) not in _NOT_THERE:
                raise
            self._s3.head_bucket(Bucket=self._bucket.name)  # a HEAD's 404 does not say what is missing
            return None
        metadata: Mapping[str, str] = answer["Metadata"]
        return metadata

    def _send_whole(
        self, file: BinaryIO, size: int, name: str, metadata: Mapping[str, str], advance: Advance
    ) -> Outcome:
        body = file.read()
        self._s3.put_object(Bucket=self._bucket.name, Key=name, Body=body, ContentMD5=_md5(body), Metadata=metadata)
        advance(size, size)
        return "uploaded"

    def _send_parts(
        self, file: BinaryIO, size: int, name: str, metadata: Mapping[str, str], advance: Advance
    ) -> Outcome:
        note = f"{_UNFINISHED}/{name}.{metadata[DIGEST]}"
        upload, there = self._unfinished(note, name) or (self._begin(note, name, metadata), {})
        target = {"Bucket": self._bucket.name, "Key": name, "UploadId": upload}
        parts = []
        sent = 0
        for number, body in enumerate(_parts(file, size), 1):
            etag = there.get(number)
            if etag is None or etag.strip('"') != hashlib.md5(body, usedforsecurity=False).hexdigest():
                etag = self._s3.upload_part(**target, PartNumber=number, Body=body, ContentMD5=_md5(body))["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
            sent += len(body)
            advance(sent, size)
        self._s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
        self._s3.delete_object(Bucket=self._bucket.name, Key=note)
        return "resumed" if there else "uploaded"

    def _unfinished(self, note: str, name: str) -> Optional[tuple[str, dict[int, str]]]:
        """Return the upload that a note tells of, and the ETags of its parts by number."""
        try:
            upload = self._s3.get_object(Bucket=self._bucket.name, Key=note)["Body"].read().decode()
            pages = self._s3.get_paginator("list_parts").paginate(Bucket=self._bucket.name, Key=name, UploadId=upload)
            return upload, {part["PartNumber"]: part["ETag"] for page in pages for part in page.get("Parts", ())}
        except self._s3.exceptions.ClientError as error:
            if _code(error) in _NOT_THERE:
                return None
            raise

    def _begin(self, note: str, name: str, metadata: Mapping[str, str]) -> str:
        answer = self._s3.create_multipart_upload(Bucket=self._bucket.name, Key=name, Metadata=dict(metadata))
        upload: str = answer["UploadId"]
        self._s3.put_object(Bucket=self._bucket.name, Key=note, Body=upload.encode())
        return upload

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        require_boto3()
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

        secrets = (self._bucket.secret_key, self._bucket.access_key)
        try:
            yield
        except ClientError as error:
            raise self._refused(error, doing, sanitized(str(error), secrets)) from error
        except (ConnectionError, HTTPClientError) as error:
            raise DeployError(
                f"{doing}: the connection to {self._bucket.url} broke",
                details=sanitized(str(error), secrets),
                hint="check the network, then run the same command again: it continues where it stopped",
            ) from error
        except (BotoCoreError, ValueError) as error:
            raise DeployError(
                f"{doing}: {self._bucket} cannot be used", details=sanitized(str(error), secrets)
            ) from error

    def _refused(self, error: Any, doing: str, said: str) -> DeployError:
        code = _code(error)
        if code in _KEYS_REFUSED:
            return DeployError(
                f"{doing}: {self._bucket} refuses the access key",
                details=said,
                hint="check the two keys of the bucket, and that they may write into it",
            )
        if code in ("NoSuchBucket", "404"):
            return DeployError(f"{doing}: there is no {self._bucket}", details=said, hint="check the bucket's name")
        return DeployError(f"{doing}: {self._bucket} answers {code}", details=said)


def _connect(bucket: Bucket, attempts: int) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        proxies={} if _is_near(bucket.url) else None,  # None has boto3 take those of the environment
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": attempts},
        s3={"addressing_style": "path"},
        # What boto3 adds by itself since 1.36 is refused by S3 servers other than Amazon's; the MD5 is enough.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.client(
        "s3",
        endpoint_url=bucket.url,
        aws_access_key_id=bucket.access_key,
        aws_secret_access_key=bucket.secret_key,
        region_name="us-east-1",  # part of the signature alone
        config=config,
    )


def _is_near(url: str) -> bool:
    """Say whether a bucket is on this machine; what is no URL is boto3's to refuse."""
    try:
        return is_near(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _parts(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Read a file in equal parts; S3 takes no more than 10,000."""
    length = max(_PART, -(-size // _MAX_PARTS))
    while body := file.read(length):
        yield body


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
