"""Threshold baselines, and calibration of the simulator against a real scan."""

import csv

import numpy as np
import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.evaluation.baselines.simple import baselines, times_median
from SpectBoneMetSegTrainingLib.phantom.cohort import calibrate as calibrate_module
from SpectBoneMetSegTrainingLib.phantom.cohort.calibration import compare_scan, match_line, scan_statistics
from SpectBoneMetSegTrainingLib.phantom.scan.simulate import simulate_case


def disc(hot=200.0):
    rows, columns = np.mgrid[:96, :96]
    image = np.where((rows - 48) ** 2 + (columns - 48) ** 2 < 40**2, 20.0, 0.2)
    image[40:52, 40:52] = hot
    return np.random.default_rng(0).poisson(image).astype(np.float32)


@pytest.mark.parametrize("name", baselines())
def test_every_baseline_segments_a_lone_hot_square_and_not_the_air(name):
    mask = baselines()[name](disc())
    assert mask[44:48, 44:48].all()
    assert not mask[:5].any()


def test_a_higher_factor_segments_less():
    counts = disc(60.0)
    assert times_median(4.0)(counts).sum() < times_median(1.5)(counts).sum()


@pytest.fixture(scope="module")
def figures(patient):
    counts = patient.scan.anterior.counts
    return scan_statistics(counts, patient.scan.anterior.spacing[0])


def test_a_scan_against_itself_is_covered_and_matches(figures):
    rows = compare_scan(figures, [figures] * 3)
    assert all(row["covered"] for row in rows)
    assert {row["best match / real"] for row in rows} == {1.0}


def test_twice_the_counts_are_twice_every_region(patient, figures):
    counts = patient.scan.anterior.counts
    doubled = scan_statistics(counts, patient.scan.anterior.spacing[0], 2 * float(counts.sum()))
    for name, level in figures.regions.items():
        assert doubled.regions[name] == pytest.approx(2 * level)
    assert doubled.contrast == pytest.approx(figures.contrast)


def test_levels_do_not_depend_on_the_size_of_the_pixels():
    # Without metastases: a hot spot on the border of a region is inside or outside by half a pixel.
    view = simulate_case("healthy", 11, positive=False, shape=(256, 64), spacing=9.04).scan.anterior
    figures = scan_statistics(view.counts, view.spacing[0])
    halved = np.repeat(np.repeat(view.counts / 4, 2, axis=0), 2, axis=1)
    fine = scan_statistics(halved, view.spacing[0] / 2)
    for name, level in figures.regions.items():
        assert fine.regions[name] == pytest.approx(level, rel=0.25), name
    assert fine.contrast == pytest.approx(figures.contrast, rel=0.05)
    for name, line in figures.profiles.items():
        assert fine.profiles[name].shape == line.shape
        assert np.corrcoef(fine.profiles[name], line)[0, 1] > 0.9


def test_the_spectrum_ends_where_the_pixels_do(patient, figures):
    # Pixels of 9.04 mm resolve a quarter of what the reference pixel does.
    assert np.isfinite(figures.spectrum[1:16]).all()
    assert np.isnan(figures.spectrum[16:]).all()


def test_the_match_counts_the_regions_within_the_factor(figures):
    rows = compare_scan(figures, [figures] * 3)
    assert match_line(rows) == "best match within factor 1.5: yes (9 of 9 regions)"
    rows[0]["best match / real"], rows[1]["best match / real"] = 1.6, 0.6
    assert match_line(rows) == "best match within factor 1.5: no (7 of 9 regions)"


def test_an_image_without_a_body_is_refused():
    with pytest.raises(UserError, match="shoulders"):
        scan_statistics(np.zeros((256, 64), np.float32), 9.04)


def test_the_calibrate_command_writes_table_and_pictures(patient, tmp_path, monkeypatch, capsys):
    view = patient.scan.anterior
    fake = (scan_statistics(view.counts, view.spacing[0], 1e6), view.counts, view.spacing[0])
    unusable = iter([None, None])

    class OneProcess:
        def __init__(self, _jobs):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def map(self, _function, seeds, _totals):
            return [next(unusable, fake) for _ in seeds]

    class Scan:
        anterior = view

    monkeypatch.setattr(calibrate_module, "patient_pool", OneProcess)
    monkeypatch.setattr(calibrate_module, "read_scan", lambda _path: Scan)
    assert main(["calibrate", "--scan", "any.dcm", "--patients", "3", "--output", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "n = 1" in out
    assert "best match within factor 1.5" in out
    rows = list(csv.DictReader((tmp_path / "out" / "calibration.csv").open()))
    assert any(row["figure"].startswith("sternum") for row in rows)
    for picture in ("calibration.png", "contact_sheet.png"):
        assert (tmp_path / "out" / picture).stat().st_size > 10_000
