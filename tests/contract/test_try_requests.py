"""Whatever a client sends, a trial hands a handler the values, types and headers that a real TorchServe hands it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.projects import add_echo

from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.endpoint import Endpoint
from mardock.engines.native import NativeEngine
from mardock.handler.frontend import UnreadableError
from mardock.handler.wire import Incoming
from mardock.payload import Field, Payload, form

NAME = "received"
TELL = """
def tell(value):
    if isinstance(value, (bytes, bytearray)):
        return [type(value).__name__, value.hex()]
    if isinstance(value, dict):
        return [type(value).__name__, [[key, tell(item)] for key, item in value.items()]]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [tell(item) for item in value]]
    return [type(value).__name__, repr(value)]
"""
HANDLER = f'''
import json
{TELL}
def handle(data, context):
    """Say what came."""
    if data is None:
        return
    return [
        json.dumps([tell(row), context.get_all_request_header(number)]) for number, row in enumerate(data)
    ]
'''
ON_THEIR_WAY = {"Host", "User-Agent", "Accept-Encoding", "Connection", "Accept"}  # every client's own
tell: Any = {}
exec(TELL, tell)

CONTENT_TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-16",
    "application/json; charset=iso-8859-1",
    "application/json ; charset=utf-8",
    "Application/JSON",
    "application/vnd.api+json",
    "text/plain",
    "text/plain; charset=latin-1",
    "text/csv;header=present",
    "TEXT/html",
    "image/png",
    "application/octet-stream",
    "application/x-www-form-urlencodedx",
    "multipart/form-data",
    "multipart/mixed; boundary=x",
    "*/*",
    ";",
)
CHARSETS = ("utf-8", "utf-16", "utf-16-le", "utf-8-sig", "latin-1", "utf-32")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
contents = st.binary(max_size=200) | st.sampled_from([b"", b"\r\n", b"--", b"\r", b"\n--x", bytes(range(256))])
file_types = st.none() | st.sampled_from(CONTENT_TYPES[:11])


@st.composite
def json_bodies(draw: st.DrawFn) -> Payload:
    text = json.dumps(draw(json_values), ensure_ascii=draw(st.booleans()))
    body = text.encode(draw(st.sampled_from(CHARSETS)), "replace")
    return Payload(body, draw(st.sampled_from(CONTENT_TYPES)))


@st.composite
def forms(draw: st.DrawFn) -> Payload:
    files: dict[Path, bytes] = {}
    fields = []
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            fields.append(Field(draw(names), draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))))
            continue
        file = draw(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=9))
        path = Path(f"{len(files)}{file}")
        fields.append(Field(draw(names), file=path, content_type=draw(file_types)))
        files[path] = draw(contents)
    return form(fields, lambda path: files[path])


@st.composite
def multiparts(draw: st.DrawFn) -> Payload:
    """What other clients write, and what goes wrong on the way."""
    line = b"--" + b"x" * draw(st.integers(1, 3))
    end = draw(st.sampled_from([b"\r\n", b"\n"]))
    body = draw(st.sampled_from([b"", b"\r\n", b"before\r\n"]))
    for _ in range(draw(st.integers(0, 3))):
        head = draw(st.sampled_from([b"", b"X-Own: 1" + end]))
        head += b'Content-Disposition: form-data; name="' + draw(names).encode() + b'"'
        head += draw(st.sampled_from([b"", b'; filename="a.txt"', b'; filename=""', b'; filename="a;b"']))
        kind = draw(st.sampled_from([b"", b"text/plain", b"application/json; charset=utf-8", b"text/plain; a=b"]))
        head += end + b"Content-Type: " + kind if kind else b""
        body += line + end + head + end + end + draw(contents) + end
    body += line + draw(st.sampled_from([b"--\r\n", b"--", b"", b"--\r\nafter"]))
    boundary = (line[2:] if draw(st.booleans()) else b"x").decode()
    parameters = draw(
        st.sampled_from(["boundary={}", 'boundary="{}"', "charset=utf-8; boundary={}", "a=b;c=d;boundary={}"])
    )
    return Payload(body, f"multipart/form-data; {parameters.format(boundary)}")


url_encoded = st.builds(
    Payload,
    st.text("ab=&+%41 \r\n;é", max_size=24).map(str.encode) | st.binary(max_size=40),
    st.sampled_from(["application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8"]),
)
plain = st.builds(Payload, st.binary(max_size=300) | st.sampled_from([b"", b"x" * 100_000]), st.none())
requests = st.one_of(plain, json_bodies(), forms(), multiparts(), url_encoded)


@pytest.fixture(scope="module")
def endpoint(native_server: NativeEngine) -> Iterator[Endpoint]:
    """A server that serves the handler which says what it received."""
    endpoint = native_server.endpoint()
    add_echo(native_server._project, NAME, HANDLER)
    with ManagementClient(endpoint) as management:
        management.register(NAME, initial_workers=1)
        yield endpoint
        management.unregister(NAME)


def served(endpoint: Endpoint, payload: Payload, method: str = "POST") -> Optional[list[Any]]:
    """Return what the served handler received; None where TorchServe refused."""
    connection = http.client.HTTPConnection(urlsplit(endpoint.inference_url).netloc, timeout=30)
    headers = {"Content-Type": payload.content_type} if payload.content_type else {}
    try:
        connection.request(method, f"/predictions/{NAME}", body=payload.body, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    received: Optional[list[Any]] = json.loads(text) if answer.status == 200 else None
    return received


def tried(payload: Payload) -> Optional[list[Any]]:
    """Return what a trial hands to a handler, through TorchServe's own reader of a worker's socket."""
    from ts.protocol.otf_message_handler import retrieve_msg
    from ts.service import Service

    try:
        _, batch = retrieve_msg(Incoming([payload]))
    except UnreadableError:
        return None
    (processor,), (row,), _ = Service.retrieve_data_for_inference(batch)
    found: list[Any] = json.loads(json.dumps([tell["tell"](row), processor.get_request_properties()]))
    return found


def essential(received: Optional[list[Any]]) -> Optional[list[Any]]:
    if received is None:
        return None
    row, headers = received
    return [row, {name: value for name, value in headers.items() if name not in ON_THEIR_WAY}]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(payload=requests, method=st.sampled_from(["POST", "PUT"]))
def test_a_trial_hands_on_what_is_served(endpoint: Endpoint, payload: Payload, method: str) -> None:
    assert essential(tried(payload)) == essential(served(endpoint, payload, method))


def test_headers_have_the_names_that_predict_gives_them(endpoint: Endpoint) -> None:
    with InferenceClient(endpoint) as client:
        answer = json.loads(client.predict(NAME, b"x", content_type="text/plain; charset=utf-8").body)
    found = tried(Payload(b"x", "text/plain; charset=utf-8"))
    assert found is not None
    assert found[1].keys() == answer[1].keys()
    assert found[1]["Content-Type"] == answer[1]["Content-Type"] == "text/plain; charset=utf-8"
