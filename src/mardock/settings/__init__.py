"""Settings: .env (what the machine is) and mardock.toml (what the models are), checked and frozen."""

from mardock.settings.load import load
from mardock.settings.project import Project
from mardock.settings.root import PROJECT_FILE, find_root
from mardock.settings.schema import EngineChoice, Machine, ModelSettings, Serving, Settings, Training

__all__ = [
    "PROJECT_FILE",
    "EngineChoice",
    "Machine",
    "ModelSettings",
    "Project",
    "Serving",
    "Settings",
    "Training",
    "find_root",
    "load",
]
