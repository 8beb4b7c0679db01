"""Contact sheets: groups of patients, and the content of a panel."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.phantom.cohort import contact_sheet
from SpectBoneMetSegTrainingLib.phantom.cohort.contact_sheet import (
    BLACK,
    GROUPS,
    SheetView,
    draw_contact_sheets,
    plot_sheet,
)
from SpectBoneMetSegTrainingLib.phantom.disease import patient as patient_module


def patient(pattern, *radii):
    lesions = [SimpleNamespace(focus=SimpleNamespace(form=SimpleNamespace(radius=radius))) for radius in radii]
    return SimpleNamespace(pattern=pattern, metastases=lesions)


@pytest.mark.parametrize(
    ("one", "group"),
    [
        (patient("patchy", 0.0, 30.0), "diffuse"),
        (patient("foci", 8.0, 30.0), "large"),
        (patient("foci", 8.0), None),
        (patient(""), "without"),
    ],
)
def test_a_patient_is_on_one_sheet_at_most(one, group):
    assert [name for name, belongs in GROUPS.items() if belongs(one)] == ([group] if group else [])


@pytest.fixture
def body():
    counts = np.zeros((60, 40), np.float32)
    counts[5:55, 10:30] = 10
    counts[20:26, 15:21] = 90
    outlines = np.zeros(counts.shape, bool)
    outlines[20:26, 15:21] = True
    return SheetView(counts, outlines)


def test_dark_is_hot_and_outlines_are_in_the_lower_row_only(body, tmp_path):
    plot_sheet([[body, body], [body]], tmp_path / "sheet.png")
    picture = imread(tmp_path / "sheet.png")[..., :3]
    assert picture.shape == (120, 120, 3)
    upper, lower = picture[:60], picture[60:]
    assert upper[22, 18].max() == 0
    assert upper[50, 12].mean() == pytest.approx(1 - 1 / BLACK[0], abs=0.02)
    assert lower[50, 12].mean() == pytest.approx(1 - 1 / BLACK[1], abs=0.02)
    assert upper[2, 2].min() == 1
    red = lambda part: (part[..., 0] - part[..., 1]) > 0.5  # noqa: E731
    assert not red(upper).any()
    assert red(lower)[19, 17]
    assert not red(lower)[22, 17]


def test_the_command_writes_a_sheet_for_each_group(body, tmp_path, monkeypatch, capsys):
    drawn = iter([patient("foci", 9.0), patient("patchy"), patient("foci", 40.0), patient("")])
    requested, scanned = [], []

    def draw(rng, positive):
        requested.append(positive)
        return next(drawn)

    monkeypatch.setattr(patient_module, "draw_patient", draw)
    monkeypatch.setattr(
        contact_sheet,
        "_scan_patient",
        lambda seed, number, *, healthy: scanned.append((seed, healthy, number)) or [body],
    )
    arguments = ["calibrate", "--contact-sheet", "--patients", "3", "--jobs", "1", "--output", str(tmp_path / "out")]
    monkeypatch.setattr(contact_sheet, "islice", lambda patients, count: [next(patients)])
    assert main(arguments) == 0
    assert [line.rsplit("_", 1)[1] for line in capsys.readouterr().out.split()] == [f"{name}.png" for name in GROUPS]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"contact_sheet_{name}.png" for name in GROUPS}
    assert requested == [True, True, True, False]
    assert scanned == [(777, False, 1), (777, False, 0), (777, True, 0)]


@pytest.mark.slow
def test_a_scanned_patient_is_cut_to_the_body_with_its_outlines():
    shown = contact_sheet._scan_patient(5, 0, healthy=False)
    assert len(shown) == 2
    for view in shown:
        assert view.counts.shape == view.outlines.shape
        assert view.counts.shape[1] == contact_sheet.WIDTH
        assert view.outlines.any()


def test_a_folder_that_cannot_be_written_is_named(body, tmp_path, monkeypatch):
    monkeypatch.setattr(contact_sheet, "_of_group", lambda *_: iter([0]))
    monkeypatch.setattr(contact_sheet, "_scan_patient", lambda *_, **__: [body])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another output folder") as caught:
        draw_contact_sheets(1, tmp_path / "file" / "out", each=1)
    assert caught.value.fields == ("output",)
