"""`archive --compiled`: which candidate is packed, and what is refused; what `compile` shows and refuses."""

from __future__ import annotations

import json
import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import pytest
from tests.support.full_disk import one_mebibyte_for
from tests.unit.cli.conftest import Run

from mardock.cli.show import compile_report
from mardock.compile.report import DIVERGES, FAILED, OTHER_NUMERICS, VERIFIED, CandidateReport, CompileReport
from mardock.compile.saving import save, sha256

CONFIG = "# how it is served\nresponseTimeout: 30\n"


class Kept:
    """A project with one model, `net`, and what was compiled of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("artifacts/built", "src"):
            (root / name).mkdir(parents=True)
        for name, text in (
            ("src/net.py", "class Net: pass\n"),
            ("artifacts/net.pt", "weights"),
            ("handler.py", "def handle(data, context): return data\n"),
            ("config.yaml", CONFIG),
            ("mardock.toml", MARDOCK),
        ):
            (root / name).write_text(text)

    def keep(self, *candidates: CandidateReport, saved: Optional[list[str]] = None) -> None:
        """Save these candidates, or only some of them."""
        files = []
        for candidate in candidates:
            path = self.root / "artifacts" / "built" / f"{candidate.name}.{'so' if candidate.name == 'aoti' else 'pt'}"
            path.write_text(candidate.name)
            if saved is None or candidate.name in saved:
                files.append(path)
        sources = {name: sha256(self.root / name) for name in ("src/net.py", "artifacts/net.pt")}
        report = CompileReport("net", "2.13", "x86_64", 2, 5, [], [], [], candidates, sources)
        save(report, files, self.root / "artifacts" / "compiled" / "net", self.root)

    def packed(self) -> tuple[str, dict[str, str]]:
        """What the archive's manifest calls the weights, and its members."""
        with zipfile.ZipFile(self.root / "artifacts" / "net.mar") as archive:
            members = {name: archive.read(name).decode() for name in archive.namelist()}
        return json.loads(members["MAR-INF/MANIFEST.json"])["model"]["serializedFile"], members


MARDOCK = """
engine = "native"
[models.net.archive]
model_file = "src/net.py"
serialized_file = "artifacts/net.pt"
handler = "handler.py"
config_file = "config.yaml"
"""
SCRIPT = CandidateReport("script", VERIFIED, servable=True, median_s=3.0, gain=0.1, beyond_noise=True)
FREEZE = replace(SCRIPT, name="freeze", median_s=2.0)
INT8 = replace(SCRIPT, name="int8", status=OTHER_NUMERICS, median_s=1.0)
TRACE = CandidateReport("trace", DIVERGES, "negated: its output differs by up to 3", max_difference=3.0, servable=True)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.chdir(tmp_path)
    return Kept(tmp_path)


@pytest.mark.parametrize(
    ("words", "packed"),
    [
        (["net", "--compiled"], "freeze.pt"),
        (["--compiled", "net"], "freeze.pt"),
        (["--compiled", "--force"], "freeze.pt"),
        (["--compiled", "script"], "script.pt"),
        (["net", "--compiled", "int8"], "int8.pt"),
        (["net"], "net.pt"),
    ],
)
def test_the_fastest_that_answers_alike_is_packed_unless_one_is_named(
    words: list[str], packed: str, kept: Kept, run: Run
) -> None:
    kept.keep(SCRIPT, FREEZE, INT8)
    assert run("archive", *words).exit_code == 0
    name, members = kept.packed()
    assert name == packed
    assert ("report.json" in members) is (packed != "net.pt")
    assert ("net.py" in members) is (packed == "net.pt")


@pytest.mark.parametrize("words", [["net", "--compiled", "freze"], ["--compiled", "freze", "net"]])
def test_a_candidate_that_does_not_exist_is_named_with_those_that_do(words: list[str], kept: Kept, run: Run) -> None:
    kept.keep(SCRIPT, FREEZE)
    refused = run("archive", *words)
    assert refused.exit_code == 2
    told = " ".join(refused.stderr.replace("│", "").split())
    assert "Invalid value for --compiled: there is no candidate freze; one of eager, script, trace," in told


def test_the_one_that_was_kept_by_name_needs_no_name(kept: Kept, run: Run) -> None:
    kept.keep(SCRIPT, FREEZE, saved=["script"])
    assert run("archive", "--compiled").exit_code == 0
    assert kept.packed()[0] == "script.pt"


def test_inspect_tells_what_the_report_says_of_the_packed_candidate(kept: Kept, run: Run) -> None:
    kept.keep(SCRIPT, FREEZE)
    assert run("archive", "net", "--compiled", "script").exit_code == 0
    assert "  compiled: script, verified, +10% calls per second; torch 2.13, x86_64, threads: 2\n" in (
        run("inspect", "artifacts/net.mar").stdout
    )
    told = json.loads(run("inspect", "artifacts/net.mar", "--json").stdout)["compiled"]
    assert (told["candidate"], told["gain"], told["torch"]) == ("script", 0.1, "2.13")


@pytest.mark.parametrize("text", ["{}", "no JSON", "\xff"])
def test_another_report_in_an_archive_is_not_taken_for_one_of_compile(text: str, kept: Kept, run: Run) -> None:
    (kept.root / "report.json").write_text(text, encoding="latin-1")
    (kept.root / "mardock.toml").write_text(MARDOCK + 'extra_files = ["report.json"]\n')
    assert run("archive", "net").exit_code == 0
    assert json.loads(run("inspect", "artifacts/net.mar", "--json").stdout)["compiled"] is None


def test_a_library_brings_what_makes_torchserve_load_it(kept: Kept, run: Run) -> None:
    kept.keep(replace(SCRIPT, name="aoti"))
    assert run("archive", "--compiled").exit_code == 0
    name, members = kept.packed()
    assert name == "aoti.so"
    assert members["model-config.yaml"] == f"{CONFIG}pt2:\n  export:\n    aot_compile: true\n"


def _nothing(kept: Kept) -> None:
    pass


def _new_code(kept: Kept) -> None:
    kept.keep(SCRIPT)
    (kept.root / "src" / "net.py").write_text("class Net: other = True\n")


def _no_weights(kept: Kept) -> None:
    kept.keep(SCRIPT)
    (kept.root / "artifacts" / "net.pt").unlink()


def _touched(kept: Kept) -> None:
    kept.keep(SCRIPT)
    (kept.root / "artifacts" / "compiled" / "net" / "script.pt").write_text("by hand")


def _lost(kept: Kept) -> None:
    kept.keep(SCRIPT)
    (kept.root / "artifacts" / "compiled" / "net" / "script.pt").unlink()


def _own_pt2(kept: Kept) -> None:
    kept.keep(replace(SCRIPT, name="aoti"))
    (kept.root / "config.yaml").write_text("pt2: {compile: {enable: true}}\n")


@pytest.mark.parametrize(
    ("prepare", "words", "said"),
    [
        (_nothing, [], "net was not compiled yet"),
        (_new_code, [], "net was compiled from other weights or code than there are now"),
        (_no_weights, [], "cannot read"),
        (_touched, [], "script.pt is not the file that was verified"),
        (_lost, [], "cannot read"),
        (_own_pt2, [], "config.yaml has settings under pt2 already"),
        (lambda kept: kept.keep(TRACE), ["trace"], "trace is not packed: diverges: negated: .* largest difference 3"),
        (lambda kept: kept.keep(SCRIPT), ["bf16"], "the report of net has no candidate 'bf16'"),
        (lambda kept: kept.keep(SCRIPT, saved=[]), ["script"], "script was not saved"),
        (lambda kept: kept.keep(SCRIPT, saved=[]), [], "nothing that can be served was faster than eager"),
        (lambda kept: kept.keep(INT8), [], "nothing that can be served was faster than eager"),
    ],
)
def test_what_is_refused_leaves_no_archive(prepare: Any, words: list[str], said: str, kept: Kept, run: Run) -> None:
    prepare(kept)
    refused = run("archive", "net", "--compiled", *words)
    assert refused.exit_code == 2
    assert re.search(f"error: .*{said}", refused.stderr)
    assert "hint: " in refused.stderr
    assert not (kept.root / "artifacts" / "net.mar").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["net", "--input-shape", "1x4", "--save", "compile"], "TorchServe loads no file of compile"),
        (["--module", "net:Net"], "there is no sample input for Net"),
        (["net"], "there is no sample input for net"),
        (["net", "--only", "fast"], "there is no candidate 'fast'"),
    ],
)
def test_what_cannot_be_compiled_says_so_before_any_work(words: list[str], said: str, kept: Kept, run: Run) -> None:
    refused = run("compile", *words)
    assert (refused.exit_code, f"error: {said}" in refused.stderr) == (2, True)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can mount a small disk, and files linked on one disk need no room"
)
def test_a_full_disk_is_one_error(kept: Kept, run: Run) -> None:
    (kept.root / "artifacts" / "net.pt").write_bytes(bytes(2 << 20))
    (kept.root / ".mardock").mkdir()
    with one_mebibyte_for(kept.root / ".mardock"):
        refused = run("compile", "net", "--input-shape", "1x4")
    assert refused.exit_code == 4
    assert re.search(r"error: cannot compile net in .*: (No space left on device|File too large)", refused.stderr)


SHOWN = CompileReport(
    "net",
    "2.13",
    "x86_64",
    2,
    5,
    ["float32 [1, 4]"],
    ["sample", "negated"],
    ["larger"],
    [
        CandidateReport("eager", VERIFIED, median_s=0.002, iqr_s=0.0001, tolerance="rtol 0.001"),
        CandidateReport("script", FAILED, "no source (net.py:3)"),
        replace(FREEZE, max_difference=1.9, relative_difference=2e-6, where=".logits", tolerance="rtol 0.001"),
        replace(INT8, gain=0.3, beyond_noise=False, tolerance="5%"),
        replace(FREEZE, name="trace", iqr_s=1.5),
    ],
    warnings=["eager itself answers NaN to: negated"],
)


def test_the_table_says_how_each_candidate_did_and_what_is_wrong_with_the_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compile_report.show(SHOWN, as_json=False)
    printed = capsys.readouterr()
    rows = {line.split("  ")[0]: line for line in printed.out.splitlines()}
    assert "no source (net.py:3)" in rows["script"]
    assert {"+10%", "1.9 in .logits", "2e-06"} <= set(re.split(r"\s{2,}", rows["freeze"]))
    assert "no gain beyond noise" in rows["int8"]
    assert "within rtol 0.001; other numerics 5%" in printed.out
    assert "left out, as eager does not take them: larger" in printed.out
    assert "net: eager itself answers NaN to: negated" in printed.err
    assert "the times of trace vary by more than half" in printed.err
    assert "net cannot be scripted; its trace answers as eager does" in printed.err
