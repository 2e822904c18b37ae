"""Registering models truthfully: what is served is known, READY means ready, a failure says why and leaves nothing."""

from mardock.registration.candidate import Candidate
from mardock.registration.diagnosis import LogPosition, explain
from mardock.registration.job import Registered
from mardock.registration.register import register, register_all, unregister
from mardock.registration.unpacked import is_laid_out, latest, lay_out

__all__ = [
    "Candidate",
    "LogPosition",
    "Registered",
    "explain",
    "is_laid_out",
    "latest",
    "lay_out",
    "register",
    "register_all",
    "unregister",
]
