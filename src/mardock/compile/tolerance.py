"""How near another form's answers have to be to eager's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """How far a number may be from eager's: `absolute * max(1, largest) + relative * |eager's| + share * largest`.

    What sums to nearly nothing keeps the rounding errors of its large parts, so the absolute tolerance grows with
    the largest value of the output.

    Attributes:
        ranks: whether the best five of each row of scores have to stand in the same order too.
    """

    relative: float = 1e-3
    absolute: float = 1e-5
    share: float = 0.0
    ranks: bool = True

    def __str__(self) -> str:
        if self.share:
            return f"{self.share:.0%} of the output's largest value"
        return f"rtol {self.relative:g}, atol {self.absolute:g} of the output's largest value"


LOOSE = Tolerance(relative=0.0, absolute=1e-3, share=0.05, ranks=False)
"""For candidates that compute with other numbers, such as int8; those within it are never packed unless named."""
