"""Primary tumours, numbers of metastases and their bones."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.disease import metastatic_sites as sites_module
from SpectBoneMetSegTrainingLib.phantom.disease.metastatic_sites import (
    FEW_LESIONS,
    HIP_BONES,
    MAX_LESIONS,
    PROSTATE_FEW_SITES,
    PROSTATE_SITES,
    draw_count,
    draw_disease,
    draw_sites,
    sampling_weights,
    site_table,
)
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import CERVICAL, LUMBAR, RIBS, THORACIC


@pytest.mark.parametrize(("disease", "low", "high"), [("lung", 25, 34), ("prostate", 32, 42), ("breast", 32, 42)])
def test_many_patients_have_one_or_two_metastases_and_some_dozens(disease, low, high):
    numbers = [draw_count(np.random.default_rng(seed), disease) for seed in range(2000)]
    assert min(numbers) == 1
    # Real readers outline 52 areas per view at the 95th percentile; about half of the drawn lesions become one.
    assert max(numbers) == MAX_LESIONS == 100
    assert low < np.mean(numbers) < high
    assert 0.1 < np.mean(np.array(numbers) <= 2) < 0.3
    assert 0.2 < np.mean(np.array(numbers) > 30) < 0.46
    assert 0.1 < np.mean(np.array(numbers) > 60) < 0.27


@pytest.mark.parametrize(("disease", "count"), [("lung", 5), ("prostate", 5), ("prostate", 20), ("breast", 12)])
def test_sites_follow_the_reported_table(disease, count):
    patients = 2000 // count
    drawn = [draw_sites(np.random.default_rng(seed), disease, count) for seed in range(patients)]
    table = site_table(disease, count)
    drawn_as = sampling_weights(table)
    for (names, _), expected in zip(table, drawn_as / drawn_as.sum(), strict=True):
        shares = [sum(bone in names for bone in bones) / count for bones in drawn]
        # Lesions of one patient are clustered, so the patient is the sampling unit.
        error = max(np.std(shares), np.sqrt(expected * (1 - expected) / count)) / np.sqrt(patients)
        assert np.mean(shares) == pytest.approx(expected, abs=4 * error)
    known = {name for names, _ in table for name in names}
    assert {bone for bones in drawn for bone in bones} <= known


def test_more_are_drawn_where_lesions_hide_and_fewer_where_all_are_seen():
    table = (RIBS, 10.0), (THORACIC, 10.0), (("skull",), 10.0)
    ribs, thoracic, skull = sampling_weights(table)
    assert skull == 10
    assert ribs < skull < thoracic


def test_few_lesions_of_prostate_cancer_lie_in_spine_and_pelvis_and_many_spread():
    def share(table, *names):
        return sum(weight for bones, weight in table if bones[0] in names) / sum(weight for _, weight in table)

    pelvis_and_spine = (THORACIC[0], LUMBAR[0], CERVICAL[0], HIP_BONES[0], "sacrum")
    assert share(PROSTATE_FEW_SITES, *pelvis_and_spine) == pytest.approx(0.845, abs=0.005)
    assert share(PROSTATE_SITES, *pelvis_and_spine) == pytest.approx(0.544, abs=0.005)
    assert share(PROSTATE_SITES, RIBS[0]) == pytest.approx(0.289, abs=0.003)
    assert site_table("prostate", FEW_LESIONS) == PROSTATE_FEW_SITES
    assert site_table("prostate", FEW_LESIONS + 1) == PROSTATE_SITES


def test_some_lesions_cluster_in_one_bone_or_its_neighbour():
    def together(one, two):
        return any(a == b for a, b in zip(one, two, strict=True))

    drawn = [draw_sites(np.random.default_rng(seed), "lung", 4) for seed in range(600)]
    own = np.mean([together(bones[:-1], bones[1:]) for bones in drawn])
    # Lesions of different patients share a bone by chance alone.
    chance = np.mean([together(one[:-1], two[1:]) for one, two in pairwise(drawn)])
    assert own > 2 * chance


@pytest.mark.parametrize("group", [THORACIC, LUMBAR, RIBS, HIP_BONES, ("sacrum",)])
def test_a_neighbour_is_the_next_bone_of_the_same_side(group):
    for seed in range(200):
        rng = np.random.default_rng(seed)
        bone = str(rng.choice(group))
        neighbour = sites_module.neighbouring_bone(bone, group, rng)
        assert neighbour in group
        assert abs(group.index(neighbour) - group.index(bone)) <= 1
        if " " in bone:
            assert neighbour.split()[0] == bone.split()[0]


def test_men_have_prostate_or_lung_cancer_and_women_breast_or_lung_cancer():
    drawn = {
        sex: Counter(draw_disease(np.random.default_rng(seed), sex) for seed in range(800))
        for sex in ("male", "female")
    }
    assert set(drawn["female"]) == {"lung", "breast"}
    assert set(drawn["male"]) == {"lung", "prostate"}
    assert 0.6 < drawn["female"]["breast"] / 800 < 0.8
    assert 0.45 < drawn["male"]["prostate"] / 800 < 0.65
