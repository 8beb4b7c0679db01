"""The paper's data sets: their sizes, labels that move with the images, and no patient on two sides."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import BODY_LEVEL
from SpectBoneMetSegLib.model.inputs import network_inputs
from SpectBoneMetSegTrainingLib.dataset.budgets import draw_subsets, patients_of
from SpectBoneMetSegTrainingLib.dataset.cases import Instance, cases_of, label_map, load_case, merge_labels
from SpectBoneMetSegTrainingLib.dataset.examples import Example, aggregated, example_of
from SpectBoneMetSegTrainingLib.dataset.folds import split_by_patient
from SpectBoneMetSegTrainingLib.paper_sets.geometric import Transform, apply_transform, draw_transform
from SpectBoneMetSegTrainingLib.paper_sets.recipes import RecipeRequest, copies_of, make_recipe
from SpectBoneMetSegTrainingLib.training.sampling.patches import target_channels
from SpectBoneMetSegTrainingLib.training.setup.cases import training_cases
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig
from support.leaks import shared_patients

STILL = Transform(flip=False, degrees=0.0, shift=(0.0, 0.0))
SIZE = 64


@pytest.fixture(scope="module")
def data(discs, tmp_path_factory):
    return discs(tmp_path_factory.mktemp("data"), ["train"] * 7 + ["unlabelled", "test"])


@pytest.fixture(scope="module")
def d2(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes") / "D2"
    make_recipe(data, folder, RecipeRequest("D2", seed=4, factor=3))
    return folder


def block_example(*, labelled=True):
    """A bright block that is the lesion, at different positions in the two views."""
    counts, masks = {}, {}
    for view, row, column in (("anterior", 20, 30), ("posterior", 28, 18)):
        masks[view] = np.zeros((SIZE, SIZE), bool)
        masks[view][row : row + 12, column : column + 8] = True
        counts[view] = np.where(masks[view], 400, 16).astype(np.float32)
    about = {"bone": "left rib 5"}
    return Example(counts, (Instance(3, masks, dict.fromkeys(masks, labelled), about),))


def test_56_pairs_give_the_papers_2280_images():
    assert 2 * (56 + sum(copies_of(56, RecipeRequest("D2").factor))) == 2280
    assert max(copies_of(56, RecipeRequest("D2").factor)) - min(copies_of(56, RecipeRequest("D2").factor)) == 1


@given(st.integers(1, 60), st.floats(1, 30))
def test_copies_are_spread_evenly(cases, factor):
    copies = copies_of(cases, factor)
    assert cases + sum(copies) == max(cases, round(factor * cases))
    assert max(copies) - min(copies) <= 1


def test_no_motion_changes_nothing():
    moved = apply_transform(block_example(), STILL)
    for view, image in block_example().counts.items():
        np.testing.assert_array_equal(moved.counts[view], image)
        np.testing.assert_array_equal(moved.lesions[0].masks[view], block_example().lesions[0].masks[view])


def test_a_flip_mirrors_both_views_and_the_names_of_bones_and_undoes_itself():
    flip = Transform(flip=True, degrees=0.0, shift=(0.0, 0.0))
    once = apply_transform(block_example(), flip)
    for view, image in block_example().counts.items():
        np.testing.assert_array_equal(once.counts[view], image[:, ::-1])
    assert once.lesions[0].about["bone"] == "right rib 5"
    twice = apply_transform(once, flip)
    assert twice.lesions[0].about["bone"] == "left rib 5"
    np.testing.assert_array_equal(twice.counts["anterior"], block_example().counts["anterior"])


def test_a_shift_goes_down_and_to_the_right():
    moved = apply_transform(block_example(), Transform(flip=False, degrees=0.0, shift=(5.0, -3.0)))
    np.testing.assert_array_equal(moved.counts["anterior"][5:, :-3], block_example().counts["anterior"][:-5, 3:])


@given(st.booleans(), st.floats(-10, 10), st.floats(-10, 10), st.floats(-10, 10))
@settings(deadline=None, max_examples=40)
def test_lesions_move_with_the_image_and_the_views_with_each_other(flip, degrees, down, right):
    motion = Transform(flip=flip, degrees=degrees, shift=(down, right))
    moved = apply_transform(block_example(), motion)
    masks = moved.lesions[0].masks
    for view, image in moved.counts.items():
        # Half way between block and surroundings lies the outline; at a tie rounding does not decide.
        share, inside = (image[5:-5, 5:-5] - 16) / 384, masks[view][5:-5, 5:-5]
        assert inside[share > 0.5 + 2e-4].all()
        assert not inside[share <= 0.5 + 2e-5].any()
    same = Example({view: block_example().counts["anterior"] for view in ("anterior", "posterior")}, ())
    both = apply_transform(same, motion).counts
    np.testing.assert_array_equal(both["anterior"], both["posterior"])


@pytest.mark.parametrize("degrees", [1.19e-07, -1.19e-07, 1e-5, 0.0])
@pytest.mark.parametrize("shift", [(0.0, 0.5), (0.5, 0.0), (-0.5, -0.5)])
def test_a_turn_by_nothing_but_rounding_leaves_the_outline_where_half_a_pixel_is_covered(degrees, shift):
    still = apply_transform(block_example(), Transform(flip=False, degrees=0.0, shift=shift)).lesions[0].masks
    turned = apply_transform(block_example(), Transform(flip=False, degrees=degrees, shift=shift)).lesions[0].masks
    for view in still:
        np.testing.assert_array_equal(turned[view], still[view])


def test_drawn_motions_keep_labelled_lesions_in_the_field():
    corner = np.zeros((SIZE, SIZE), bool)
    corner[:10, :10] = True
    example = Example({"anterior": corner * 9.0}, (Instance(1, {"anterior": corner}, {"anterior": True}, {}),))
    for seed in range(30):
        moved = apply_transform(example, draw_transform(example, np.random.default_rng(seed)))
        assert moved.lesions[0].masks["anterior"].sum() > 80


masks = arrays.arrays(bool, (2, 2, 4, 4))


@given(masks, st.lists(st.booleans(), min_size=4, max_size=4))
def test_the_sum_of_the_views_is_labelled_where_either_view_is(drawn, labelled):
    views = ("anterior", "posterior")
    lesions = tuple(
        Instance(i + 1, dict(zip(views, drawn[i], strict=True)), dict(zip(views, labelled[2 * i :], strict=False)), {})
        for i in range(2)
    )
    counts = {view: np.full((4, 4), i + 1, np.float32) for i, view in enumerate(views)}
    total = aggregated(Example(counts, lesions))
    assert (total.counts["anterior"] == 3).all()
    expected = merge_labels([label_map(lesions, view, (4, 4)) for view in views])
    np.testing.assert_array_equal(label_map(total.lesions, "anterior", (4, 4)), expected)
    assert len({lesion.id for lesion in total.lesions}) == len(total.lesions)


def test_d1_is_the_lesion_images_as_they_are(data, tmp_path):
    made = make_recipe(data, tmp_path / "D1", RecipeRequest("D1"))
    assert made == {"train": 7, "test": 0, "unlabelled": 0}
    for case in cases_of(tmp_path / "D1", "train"):
        before, after = load_case(data, case), load_case(tmp_path / "D1", case)
        for view in before.counts:
            np.testing.assert_array_equal(after.counts[view], before.counts[view])
            np.testing.assert_array_equal(after.labels[view], before.labels[view])


def test_d2_has_copies_whose_patient_is_their_sources(data, d2):
    patients = patients_of(d2)
    assert len(patients) == 21
    assert set(patients.values()) == set(cases_of(data, "train"))
    record = json.loads((d2 / "instances" / "case3_c001.json").read_text())
    motion = Transform(**{**record["motion"], "shift": tuple(record["motion"]["shift"])})
    expected = apply_transform(example_of(load_case(data, "case3")), motion)
    found = load_case(d2, "case3_c001")
    for view, counts in expected.counts.items():
        np.testing.assert_allclose(found.counts[view], counts, atol=0.51)
        np.testing.assert_array_equal(found.labels[view] > 0, expected.lesions[0].masks[view])


def test_nothing_separates_a_copy_from_its_source(d2):
    patients = patients_of(d2)
    for fold in json.loads((d2 / "splits.json").read_text())["folds"]:
        assert not shared_patients(patients, fold["train"], fold["val"])
    for labels, by in ((3, "patient"), (9, "sample"), (None, "patient")):
        cases = training_cases(
            d2, TrainingConfig(method="semi" if labels else "supervised", labels=labels, budget_by=by)
        )
        assert not shared_patients(patients, cases.labelled, cases.validation, cases.unlabelled)
    subsets = draw_subsets(patients, 0.37, 1)
    assert not shared_patients(patients, *vars(subsets).values())


def test_the_papers_subsets_are_whole_patients_and_subset_1_has_no_labels(data, tmp_path):
    made = make_recipe(data, tmp_path / "D2", RecipeRequest("D2", labels=4, hold_out=True, factor=2))
    assert sum(made.values()) == 14
    assert min(made.values()) > 0
    folder = tmp_path / "D2"
    patients = patients_of(folder)
    assert not shared_patients(patients, *(cases_of(folder, split) for split in made))
    for case in cases_of(folder, "unlabelled"):
        assert load_case(folder, case).labels == {}
        assert not list((folder / "labelsTr").glob(f"{case}*"))
        assert "lesions" not in (folder / "instances" / f"{case}.json").read_text()
    # nnU-Net's rule: a label for every image, a test set next to it.
    assert len(list((folder / "labelsTr").iterdir())) == made["train"]
    assert len(list((folder / "labelsTs").iterdir())) == made["test"]


def test_d2_agg_is_what_the_network_would_add_up_itself(data, d2, tmp_path):
    make_recipe(data, tmp_path / "Agg", RecipeRequest("D2_Agg", seed=4, factor=3))
    for case in ("case1", "case1_c002"):
        two, one = load_case(d2, case), load_case(tmp_path / "Agg", case)
        assert list(one.counts) == ["anterior"]
        # Two roundings to whole counts against one.
        total = two.counts["anterior"] + two.counts["posterior"]
        np.testing.assert_allclose(one.counts["anterior"], total, atol=1.01)
        inputs = [
            network_inputs(c.counts.get("anterior"), c.counts.get("posterior"), ("aggregate",), BODY_LEVEL)
            for c in (two, one)
        ]
        np.testing.assert_allclose(*inputs, atol=0.25)
        np.testing.assert_array_equal(target_channels(one, ("union",))[0], target_channels(two, ("union",))[0])


def test_an_interrupted_recipe_continues_to_the_same_bytes(data, d2, tmp_path, monkeypatch):
    from SpectBoneMetSegTrainingLib.paper_sets import recipes

    write, written = recipes.write_example, []

    def breaks_off(folder, split, case, *rest):
        if len(written) == 8:
            raise KeyboardInterrupt
        written.append(case)
        write(folder, split, case, *rest)

    request = RecipeRequest("D2", seed=4, factor=3)
    with monkeypatch.context() as patch:
        patch.setattr(recipes, "write_example", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            make_recipe(data, tmp_path / "D2", request)
    make_recipe(data, tmp_path / "D2", request)
    names = sorted(path.relative_to(d2).as_posix() for path in d2.rglob("*.*"))
    assert names == sorted(path.relative_to(tmp_path / "D2").as_posix() for path in (tmp_path / "D2").rglob("*.*"))
    for name in names:
        assert (d2 / name).read_bytes() == (tmp_path / "D2" / name).read_bytes(), name
    with pytest.raises(UserError, match="other options"):
        make_recipe(data, tmp_path / "D2", RecipeRequest("D2", seed=5, factor=3))


def test_generated_cases_train_with_the_first_fold_and_are_never_held_out():
    folds = split_by_patient({f"c{i}": f"p{i}" for i in range(7)}, 0, generated=["g1", "g2"])
    assert {"g1", "g2"} < set(folds[0]["train"])
    assert not any({"g1", "g2"} & set(fold["val"]) for fold in folds)
    assert not any({"g1", "g2"} & set(fold["train"]) for fold in folds[1:])


def test_the_command_takes_a_benchmarks_d1(data, tmp_path, capsys):
    (tmp_path / "d1.json").write_text(json.dumps({"labelled": ["case2", "case5"]}))
    command = ["augment", "--data", str(data), "--output", str(tmp_path / "out"), "--recipe", "D2", "--json"]
    assert main([*command, "--labelled-cases", str(tmp_path / "d1.json"), "--factor", "2.5"]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert reported["train"] == 5
    assert set(patients_of(tmp_path / "out").values()) == {"case2", "case5"}
    about = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert "Made-up discs" in about["description"]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--recipe", "D9"], 2),
        (["--recipe", "D2", "--factor", "0"], 2),
        (["--recipe", "D2", "--labels", "99"], 1),
        (["--recipe", "D2", "--labels", "0"], 1),
        (["--recipe", "D3", "--factor", "1"], 1),
    ],
)
def test_impossible_recipes_are_refused_in_one_sentence(options, status, data, tmp_path, capsys):
    assert main(["augment", "--data", str(data), "--output", str(tmp_path / "out"), *options]) == status
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_is_left_unchanged(data, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is not a data set of a recipe"):
        make_recipe(data, tmp_path, RecipeRequest("D1"))
