"""Write docs/reference/ and the JSON Schema of mardock.toml from the code: `reference.py`.

What a key means stands once, in the docstring of the dataclass that reads it; what an option does, in its help.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import docstring_parser
from pydantic import TypeAdapter
from typer.main import get_command

from mardock.archive import model_config
from mardock.cli.app import app
from mardock.deploy import targets
from mardock.settings import json_schema
from mardock.settings import schema as settings
from mardock.settings.as_served import KEYS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from scripts import json_shapes  # noqa: E402 - also where this file is run as a program

PAGES = ROOT / "docs" / "reference"
EXIT_CODES: dict[str, list[Any]] = tomllib.loads(Path(__file__).with_name("exit_codes.toml").read_text("utf-8"))
WRITTEN = "<!-- Written by scripts/reference.py from the code: `make format`. -->\n"
KINDS = {"integer": "NUMBER", "int": "NUMBER", "float": "NUMBER", "str": "TEXT"}
MEANINGS = {
    3: "the engine",
    4: "an archive",
    5: "serving",
    6: "a deployment",
    7: "a difference",
    "program": "that of the program it ran",
}


def main() -> None:
    """Write every file anew."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def files() -> dict[Path, str]:
    """Return what is to stand in each file."""
    schema = project_schema()
    return {
        json_schema.FILE: json.dumps(schema, indent=2) + "\n",
        PAGES / "mardock-toml.md": toml_page(schema),
        PAGES / "env.md": env_page(),
        PAGES / "model-config.md": model_config_page(),
        PAGES / "commands.md": commands_page(),
        PAGES / "json.md": WRITTEN + json_shapes.page(),
    }


def project_schema() -> dict[str, Any]:
    """Return the JSON Schema of mardock.toml, the tables of every deploy target in it."""
    whole = described_schema(settings.Settings)
    kinds = whole["$defs"]
    project = {key: value for key, value in whole["properties"].items() if key not in ("root", "machine")}
    project["engine"] = {**kinds["Machine"]["properties"]["engine"]}
    kinds["ArchiveSpec"]["required"].remove("model_name")  # the table's own name where it is not set
    tables = {}
    for name, module in targets.MODULES.items():
        table = described_schema(importlib.import_module(f"{module}.options").Options)
        kinds.update(table.pop("$defs", {}))
        table.pop("required", None)  # the environment may have them
        tables[name] = table
    project["deploy"] = {
        "description": "Where the models are deployed to.",
        "type": "object",
        "properties": tables,
        "additionalProperties": False,
    }
    del kinds["Machine"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": json_schema.URL,
        "title": "mardock.toml",
        "description": "What the models of a project are.",
        "type": "object",
        "additionalProperties": False,
        "properties": project,
        "$defs": kinds,
    }


def described_schema(kind: type) -> dict[str, Any]:
    """Return a dataclass's JSON Schema with what docstrings say of each field, in it and in those it is made of.

    Raises:
        SystemExit: one of its keys is nowhere described.
    """
    schema = TypeAdapter(kind).json_schema()
    told = {each.__name__: each for each in nested(kind)}
    for name, table in [(kind.__name__, schema), *schema.get("$defs", {}).items()]:
        docstring = docstring_parser.parse(told[name].__doc__ or "")
        words = {field.strip(): each.description for each in docstring.params for field in each.arg_name.split(",")}
        closed = {"additionalProperties": False, **table}  # which not every pydantic says of tables in tables
        table.clear()
        table.update(closed, description=docstring.short_description)
        for field, value in table["properties"].items():
            value.pop("title", None)
            drop_none(value)
            if "$ref" not in str(value):
                if not words.get(field):
                    raise SystemExit(f"the docstring of {name} says nothing of {field}")
                value["description"] = " ".join((words[field] or "").split())
    return schema


def nested(kind: type) -> Iterator[type]:
    """Yield a dataclass and all that its fields are made of."""
    yield kind
    for hint in get_type_hints(kind, include_extras=False).values():
        for part in (hint, *get_args(hint)):
            if isinstance(part, type) and is_dataclass(part):
                yield from nested(part)


def drop_none(value: dict[str, Any]) -> None:
    """Take null out of a type: TOML has none; a key that is left out is not set."""
    kinds = [kind for kind in value.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del value["anyOf"]
        value.update(kinds[0])
    if value.get("default", 0) is None:
        del value["default"]


def toml_page(schema: dict[str, Any]) -> str:
    """Return the page of mardock.toml's keys, table by table."""
    kinds = schema["$defs"]
    model = kinds["ModelSettings"]["properties"]
    text = (
        f"{WRITTEN}# mardock.toml\n\n{schema['description']} `mardock schema` prints the JSON Schema this page is of;"
    )
    text += " an editor that knows TOML completes and checks the file by its first line:\n\n"
    text += f"    #:schema {json_schema.URL}\n"
    top = {key: value for key, value in schema["properties"].items() if key not in ("models", "deploy")}
    text += "\n## The top\n\n" + table({key: value for key, value in top.items() if "$ref" not in value}, set())
    for key, value in top.items():
        if "$ref" in value:
            kind = kinds[value["$ref"].rsplit("/", 1)[1]]
            text += f"\n## [{key}]\n\n{kind['description']}\n\n{table(kind['properties'], set())}"
    plain = {key: value for key, value in model.items() if "$ref" not in value}
    text += "\n## [models.NAME]\n\n" + table(plain, set())
    for key, value in model.items():
        if "$ref" in value:
            kind = kinds[value["$ref"].rsplit("/", 1)[1]]
            text += f"\n## [models.NAME.{key}]\n\n{kind['description']}\n\n"
            text += table(kind["properties"], set(kind.get("required", ())))
    for name, kind in schema["properties"]["deploy"]["properties"].items():
        text += f"\n## [deploy.{name}]\n\n{kind['description']}\n\n{table(kind['properties'], set(), kinds)}"
        for key, value in kind["properties"].items():
            if "$ref" in value:
                inner = kinds[value["$ref"].rsplit("/", 1)[1]]
                text += f"\n### [deploy.{name}.{key}]\n\n{inner['description']}\n\n"
                text += table(inner["properties"], set(inner.get("required", ())))
    return text


def table(keys: dict[str, Any], required: set[str], kinds: dict[str, Any] | None = None) -> str:
    """Return a table of keys: each with its type, its default and what it means."""
    rows = ["| key | type | default | what it is |", "|---|---|---|---|"]
    for key, value in keys.items():
        default = "needed" if key in required else f"`{json.dumps(value['default'])}`" if "default" in value else ""
        told = value.get("description", "") or f"see [{key}] below"
        rows.append(f"| `{key}` | {type_of(value)} | {default} | {told} |".replace("  ", " "))
    return "\n".join(rows) + "\n"


def type_of(value: dict[str, Any]) -> str:
    """Return a key's type in words, its bounds beside it."""
    if "enum" in value:
        return ", ".join(f"`{json.dumps(each)}`" for each in value["enum"]).replace("|", "or")
    if "anyOf" in value:
        return " or ".join(map(type_of, value["anyOf"]))
    if value.get("type") == "array":
        return f"list of {type_of(value['items'])}" if "items" in value else "list"
    named = {"integer": "whole number", "boolean": "true or false", "object": "table"}
    kind = value.get("type", "table" if "$ref" in value else "any")
    low, high = value.get("minimum"), value.get("maximum")
    bounds = f" {low} to {high}" if high is not None else f" from {low}" if low is not None else ""
    return f"{named.get(kind, kind)}{bounds}"


def env_page() -> str:
    """Return the page of the variables."""
    properties = described_schema(settings.Machine)["properties"]
    rows = ["| variable | type | default | what it is |", "|---|---|---|---|"]
    for field, variable in settings.ENVIRONMENT_NAMES.items():
        value = properties[field]
        default = f"`{value['default']}`".lower() if isinstance(value.get("default"), bool) else None
        default = default or (f"`{value['default']}`" if "default" in value else "")
        rows.append(f"| `{variable}` | {type_of(value)} | {default} | {value['description']} |")
    compose = ", ".join(f"`{name}`" for name in settings.COMPOSE_ONLY)
    keys = " and ".join(f"`MARDOCK_{name.upper()}_<KEY>`" for name in targets.MODULES)
    return (
        f"{WRITTEN}# .env\n\nWhat the machine is: in `.env` beside mardock.toml, or in the environment, which wins; a"
        " flag wins over both. `.env.example` holds them all, to be copied.\n\n"
        + "\n".join(rows)
        + f"\n\n{compose} are for plain `docker compose` alone: mardock computes them. {keys} stand for the keys of the"
        " `[deploy.*]` tables of [mardock.toml](mardock-toml.md).\n"
    )


def model_config_page() -> str:
    """Return the page of what TorchServe reads in model-config.yaml, and who wins where mardock.toml says it, too."""
    told = tomllib.loads(Path(__file__).with_name("model_config_keys.toml").read_text("utf-8"))
    kinds = dict(model_config.kinds())
    if told.keys() != kinds.keys():
        raise SystemExit(
            f"model_config_keys.toml: not as in archive/model_config.py: {sorted(told.keys() ^ kinds.keys())}"
        )
    here = {theirs: f"`{ours}`" for ours, theirs in KEYS.items()}
    rows = [f"| `{key}` | {kind} | {here.get(key, '')} | {told[key]} |" for key, kind in kinds.items()]
    return (
        f"{WRITTEN}# model-config.yaml\n\nThe file `config_file` names, packed into the archive. TorchServe drops a"
        " value of another type or size with a line in its log; mardock refuses it when archiving, with line and"
        " column, and a key that is nearly one of these. All other keys are the handler's own, e.g. `handler:`.\n\n"
        "Where both say it, the command line wins over model-config.yaml, that over `[models.NAME.serving]` of"
        " mardock.toml, and that over the defaults; a difference is told. TorchServe takes the two time-outs of a model"
        " that has a model-config.yaml from there alone, so those of mardock.toml are archived in it.\n\n"
        "| key | type | in mardock.toml | what it is |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def commands_page() -> str:
    """Return the page of the commands: what each takes, and what it may exit with."""
    text = (
        f"{WRITTEN}# Commands\n\nWithout an error a command exits with 0. Each may exit with 2 (configuration), 8 (an"
        " output that cannot be written), 130 (Ctrl-C), 143 (ended by a signal) and 1 (a bug); what else, it says."
        " What is printed with `--json`, also of an error: [JSON](json.md).\n"
    )
    for name, command in commands(get_command(app), ""):
        summary, _, rest = (command.help or "").strip().partition("\n\n")
        text += f"\n## mardock {name}\n\n{' '.join(summary.split())}\n"
        if rest.strip():
            text += f"\n{' '.join(rest.split())}\n"
        rows = [parameter_row(each) for each in command.params if not getattr(each, "hidden", False)]
        rows = [row for row in rows if row]
        if rows:
            text += "\n| | default | what it is |\n|---|---|---|\n" + "\n".join(rows) + "\n"
        codes = ", ".join(
            f"{code} ({MEANINGS[code]})" if code != "program" else MEANINGS[code] for code in EXIT_CODES[name]
        )
        text += f"\nExits with {codes}.\n" if codes else ""
    return text


def commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each command with its name as it is typed after `mardock`."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if hasattr(command, "commands"):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def parameter_row(parameter: Any) -> str:
    """Return the row of an argument or an option; empty for what all have."""
    if parameter.name == "help":
        return ""
    argument = parameter.param_type_name == "argument"
    metavar = parameter.metavar or parameter.name.upper()
    flag = getattr(parameter, "is_flag", False)
    spelt = metavar if argument else ", ".join((*parameter.opts, *parameter.secondary_opts))
    if not argument and not flag:
        kind = parameter.type.name.split()[0]  # `integer range`
        spelt += f" {parameter.metavar or KINDS.get(kind, kind.upper())}"
    default = parameter.default if not callable(parameter.default) else None
    shown = "" if default in (None, False, (), []) else f"`{default}`"
    told = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
    return f"| `{spelt}` | {shown} | {told} |".replace("|  |", "| |")


if __name__ == "__main__":
    main()
