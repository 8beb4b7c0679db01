"""The model store: what is saved comes back, what is damaged is refused."""

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.resources import resources_folder
from SpectBoneMetSegLib.model import store as models
from SpectBoneMetSegLib.model.architecture import build_network
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.inputs import PREPROCESSING_VERSION

CONFIG = NetworkConfig(channels=(5,), dilations=((1, 2),), recurrent_steps=1, stem_channels=2)
IMAGE = np.random.default_rng(0).random((1, 16, 12, 2), dtype=np.float32)


@pytest.fixture(scope="module")
def network():
    from SpectBoneMetSegLib.model.engines import import_tensorflow

    import_tensorflow().keras.utils.set_random_seed(1)
    made = build_network(CONFIG)
    # Moving averages differ from their start, so that forgetting to store them would show.
    made(IMAGE, training=True)
    return made


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory) -> models.ModelFolder:
    fields = {
        "description": "tiny",
        "threshold": 0.4,
        "seed_threshold": 0.6,
        "minimum_area_mm2": 20.0,
        "training": {"data": "simulated", "patients": 3},
    }
    return models.save_model(network, CONFIG, fields, tmp_path_factory.mktemp("saved") / "tiny")


@pytest.fixture
def stores(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """Empty stores for shipped and user models."""
    shipped, user = tmp_path / "shipped", tmp_path / "user"
    shipped.mkdir()
    monkeypatch.setattr(models, "shipped_models_folder", lambda: shipped)
    monkeypatch.setenv(models.MODELS_VARIABLE, str(user))
    return shipped, user


def put(model: models.ModelFolder, store: Path, name: str) -> Path:
    shutil.copytree(model.path, store / name)
    return store / name


def rewrite_card(folder: Path, **changes) -> None:
    card = json.loads((folder / models.CARD_FILE).read_text())
    (folder / models.CARD_FILE).write_text(json.dumps({**card, **changes}))


def test_loaded_model_predicts_the_same_bits(saved, network):
    loaded = models.load_network(models.read_model(saved.path))
    np.testing.assert_array_equal(loaded(IMAGE).numpy(), network(IMAGE).numpy())


def test_the_card_describes_what_was_saved(saved):
    card = json.loads((saved.path / "card.json").read_text())
    assert card["name"] == "tiny"
    assert card["network"]["channels"] == [5]
    assert (card["threshold"], card["seed_threshold"], card["minimum_area_mm2"]) == (0.4, 0.6, 20.0)
    assert card["training"] == {"data": "simulated", "patients": 3}
    assert card["preprocessing_version"] == PREPROCESSING_VERSION
    assert card["sha256"] == models.sha256_of(saved.path / "weights.npz")
    assert "not for diagnosis" in card["notice"]
    assert card["created"].endswith("+00:00")
    assert ModelCard.from_dict(card) == saved.card


def test_saving_leaves_no_scratch_and_replaces_the_model_before(saved, network, tmp_path):
    folder = put(saved, tmp_path, "model")
    again = models.save_model(network, CONFIG, {"version": "2"}, folder)
    assert again.card.version == "2"
    assert again.card.name == "model"
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "weights.npz"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_saving_that_fails_keeps_the_model_before(saved, network, tmp_path):
    folder = put(saved, tmp_path, "model")
    with pytest.raises(ValueError, match="threshold"):
        models.save_model(network, CONFIG, {"threshold": 2.0}, folder)
    models.verify(models.read_model(folder))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_full_disk_keeps_the_model_before_and_is_reported_with_the_file_and_a_remedy(
    saved, network, tmp_path, monkeypatch
):
    folder = put(saved, tmp_path, "model")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        UserError, match=r"model.onnx cannot be written to .*No space.*stays as it was; free some space"
    ):
        models.add_onnx(models.read_model(folder), b"network")
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(
        UserError, match=r"The model cannot be written to .*\(No space left on device\); free some space"
    ):
        models.save_model(network, CONFIG, {}, folder)
    models.verify(models.read_model(folder))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_folder_with_other_things_is_not_overwritten(network, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="not a model"):
        models.save_model(network, CONFIG, {}, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_misspelt_card_field_is_refused(network, tmp_path):
    with pytest.raises(ValueError, match="treshold"):
        models.save_model(network, CONFIG, {"treshold": 0.4}, tmp_path / "model")


def test_one_changed_byte_in_the_weights_is_refused(saved, tmp_path):
    folder = put(saved, tmp_path, "damaged")
    weights = bytearray((folder / models.WEIGHTS_FILE).read_bytes())
    weights[len(weights) // 2] ^= 1
    (folder / models.WEIGHTS_FILE).write_bytes(weights)
    with pytest.raises(UserError, match=r"weights\.npz is damaged.*install"):
        models.load_network(models.read_model(folder))


def test_missing_weights_are_named(saved, tmp_path):
    folder = put(saved, tmp_path, "half")
    (folder / models.WEIGHTS_FILE).unlink()
    with pytest.raises(UserError, match=r"weights\.npz cannot be read"):
        models.verify(models.read_model(folder))


def test_onnx_file_that_is_not_in_the_card_is_refused(saved, tmp_path):
    folder = put(saved, tmp_path, "smuggled")
    (folder / models.ONNX_FILE).write_bytes(b"other")
    with pytest.raises(UserError, match=r"model\.onnx is damaged"):
        models.verify(models.read_model(folder))


@pytest.mark.parametrize("other", [{"stem_channels": 4}, {"inception": False}, {"recurrent_steps": 2}], ids=str)
def test_weights_of_another_network_are_refused(saved, tmp_path, other):
    folder = put(saved, tmp_path, "other")
    rewrite_card(folder, network={**saved.card.network.to_dict(), **other})
    with pytest.raises(UserError, match="does not fit the network"):
        models.load_network(models.read_model(folder))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"attention": True}}, "unknown network settings attention"),
        ({"name": "../elsewhere"}, "name consists of"),
        ({"threshold": 1.5}, "threshold"),
        ({"preprocessing_version": 99}, "preprocessing 99"),
        ({"network": None}, "not a valid model card"),
    ],
    ids=str,
)
def test_unusable_cards_are_refused_in_one_sentence(saved, tmp_path, changes, message):
    folder = put(saved, tmp_path, "odd")
    rewrite_card(folder, **changes)
    with pytest.raises(UserError, match=message):
        models.read_model(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json"])
def test_files_that_are_no_cards_are_refused(tmp_path, text):
    (tmp_path / models.CARD_FILE).write_text(text)
    with pytest.raises(UserError, match="not a valid model card") as raised:
        models.read_model(tmp_path)
    assert "indices" not in str(raised.value)
    assert "('" not in str(raised.value)


def test_unknown_model_message_lists_the_available_ones(saved, stores):
    put(saved, stores[0], "thorax")
    put(saved, stores[1], "ours")
    with pytest.raises(UserError, match=r"no model 'pelvis'; available are: thorax, ours; .*path"):
        models.find_model("pelvis")


def test_without_any_model_the_message_says_so(stores):
    assert models.list_models() == []
    with pytest.raises(UserError, match="train or install"):
        models.find_model()


def test_models_are_found_by_name_and_by_path_shipped_before_the_users_own(saved, stores):
    shipped, user = put(saved, stores[0], "thorax"), put(saved, stores[1], "thorax")
    own = put(saved, stores[1], "ours")
    assert models.find_model("thorax").path == shipped
    assert models.find_model("ours").path == own
    assert models.find_model(user).path == user
    assert models.find_model(str(user)).path == user
    assert [model.path for model in models.list_models()] == [shipped, own]


def test_default_model_is_the_named_one_or_else_the_first(saved, stores):
    put(saved, stores[0], "abdomen")
    assert models.default_model_name() == "abdomen"
    put(saved, stores[1], models.DEFAULT_MODEL_NAME)
    assert models.default_model_name() == models.DEFAULT_MODEL_NAME
    assert models.find_model().path == stores[1] / models.DEFAULT_MODEL_NAME


def test_one_broken_folder_does_not_hide_the_other_models(saved, stores):
    (put(saved, stores[1], "broken") / models.CARD_FILE).write_text("{")
    put(saved, stores[1], "whole")
    assert [model.path.name for model in models.list_models()] == ["whole"]
    with pytest.raises(UserError, match="not a valid model card"):
        models.find_model("broken")


def test_installed_model_is_found_by_name_and_intact(saved, stores):
    installed = models.install_model(saved.path)
    assert installed.path == stores[1] / "tiny"
    assert models.find_model("tiny") == installed
    assert models.install_model(installed.path) == installed


def test_damaged_model_is_not_installed(saved, stores, tmp_path):
    folder = put(saved, tmp_path, "damaged")
    (folder / models.WEIGHTS_FILE).write_bytes(b"x")
    with pytest.raises(UserError, match="damaged"):
        models.install_model(folder)
    assert not stores[1].exists()


def test_model_named_like_a_shipped_one_is_not_installed(saved, stores):
    put(saved, stores[0], "tiny")
    with pytest.raises(UserError, match="shipped"):
        models.install_model(saved.path)


def test_resources_lie_next_to_the_sources_or_inside_the_wheel(tmp_path, monkeypatch):
    import SpectBoneMetSegLib

    assert (resources_folder() / "Models").is_dir()
    package = tmp_path / "SpectBoneMetSegLib"
    (package / "Resources").mkdir(parents=True)
    monkeypatch.setattr(SpectBoneMetSegLib, "__file__", str(package / "__init__.py"))
    assert resources_folder() == package / "Resources"
    (package / "Resources").rename(tmp_path / "Resources")
    assert resources_folder() == tmp_path / "Resources"
    (tmp_path / "Resources").rmdir()
    with pytest.raises(UserError, match="install"):
        resources_folder()
