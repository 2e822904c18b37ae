"""Options that name a compiled candidate, or mean the winner when nothing is named after them."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

_OPTIONS = ("--save", "--compiled")


class NamesCandidate(TyperCommand):
    """A command with such an option; a word after it that is no candidate belongs to the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the winner where a name was left out."""
        if not any(option in args for option in _OPTIONS):
            return super().parse_args(ctx, args)
        from mardock.compile.report import ALL, CANDIDATE_NAMES, WINNER

        filled: list[str] = []
        behind: list[tuple[str, str]] = []
        for argument, following in zip(args, [*args[1:], ""]):
            filled.append(argument)
            if argument in _OPTIONS and following not in (WINNER, ALL, *CANDIDATE_NAMES):
                filled.append(WINNER)
                if following and not following.startswith("-"):
                    behind.append((argument, following))
        ctx.allow_extra_args = bool(behind)
        rest = super().parse_args(ctx, filled)
        if rest:  # a word too many: the one behind the option was meant for it
            option, word = behind[0]
            known = ", ".join(CANDIDATE_NAMES)
            raise typer.BadParameter(f"there is no candidate {word}; one of {known}", param_hint=option)
        return rest
