"""Malformed files: each is refused in a sentence or read, in bounded time and memory."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.memory import peak_memory_mb
from SpectBoneMetSegLib.model.archive import import_model
from SpectBoneMetSegLib.model.store import MODELS_VARIABLE, read_model
from support import bad_files
from support.intact_files import label_bytes, labelled_scan, read_picture, scan_bytes

#: Seconds of processor a file may take, and MB that reading all may add.
MOST_SECONDS, MOST_MB = 20.0, 1500.0


def survive(files: list[bad_files.Named], folder: Path, read: Callable[[Path], object]) -> list[str]:
    """Names of the files that were read; fails for the first that crashes, or takes too long."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    begun, taken = peak_memory_mb() or 0.0, []
    for named in files:
        path = bad_files.write(named, folder)
        start = time.process_time()
        try:
            read(path)
            taken.append(named[0])
        except UserError:
            pass
        except Exception as error:
            raise AssertionError(f"{named[0]}: {type(error).__name__}: {error}") from error
        assert time.process_time() - start < MOST_SECONDS, named[0]
        path.unlink()
    assert (peak_memory_mb() or 0.0) - begun < MOST_MB
    return taken


def test_the_corpus_is_large_and_always_the_same():
    every = [*bad_files.scans(), *bad_files.labels(), *bad_files.cards(), *bad_files.model_files()]
    assert len(every) >= 200
    names = [name for name, _ in bad_files.scans()]
    assert len(set(names)) == len(names)


def test_scans(tmp_path):
    taken = survive(list(bad_files.scans()), tmp_path, read_picture)
    assert {f"intact{ending}" for ending in scan_bytes()} <= set(taken)


def test_labels(tmp_path):
    from SpectBoneMetSegTrainingLib.gathering.formats.read_labels import read_labels
    from SpectBoneMetSegTrainingLib.gathering.labels.marks import LabelFile

    scan = labelled_scan(tmp_path)
    (tmp_path / "labels").mkdir()
    files = list(bad_files.labels())
    taken = survive(files, tmp_path / "labels", lambda path: read_labels([LabelFile(path, "anterior")], scan))
    assert {f"intact{ending}" for ending in label_bytes()} <= set(taken)


def test_cards(tmp_path):
    def read(path: Path) -> None:
        (path.parent / "card.json").write_bytes(path.read_bytes())
        read_model(path.parent)

    survive(list(bad_files.cards()), tmp_path, read)


def test_model_files_install_and_unpickle_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    trace = Path("/tmp/a-model-was-unpickled")
    trace.unlink(missing_ok=True)
    assert survive(list(bad_files.model_files()), tmp_path, import_model) == []
    assert not trace.exists()
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("name", ["dataset.json", "splits.json", "instances/case.json"])
def test_data_sets(tmp_path, name):
    from SpectBoneMetSegTrainingLib.dataset.cases import cases_of
    from SpectBoneMetSegTrainingLib.training.setup.cases import training_and_validation

    intact = {"dataset.json": {"numTraining": 0}, "splits.json": {"folds": []}}
    (tmp_path / "instances").mkdir()

    def read(path: Path) -> None:
        for other, value in intact.items():
            (tmp_path / other).write_text(json.dumps(value), encoding="utf-8")
        (tmp_path / name).write_bytes(path.read_bytes())
        cases_of(tmp_path, "train")
        training_and_validation(tmp_path)

    survive([(f"odd{number}", value) for number, value in enumerate(bad_files._json_oddities())], tmp_path, read)


@pytest.mark.parametrize("name", ["job.json", "status.json", "wish.json"])
def test_job_folders(tmp_path, name):
    from SpectBoneMetSegTrainingLib.jobs.folder import read_job

    def read(path: Path) -> None:
        (tmp_path / name).write_bytes(path.read_bytes())
        read_job(tmp_path)

    survive([(f"odd{number}", value) for number, value in enumerate(bad_files._json_oddities())], tmp_path, read)
