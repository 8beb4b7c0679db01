"""8-bit images of a scan: estimated pixel size, inverted grey, overflowed hot spots."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import zoom
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_scan


def saved(path, grey, **options):
    Image.fromarray(np.rint(grey).clip(0, 255).astype(np.uint8)).save(path, **options)
    return path


@pytest.mark.parametrize(("suffix", "options"), [(".png", {}), (".jpg", {"quality": 90})])
def test_a_pixel_size_is_estimated_from_the_height_of_the_body_and_reported(tmp_path, person, suffix, options):
    scan = read_scan(saved(tmp_path / f"p_ANT{suffix}", 2 * person[0], **options))
    # The person is about 401 rows high.
    assert scan.anterior.spacing[0] == pytest.approx(1680 / 401, rel=0.04)
    assert any("estimated from the height of the body" in note for note in scan.warnings)
    stated = read_scan(tmp_path / f"p_ANT{suffix}", pixel_size_mm=4.52)
    assert stated.anterior.spacing == (4.52, 4.52)
    assert not any("estimated" in note for note in stated.warnings)


@pytest.mark.parametrize(("scale", "edge"), [(2.0, 2.26), (1.9, 2.26), (1.5, 1680 / 601)])
def test_a_picture_of_the_usual_size_has_the_usual_pixels_unless_the_body_would_be_too_short(
    tmp_path, person, scale, edge
):
    canvas = np.zeros((1024, 256))
    body = np.clip(zoom(2.0 * person[0], scale, order=1), 0, 255)
    top, left = (1024 - body.shape[0]) // 2, (256 - body.shape[1]) // 2
    canvas[top : top + body.shape[0], left : left + body.shape[1]] = body
    scan = read_scan(saved(tmp_path / "p_ANT.png", canvas))
    assert scan.anterior.spacing[0] == pytest.approx(edge, rel=0.04)
    assert any("states no pixel size" in note for note in scan.warnings)


def test_both_views_of_a_scan_have_the_same_estimated_pixels(tmp_path, person):
    for view, name in ((person[0], "p_ANT.png"), (zoom(person[1], (0.98, 1)), "p_POST.png")):
        saved(tmp_path / name, 2 * view)
    scan = read_scan(tmp_path)
    assert scan.anterior.spacing == scan.posterior.spacing


def test_a_picture_that_shows_no_whole_body_still_needs_a_pixel_size(tmp_path, person):
    with pytest.raises(UserError, match="does not state its pixel size"):
        read_scan(saved(tmp_path / "p_ANT.png", 2 * person[0][60:]))


def test_counts_of_16_bits_are_no_picture_and_still_need_a_pixel_size(tmp_path, person):
    Image.fromarray(person[0]).save(tmp_path / "p_ANT.png")
    with pytest.raises(UserError, match="does not state its pixel size"):
        read_scan(tmp_path / "p_ANT.png")


def test_an_inverted_windowed_and_clipped_picture_is_read_as_counts(tmp_path, person):
    windowed = (3 * (person[0].astype(float) - 1)).clip(0, 120)
    scan = read_scan(saved(tmp_path / "p_ANT.png", 255 - windowed))
    np.testing.assert_array_equal(scan.anterior.counts, np.rint(windowed))
    assert any("inverted grey" in note for note in scan.warnings)


def test_hot_spots_that_overflowed_are_filled_and_reported(tmp_path, person):
    y, x = np.mgrid[:512, :128]
    hot = person[0] + 600 * np.exp(-(((y - 150) / 5) ** 2) - ((x - 64) / 5) ** 2)
    scan = read_scan(saved(tmp_path / "p_ANT.png", hot.astype(int) % 256))
    assert scan.anterior.counts[150, 64] == 255
    assert any("overflowed the 8 bits" in note for note in scan.warnings)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.9999])
@pytest.mark.parametrize(
    ("suffix", "options"), [(".jpg", {}), (".jpeg", {"progressive": True}), (".png", {}), (".tif", {})]
)
def test_a_picture_cut_short_is_refused_by_its_name_and_its_library_prints_nothing(
    tmp_path, person, capfd, suffix, options, share
):
    path = saved(tmp_path / f"p_ANT{suffix}", 2 * person[0], **options)
    content = path.read_bytes()
    path.write_bytes(content[: min(int(share * len(content)), len(content) - 9)])
    with pytest.raises(UserError, match=f"p_ANT{suffix} is .*damaged"):
        read_scan(path)
    if suffix.startswith(".jp"):
        assert capfd.readouterr().err == ""


def test_a_jpeg_with_bytes_after_its_end_is_whole(tmp_path, person):
    path = saved(tmp_path / "p_ANT.jpg", 2 * person[0])
    path.write_bytes(path.read_bytes() + bytes(100))
    assert read_scan(path).anterior.counts.any()


@pytest.mark.parametrize("zeros", [0, 1])
def test_a_grey_png_with_transparency_that_arrived_in_part_is_refused(tmp_path, person, zeros):
    grey = Image.fromarray((2 * person[0]).clip(0, 255).astype(np.uint8))
    grey.putalpha(255)
    path = tmp_path / "p_ANT.png"
    grey.save(path)
    content = path.read_bytes()
    # Some programs reserve the whole file before they download it.
    path.write_bytes(content[: len(content) // 2] + zeros * bytes(len(content) - len(content) // 2))
    with pytest.raises(UserError, match="is damaged"):
        read_scan(path)


def test_a_jpeg_with_damaged_picture_data_is_refused_and_prints_nothing(tmp_path, person, capfd):
    whole = bytearray(saved(tmp_path / "p_ANT.jpg", 2 * person[0], quality=90).read_bytes())
    # No stuffed zero follows: no code of the picture can hold this.
    whole[len(whole) // 2 : len(whole) // 2 + 40] = b"\xff\xc8" * 20
    (tmp_path / "p_ANT.jpg").write_bytes(whole)
    with pytest.raises(UserError, match=r"p_ANT\.jpg is damaged"):
        read_scan(tmp_path / "p_ANT.jpg")
    assert capfd.readouterr() == ("", "")


def test_a_jpeg_with_bytes_between_its_picture_and_its_end_is_read_with_a_doubt(tmp_path, person):
    whole = saved(tmp_path / "p_ANT.jpg", 2 * person[0], quality=90).read_bytes()
    assert not any("may be damaged" in note for note in read_scan(tmp_path / "p_ANT.jpg").warnings)
    (tmp_path / "p_ANT.jpg").write_bytes(whole[:-2] + bytes(5) + whole[-2:])
    assert any("may be damaged" in note for note in read_scan(tmp_path / "p_ANT.jpg").warnings)


def test_a_picture_longer_than_any_scan_is_refused_before_its_pixels_are_read(tmp_path):
    with pytest.raises(UserError, match=r"p_ANT\.png is damaged"):
        read_scan(saved(tmp_path / "p_ANT.png", np.zeros((20_001, 2))))
