"""Files of a data set: written whole or not at all, and named when they are damaged."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import PlanarView
from SpectBoneMetSegTrainingLib.dataset.cases import (
    cases_of,
    finish_dataset,
    load_case,
    read_json,
    write_image,
    write_json,
)
from SpectBoneMetSegTrainingLib.dataset.files import read_image
from support.datasets import write


def test_leftovers_of_a_killed_run_are_no_cases_and_are_cleared_away(folder):
    (folder / "instances" / ".123-e.json").write_text('{"case": "e", "spl')
    (folder / "imagesTr" / ".123-e_0000.nii.gz").write_bytes(b"half")
    assert cases_of(folder, "train") == ["a", "b"]
    finish_dataset(folder, "Tiny", 5, "tiny")
    assert [path for path in folder.rglob(".*")] == []


def test_the_same_case_gives_the_same_bytes(tmp_path):
    write(tmp_path / "1")
    write(tmp_path / "2")
    one, two = (
        {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "1", tmp_path / "2")
    )
    assert one == two
    assert len(one) == 6


def files(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert read_json(tmp_path / "x.json") == {"a": 1}
    assert files(tmp_path) == ["x.json"]


def test_a_write_that_is_interrupted_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full_disk(image, name, **options):
        with open(name, "wb") as file:
            file.write(b"half")
        raise RuntimeError("sitk::ERROR: a long story")

    monkeypatch.setattr(sitk, "WriteImage", full_disk)
    with pytest.raises(OSError, match=r"a_0000\.nii\.gz could not be written"):
        write(tmp_path)
    assert files(tmp_path) == []


def test_a_case_that_is_interrupted_at_its_last_image_has_no_json(tmp_path, monkeypatch):
    real = sitk.WriteImage

    def breaks(image, name, **options):
        if "posterior" in name:
            raise RuntimeError("full")
        real(image, name, **options)

    monkeypatch.setattr(sitk, "WriteImage", breaks)
    with pytest.raises(OSError):
        write(tmp_path)
    assert not (tmp_path / "instances" / "a.json").exists()
    monkeypatch.undo()
    write(tmp_path)
    assert load_case(tmp_path, "a").case == "a"


@pytest.mark.parametrize("name", ["imagesTr/a_0001.nii.gz", "instances/a_anterior.nii.gz", "instances/a.json"])
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_missing_and_damaged_files_are_named(folder, name, damage):
    path = folder / name
    path.unlink()
    if damage == "damaged":
        path.write_bytes(b"{ nothing of use")
    with pytest.raises(UserError, match=path.name) as caught:
        load_case(folder, "a")
    assert "\n" not in str(caught.value)


def test_an_image_cut_short_is_named_instead_of_filled_up_with_zeros(folder):
    path = next(folder.glob("labelsTr/*.nii.gz"))
    content = path.read_bytes()
    path.write_bytes(content[:-12])
    try:
        with pytest.raises(UserError, match=path.name):
            read_image(path)
    finally:
        path.write_bytes(content)


def test_an_image_keeps_its_type_and_layers(tmp_path):
    layers = np.arange(2 * 3 * 4, dtype=np.uint16).reshape(2, 3, 4)
    view = PlanarView(np.zeros((3, 4)), (2.0, 3.0), "anterior")
    write_image(tmp_path / "new" / "x.nii.gz", layers, view, view.origin)
    back = read_image(tmp_path / "new" / "x.nii.gz")
    assert back.dtype == np.uint16
    assert np.array_equal(back, layers)
