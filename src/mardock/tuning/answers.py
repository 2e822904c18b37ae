"""Whether a candidate answers as the served version does, several requests at once, so that they meet in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from mardock.client.inference import InferenceClient
from mardock.errors import EngineNotRunningError, MardockError, ServingError
from mardock.handler.comparison import Content, Tolerance, differences, read
from mardock.serving import background
from mardock.tuning.scores import UnfitError

_TOLERANCE = Tolerance(rtol=1e-3, atol=1e-5)  # another batch size sums in another order
_BODIES = 16
_AT_ONCE = 32


class Answers:
    """What the served version says to some bodies.

    Raises:
        ServingError: it says something else the second time, so that nobody could tell a wrong answer.
    """

    def __init__(
        self, client: InferenceClient, model: str, version: str, bodies: Sequence[bytes], content_type: Optional[str]
    ) -> None:
        self._client = client
        self._model = model
        self._bodies = bodies[:_BODIES]
        self._content_type = content_type
        self._expected = [self._ask(version, body) for body in self._bodies]
        for expected, body in zip(self._expected, self._bodies):
            found = differences(expected, self._ask(version, body), _TOLERANCE)
            if found:
                raise ServingError(
                    f"model {model} answers the same request in another way each time, so no setting can be verified",
                    details="\n".join(found[:5]),
                    hint="make the handler's answers depend on the request alone",
                )

    def check(self, version: str, batch_size: int) -> None:
        """Compare a version's answers.

        Raises:
            UnfitError: one differs, or is none.
            EngineNotRunningError: the server is gone.
        """
        count = max(len(self._bodies), min(batch_size, _AT_ONCE))
        chosen = [i % len(self._bodies) for i in range(count)]
        try:
            answers = list(background.each(lambda i: self._ask(version, self._bodies[i]), chosen, at_once=_AT_ONCE))
        except EngineNotRunningError:
            raise
        except MardockError as error:
            raise UnfitError(error.message) from error
        for i, answer in zip(chosen, answers):
            found = differences(self._expected[i], answer, _TOLERANCE)
            if found:
                raise UnfitError(f"it answers otherwise than the served version: {found[0]}")

    def _ask(self, version: str, body: bytes) -> Content:
        found = self._client.predict(self._model, body, version=version, content_type=self._content_type)
        return read(found.body)
