"""`spectbonemetseg train`: every method ends in a model whose card describes its training."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.store import find_model, load_network
from SpectBoneMetSegTrainingLib.dataset.files import read_json, write_json
from SpectBoneMetSegTrainingLib.training.outcome.finish import train_and_finish
from SpectBoneMetSegTrainingLib.training.outcome.training_scans import known_patients
from SpectBoneMetSegTrainingLib.training.setup.cases import training_cases
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig
from support.small_disk import small_disk

pytestmark = pytest.mark.usefixtures("eager")

SMALL = ["--batch", "4", "--patch", "32", "--channels", "8", "--recurrent-steps", "1", "--stem-channels", "6"]
NETWORK = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=1, stem_channels=6)


@pytest.fixture(scope="module")
def mixed(discs, tmp_path_factory):
    """Six labelled, two unlabelled and two test patients."""
    return discs(tmp_path_factory.mktemp("mixed"), ["train"] * 6 + ["unlabelled"] * 2 + ["test"] * 2)


@pytest.fixture(scope="module")
def parent(mixed, tmp_path_factory):
    """A model to start from."""
    folder = tmp_path_factory.mktemp("models") / "parent"
    config = TrainingConfig(steps=2, batch=2, patch=32, network=NETWORK)
    train_and_finish(mixed, folder.with_name("run"), config, folder)
    return folder


def train(data, output, *options):
    return main(["train", "--data", str(data), "--output", str(output), "--steps", "3", "--json", *options])


METHODS = {
    "supervised": (["--labels", "4"], (3, 1, 0)),
    "unsupervised": (["--published"], (0, 2, 6)),
    "semi": (["--labels", "4", "--convex", "--labels-by", "sample", "--no-augment"], (3, 1, 4)),
    "strong": (["--labels", "3", "--weight-decay", "0", "--average", "0.5"], (2, 1, 5)),
}


#: The quick tests train by the methods with both kinds of scans.
QUICK = [pytest.param(name, marks=[] if name in ("semi", "strong") else pytest.mark.slow) for name in METHODS]


@pytest.mark.parametrize("method", QUICK)
def test_every_method_ends_in_a_model_whose_card_names_it(method, mixed, tmp_path, capsys):
    options, counts = METHODS[method]
    assert train(mixed, tmp_path / "tiny", "--method", method, *SMALL, *options) == 0
    reported = json.loads(capsys.readouterr().out)
    card = find_model(tmp_path / "tiny").card
    about = card.training
    assert (about["cases"], about["validation_cases"], about["unlabelled_cases"]) == counts
    assert about["method"] == method
    assert ("Eq. 7" in about["loss"]) == (method == "unsupervised")
    assert ("Eq. 6" in about["loss"]) == (method == "semi")
    assert about["start"] == "random weights"
    assert not card.parent
    assert reported["validation"]["cases"] == counts[1] == card.metrics["validation"]["cases"]


def test_without_any_label_nothing_is_chosen_or_measured(mixed, tmp_path, capsys):
    assert train(mixed, tmp_path / "tiny", "--method", "unsupervised", "--labels", "0", *SMALL) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["validation"] == {}
    assert "nothing was measured" in printed.err
    card = find_model(tmp_path / "tiny").card
    assert card.metrics == {}
    assert card.threshold == card.seed_threshold == 0.5


def test_eq_7_alone_needs_no_labelled_scan_at_all(discs, tmp_path, capsys):
    bare = discs(tmp_path / "bare", ["unlabelled"] * 3)
    assert train(bare, tmp_path / "tiny", "--method", "unsupervised", *SMALL) == 0
    assert "nothing was measured" in capsys.readouterr().err
    assert train(bare, tmp_path / "other", "--method", "semi", *SMALL) == 1
    assert "no labelled training case" in capsys.readouterr().err


def test_a_set_of_test_patients_alone_is_refused_by_eq_7_too(discs, tmp_path, capsys):
    tests = discs(tmp_path / "tests", ["test"] * 3)
    assert train(tests, tmp_path / "tiny", "--method", "unsupervised", *SMALL) == 1
    assert "no scan to train on" in capsys.readouterr().err


def test_a_budget_of_one_patient_is_measured_on_its_training_patient(mixed, tmp_path):
    figures = train_and_finish(
        mixed, tmp_path / "run", TrainingConfig(2, 2, 32, labels=1, network=NETWORK), tmp_path / "m"
    )
    assert "trained on" in figures["what"]
    assert figures["cases"] == 1


def test_only_named_cases_lend_their_labels(mixed, tmp_path):
    names = ["case0", "case2", "case3"]
    (tmp_path / "d1.json").write_text(json.dumps({"labelled": names, "unlabelled": []}))
    options = ["--labelled-cases", str(tmp_path / "d1.json"), "--method", "semi"]
    assert train(mixed, tmp_path / "tiny", *options, *SMALL) == 0
    config = TrainingConfig(method="semi", labelled_cases=tuple(names))
    cases = training_cases(mixed, config)
    assert sorted([*cases.labelled, *cases.validation]) == names
    assert set(cases.unlabelled) == {"case1", "case4", "case5", "case6", "case7"}
    assert json.loads((tmp_path / "tiny-run" / "config.json").read_text())["labelled_cases"] == names
    # The same folder continues the same training.
    assert train(mixed, tmp_path / "tiny", *options, *SMALL) == 0


def test_a_store_without_patients_is_refused_and_leaves_no_run(mixed, tmp_path, capsys):
    (tmp_path / "scans").mkdir()
    before = set(tmp_path.rglob("*"))
    options = ["--store", str(tmp_path / "missing"), *SMALL]
    assert train(mixed, tmp_path / "m", *options) == 2
    assert "missing holds no stored patients" in capsys.readouterr().err
    folders = ["--labelled", str(tmp_path / "scans"), "--output", str(tmp_path / "m")]
    assert main(["train", *folders, *options]) == 2
    assert "missing holds no stored patients" in capsys.readouterr().err
    assert main(["adapt", *folders, *options[:2]]) == 2
    assert "missing holds no stored patients" in capsys.readouterr().err
    with pytest.raises(UserError, match="holds no stored patients"):
        train_and_finish(mixed, tmp_path / "run", TrainingConfig(store=str(tmp_path / "missing")), tmp_path / "m")
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [8, 60])
def test_a_full_disk_ends_a_training_in_one_sentence_and_with_space_it_continues(mixed, tmp_path, capsys, kilobytes):
    with small_disk(tmp_path / "disk", kilobytes) as disk:
        assert train(mixed, disk / "m", *SMALL) == 1
        message = capsys.readouterr().err
        assert message.count("No space left on device") == 1
        assert "Traceback" not in message
        assert not (disk / "m").exists()
        assert not [path.name for path in disk.rglob(".*") if path.name != ".lock"]
        subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True)
        assert train(mixed, disk / "m", *SMALL) == 0
        assert find_model(disk / "m").card.name == "m"


def test_a_parent_model_with_damaged_weights_leaves_no_run(mixed, parent, tmp_path):
    shutil.copytree(parent, tmp_path / "parent")
    (tmp_path / "parent" / "weights.npz").write_bytes(b"x")
    assert train(mixed, tmp_path / "m", "--start", str(tmp_path / "parent")) == 1
    assert not (tmp_path / "m-run").exists()


@pytest.mark.parametrize("content", ["{}", "[]", '{"labelled": []}', '{"labelled": [1]}', "{", '{"labelled": ["x"]}'])
def test_a_file_without_fitting_cases_is_refused(content, mixed, tmp_path, capsys):
    (tmp_path / "d1.json").write_text(content)
    assert train(mixed, tmp_path / "m", "--labelled-cases", str(tmp_path / "d1.json"), *SMALL) == 1
    message = capsys.readouterr().err
    assert len(message.strip().splitlines()) == 1
    # The file is the user's own and no part of a data set.
    assert "make the data set again" not in message
    assert ("name a JSON file with" in message) == (content == "{")
    assert not (tmp_path / "m").exists()


def test_fine_tuning_starts_from_the_models_weights(mixed, parent, tmp_path):
    before = find_model(parent)
    options = ["--start", str(parent), "--batch", "2", "--patch", "32", "--learning-rate", "1e-9"]
    assert train(mixed, tmp_path / "child", *options) == 0
    child = find_model(tmp_path / "child")
    assert child.card.network == before.card.network
    assert before.card.sha256 in child.card.parent
    assert child.card.parent.startswith("parent 1")
    stored = json.loads((tmp_path / "child-run" / "config.json").read_text())
    assert stored["start_sha256"] == before.card.sha256
    pairs = zip(load_network(before).trainable_weights, load_network(child).trainable_weights, strict=True)
    for one, two in pairs:
        np.testing.assert_allclose(one.numpy(), two.numpy(), atol=1e-6, err_msg=one.path)


def test_a_fine_tuned_model_is_reported_next_to_its_parent(mixed, parent, tmp_path, capsys):
    assert train(mixed, tmp_path / "child", "--start", str(parent), "--batch", "2", "--patch", "32") == 0
    out, err = capsys.readouterr()
    reported, card = json.loads(out)["comparison"], find_model(tmp_path / "child").card
    assert reported["parent_sha256"] == find_model(parent).card.sha256
    assert "parent 1: DSC" in err
    assert card.metrics["comparison with parent"]["verdict"] == reported["verdict"] == "undecided"


def test_an_evaluation_on_training_patients_reports_that(mixed, parent, tmp_path, capsys):
    def measured(split, model=parent):
        assert main(["evaluate", "--data", str(mixed), "--model", str(model), "--split", split, "--json"]) == 0
        out, err = capsys.readouterr()
        return json.loads(out)["known_patients"], err

    known, err = measured("train")
    assert known == {"trained": 4, "validated": 2}
    assert "of 6, it was trained on 4 and its thresholds were chosen on 2" in err
    known, err = measured("validation")
    assert known == {"trained": 0, "validated": 2}
    assert "of 2, its thresholds were chosen on 2" in err
    known, err = measured("test")
    assert known == {"trained": 0, "validated": 0}
    assert "too optimistic" not in err
    # The training scans of the parent are also in its child's card.
    options = ["--start", str(parent), "--batch", "2", "--patch", "32", "--labels", "1"]
    assert train(mixed, tmp_path / "child", *options) == 0
    capsys.readouterr()
    assert measured("train", tmp_path / "child")[0] == {"trained": 5, "validated": 1}


def test_a_scan_is_recognised_in_another_data_set_under_another_name(mixed, parent, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(mixed, other)
    case = read_json(mixed / "splits.json")["folds"][0]["train"][0]
    for path in [path for path in other.rglob(f"{case}*") if path.is_file()]:
        path.rename(path.with_name(path.name.replace(case, "renamed", 1)))
    record = read_json(other / "instances" / "renamed.json")
    write_json(other / "instances" / "renamed.json", {**record, "case": "renamed", "patient": "somebody"})
    known = known_patients(find_model(parent).card, other, ["renamed"])
    assert known.trained == {"somebody"}
    assert known_patients(find_model().card, other, ["renamed"]).sentence(1) == ""


def test_training_patients_and_the_first_step_are_reported_before_the_first_step(mixed, tmp_path, capsys):
    options = ["--steps", "6", *SMALL]
    assert train(mixed, tmp_path / "m", *options) == 0
    first = capsys.readouterr().err.splitlines()
    assert first[0] == (
        f"6 steps start in {tmp_path / 'm-run'}. Patients: 4 labelled for training, 2 for validation, 0 unlabelled."
    )
    assert any(line.startswith("A step takes ") and "for the 2 steps ahead" in line for line in first)
    assert train(mixed, tmp_path / "m", *options) == 0
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'm-run'} resumes at step 6 of 6.")


def test_a_run_does_not_continue_from_another_model(mixed, parent, tmp_path):
    with pytest.raises(UserError, match="not the model"):
        train_and_finish(
            mixed, tmp_path / "r", TrainingConfig(start=str(parent), start_sha256="0" * 64), tmp_path / "m"
        )


@pytest.mark.parametrize(
    "options",
    [
        ["--start", "nowhere"],
        ["--start", "PARENT", "--channels", "8"],
        ["--start", "PARENT", "--tied"],
        ["--published"],
        ["--convex", "--method", "unsupervised"],
        ["--method", "semi", "--batch", "3"],
        ["--labels", "0"],
        ["--patience", "-1"],
        ["--average", "1"],
        ["--dilations", "1:2,1:2"],
        ["--dilations", "1"],
    ],
)
def test_options_that_do_not_go_together_are_refused_with_status_2(options, mixed, parent, tmp_path, capsys):
    options = [str(parent) if word == "PARENT" else word for word in options]
    assert train(mixed, tmp_path / "m", *options) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "m").exists()
    assert not (tmp_path / "m-run").exists()


def test_a_run_of_an_older_program_continues(mixed, tmp_path):
    config = TrainingConfig(steps=2, batch=2, patch=32, network=NETWORK)
    train_and_finish(mixed, tmp_path / "run", config, tmp_path / "m")
    path = tmp_path / "run" / "config.json"
    stored = json.loads(path.read_text())
    for later in ("start", "start_sha256", "labelled_cases"):
        del stored[later]
    path.write_text(json.dumps(stored))
    train_and_finish(mixed, tmp_path / "run", config, tmp_path / "m")
