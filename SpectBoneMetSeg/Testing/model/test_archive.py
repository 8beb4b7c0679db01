"""A model as one file: reproducible bytes, an unchanged round trip, and refusal of anything else."""

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.model import store as models
from SpectBoneMetSegLib.model.archive import LIMITS, export_model, import_model
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.config import NetworkConfig

CONFIG = NetworkConfig(channels=(5,), dilations=((1, 2),), recurrent_steps=1, stem_channels=2)


def write_model(folder: Path, name: str = "tiny", seed: int = 0) -> models.ModelFolder:
    """A model whose weights fit no network, which are not needed here."""
    folder.mkdir(parents=True)
    np.savez(folder / "weights.npz", kernel=np.random.default_rng(seed).random(50, dtype=np.float32))
    card = ModelCard(name, CONFIG, description="tiny", sha256=sha256_of(folder / "weights.npz"))
    (folder / "card.json").write_text(json.dumps(card.to_dict()))
    return models.read_model(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("made") / "tiny")


@pytest.fixture(scope="module")
def archive(model, tmp_path_factory):
    return export_model(model, tmp_path_factory.mktemp("exported"))


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv(models.MODELS_VARIABLE, str(tmp_path / "store"))
    return tmp_path / "store"


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in file.namelist()}


def pack(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_STORED, *, honest: bool = True) -> Path:
    if honest:
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "sha256.json"}
        files = {**files, "sha256.json": json.dumps(hashes).encode()}
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def test_an_exported_model_comes_back_unchanged(model, archive, store):
    assert archive.name == "tiny.spectmodel.zip"
    installed = import_model(archive)
    assert installed.path == store / "tiny"
    assert installed.card == model.card
    assert installed.weights.read_bytes() == model.weights.read_bytes()
    assert import_model(archive).card == model.card


def test_the_same_model_gives_the_same_bytes(model, archive, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(model.path, copy)
    again = export_model(models.read_model(copy), tmp_path / "again.zip")
    assert again.read_bytes() == archive.read_bytes()


def test_a_file_of_the_same_model_is_written_again(model, tmp_path):
    file = export_model(model, tmp_path)
    before = file.read_bytes()
    assert export_model(model, tmp_path) == export_model(model, file) == file
    assert file.read_bytes() == before


@pytest.mark.parametrize("kind", ["unrelated", "another zip", "another model", "another version"])
def test_another_file_is_not_overwritten_by_an_export(model, store, tmp_path, kind):
    file = tmp_path / "kept.zip"
    if kind == "unrelated":
        file.write_text("work of an afternoon")
    elif kind == "another zip":
        pack(file, {"notes.txt": b"x"})
    else:
        export_model(write_model(tmp_path / kind, "other" if kind == "another model" else "tiny", seed=1), file)
    before = file.read_bytes()
    with pytest.raises(UserError, match=r"kept\.zip is not a file of the model tiny: move it or choose another file"):
        export_model(model, file)
    assert file.read_bytes() == before
    assert not list(tmp_path.glob(".*"))
    # Slicer's dialog has asked.
    assert import_model(export_model(model, file, replace=True), replace=True).card.sha256 == model.card.sha256


def test_a_damaged_model_is_not_exported(model, tmp_path):
    copy = tmp_path / "tiny"
    shutil.copytree(model.path, copy)
    (copy / "weights.npz").write_bytes(model.weights.read_bytes() + b"x")
    with pytest.raises(UserError, match="SHA-256"):
        export_model(models.read_model(copy), tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_another_model_of_that_name_is_replaced_only_on_request(archive, store, tmp_path):
    import_model(archive)
    other = export_model(write_model(tmp_path / "tiny", seed=1), tmp_path)
    with pytest.raises(UserError, match="another model 'tiny'"):
        import_model(other)
    before = (store / "tiny" / "weights.npz").read_bytes()
    import_model(other, replace=True)
    assert (store / "tiny" / "weights.npz").read_bytes() != before


def test_a_file_cannot_hide_a_shipped_model(store, tmp_path):
    archive = export_model(write_model(tmp_path / "thorax", "thorax"), tmp_path)
    with pytest.raises(UserError, match=r"thorax.*shipped") as raised:
        import_model(archive, replace=True)
    assert str(archive) in str(raised.value)


def test_a_file_that_cannot_be_written_is_named_as_given(model, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written to .*model.zip \(Not a directory\); choose another file"):
        export_model(model, tmp_path / "file" / "model.zip")


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "..\\evil.txt", "sub/card.json", "CARD.JSON", "more.txt"])
def test_nothing_but_the_files_of_a_model_comes_in(archive, store, tmp_path, name):
    hostile = pack(tmp_path / "hostile.zip", {**contents(archive), name: b"x"})
    with pytest.raises(UserError, match="exactly the files"):
        import_model(hostile)
    assert not store.exists()
    assert not list(tmp_path.parent.glob("evil*"))


@pytest.mark.parametrize("missing", ["card.json", "weights.npz", "sha256.json"])
def test_a_part_that_is_missing_is_refused(archive, store, tmp_path, missing):
    rest = {name: data for name, data in contents(archive).items() if name != missing}
    with pytest.raises(UserError, match="exactly the files"):
        import_model(pack(tmp_path / "part.zip", rest, honest=False))


def test_the_same_name_twice_is_refused(archive, store, tmp_path):
    hostile = pack(tmp_path / "twice.zip", contents(archive), honest=False)
    with zipfile.ZipFile(hostile, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("card.json", b"{}")
    with pytest.raises(UserError, match="exactly the files"):
        import_model(hostile)


@pytest.mark.parametrize("part", ["card.json", "weights.npz"])
def test_content_with_another_hash_is_refused(archive, store, tmp_path, part):
    files = contents(archive)
    files[part] += b" "
    with pytest.raises(UserError, match="SHA-256"):
        import_model(pack(tmp_path / "changed.zip", files, honest=False))
    assert not store.exists()


def test_a_card_of_other_weights_is_refused(archive, store, tmp_path):
    files = contents(archive)
    buffer = io.BytesIO()
    np.savez(buffer, kernel=np.zeros(3, np.float32))
    files["weights.npz"] = buffer.getvalue()
    with pytest.raises(UserError, match="other files"):
        import_model(pack(tmp_path / "swapped.zip", files))


@pytest.mark.parametrize("change", [{"name": "../tiny"}, {"threshold": 2}, {"preprocessing_version": 99}])
def test_a_card_that_is_not_valid_is_refused(archive, store, tmp_path, change):
    files = contents(archive)
    files["card.json"] = json.dumps({**json.loads(files["card.json"]), **change}).encode()
    with pytest.raises(UserError, match="card"):
        import_model(pack(tmp_path / "card.zip", files))
    assert not store.exists()


def test_a_bomb_is_refused_by_what_it_announces(archive, store, tmp_path, monkeypatch):
    monkeypatch.setitem(LIMITS, "weights.npz", 2**16)
    files = {**contents(archive), "weights.npz": b"\0" * 2**20}
    bomb = pack(tmp_path / "bomb.zip", files, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 2**14
    with pytest.raises(UserError, match="larger than any"):
        import_model(bomb)


def test_a_bomb_inside_the_weights_is_refused(archive, store, tmp_path, monkeypatch):
    monkeypatch.setitem(LIMITS, "weights.npz", 2**16)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, kernel=np.zeros(2**20, np.float32))
    card = json.loads(contents(archive)["card.json"])
    card["sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    files = {"card.json": json.dumps(card).encode(), "weights.npz": buffer.getvalue()}
    with pytest.raises(UserError, match="larger than any"):
        import_model(pack(tmp_path / "inner.zip", files))
    assert not store.exists()


def test_an_unusual_packing_is_refused(archive, store, tmp_path):
    with pytest.raises(UserError, match="unusual"):
        import_model(pack(tmp_path / "lzma.zip", contents(archive), zipfile.ZIP_LZMA))


def test_damaged_compressed_content_is_refused(archive, store, tmp_path):
    packed = pack(tmp_path / "deflated.zip", contents(archive), zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(packed) as file:
        entry = file.getinfo("weights.npz")
    data = bytearray(packed.read_bytes())
    # The local header has 30 bytes and the name; an invalid block type follows.
    data[entry.header_offset + 30 + len(entry.filename)] = 0x07
    packed.write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        import_model(packed)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"not a zip", b"PK\5\6" + b"\0" * 18])
def test_a_file_that_is_no_model_is_refused(store, tmp_path, content):
    (tmp_path / "no.zip").write_bytes(content)
    with pytest.raises(UserError):
        import_model(tmp_path / "no.zip")


def test_a_file_that_is_not_there_is_named(store, tmp_path):
    with pytest.raises(UserError, match="does not exist; check the path"):
        import_model(tmp_path / "none.zip")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5), st.integers(0, 10**6))
def test_whatever_bytes_change_the_model_is_refused_or_intact(model, archive, store, tmp_path, changes, cut):
    data = bytearray(archive.read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    if cut % 3 == 0:
        del data[cut % len(data) :]
    (tmp_path / "changed.zip").write_bytes(data)
    try:
        installed = import_model(tmp_path / "changed.zip")
    except UserError:
        return
    assert installed.card == model.card
    assert installed.weights.read_bytes() == model.weights.read_bytes()


def test_the_command_writes_and_installs_a_file(store, tmp_path, capsys):
    assert main(["models", "--export", "thorax", str(tmp_path / "thorax.zip")]) == 0
    assert (tmp_path / "thorax.zip").stat().st_size > 10**5
    export_model(write_model(tmp_path / "mine", "mine"), tmp_path / "mine.zip")
    assert main(["models", "--import", str(tmp_path / "mine.zip")]) == 0
    assert "mine" in capsys.readouterr().out
    assert main(["models", "--import", str(tmp_path / "none.zip")]) == 1
    assert main(["models", "--replace"]) == 2
    assert main(["models", "--install", ""]) == 1, "an empty variable of a script is no request to list"


def test_a_model_of_ones_own_can_be_removed_and_no_other(store, tmp_path, capsys):
    models.install_model(write_model(tmp_path / "mine", "mine").path)
    assert main(["models", "--remove", "mine"]) == 0
    assert not (store / "mine").exists()
    for name in ("mine", "thorax", "../mine", ""):
        assert main(["models", "--remove", name]) == 1
    assert "shipped with the program" in capsys.readouterr().err


def test_an_onnx_file_that_is_there_is_not_made_again(capsys):
    before = models.find_model("thorax").onnx.stat()
    assert main(["models", "--export-onnx", "thorax"]) == 0
    assert "is there already" in capsys.readouterr().err
    assert models.find_model("thorax").onnx.stat() == before


def test_the_list_of_models_fits_a_terminal(capsys):
    assert main(["models"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
