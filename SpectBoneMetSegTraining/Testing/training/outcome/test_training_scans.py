"""A model's card recognises the scans of its training, also in a data set of another region."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from SpectBoneMetSegLib.loading.study import read_scan
from SpectBoneMetSegTrainingLib.dataset.cases import finish_dataset, write_case
from SpectBoneMetSegTrainingLib.gathering.case_writing import find_crop
from SpectBoneMetSegTrainingLib.training.outcome import training_scans

SAMPLE = Path(__file__).resolve().parents[4] / "Resources" / "Sample" / "simulated_scan.dcm"


def known(entry, data):
    card = SimpleNamespace(training={training_scans.TRAINING_SCANS: [entry]})
    return training_scans.known_patients(card, data, ["one"])


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """{region: a data set with the sample study}."""
    scan, found = replace(read_scan(SAMPLE), case="one"), {}
    for region in ("thorax", "whole-body"):
        found[region] = tmp_path_factory.mktemp(region)
        write_case(found[region], "train", scan, find_crop(scan)[0], [], {"patient": "ann"}, region=region)
        finish_dataset(found[region], "set", 0, "The sample study.")
    return found


@pytest.mark.parametrize("trained", ["thorax", "whole-body"])
@pytest.mark.parametrize("evaluated", ["thorax", "whole-body"])
def test_a_scan_is_recognised_in_a_set_of_either_region(sets, trained, evaluated):
    entry = training_scans.scan_digests(sets[trained], ["one"], [])
    assert known(entry, sets[evaluated]).trained == {"ann"}
    assert len(entry["taught"].split()) == 1


def test_cards_of_older_versions_recognise_their_scans(sets):
    salted = training_scans._salted("ab", training_scans._digest_of_older_cards(*stored(sets["thorax"])))
    assert known({"salt": "ab", "taught": salted, "validated": ""}, sets["thorax"]).trained == {"ann"}
    assert not known({"salt": "cd", "taught": salted, "validated": ""}, sets["thorax"]).trained


def stored(data):
    return training_scans.opened(data), "imagesTr", "one"
