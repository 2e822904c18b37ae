"""Commands that only some deploy targets can carry out: their help names these, when it is asked for."""

from __future__ import annotations

from typer.core import TyperCommand


def needing(capability: type) -> type[TyperCommand]:
    """Return the class of the commands that need a capability, one of `mardock.deploy.capabilities`."""

    class Needing(TyperCommand):
        """Its help ends with the targets, which takes importing them all."""

        @property
        def help(self) -> str:
            """What the command does, and on which targets."""
            from mardock.deploy import targets

            return f"{self._told.rstrip('.')} ({', '.join(targets.having(capability)) or 'no target'})."

        @help.setter
        def help(self, told: str) -> None:
            self._told = told

    return Needing
