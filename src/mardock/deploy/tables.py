"""The `[deploy.TARGET]` tables of mardock.toml: checked, with what the environment says in their place."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from mardock.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from mardock.deploy.base import Site

Options = TypeVar("Options")


def read(kind: type[Options], site: Site, target: str) -> Options:
    """Return a target's options, an instance of the dataclass `kind`; `MARDOCK_<TARGET>_<KEY>` wins over a key.

    Raises:
        ConfigError: keys are missing, unknown or of the wrong type.
    """
    from pydantic import TypeAdapter, ValidationError

    prefix = f"MARDOCK_{target.upper()}_"
    keys = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    values: dict[str, Any] = {**site.options}
    values.update({key: site.environ[prefix + key.upper()] for key in keys if site.environ.get(prefix + key.upper())})
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        findings = error.errors()
        missing = [_key(finding) for finding in findings if finding["type"] == "missing"]
        if missing:
            names = ", ".join(missing)
            raise ConfigError(
                f"[deploy.{target}] lacks {names}",
                hint=f"set {names} in mardock.toml, or {', '.join(prefix + key.upper() for key in missing)}",
            ) from error
        problem = findings[0]["msg"].replace("Value error, ", "")
        where = f"[deploy.{target}] {_key(findings[0])}".rstrip()
        raise ConfigError(f"{where}: {problem}", hint=f"its keys are: {', '.join(keys)}") from error


def _key(finding: ErrorDetails) -> str:
    return ".".join(str(part) for part in finding["loc"])
