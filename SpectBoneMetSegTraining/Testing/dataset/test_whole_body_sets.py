"""Data sets of the whole body: either region is read from them, with the inputs that the reading pipeline makes."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Options
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.pipeline import Reader
from SpectBoneMetSegLib.scan.skeleton_regions import REGIONS as REGION_NAMES
from SpectBoneMetSegLib.scan.skeleton_regions import class_map
from SpectBoneMetSegTrainingLib.dataset.cases import finish_dataset, load_background, load_case
from SpectBoneMetSegTrainingLib.evaluation.predictions import predict_cases
from SpectBoneMetSegTrainingLib.phantom.cohort.population import write_simulated
from SpectBoneMetSegTrainingLib.phantom.scan.simulate import simulate_case

REGIONS = ("thorax", "whole-body")


@pytest.fixture(scope="module")
def simulated():
    return simulate_case("one", 21, positive=True, shape=(512, 128), spacing=4.2)


@pytest.fixture(scope="module")
def sets(simulated, tmp_path_factory):
    folders = {}
    for region in REGIONS:
        folders[region] = tmp_path_factory.mktemp(region)
        about = {"patient": "one", "scan": 0}
        write_simulated(
            folders[region], "train", simulated, about, (21, 1), dicom=False, background=True, region=region
        )
        finish_dataset(folders[region], "test", 1, "test")
    return folders


def test_the_thorax_of_a_whole_body_set_is_that_of_a_thorax_set(sets):
    alone, within = (load_case(sets[region], "one") for region in REGIONS)
    for view in alone.counts:
        assert alone.counts[view].shape == (256, 256)
        np.testing.assert_allclose(within.counts[view], alone.counts[view], rtol=1e-5, atol=1e-4)
        np.testing.assert_array_equal(within.labels[view], alone.labels[view])
    known = [load_background(sets[region], "one") for region in REGIONS]
    np.testing.assert_allclose(known[1]["posterior"], known[0]["posterior"], rtol=1e-4, atol=1e-3)


def test_a_whole_body_set_holds_all_counts_and_lesions(sets, simulated):
    crop = load_case(sets["whole-body"], "one", region="whole-body")
    for view, counts in crop.counts.items():
        assert counts.sum() == pytest.approx(simulated.scan.views[view].counts.sum(), rel=1e-5)
    labelled = {lesion["id"] for lesion in crop.lesions if any(lesion["labelled"].values())}
    shown = set(np.unique(np.concatenate([layers.ravel() for layers in crop.instances.values()])).tolist())
    assert labelled <= shown


def test_a_thorax_set_has_no_whole_body_to_give(sets):
    with pytest.raises(UserError, match=r"one\.json holds the thorax only; .* the region whole-body") as caught:
        load_case(sets["thorax"], "one", region="whole-body")
    assert caught.value.fields == ("region",)


def test_records_of_older_programs_hold_the_thorax(sets, tmp_path):
    path = sets["thorax"] / "instances" / "one.json"
    record = json.loads(path.read_text())
    before = load_case(sets["thorax"], "one").counts["posterior"]
    path.write_text(json.dumps({name: value for name, value in record.items() if name not in ("region", "thorax")}))
    try:
        np.testing.assert_array_equal(load_case(sets["thorax"], "one").counts["posterior"], before)
    finally:
        path.write_text(json.dumps(record))


@pytest.mark.parametrize("trained", REGIONS)
@pytest.mark.parametrize("region", REGIONS)
def test_evaluation_gives_the_network_the_inputs_of_the_reading_pipeline(sets, simulated, region, trained):
    network = NetworkConfig()
    seen = []

    def predict(inputs):
        seen.append(inputs)
        return np.zeros((*inputs.shape[:2], 2), np.float32)

    reader = Reader.__new__(Reader)
    reader.engine = SimpleNamespace(name="none", device="CPU", warnings=(), predict=predict)
    card = ModelCard(name="m", network=network, region=trained)
    reader.model = SimpleNamespace(card=card)
    reader.read_scan(simulated.scan, Options(region=region))
    list(predict_cases(sets["whole-body"], ["one"], predict, network, region=region, level_region=card.trained_region))
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-3)


@pytest.mark.parametrize("region", REGIONS)
def test_regions_of_the_skeleton_are_read_where_requested(sets, simulated, region):
    stored = "whole-body" if region == "whole-body" else "thorax"
    assert load_case(sets[stored], "one", region=region).regions == {}
    crop = load_case(sets[stored], "one", region=region, regions=True)
    for view, classes in crop.regions.items():
        assert classes.shape == crop.counts[view].shape
        own = class_map(simulated.regions[view])
        if region == "whole-body":
            # Each region keeps its area, but for what pixels of another size round.
            areas = [np.bincount(one.ravel(), minlength=18)[1:] for one in (classes, own)]
            np.testing.assert_allclose(areas[0] * 2.26**2, areas[1] * 4.2**2, rtol=0.06, atol=150)
        assert (classes == 1 + list(REGION_NAMES).index("thoracic spine")).any()
