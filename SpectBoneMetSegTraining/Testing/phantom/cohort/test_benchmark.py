"""Named benchmarks: reproducible bytes, quotas filled in order, sealed ground truth with logged openings."""

import hashlib
import json
import multiprocessing
import os
import zipfile

import numpy as np
import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import is_locked
from SpectBoneMetSegLib.model.architecture import build_network
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.store import save_model
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegTrainingLib.dataset import sealed
from SpectBoneMetSegTrainingLib.dataset.cases import LESION, cases_of, load_case, read_json
from SpectBoneMetSegTrainingLib.dataset.sealed import check_openings, open_sealed
from SpectBoneMetSegTrainingLib.phantom.cohort import benchmark
from SpectBoneMetSegTrainingLib.phantom.cohort.benchmark import Benchmark, accepted_indices, make_benchmark, tree_digest
from SpectBoneMetSegTrainingLib.phantom.cohort.data_sheet import mimic_kind, site
from SpectBoneMetSegTrainingLib.phantom.scan import simulate as simulate_module
from SpectBoneMetSegTrainingLib.phantom.scan.ground_truth import LesionView
from SpectBoneMetSegTrainingLib.phantom.scan.simulate import SimulatedCase, SimulatedLesion

SHAPE, SPACING, BLOCK = (512, 128), 4.52, 15
SIZES = Benchmark(seed=90, patients=5, pairs=2, development=2, positives=3, negatives=2)


def fake_case(case, seed, *, held_out=False, site="a"):
    """Return a block-shaped body; the index modulo 5 decides whether it is positive, negative, flagged or unusable."""
    kind = ("positive", "positive", "negative", "unseen", "flagged")[seed[1] % 5]
    rng = np.random.default_rng(seed)
    expected = np.full(SHAPE, 0.2, np.float32)
    expected[40:90, 52:76] = 20
    expected[85:260, 25:103] = 20
    expected[260:470, 40:88] = 20
    background, lesions = expected.copy(), ()
    if kind != "negative":
        mask = np.zeros(SHAPE, bool)
        box = slice(130, 130 + BLOCK), slice(60, 60 + BLOCK)
        rows, columns = np.indices((BLOCK, BLOCK))
        profile = (np.exp(-((rows - 7) ** 2 + (columns - 7) ** 2) / 18) / 0.92).astype(np.float32)
        mask[box] = profile >= 0.5
        seen = kind != "unseen"
        shown = LesionView(mask, 4.0 if seen else 0.0, 30.0 if seen else 0.1, seen, box, profile, 5.0 if seen else 1.0)
        lesions = (
            SimulatedLesion(1, "m1", "metastasis", "baseline", "T5", 6.0, {"anterior": shown, "posterior": shown}),
        )
        expected[box] += (80 if seen else 0.1) * profile
    front, behind = (PlanarView(rng.poisson(expected), (SPACING, SPACING), "anterior") for _ in range(2))
    both = ("anterior", "posterior")
    return SimulatedCase(
        WholeBodyScan(case, front, mirror(behind)),
        dict.fromkeys(both, expected),
        dict.fromkeys(both, background),
        lesions,
        ("degenerative L4",),
        {"clavicle_row": 90.0},
        ("cold lesions",) if kind == "flagged" else (),
        parameters={"spacing_mm": SPACING},
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(simulate_module, "simulate_case", fake_case)
    monkeypatch.setitem(benchmark.BENCHMARKS, "tiny", SIZES)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate_module, "simulate_case", fake_case)
        patch.setitem(benchmark.BENCHMARKS, "tiny", SIZES)
        folder = tmp_path_factory.mktemp("benchmark") / "tiny"
        make_benchmark(folder, "tiny")
    return folder


@pytest.fixture
def closed(made, tmp_path):
    """A copy of the sealed part that a test may open and damage."""
    import shutil

    return shutil.copytree(made / "sealed", tmp_path / "sealed")


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_benchmark_has_the_sizes_of_its_name_and_says_so(made):
    about = read_json(made / "benchmark.json")
    assert (about["name"], about["state"], about["data"]) == ("tiny", "complete", "simulated")
    assert about["sizes"] == {"patients": 5, "pairs": 2, "development": 2, "positives": 3, "negatives": 2}
    assert about["sha256"] == {part: tree_digest(made / part) for part in ("train", "development", "sealed")}
    assert len(cases_of(made / "train", "train")) == 5
    assert len(cases_of(made / "development", "test")) == 2
    assert (made / "development" / "background").is_dir()
    assert not (made / "train" / "background").exists()


def test_the_paper_is_the_measure_of_the_full_benchmark():
    full = benchmark.BENCHMARKS["hospital-4"]
    assert (full.patients, 2 * full.pairs) == (362, 112)
    assert full.positives >= 300
    assert full.negatives >= 150


def test_d1_holds_as_many_lesion_images_as_it_says_and_the_pool_everyone_else(made):
    d1 = read_json(made / "train" / "d1.json")
    assert d1["images"] == 4
    assert sorted(d1["labelled"] + d1["unlabelled"]) == cases_of(made / "train", "train")
    images = [
        load_case(made / "train", case).labels[view] for case in d1["labelled"] for view in ("anterior", "posterior")
    ]
    assert sum(bool((label == LESION).any()) for label in images) == 4


def test_too_few_patients_for_d1_are_reported(made):
    with pytest.raises(UserError, match="holds 2 patients with labelled lesions in both views, not the 3"):
        benchmark.choose_d1(made / "train", 3, 0)


def test_the_sealed_test_takes_patients_in_the_order_of_their_index_until_both_quotas_are_full(made):
    # Of every five: positive, positive, negative, unusable, flagged; the second negative has index 7.
    with zipfile.ZipFile(made / "sealed" / "sealed_truth.zip") as packed:
        cases = sorted(
            name.split("/")[1][:-5] for name in packed.namelist() if name.startswith("instances/") and "json" in name
        )
    assert cases == [f"sim0092_{i:05d}" for i in (0, 1, 2, 4, 5, 7)]
    images = {path.name[:13] for path in (made / "sealed" / "imagesTs").iterdir()}
    assert images == set(cases)


@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        (["positive", "negative", "positive"], [0, 1, 2]),
        (["positive", "positive", "positive", "flagged", "negative", "negative"], [0, 1, 3, 4]),
        (["positive", "positive", "other"], None),
        ([], None),
    ],
)
def test_patients_beyond_a_full_quota_stay_out(kinds, wanted):
    sizes = Benchmark(0, 0, 0, 0, positives=2, negatives=1)
    assert accepted_indices(dict(enumerate(kinds)), sizes) == wanted


def test_a_gap_in_what_was_drawn_is_filled_before_anything_is_accepted():
    sizes = Benchmark(0, 0, 0, 0, positives=1, negatives=1)
    assert accepted_indices({0: "positive", 2: "negative"}, sizes) is None


def test_the_truth_of_the_sealed_test_does_not_lie_open(made):
    there = {path.name for path in (made / "sealed").iterdir()}
    assert there == {"imagesTs", "dicom", "dataset.json", "seal.json", "sealed_truth.zip"}
    assert cases_of(made / "sealed", "test") == []


@pytest.mark.slow
def test_another_number_of_processes_gives_the_same_bytes(made, tmp_path):
    if multiprocessing.get_start_method() != "fork":
        pytest.skip("the fake simulator only reaches forked processes")
    make_benchmark(tmp_path / "two", "tiny", workers=2)
    assert contents(tmp_path / "two") == contents(made)


@pytest.mark.parametrize("stop", [4, pytest.param(9, marks=pytest.mark.slow)])
def test_a_resumed_benchmark_gives_the_same_bytes_as_an_uninterrupted_one(made, tmp_path, monkeypatch, stop):
    calls = []

    def breaks(case, seed, *, held_out=False, site="a"):
        calls.append(case)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return fake_case(case, seed, held_out=held_out)

    monkeypatch.setattr(simulate_module, "simulate_case", breaks)
    with pytest.raises(KeyboardInterrupt):
        make_benchmark(tmp_path / "broken", "tiny")
    assert read_json(tmp_path / "broken" / "benchmark.json")["state"] == "unfinished"
    make_benchmark(tmp_path / "broken", "tiny")
    assert len(calls) == len(set(calls)) + 1
    assert contents(tmp_path / "broken") == contents(made)


@pytest.mark.slow
def test_a_benchmark_interrupted_while_it_was_sealed_continues(made, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:

        def full(*_):
            raise OSError(28, "No space left on device")

        patch.setattr(sealed, "write_json", full)
        with pytest.raises(UserError, match="cannot be written"):
            make_benchmark(tmp_path / "broken", "tiny")
    make_benchmark(tmp_path / "broken", "tiny")
    assert contents(tmp_path / "broken") == contents(made)


def test_a_complete_benchmark_is_left_unchanged_and_another_is_refused(made, monkeypatch, tmp_path):
    before = contents(made)
    monkeypatch.setattr(simulate_module, "simulate_case", None)
    assert make_benchmark(made, "tiny")["state"] == "complete"
    with pytest.raises(UserError, match="another benchmark"):
        make_benchmark(made, "hospital-4-small")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not a benchmark"):
        make_benchmark(tmp_path, "tiny")
    assert contents(made) == before


def test_the_data_sheet_says_simulated_and_shows_its_plots(made):
    text = (made / "datasheet.md").read_text()
    assert "Simulated patients and scans, no patient data" in text
    assert "rejected in round 1" in text
    assert "| pixel size (mm) | development | 2 |" in text
    for name in ("people", "scans", "lesions"):
        assert f"(datasheet_{name}.png)" in text
        assert (made / f"datasheet_{name}.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("bone", "wanted"),
    [("right rib 5", "rib"), ("T11", "thoracic spine"), ("L1", "lumbar spine"), ("sacrum", "sacrum")],
)
def test_bones_are_counted_by_region(bone, wanted):
    assert site(bone) == wanted


def test_mimics_are_counted_by_kind():
    assert mimic_kind("old fracture right rib 5") == "old fracture"
    assert mimic_kind("fracture right rib 5") == "fracture"


def test_opening_is_logged_before_the_truth_is_there_and_the_truth_is_gone_after(closed):
    with open_sealed(closed, "to see\nwhether it works", "thorax", "abc") as (opened, opening):
        assert (closed / "openings.jsonl").read_text().count("\n") == 1
        cases = cases_of(opened, "test")
        assert len(cases) == 6
        assert (load_case(opened, cases[0]).labels["anterior"] == LESION).any()
        assert load_case(opened, cases[0], "exact").labels
    assert not opened.exists()
    assert (opening.number, opening.reason, opening.model, opening.model_sha256) == (
        1,
        "to see whether it works",
        "thorax",
        "abc",
    )
    assert opening.time.endswith("+00:00")


def test_openings_form_a_chain(closed):
    for number in range(3):
        with open_sealed(closed, f"reason {number}", "m", "x"):
            pass
    lines = (closed / "openings.jsonl").read_bytes().splitlines()
    records = [json.loads(line) for line in lines]
    assert records[0]["previous"] == read_json(closed / "seal.json")["sha256"]
    for before, after in zip(lines, records[1:], strict=False):
        assert after["previous"] == hashlib.sha256(before).hexdigest()
    assert [opening.reason for opening in check_openings(closed)] == ["reason 0", "reason 1", "reason 2"]


@pytest.mark.parametrize("damage", ["reason", "line", "text"])
def test_a_changed_log_is_detected_and_nothing_more_is_opened(closed, damage):
    for number in range(3):
        with open_sealed(closed, f"reason {number}", "m", "x"):
            pass
    log = closed / "openings.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    changed = {
        "reason": [lines[0].replace("reason 0", "a better one"), *lines[1:]],
        "line": [lines[0], lines[2]],
        "text": [lines[0], "not JSON\n", lines[2]],
    }[damage]
    log.write_text("".join(changed))
    with pytest.raises(UserError, match=r"openings\.jsonl"):
        check_openings(closed)
    with pytest.raises(UserError, match=r"openings\.jsonl"), open_sealed(closed, "again", "m", "x"):
        pass
    assert log.read_text() == "".join(changed)


def test_another_archive_than_the_sealed_one_is_refused(closed):
    with (closed / "sealed_truth.zip").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(UserError, match="not the one that was sealed"), open_sealed(closed, "why", "m", "x"):
        pass
    assert not (closed / "openings.jsonl").exists()


def test_no_opening_goes_without_a_reason(closed):
    with pytest.raises(UserError, match="give the reason"), open_sealed(closed, " \n", "m", "x"):
        pass
    assert not (closed / "openings.jsonl").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser is never refused")
def test_where_the_log_cannot_be_written_nothing_is_opened(closed):
    closed.chmod(0o500)
    with pytest.raises(UserError, match="every opening must be logged"), open_sealed(closed, "why", "m", "x"):
        pass


def test_a_lock_that_a_killed_run_left_does_not_close_the_test_for_ever(closed):
    lock = closed / ".openings.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    with open_sealed(closed, "why", "m", "x") as (_, opening):
        assert opening.number == 1
    assert not is_locked(lock)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    config = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=1)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(build_network(config), config, {"threshold": 0.9, "seed_threshold": 0.9}, folder)
    return str(folder)


def test_evaluating_a_sealed_test_without_a_reason_is_wrong_usage(closed, tiny_model, capsys):
    assert main(["evaluate", "--data", str(closed), "--model", tiny_model]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert '--open-sealed "REASON"' in error
    assert not (closed / "openings.jsonl").exists()


def test_evaluating_a_sealed_test_says_which_opening_it_was(closed, tiny_model, capsys):
    arguments = ["evaluate", "--data", str(closed), "--model", tiny_model, "--open-sealed", "final figures"]
    assert main(arguments) == 0
    assert f"opening no. 1 of {closed}" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["opening"] == 2
    assert figures["cases"] == 5
    assert figures["flagged"]["cold lesions"]["cases"] == 1
    last = check_openings(closed)[-1]
    assert (last.reason, last.model) == ("final figures", "tiny")
    assert len(last.model_sha256) == 64


def test_a_reason_for_a_data_set_that_is_not_sealed_is_wrong_usage(made, tiny_model, capsys):
    arguments = ["evaluate", "--data", str(made / "development"), "--model", tiny_model, "--open-sealed", "why"]
    assert main(arguments) == 2
    assert "is not sealed" in capsys.readouterr().err


def test_a_sealed_test_is_never_trained_on(closed, tmp_path, capsys):
    assert main(["train", "--data", str(closed), "--output", str(tmp_path / "model")]) == 2
    assert "sealed test" in capsys.readouterr().err


@pytest.mark.slow
def test_figures_against_the_exact_truth_are_computed_on_request(made, tiny_model, capsys):
    figures = {}
    for truth in ("agreed", "exact"):
        arguments = ["evaluate", "--data", str(made / "development"), "--model", tiny_model, "--truth", truth]
        assert main([*arguments, "--baselines", "--json"]) == 0
        figures[truth] = json.loads(capsys.readouterr().out)
    assert figures["exact"]["truth"] == "exact"
    assert figures["exact"]["baselines"]["oracle"]["dice"] > figures["agreed"]["baselines"]["oracle"]["dice"] > 0.6


def test_simulate_makes_a_benchmark_by_name(tmp_path, capsys):
    assert main(["simulate", "--benchmark", "tiny", "--output", str(tmp_path / "b"), "--jobs", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "complete"


def test_simulate_prints_how_well_the_readers_agree(tmp_path, capsys):
    arguments = ["simulate", "--patients", "2", "--seed", "5", "--output", str(tmp_path / "s"), "--jobs", "1", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["agreement"]["images"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--benchmark", "tiny", "--patients", "3"], "leave out --patients"),
        (["--benchmark", "tiny", "--no-dicom"], "leave out --no-dicom"),
        (["--benchmark", "huge"], "There is no benchmark huge"),
        (["--patients", "0", "--seed", "1"], "--patients starts at 1"),
        (["--patients", "3", "--seed", "1", "--series", "1.5"], "--series lies between 0 and 1"),
        (["--patients", "3", "--seed", "1", "--test-share", "0.9"], "--test-share lies between"),
        (["--patients", "3", "--seed", "1", "--jobs", "0"], "--jobs starts at 1"),
    ],
)
def test_simulate_says_in_one_sentence_what_is_wrong(tmp_path, capsys, arguments, message):
    assert main(["simulate", *arguments, "--output", str(tmp_path / "x")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x").exists()
