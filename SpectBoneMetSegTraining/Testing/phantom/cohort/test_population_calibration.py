"""Comparison of the simulated population with the percentiles of real patients."""

import csv
import json

import numpy as np
import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.skeleton_regions import OTHER_REGIONS
from SpectBoneMetSegTrainingLib.cli import CalibrateCommand
from SpectBoneMetSegTrainingLib.phantom.cohort import population_calibration
from SpectBoneMetSegTrainingLib.phantom.cohort.calibration import neighbour_noise
from SpectBoneMetSegTrainingLib.phantom.cohort.population_calibration import (
    compare_population,
    hot_lines,
    score_line,
    table_lines,
)
from SpectBoneMetSegTrainingLib.phantom.cohort.population_tables import (
    compare_rows,
    correlation,
    read_population,
    shipped_population,
    site_shares,
    within_tolerance,
)
from SpectBoneMetSegTrainingLib.phantom.cohort.view_statistics import (
    bone_levels,
    elongation,
    lesion_statistics,
    outline_fraction,
    rib_width,
    thigh_level,
    view_statistics,
)

SHAPE = (100, 80)
THORAX = ((0, 60), (0, 80))


def square(rows, columns, value, background):
    image = np.full(SHAPE, background, np.float32)
    image[rows, columns] = value
    return image


@pytest.mark.parametrize("options", [[], ["--contact-sheet"]])
def test_a_folder_that_cannot_be_written_is_named_before_any_patient_is_simulated(options, tmp_path, capsys):
    (tmp_path / "file").touch()
    command = ["calibrate", *options, "--patients", "1000000", "--output", str(tmp_path / "file")]
    assert main(command, {"calibrate": CalibrateCommand}) == 1
    assert "file cannot be written (File exists); choose another output folder" in capsys.readouterr().err


def test_the_shipped_population_has_the_real_patients_rows_and_says_whose_they_are():
    tables = read_population(shipped_population())
    assert tables.percentiles == (5, 25, 50, 75, 95)
    assert tables.pixel_mm == 2.8
    assert "34 patients with metastases of one hospital, not public" in tables.about
    rows = {(row.name, row.view): row.real for row in tables.rows}
    assert rows["area_cm2", "anterior"] == (1.1, 2.4, 3.9, 7.9, 19.7)
    assert rows["bone sternum", "posterior"] == (1.24, 1.32, 1.46, 1.72, 2.40)
    assert ("bone clavicle", "posterior") not in rows
    assert tables.sites["posterior"]["thoracic spine"] == 0.18


@pytest.mark.parametrize("change", [{"rows": {"x": {"title": "x", "anterior": [3, 2, 1]}}}, {"percentiles": "?"}])
def test_a_file_that_is_no_population_is_named(tmp_path, change):
    file = tmp_path / "p.json"
    file.write_text(json.dumps({**json.loads(shipped_population().read_text()), **change}))
    with pytest.raises(UserError, match=r"p\.json is not a population file"):
        read_population(file)
    with pytest.raises(UserError, match=r"none\.json is missing or damaged; name a JSON file in the form of"):
        read_population(tmp_path / "none.json")


def test_a_row_is_off_where_a_percentile_differs_by_more_than_a_fifth():
    tables = read_population(shipped_population())
    real = next(row.real for row in tables.rows if (row.name, row.view) == ("level_counts", "anterior"))
    simulated = np.interp(np.linspace(0, 100, 2001), (0, *tables.percentiles, 100), (real[0], *real, real[-1]))
    same = compare_rows(tables, {("level_counts", "anterior"): simulated.tolist()})[0]
    assert same.off == ()
    assert same.simulated == pytest.approx(real, rel=0.01)
    hot = compare_rows(
        tables, {("level_counts", "anterior"): np.where(simulated > 25, 1.3 * simulated, simulated).tolist()}
    )[0]
    assert hot.off == (75, 95)
    assert compare_rows(tables, {("level_counts", "anterior"): [float("nan")]}) == []


@pytest.mark.parametrize(
    ("simulated", "real", "good"), [(12, 10, True), (12.1, 10, False), (0.4, 0, True), (1.6, 1, False)]
)
def test_a_fifth_is_allowed_and_half_a_lesion(simulated, real, good):
    assert within_tolerance(simulated, real) is good


def test_a_square_lesion_has_the_figures_of_a_square():
    counts = square(slice(20, 30), slice(20, 30), 90, 30)
    regions = square(slice(15, 35), slice(15, 35), 57, 0).astype(np.uint8)
    (found,) = lesion_statistics(counts, counts > 50, regions, 2.8, 15.0, THORAX)
    assert found.area_cm2 == pytest.approx(100 * 0.28**2)
    assert (found.ratio, found.p95) == (pytest.approx(3), pytest.approx(6))
    assert found.elongation == pytest.approx(1)
    assert (found.site, found.thorax) == ("ribs", True)


def test_touching_outlines_are_one_lesion_and_one_below_the_box_is_not_of_the_thorax():
    counts = np.maximum(square(slice(70, 74), slice(20, 24), 90, 30), square(slice(74, 78), slice(24, 28), 90, 30))
    (found,) = lesion_statistics(counts, counts > 50, np.zeros(SHAPE, np.uint8), 2.8, 15.0, THORAX)
    assert (found.site, found.thorax) == ("", False)


def test_a_line_is_elongated_by_its_length():
    assert elongation(np.zeros(12, int), np.arange(12)) == pytest.approx(12)


@pytest.mark.parametrize("level", [0.3, 0.5, 0.7])
def test_an_outline_is_placed_between_surroundings_and_top(level):
    rows, columns = np.indices(SHAPE)
    counts = (20 + 100 * np.exp(-((rows - 50) ** 2 + (columns - 40) ** 2) / 128)).astype(np.float32)
    mask = counts >= 20 + level * 100
    ring = ((rows - 50) ** 2 + (columns - 40) ** 2 < 30**2) & ~mask
    assert outline_fraction(counts, mask, ring) == pytest.approx(level, abs=0.06)


def test_a_bones_level_leaves_lesions_and_their_surroundings_out():
    regions = square(slice(10, 60), slice(10, 40), 6, 0).astype(np.uint8)
    counts, outlines = np.full(SHAPE, 30, np.float32), np.zeros(SHAPE, bool)
    outlines[20:26, 20:26] = True
    counts[17:29, 17:29] = 300
    assert bone_levels(counts, outlines, regions)["pelvis"] == pytest.approx(30)
    assert np.isnan(bone_levels(counts, outlines, regions)["skull"])


def test_the_soft_tissue_of_the_thigh_lies_next_to_the_femur():
    regions = square(slice(20, 90), slice(36, 44), 10, 0).astype(np.uint8)
    counts = square(slice(10, 100), slice(20, 60), 8, 0)
    counts[regions > 0] = 40
    assert thigh_level(counts, regions) == pytest.approx(8, rel=0.05)
    assert np.isnan(thigh_level(counts, np.zeros(SHAPE, np.uint8)))
    assert np.isnan(rib_width(regions))


def test_all_rows_of_the_tables_are_measured(patient):
    regions = patient.regions["anterior"]
    found = view_statistics(patient.scan.anterior.counts, np.zeros(regions.shape, bool), regions, 9.04)
    names = {row.name for row in read_population(shipped_population()).rows}
    assert names <= set(found.values) | set(population_calibration.LESION_ROWS)
    assert found.values["lesions"] == 0


def test_the_hottest_pixels_are_named_by_their_region_and_by_the_outlines_on_them(patient):
    counts = patient.scan.anterior.counts.copy()
    regions, none = patient.regions["anterior"], np.zeros(counts.shape, bool)
    bladder = regions == OTHER_REGIONS["bladder"]
    counts[bladder] = counts.max() * 2
    full = view_statistics(counts, none, regions, 9.04)
    outlined = view_statistics(counts, bladder, regions, 9.04)
    assert (full.maximum_site, outlined.maximum_site) == ("bladder", "lesion")
    assert full.hot_thorax["lesion"] == 0
    assert sum(full.hot_thorax.values()) == pytest.approx(1)
    lines = hot_lines(compare_population(read_population(shipped_population()), [{"anterior": full}] * 3))
    assert lines[0] == "hottest pixel, anterior: bladder 100%"
    assert lines[1].startswith("hottest hundredth of the thorax, anterior: 0% in lesions; ")


def test_shares_and_correlation():
    assert site_shares(["ribs", "ribs", "", "pelvis"]) == {"ribs": pytest.approx(2 / 3), "pelvis": pytest.approx(1 / 3)}
    assert correlation([1, 2, 3, float("nan")], [2, 4, 9, 1]) == pytest.approx(1)
    assert np.isnan(correlation([1, 2], [1, 2]))


def test_the_command_writes_tables_and_pictures_and_prints_what_is_off(patient, tmp_path, monkeypatch, capsys):
    shape = patient.scan.anterior.shape
    hot = patient.scan.anterior.counts > np.percentile(patient.scan.anterior.counts, 99.7)
    one = {
        view: view_statistics(patient.scan.anterior.counts, hot & np.ones(shape, bool), patient.regions[view], 9.04)
        for view in ("anterior", "posterior")
    }
    monkeypatch.setattr(population_calibration, "measure_patient", lambda seed, spacing: one)
    arguments = ["calibrate", "--patients", "4", "--jobs", "1", "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "not public" in out
    assert "off at P" in out
    assert "hottest pixel, anterior: lesion 100%" in out
    assert "rows within 20 %" in out
    rows = list(csv.DictReader((tmp_path / "out" / "population.csv").open()))
    assert len(rows) > 40
    for picture in ("population.png", "joint.png"):
        assert (tmp_path / "out" / picture).stat().st_size > 10_000
    result = compare_population(read_population(shipped_population()), [one] * 3)
    assert len(table_lines(result)) == len(rows)
    assert score_line(result).endswith("percentiles")


def test_a_population_and_a_scan_together_are_wrong_usage(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        main(["calibrate", "--population", "a", "--scan", "b", "--output", str(tmp_path)])
    assert stopped.value.code == 2
    assert main(["calibrate", "--patients", "1", "--output", str(tmp_path)]) == 2


def test_noise_of_counts_is_one_and_that_of_filtered_counts_less():
    from scipy import ndimage

    counts = np.random.default_rng(0).poisson(np.full((200, 200), 30)).astype(np.float32)
    assert neighbour_noise(counts) == pytest.approx(1, abs=0.05)
    assert neighbour_noise(ndimage.gaussian_filter(counts, 1.0)) < 0.3
