"""Image files without a medical header."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.loading.study import case_name

ANTERIOR = np.random.default_rng(1).poisson(20, (40, 10)).astype(np.uint16)
POSTERIOR = np.random.default_rng(2).poisson(30, (40, 10)).astype(np.uint16)


def write(path, pixels, spacing=(2.26, 2.4), *, vector=False):
    """Spacing is (column, row), as SimpleITK has it."""
    image = sitk.GetImageFromArray(pixels, isVector=vector)
    image.SetSpacing([*spacing, 1.0][: image.GetDimension()])
    sitk.WriteImage(image, str(path))
    return path


def refused(path, **options):
    with pytest.raises(UserError) as caught:
        read_scan(path, **options)
    return caught.value


def refusal(path, **options):
    sentence = str(refused(path, **options))
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".nii", ".mha"])
@pytest.mark.parametrize("slices", [False, True])
def test_one_view_keeps_counts_and_pixel_size(tmp_path, suffix, slices):
    path = write(tmp_path / f"p1_ant{suffix}", ANTERIOR[None] if slices else ANTERIOR)
    scan = read_scan(path)
    assert scan.case == "p1_ant"
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    assert scan.anterior.spacing == pytest.approx((2.4, 2.26))
    assert any("file name" in warning for warning in scan.warnings)


def test_two_slices_are_named_by_the_option(tmp_path):
    path = write(tmp_path / "both.nrrd", np.stack([POSTERIOR, ANTERIOR]))
    assert refused(path).fields == ("views",)
    scan = read_scan(path, views=["posterior", "anterior"])
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    assert np.array_equal(scan.posterior.counts, POSTERIOR)


def test_two_files_are_named_by_their_names(tmp_path):
    write(tmp_path / "p1_ANT.nrrd", ANTERIOR)
    write(tmp_path / "p1_POST.nrrd", POSTERIOR)
    scan = read_scan(tmp_path)
    assert scan.case == tmp_path.name
    assert np.array_equal(scan.posterior.counts, POSTERIOR)
    assert len(scan.source.sha256) == 2
    assert scan.source.sop_instance_uids == ()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_png_needs_its_pixel_size(tmp_path, kind):
    path = write(tmp_path / "ant.png", ANTERIOR.astype(kind))
    assert refused(path).fields == ("pixel_size",)
    scan = read_scan(path, pixel_size_mm=2.4)
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    assert scan.anterior.spacing == (2.4, 2.4)
    assert any("8-bit" in warning for warning in scan.warnings) == (kind is np.uint8)


@pytest.mark.parametrize("columns", [256, 512])
def test_the_usual_matrix_is_taken_as_2_26_mm_with_a_warning(tmp_path, columns):
    pixels = np.ones((1024, columns), dtype=np.uint16)
    scan = read_scan(write(tmp_path / "a.png", pixels), views=["anterior", "posterior"][: columns // 256])
    assert scan.anterior.spacing == (2.26, 2.26)
    assert scan.anterior.shape == (1024, 256)
    assert any("2.26 mm was assumed" in warning for warning in scan.warnings)


def test_halves_of_a_wide_picture_are_named_by_the_file_name(tmp_path):
    path = write(tmp_path / "ant_post.tif", np.concatenate([ANTERIOR, POSTERIOR], axis=1))
    scan = read_scan(path, pixel_size_mm=2.26)
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    assert np.array_equal(scan.posterior.counts, POSTERIOR)


def test_a_grey_picture_in_three_channels_is_read_and_a_coloured_one_refused(tmp_path):
    grey = np.repeat(ANTERIOR.astype(np.uint8)[..., None], 3, axis=2)
    scan = read_scan(write(tmp_path / "ant.png", grey, vector=True), pixel_size_mm=2.26)
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    grey[3, 3, 0] += 1
    assert "colour" in refusal(write(tmp_path / "ant.png", grey, vector=True), pixel_size_mm=2.26)


def test_unusable_pictures_are_refused(tmp_path):
    (tmp_path / "ant.png").write_bytes(b"")
    assert "empty" in refusal(tmp_path / "ant.png")
    (tmp_path / "ant.nrrd").write_text("no image")
    assert "damaged" in refusal(tmp_path / "ant.nrrd")
    assert "3 slices" in refusal(write(tmp_path / "vol.nrrd", np.stack([ANTERIOR] * 3)))
    assert "no counts" in refusal(write(tmp_path / "ant0.nrrd", np.zeros_like(ANTERIOR)))
    broken = ANTERIOR.astype(np.float32)
    broken[0, 0] = np.nan
    assert "not numbers" in refusal(write(tmp_path / "ant1.nrrd", broken))
    assert "5 images" in refusal(tmp_path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
@pytest.mark.parametrize("part", [0.5, 0.99])
def test_a_nifti_file_cut_short_is_refused_instead_of_filled_up_with_zeros(tmp_path, suffix, part):
    path = write(tmp_path / f"p1_ant{suffix}", ANTERIOR)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert "p1_ant" in refusal(path)


def test_a_lying_picture_is_warned_about(tmp_path):
    scan = read_scan(write(tmp_path / "ant.nrrd", ANTERIOR.T))
    assert any("wider than high" in warning for warning in scan.warnings)


@pytest.mark.parametrize(
    ("name", "case"),
    [("a.nii.gz", "a"), ("a.seg.nrrd", "a"), ("a.b.dcm", "a.b"), ("1.2.840.5", "1.2.840.5"), ("IM0001", "IM0001")],
)
def test_the_case_is_the_file_name_without_suffixes(tmp_path, name, case):
    assert case_name(tmp_path / name) == case
