"""Files of a layout of one's own: patients are told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.dataset.files import read_json
from SpectBoneMetSegTrainingLib.gathering.open_data.description import Files, PublicSet
from SpectBoneMetSegTrainingLib.gathering.open_data.import_set import ImportRequest, import_set
from support import open_sets

MINE = PublicSet(
    "mine", "Mine", "here", "me", "CC0", (Files("scan", r"(?P<patient>.+)_ANT\.png", "anterior"),), "by me"
)


def write_scans(folder, *patients):
    for place, patient in enumerate(patients):
        open_sets.write_png(folder / f"{patient}_ANT.png", open_sets.grey(open_sets.shifted(place)["ANT"], 1.5))
    return folder


@pytest.mark.parametrize(
    ("names", "pattern", "told"),
    [
        (("a b", "a-b"), ".+", "'a b' and 'a-b'"),
        (("x-a/b", "x/a-b"), "[^/]+/[^/]+", "'x-a/b' and 'x/a-b'"),
        (("x/A1", "y/a1"), "[^/]+", "'A1' and 'a1'"),
    ],
)
def test_two_patients_who_would_have_one_case_are_refused_and_nothing_is_written(names, pattern, told, tmp_path):
    found = replace(MINE, files=(Files("scan", f"(?P<patient>{pattern})_ANT\\.png", "anterior"),))
    folder = write_scans(tmp_path / "set", *names)
    with pytest.raises(UserError, match=f"Patients {told} of Mine would have one name, .*rename"):
        import_set(ImportRequest(found, folder), tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_patients_of_two_groups_with_one_name_are_refused(tmp_path):
    folder = write_scans(tmp_path / "set", "a/1-2", "a-1/2")
    found = replace(
        MINE, grouped=True, files=(Files("scan", r"(?P<group>[^/]+)/(?P<patient>[^/]+)_ANT\.png", "anterior"),)
    )
    with pytest.raises(UserError, match="of the groups 'a' and 'a-1' of Mine would have one name, a-1-2; rename"):
        import_set(ImportRequest(found, folder), tmp_path / "d")


def test_a_name_with_a_space_is_one_case(tmp_path):
    folder = write_scans(tmp_path / "set", "a b", "c-d")
    import_set(ImportRequest(MINE, folder, pixel_size_mm=2.26), tmp_path / "d")
    cases = {path.stem: read_json(path)["patient"] for path in (tmp_path / "d" / "instances").glob("*.json")}
    assert cases == {"mine_a-b": "mine-a b", "mine_c-d": "mine-c-d"}
