"""From Python: the examples of the README run, arrays are read like files, a reading prints in a few lines."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from SpectBoneMetSegLib import Options, Reader, UserError, segment
from SpectBoneMetSegLib.loading.arrays import scan_from_arrays

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "Resources" / "Sample" / "simulated_scan.dcm"


@pytest.mark.parametrize("page", ["README.md", "docs/reading.md"])
def test_the_examples_of_the_pages_run(tmp_path, monkeypatch, capsys, page):
    examples = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)
    assert examples
    (tmp_path / "Resources").symlink_to(ROOT / "Resources")
    monkeypatch.chdir(tmp_path)
    for example in examples:
        exec(compile(example, page, "exec"), {})
    reported = capsys.readouterr().out
    if page == "README.md":
        assert (tmp_path / "results" / "simulated_scan" / "receipt.json").is_file()
    else:
        assert "areas of abnormal uptake in the thorax box" in reported


@pytest.fixture(scope="module")
def reader(tiny):
    return Reader(tiny)


def test_arrays_are_read_like_files(reader, tiny):
    from_file = reader.read(SAMPLE, Options(threshold=0.3))
    views = {name: view.counts for name, view in from_file.scan.views.items()}
    reading = segment(**views, pixel_size_mm=2.26, model=tiny, threshold=0.3)
    assert np.array_equal(reading.mask, from_file.mask)
    assert len(str(reading).splitlines()) <= 12 + len(reading.receipt["warnings"])
    frame = reading.to_dataframe()
    assert len(frame) == len(reading.lesions)
    assert list(frame["ID"]) == [lesion.id for lesion in reading.lesions]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "no view"),
        ({"anterior": np.ones((1024, 256))}, "pixel_size_mm"),
        ({"anterior": np.ones((2, 1024, 256)), "pixel_size_mm": 2.26}, "rows and columns"),
        ({"anterior": "scan.dcm", "pixel_size_mm": 2.26}, "no array"),
        ({"anterior": np.full((1024, 256), np.nan), "pixel_size_mm": 2.26}, "not numbers"),
        ({"anterior": np.ma.masked_less(np.arange(12.0).reshape(4, 3), 5), "pixel_size_mm": 2.26}, "masked pixels"),
        ({"anterior": np.ones((1024, 256), complex), "pixel_size_mm": 2.26}, "no array of numbers"),
        ({"anterior": np.ones((1024, 256)), "pixel_size_mm": True}, "pixel size True"),
        ({"anterior": np.ones((1024, 256)), "pixel_size_mm": 2.26, "threshold": "0.5"}, "threshold 0.5"),
        ({"path": SAMPLE, "anterior": np.ones((1024, 256))}, "not both"),
    ],
)
def test_arrays_that_cannot_be_a_scan_are_refused_in_one_sentence(arrays, words, tiny):
    with pytest.raises(UserError, match=words):
        segment(**arrays, model=tiny)


def test_views_that_seem_exchanged_are_reported_as_doubtful(reader):
    views = reader.read(SAMPLE).scan.views
    swapped = reader.read_arrays(views["posterior"].counts, views["anterior"].counts, Options(pixel_size_mm=2.26))
    assert "exchanged" in str(swapped)
    mirrored = reader.read_arrays(
        views["anterior"].counts, views["posterior"].counts[:, ::-1], Options(pixel_size_mm=2.26)
    )
    assert "mirrored already" in str(mirrored)


def test_views_of_unlike_size_are_read_with_the_warning_that_files_get():
    counts = np.random.default_rng(0).poisson(9, (1024, 256))
    scan = scan_from_arrays(counts, counts[:900], 2.26)
    assert "The two views differ in size: they are matched by the middle of their fields." in scan.warnings
    assert not any("differ in size" in note for note in scan_from_arrays(counts, counts, 2.26).warnings)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
def test_numbers_of_numpy_are_options_and_receipts_hold_plain_ones(kind):
    options = Options(
        pixel_size_mm=kind(2), threshold=np.float32(0.5), minimum_area_mm2=kind(30), crop=list(np.array([0, 9, 0, 9]))
    )
    assert options == Options(pixel_size_mm=2.0, threshold=0.5, minimum_area_mm2=30.0, crop=(0, 9, 0, 9))
    assert json.loads(json.dumps(options.to_dict())) == options.to_dict()
