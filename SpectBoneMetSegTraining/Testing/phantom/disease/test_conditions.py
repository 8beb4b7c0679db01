"""Other conditions that change uptake: each at the site that its name states, most patients without any."""

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.disease import conditions
from SpectBoneMetSegTrainingLib.phantom.disease.conditions import add_conditions
from SpectBoneMetSegTrainingLib.phantom.disease.tracer import Tracer
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import SEGMENTS, load_skeleton
from SpectBoneMetSegTrainingLib.phantom.person.soft_tissue import TISSUES

RATES = (
    "RADIOTHERAPY",
    "PRIMARY_TUMOUR",
    "PLEURAL_EFFUSION",
    "PROSTATE_BED",
    "HYDRONEPHROSIS",
    "FREE_PERTECHNETATE",
    "RENAL_FAILURE",
    "SCAR",
    "BREAST",
    "GOITRE",
    "HETEROTOPIC",
    "LIVER",
)


@pytest.fixture
def even(person):
    """Uniform uptake of 1, so that every change is visible."""
    return Tracer(np.ones(len(person.bones), np.float32), np.ones(len(person.tissues), np.float32))


@pytest.fixture
def only(monkeypatch, person, even):
    """Return `add_conditions` for a patient with exactly one, known condition."""

    def add(rate, seed=0, disease="lung"):
        for name in RATES:
            monkeypatch.setattr(conditions, name, float(name == rate))
        return add_conditions(person, even, np.random.default_rng(seed), disease)

    return add


@pytest.mark.slow
def test_most_patients_have_no_other_illness_and_names_say_which(person, even):
    seen = []
    for seed in range(80):
        changed, names = add_conditions(person, even, np.random.default_rng(seed))
        seen.append(names)
        same = np.array_equal(changed.bones, even.bones) and np.array_equal(changed.tissues, even.tissues)
        assert same == (names == [])
        assert min(changed.bones.min(), changed.tissues.min()) > 0
    assert (even.bones == 1).all()
    assert (even.tissues == 1).all()
    assert sum(names == [] for names in seen) > 40
    assert len({name for names in seen for name in names}) >= 4


def test_a_radiation_field_is_cold_with_straight_edges_and_spares_the_arms(person, only):
    arms = np.isin(load_skeleton().segment, [SEGMENTS.index("right arm"), SEGMENTS.index("left arm")])
    sites = set()
    for seed in range(30):
        changed, (name,) = only("RADIOTHERAPY", seed)
        sites.add(name)
        assert name.startswith("cold ")
        assert (changed.tissues == 1).all()
        assert (changed.bones[arms] == 1).all()
        treated = changed.bones < 1
        floor = changed.bones.min()
        assert 0.25 < floor < 0.65
        # The edge is sharp: few points are neither in the field nor outside it.
        depth = (1 - changed.bones[treated]) / (1 - floor)
        assert np.mean((depth > 0.2) & (depth < 0.8)) < 0.12
        assert np.ptp(person.atlas_bones[treated][:, 2]) < 230
    assert len(sites) == 3


def test_a_primary_tumour_lies_in_the_lung_or_the_prostate(person, only):
    changed, names = only("PRIMARY_TUMOUR")
    assert names == ["primary tumour"]
    assert set(person.tissue[changed.tissues != 1]) == {TISSUES.index("lung")}
    assert only("PRIMARY_TUMOUR", disease="prostate")[1] == []
    changed, names = only("PROSTATE_BED", disease="prostate")
    assert names == ["uptake in the prostate"]
    hot = person.atlas_tissues[changed.tissues != 1]
    assert np.abs(hot[:, 0]).max() < 25
    assert -140 < hot[:, 2].mean() < -90
    assert only("PROSTATE_BED", disease="lung")[1] == []


def test_an_effusion_lies_behind_in_one_lung(person, only):
    changed, (name,) = only("PLEURAL_EFFUSION")
    fluid = changed.tissues != 1
    assert set(person.tissue[fluid]) == {TISSUES.index("lung")}
    assert ((person.atlas_tissues[fluid, 0] > 0) == name.startswith("right")).all()
    assert person.atlas_tissues[fluid, 1].mean() < person.atlas_tissues[person.tissue == 1, 1].mean()


def test_hydronephrosis_holds_urine_back_in_a_kidney_that_exists(person, even, only):
    changed, (name,) = only("HYDRONEPHROSIS")
    side = name.split()[0]
    assert set(person.tissue[changed.tissues != 1]) == {TISSUES.index(f"{side} kidney")}
    assert (changed.tissues >= 1).all()
    volume = person.tissue_volume.copy()
    volume[person.tissue == TISSUES.index(name.removesuffix(" hydronephrosis") + " kidney")] = 0
    alone = add_conditions(replace(person, tissue_volume=volume), even, np.random.default_rng(0))
    assert alone[1] == []
    assert (alone[0].tissues == 1).all()


def test_failing_kidneys_leave_bone_faint_against_soft_tissue(person, only):
    changed, names = only("RENAL_FAILURE")
    assert names == ["renal failure"]
    assert changed.bones.max() < 0.75
    assert (changed.tissues[person.tissue == TISSUES.index("soft tissue")] == 1).all()
    assert changed.tissues[person.tissue == TISSUES.index("bladder")].max() < 0.25
    assert changed.tissues[person.tissue == TISSUES.index("heart")].min() > 1.2


def test_free_pertechnetate_shows_stomach_and_thyroid(person, only):
    changed, names = only("FREE_PERTECHNETATE")
    assert names == ["free pertechnetate"]
    hot = person.atlas_tissues[changed.tissues > 1]
    neck = hot[hot[:, 2] > 400]
    assert len(neck) > 0
    assert hot[hot[:, 2] <= 400, 0].mean() < -30
    assert (changed.bones == 1).all()


def test_the_same_seed_gives_the_same_illness(person, even):
    one, two = (add_conditions(person, even, np.random.default_rng(5)) for _ in range(2))
    assert one[1] == two[1]
    assert np.array_equal(one[0].tissues, two[0].tissues)


@pytest.mark.parametrize(
    ("rate", "condition", "low", "high"),
    [
        ("SCAR", "scar of the abdomen", (-10, 10, 10), (10, 50, 260)),
        ("GOITRE", "goitre", (-50, -100, 465), (50, -30, 535)),
        ("HETEROTOPIC", "bone in muscle beside the hip", (-150, -110, -140), (150, 0, -10)),
        ("LIVER", "uptake in the liver", (-50, -170, 170), (160, 0, 310)),
    ],
)
def test_soft_tissue_takes_up_where_the_name_says(person, only, rate, condition, low, high):
    for seed in range(4):
        changed, names = only(rate, seed)
        assert names == [condition]
        hot = person.atlas_tissues[changed.tissues > 1]
        assert len(hot) > 0
        assert (hot >= low).all()
        assert (hot <= high).all()
        assert (changed.bones == 1).all()


def test_one_breast_may_take_up_more_but_only_one_that_is_there(person, even, only):
    assert only("BREAST")[1] == [], "the person of the tests is a man"
    volume = person.tissue_volume.copy()
    volume[np.isin(person.tissue, [TISSUES.index("left breast"), TISSUES.index("right breast")])] = 0.1
    changed, (name,) = add_conditions(replace(person, tissue_volume=volume), even, np.random.default_rng(0))
    side = name.split()[-2]
    assert set(person.tissue[changed.tissues != 1]) == {TISSUES.index(f"{side} breast")}
