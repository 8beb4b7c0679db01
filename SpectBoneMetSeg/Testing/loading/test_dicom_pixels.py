"""DICOM: counts and pixel sizes come through every encoding, and damaged or other files are refused."""

import gzip
import warnings

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from SpectBoneMetSegLib.loading import read_scan
from support.nm_files import ANTERIOR, POSTERIOR, coded_pair, detector, nm, refusal, refused, saved


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_lossless_compression_changes_nothing(tmp_path, syntax):
    if syntax == JPEGLSLossless:
        pytest.importorskip("jpeg_ls")
    # JPEG 2000 wants a picture of at least 32 pixels a side.
    front, back = np.tile(ANTERIOR, (4, 4)), np.tile(POSTERIOR, (4, 4))
    ds = nm(front, back, detectors=[detector("399321004"), detector("399001007")])
    ds.compress(syntax, generate_instance_uid=False)
    scan = read_scan(saved(ds, tmp_path / "a.dcm"))
    assert np.array_equal(scan.anterior.counts, front)
    assert np.array_equal(scan.posterior.counts, back)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_other_encodings_change_nothing(tmp_path, syntax):
    ds = coded_pair()
    ds.file_meta.TransferSyntaxUID = syntax
    scan = read_scan(saved(ds, tmp_path / "a.dcm"))
    assert np.array_equal(scan.posterior.counts, POSTERIOR)


def test_a_private_encoding_is_named_and_not_called_a_damaged_header(tmp_path):
    ds, syntax = coded_pair(), "1.2.840.113619.5.2"
    path = saved(ds, tmp_path / "a.dcm")
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=True)
    assert refusal(path).endswith(f"cannot be read ({syntax}); export it uncompressed.")


@pytest.mark.parametrize("suffix", [".gz", ".zip"])
def test_a_compressed_file_is_refused_with_the_word_that_helps(tmp_path, suffix):
    path = tmp_path / f"a.dcm{suffix}"
    path.write_bytes(gzip.compress(saved(coded_pair(), tmp_path / "a.dcm").read_bytes()))
    assert refusal(path) == f"{path.name} is compressed and is not opened; unpack it and give what it holds."


def test_a_file_without_preamble_is_read(tmp_path):
    ds = coded_pair()
    ds.save_as(tmp_path / "old.dcm", enforce_file_format=False)
    raw = (tmp_path / "old.dcm").read_bytes()
    (tmp_path / "old.dcm").write_bytes(raw[raw.index(b"\x08\x00\x08\x00CS") :])
    scan = read_scan(tmp_path / "old.dcm")
    assert np.array_equal(scan.anterior.counts, ANTERIOR)
    assert "preamble" in scan.warnings[0]


def test_rescaling_is_applied_and_negative_counts_are_cut_with_a_warning(tmp_path):
    signed = ANTERIOR.astype(np.int16) - 20
    scan = read_scan(saved(nm(signed, ImageID="ANT", RescaleSlope=2, RescaleIntercept=10), tmp_path / "a.dcm"))
    assert np.array_equal(scan.anterior.counts, np.clip(2 * (ANTERIOR.astype(float) - 20) + 10, 0, None))
    assert any("negative" in warning for warning in scan.warnings)


def test_a_missing_pixel_size_is_refused_or_given(tmp_path):
    ds = coded_pair()
    del ds.PixelSpacing
    path = saved(ds, tmp_path / "a.dcm")
    assert refused(path).fields == ("pixel_size",)
    assert read_scan(path, pixel_size_mm=2.4).anterior.spacing == (2.4, 2.4)
    assert refused(path, pixel_size_mm=-1).fields == ("pixel_size",)


def test_an_overridden_pixel_size_is_warned_about(tmp_path):
    scan = read_scan(saved(coded_pair(), tmp_path / "a.dcm"), pixel_size_mm=3.0)
    assert scan.posterior.spacing == (3.0, 3.0)
    assert any("3.0 mm, as given, were used" in warning for warning in scan.warnings)


def test_negative_slice_spacing_changes_nothing(tmp_path):
    scan = read_scan(saved(coded_pair(SpacingBetweenSlices=-2.26), tmp_path / "a.dcm"))
    assert scan.anterior.origin == pytest.approx((4.5 * 2.26, 0, 19.5 * 2.4))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"Modality": "CT"}, "modality CT"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]}, "tomo"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "GATED", "EMISSION"]}, "gated"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0}, "colour"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME1"),
        ({"PixelData": bytes(2 * ANTERIOR.nbytes)}, "no counts"),
        ({"PixelData": bytes(ANTERIOR.nbytes)}, "cut short"),
        ({"NumberOfFrames": 3}, "cut short"),
    ],
    ids=str,
)
def test_what_is_no_planar_scan_is_refused_by_name(tmp_path, header, words):
    sentence = refusal(saved(coded_pair(**header), tmp_path / "odd.dcm"))
    assert "odd.dcm" in sentence
    assert words in sentence


@pytest.mark.parametrize("content", [b"", b"only a text, no image\n" * 40, bytes(range(256)) * 30])
def test_files_that_are_no_dicom_are_refused(tmp_path, content):
    (tmp_path / "fake.dcm").write_bytes(content)
    assert "fake.dcm" in refusal(tmp_path / "fake.dcm")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_cut_anywhere_is_refused(tmp_path, syntax, share):
    ds = coded_pair()
    if syntax == RLELossless:
        ds.compress(syntax, generate_instance_uid=False)
    raw = saved(ds, tmp_path / "whole.dcm").read_bytes()
    (tmp_path / "part.dcm").write_bytes(raw[: int(len(raw) * share)])
    assert "part.dcm" in refusal(tmp_path / "part.dcm")


def test_damaged_header_values_are_refused_in_one_sentence(tmp_path):
    raw = saved(coded_pair(), tmp_path / "a.dcm").read_bytes()
    assert raw.count(b"2.4\\2.26") == 1
    (tmp_path / "a.dcm").write_bytes(raw.replace(b"2.4\\2.26", b"2.4\\x.yz"))
    assert "a.dcm" in refusal(tmp_path / "a.dcm")


def test_nothing_is_printed_on_the_terminal(tmp_path, capfd):
    ds = coded_pair()
    raw = saved(ds, tmp_path / "a.dcm").read_bytes().replace(b"1.2.3.4\x00", b"1.02.3.x")
    (tmp_path / "a.dcm").write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_scan(tmp_path / "a.dcm")
    assert capfd.readouterr() == ("", "")


def test_a_decoder_that_panics_is_an_error_in_the_file(tmp_path):
    ds = coded_pair()
    ds.compress(RLELossless, generate_instance_uid=False)
    ds.Rows = ds.Columns = 1
    assert "a.dcm are damaged" in refusal(saved(ds, tmp_path / "a.dcm"))
