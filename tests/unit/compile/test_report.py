"""Who wins, what a report keeps, and what is said when it cannot be read or written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.full_disk import one_mebibyte_for

from mardock.compile.candidates import CANDIDATES
from mardock.compile.compilation import with_times
from mardock.compile.report import (
    CANDIDATE_NAMES,
    OTHER_NUMERICS,
    VERIFIED,
    CandidateReport,
    CompileReport,
    chosen,
    read_report,
)
from mardock.compile.saving import save, sha256
from mardock.errors import ArchiveError, ConfigError


def report(*candidates: CandidateReport) -> CompileReport:
    return CompileReport("net", "2.13", "x86_64", 2, 5, ["float32 [1, 4]"], ["sample"], [], candidates)


def candidate(name: str, median_s: float, status: str = VERIFIED, servable: bool = True) -> CandidateReport:
    return CandidateReport(name, status, servable=servable, median_s=median_s, gain=0.5, beyond_noise=True)


def test_the_winner_is_the_fastest_that_answers_alike_and_can_be_served() -> None:
    found = report(
        candidate("script", 3.0),
        candidate("freeze", 2.0),
        candidate("compile", 1.0, servable=False),
        candidate("int8", 0.5, status=OTHER_NUMERICS),
        replace(candidate("trace", 0.1), beyond_noise=False),
    )
    assert found.winner is not None
    assert found.winner.name == "freeze"
    assert report(candidate("compile", 1.0, servable=False)).winner is None


@pytest.mark.parametrize(
    ("own", "beyond_noise"),
    [
        ([[1.0], [1.1], [1.0]], True),
        ([[1.0], [2.1], [1.0]], False),  # slower in one of the rounds
        ([[1.99], [1.99], [1.99]], False),  # always faster, but by half a percent
    ],
)
def test_a_gain_counts_when_it_shows_in_every_round_and_is_worth_it(own: list[list[float]], beyond_noise: bool) -> None:
    timed = with_times(CandidateReport("freeze", VERIFIED), {"eager": [[2.0], [2.0], [2.0]], "freeze": own})
    assert timed.beyond_noise is beyond_noise


def test_times_are_the_median_of_all_rounds_and_the_gain_is_in_calls_per_second() -> None:
    timed = with_times(
        CandidateReport("freeze", VERIFIED), {"eager": [[3.0, 3.0], [3.0, 3.0]], "freeze": [[1.0, 2.0], [2.0, 3.0]]}
    )
    assert (timed.median_s, timed.gain, timed.rounds_s) == (2.0, 0.5, [1.5, 2.5])


def test_names_known_without_torch_are_those_of_the_candidates() -> None:
    assert tuple(CANDIDATES) == CANDIDATE_NAMES


def test_opt_in_candidates_are_tried_when_they_are_named() -> None:
    assert not {"bf16", "bf16_channels_last"} & {*chosen()}
    assert "channels_last" in chosen()
    assert chosen(["trace"], ["bf16"]) == ("eager", "trace", "bf16")
    with pytest.raises(ConfigError, match="no candidate 'fast'"):
        chosen(["fast"])


def test_saved_files_stand_beside_a_report_that_knows_them_and_nothing_older(tmp_path: Path) -> None:
    built = tmp_path / "freeze.pt"
    built.write_bytes(b"weights")
    folder = tmp_path / "root" / "compiled" / "net"
    folder.mkdir(parents=True)
    (folder / "trace.pt").write_bytes(b"of an earlier run")

    save(report(candidate("freeze", 1.0)), [built], folder, tmp_path / "root")

    kept = read_report(folder / "report.json").candidate("freeze")
    assert (kept.file, kept.sha256) == ("compiled/net/freeze.pt", sha256(built))
    assert sorted(path.name for path in folder.iterdir()) == ["freeze.pt", "report.json"]
    assert json.loads((folder / "report.json").read_text())["winner"] == "freeze"


def test_a_full_disk_leaves_what_was_saved_before(tmp_path: Path) -> None:
    folder, built = tmp_path / "compiled" / "net", [tmp_path / "script.pt", tmp_path / "freeze.pt"]
    folder.mkdir(parents=True)
    both = report(candidate("script", 3.0), candidate("freeze", 2.0))
    larger = tmp_path / "larger.pt"
    larger.write_bytes(bytes(2 << 20))
    with one_mebibyte_for(folder):
        for file in built:
            file.write_bytes(b"weights")
        save(both, built, folder, tmp_path)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        larger.replace(built[1])
        with pytest.raises(ArchiveError, match=f"cannot write into {folder}: ") as raised:
            save(both, built, folder, tmp_path)
        assert str(raised.value).endswith(("No space left on device", "File too large"))
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "net").write_text("in the way")
    with pytest.raises(ArchiveError, match="cannot write into"):
        save(report(), [], tmp_path / "net", tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"candidates": [{"name": "script"}]}', '{"candidates": 3}'])
def test_what_is_no_report_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(ConfigError, match="is no report of mardock compile"):
        read_report(tmp_path / "report.json")
