"""ResponseReader: answers of every framing, cut anywhere, and what is none."""

from __future__ import annotations

import pytest

from mardock.benchmark.http_response import BadResponseError, ResponseReader

PLAIN = b"HTTP/1.1 200 OK\r\nx-request-id: 1\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;name=value\r\nhello\r\n1a\r\n" + b"x" * 26 + b"\r\n0\r\nTrailer: yes\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
REFUSAL = b'HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 13\r\n\r\n{"code": 503}'


@pytest.mark.parametrize(
    ("answer", "status", "body_bytes", "keep_alive"),
    [
        (PLAIN, 200, 5, True),
        (CHUNKED, 200, 31, True),
        (INTERIM, 200, 5, True),
        (EMPTY, 204, 0, True),
        (REFUSAL, 503, 13, False),
        (PLAIN.replace(b"1.1", b"1.0"), 200, 5, False),
    ],
    ids=["length", "chunked", "interim", "no-content", "refusal", "http-1.0"],
)
def test_an_answer_is_read_alike_however_it_is_cut(
    answer: bytes, status: int, body_bytes: int, keep_alive: bool
) -> None:
    for size in (1, 2, 3, 7, len(answer)):
        reader = ResponseReader()
        parts = [answer[i : i + size] for i in range(0, len(answer), size)]
        finished = [reader.feed(part) for part in parts]

        assert finished == [False] * (len(parts) - 1) + [True], size
        assert (reader.status, reader.body_bytes, reader.keep_alive) == (status, body_bytes, keep_alive)


def test_only_a_refusal_keeps_the_start_of_its_body() -> None:
    reader = ResponseReader()
    reader.feed(REFUSAL)
    assert reader.excerpt == b'{"code": 503}'

    reader.reset()
    reader.feed(PLAIN)
    assert reader.excerpt == b""


def test_a_body_without_length_ends_with_the_connection() -> None:
    reader = ResponseReader()

    assert not reader.feed(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert reader.end()
    assert (reader.body_bytes, reader.keep_alive) == (5, False)


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n", PLAIN[:-1], CHUNKED[:-1]])
def test_a_connection_that_ends_early_completes_nothing(part: bytes) -> None:
    reader = ResponseReader()
    if part:
        reader.feed(part)

    assert not reader.end()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5" + b";" * 2000,
        PLAIN + b"!",
        CHUNKED + b"!",
    ],
)
def test_what_is_no_single_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(BadResponseError):
        ResponseReader().feed(answer)


def test_a_body_of_any_size_is_not_kept() -> None:
    reader = ResponseReader()
    reader.feed(b"HTTP/1.1 500 Oops\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(99):
        reader.feed(bytes(1_000_000))

    assert reader.body_bytes == 99_000_000
    assert len(reader.excerpt) == 512
