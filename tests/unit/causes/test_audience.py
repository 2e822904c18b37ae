"""A failure names the files that are edited, wherever the model was served from, and what is done after the edit."""

from __future__ import annotations

import pytest

from mardock.causes import sentences
from mardock.causes.audience import Audience, Then
from mardock.causes.failures import of_traceback

SOURCES = {"handler.py": "torchserve/digits/handler.py", "net.py": "src/net.py"}
STORE = "/home/model-server/model-store"
DEBUGGED = f"{STORE}/.digits-debug/sources"
FOLDERS = [
    "/tmp/models/0123456789abcdef0123456789abcdef",
    "/my project/artifacts/.digits-1.0-w0002",
    f"{STORE}/.digits-1.0-w0002",
    f"{STORE}/.digits-1.0-i0011",
    f"{STORE}/.digits-1.0-t01",
    f"{STORE}/.digits-1.0-next",
    f"{STORE}/.digits-0123456789ab",
]


def printed(exception: str, *files: str) -> str:
    frames = [f'  File "{file}", line {line}, in f\n    x' for line, file in enumerate(files, 3)]
    return "\n".join(["Traceback (most recent call last):", *frames, exception])


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_version_s_files_are_the_project_s_in_every_part(folder: str) -> None:
    audience = Audience(SOURCES, then=Then.SAVE)
    text = printed(f"ImportError: no name 'x' in 'net' ({folder}/net.py)", f"{folder}/handler.py")
    assert sentences.failed("model digits", of_traceback(text, audience), audience) == (
        "model digits: ImportError: no name 'x' in 'net' (src/net.py) (torchserve/digits/handler.py:3 in f)",
        "torchserve/digits/handler.py:3 in f\n    x\nImportError: no name 'x' in 'net' (src/net.py)",
        "mend torchserve/digits/handler.py and save it",
    )


@pytest.mark.parametrize("own", ["mardock_reloading.py", "mardock_debug.py"])
@pytest.mark.parametrize("sources", [SOURCES, {}])
def test_mardock_s_own_handlers_are_left_out_like_torchserve_s(own: str, sources: dict[str, str]) -> None:
    folder = f"{STORE}/.digits-1.0-i0001"
    text = printed("KeyError: 'x'", "/x/site-packages/ts/service.py", f"{folder}/{own}", f"{folder}/handler.py")
    cause = of_traceback(text, Audience(sources))
    assert sentences.details(cause) == f"{sources.get('handler.py', 'handler.py')}:5 in f\n    x\nKeyError: 'x'"


@pytest.mark.parametrize("root", ["/my project", DEBUGGED])
def test_files_that_are_run_where_they_are_or_from_a_mirror_are_the_project_s(root: str) -> None:
    debugpy = f"{root.partition('/.')[0]}/.digits-debug/debugpy/server.py"
    text = printed(f"OSError: {root}/src/net.py", debugpy, f"{root}/torchserve/digits/handler.py")
    audience = Audience(SOURCES, root, Then.DEBUG)
    assert sentences.failed("model digits", of_traceback(text, audience), audience) == (
        "model digits: OSError: src/net.py (torchserve/digits/handler.py:4 in f)",
        "torchserve/digits/handler.py:4 in f\n    x\nOSError: src/net.py",
        "mend torchserve/digits/handler.py, then debug it again",
    )


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("see /etc/hosts and /tmp/.digits-1.0-w0001/net.py:7", "see /etc/hosts and src/net.py:7"),
        ("'/a b/.digits-1.0-w0001/net.py' is not '/c d/.digits-1.0-w0002/net.py'", "'src/net.py' is not 'src/net.py'"),
        ("in /tmp/.digits-1.0-w0001/net.py.", "in src/net.py."),
        ("/tmp/.digits-1.0-w0001/net.pyc", "/tmp/.digits-1.0-w0001/net.pyc"),
        ("/tmp/.digits-1.0-w0001/sub/net.py", "/tmp/.digits-1.0-w0001/sub/net.py"),
        ("/tmp/other/net.py", "/tmp/other/net.py"),
    ],
)
def test_only_whole_paths_of_known_files_are_replaced_in_what_an_exception_says(raw: str, told: str) -> None:
    assert Audience(SOURCES).text(f"ValueError: {raw}") == f"ValueError: {told}"


@pytest.mark.parametrize(
    ("then", "hint"),
    [
        (Then.REGISTER, "mend handler.py, then archive and register it again"),
        (Then.SAVE, "mend handler.py and save it"),
        (Then.REHEARSE, "mend handler.py, then archive and rehearse again"),
        (None, None),
    ],
)
def test_what_follows_the_edit_is_the_audience_s(then: Then, hint: str) -> None:
    audience = Audience(then=then)
    assert (
        sentences.hint(of_traceback(printed("KeyError: 'x'", f"{FOLDERS[0]}/handler.py"), audience), audience) == hint
    )
