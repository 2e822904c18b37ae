"""An error in other words is the same error, and one nobody catches says all it knows."""

from __future__ import annotations

import sys
import traceback

import pytest

from mardock.errors import ConfigError, ModelConflictError, Reason


def test_what_is_not_given_stays() -> None:
    error = ModelConflictError("no", status=409, kind="K", reason=Reason.KILLED, details="one", hint="do")
    changed = error.but(message="still no", more="two")
    assert type(changed) is ModelConflictError
    assert (changed.status, changed.kind, changed.reason, changed.hint) == (409, "K", Reason.KILLED, "do")
    assert (changed.message, str(changed), changed.details) == ("still no", "still no", "one\ntwo")
    assert (error.message, error.details) == ("no", "one")


def test_further_details_may_be_the_first_and_no_details_stay_none() -> None:
    error = ConfigError("no")
    assert error.but(details="new", hint="do").details == "new"
    assert error.but(more="only").details == "only"
    assert error.but(hint="do").details is None


def test_what_caused_it_and_where_it_was_raised_are_kept() -> None:
    try:
        raise ConfigError("no") from KeyError("x")
    except ConfigError as error:
        changed, where = error.but(hint="do"), error.__traceback__
    assert changed.__traceback__ is where
    assert isinstance(changed.__cause__, KeyError)
    assert changed.__suppress_context__


def test_one_that_nothing_caused_shows_its_context() -> None:
    try:
        try:
            raise KeyError("x")
        except KeyError:
            raise ConfigError("no")  # noqa: B904 - what it is raised in is the point
    except ConfigError as error:
        changed = error.but(hint="do")
    assert isinstance(changed.__context__, KeyError)
    assert not changed.__suppress_context__


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have notes from Python 3.11 on")
def test_an_error_nobody_caught_shows_its_details_and_its_hint() -> None:
    error = ConfigError("no weights", details="line 3", hint="train it").but(hint="mardock train cats")
    assert "".join(traceback.format_exception_only(error)).splitlines() == [
        "mardock.errors.ConfigError: no weights",
        "line 3",
        "hint: mardock train cats",
    ]
