"""Blocking calls in threads of their own, so that a newer save or Ctrl-C need not wait for their answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, TimeoutError
from typing import Callable, TypeVar

_LOOK_S = 0.01
_T = TypeVar("_T")
_Item = TypeVar("_Item")


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


def each(call: Callable[[_Item], _T], items: Sequence[_Item], *, at_once: int) -> Iterator[_T]:
    """Yield what a call returns for each item, in their order, and raise what it raises.

    Once nobody asks on, no further item begins; a ThreadPoolExecutor would keep the process until those under way end.

    Args:
        at_once: most calls under way at once.
    """
    futures: list[Future[_T]] = [Future() for _ in items]
    left, lock = iter(list(zip(futures, items))), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                taken = next(left, None)
            if taken is None:
                return
            future, item = taken
            try:
                future.set_result(call(item))
            except BaseException as error:
                future.set_exception(error)

    for _ in range(min(at_once, len(items))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for future in futures:
            yield future.result()
    finally:
        with lock:
            for _ in left:
                pass
