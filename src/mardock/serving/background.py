"""A blocking call in a thread of its own, so that a newer save or Ctrl-C need not wait for its answer."""

from __future__ import annotations

import threading
from concurrent.futures import Future, TimeoutError
from typing import Callable, TypeVar

_LOOK_S = 0.01
_T = TypeVar("_T")


class SupersededError(Exception):
    """Something newer was saved: what is under way need not be finished."""


def begin(call: Callable[[], _T]) -> Future[_T]:
    """Start a call in a thread that does not keep this process alive."""
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def result(future: Future[_T], superseded: Callable[[], bool]) -> _T:
    """Return what a call returns, or raise what it raises.

    Raises:
        SupersededError: `superseded` said so first; the call goes on.
    """
    while True:
        try:
            return future.result(_LOOK_S)
        except TimeoutError:
            if future.done():
                raise  # it is the call's own
            if superseded():
                raise SupersededError from None
