"""Bearer: calls of one API with a token that may be replaced at any time, by its age or by another command."""

from __future__ import annotations

from typing import Callable, Optional, TypeVar

from mardock.client.refusals import INVALID_KEY
from mardock.errors import ApiError

Token = Callable[[Optional[str]], Optional[str]]
"""Returns the token of now, given one that was refused; see `endpoint.Credentials`."""

_T = TypeVar("_T")


class Bearer:
    """Makes calls with a token; usable from several threads at once.

    Args:
        token: where the token comes from.
    """

    def __init__(self, token: Token) -> None:
        self._token = token
        self._refused: Optional[str] = None

    def call(self, send: Callable[[Optional[str]], _T], *, again: bool = True) -> _T:
        """Make a call, and once more with another token when TorchServe refused this one, and so did nothing.

        What a cloud's front end refuses is not repeated: a handler may have said so. The next call has another token.

        Args:
            again: whether it can be made once more.

        Raises:
            MardockError: of `send`, or the token cannot be had.
        """
        token = self._token(self._refused)
        try:
            return send(token)
        except ApiError as error:
            if token is None or (error.kind != INVALID_KEY and error.status != 401):
                raise
            self._refused = token
            other = self._token(token) if again and error.kind == INVALID_KEY else token
            if other == token:
                raise
        return send(other)
