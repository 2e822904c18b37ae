"""Models served truthfully: what is served is known, READY means ready, a failure says why and leaves nothing."""

from mardock.serving.configured_threads import threads_configured
from mardock.serving.diagnosis import LogPosition, explain
from mardock.serving.registration import Registered, register, register_all
from mardock.serving.removal import unregister
from mardock.serving.servable import Servable
from mardock.serving.server import Server
from mardock.serving.sweep import clear
from mardock.serving.unpacked import is_laid_out, latest, lay_out

__all__ = [
    "LogPosition",
    "Registered",
    "Servable",
    "Server",
    "clear",
    "explain",
    "is_laid_out",
    "latest",
    "lay_out",
    "register",
    "register_all",
    "threads_configured",
    "unregister",
]
