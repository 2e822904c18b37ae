"""Uploading an archive to the workspace's blob container, block by block, so that an interruption costs one block."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from mardock.deploy import log_lines
from mardock.errors import DeployError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.storage.blob import BlobClient

    from mardock.deploy.azureml.options import Options
    from mardock.listener import Listener

DATASTORE = "workspaceblobstore"
BLOCK = 8 << 20
_DIGEST = "mardock_sha256"


def upload(client: MLClient, options: Options, file: Path, path: str, digest: str, listener: Listener) -> None:
    """Upload a file to a path of the workspace's datastore; what is there already is not sent again.

    Args:
        digest: the file's SHA-256 in hex, kept with the blob.

    Raises:
        DeployError: the path holds something else, or the upload failed.
    """
    from azure.core.exceptions import ResourceNotFoundError

    store: Any = client.datastores.get(DATASTORE, include_secrets=True)
    sas = getattr(store.credentials, "sas_token", None) or ""
    # Its signature stands in the query of every call.
    with (
        log_lines.without([sas, *parse_qs(sas).get("sig", ())] if sas else ()),
        _blob(client, options, store, path) as blob,
    ):
        try:
            found = blob.get_blob_properties()
        except ResourceNotFoundError:
            _send(blob, file, digest, listener)
            return
        if found.metadata.get(_DIGEST) != digest:
            raise DeployError(f"the blob {path} is there already and holds something else", hint="delete that blob")


def _send(blob: BlobClient, file: Path, digest: str, listener: Listener) -> None:
    from azure.storage.blob import BlobBlock

    present = _staged(blob)
    size = file.stat().st_size
    blocks = []
    with file.open("rb") as source, listener.progress(f"uploading {file.name}") as advance:
        for number in range((size + BLOCK - 1) // BLOCK):
            block = (
                f"{digest[:32]}-{number:06d}"  # named after the content: blocks of another file are not mistaken for it
            )
            content = source.read(BLOCK)
            if present.get(block) != len(content):
                blob.stage_block(block, content, validate_content=True)
            blocks.append(BlobBlock(block))
            advance(source.tell(), size)
    blob.commit_block_list(blocks, metadata={_DIGEST: digest})


def _staged(blob: BlobClient) -> dict[str, int]:
    """The blocks an interrupted upload left, with their sizes in bytes."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        _, uncommitted = blob.get_block_list("uncommitted")
    except ResourceNotFoundError:
        return {}
    return {block.id: block.size for block in uncommitted}


def _blob(client: MLClient, options: Options, store: Any, path: str) -> BlobClient:
    from azure.storage.blob import BlobClient

    secret = getattr(store.credentials, "account_key", None) or getattr(store.credentials, "sas_token", None)
    url = options.blob_url or f"{store.protocol}://{store.account_name}.blob.{store.endpoint}"
    if options.blob_url and secret and not getattr(store.credentials, "sas_token", None):
        secret = {"account_name": store.account_name, "account_key": secret}
    return BlobClient(
        url, store.container_name, path, credential=secret or client._credential, max_block_size=BLOCK, retry_total=4
    )
