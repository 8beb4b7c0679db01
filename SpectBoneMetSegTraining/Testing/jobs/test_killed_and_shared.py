"""A training that is killed at random, or shared by several devices, ends like an uninterrupted one on one device."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.training.run_folder import read_rows

KILLS, STEPS = 10, 200

TRAIN = """
import sys
from pathlib import Path
import numpy as np
from SpectBoneMetSegLib.model.architecture import NetworkConfig
from SpectBoneMetSegTrainingLib.training import trainer
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig

data, run, method, steps, devices = sys.argv[1:]
devices = devices.split(",") if devices else None
if devices:
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration() for _ in devices])
trainer.CHECKPOINT_EVERY = 3
network = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=2, stem_channels=6)
config = trainer.TrainingConfig(
    steps=int(steps), batch=4, patch=32, seed=3, network=network, method=method, labels=4, validate_every=20, patience=0
)
trained = trainer.train(Path(data), Path(run), config, devices=devices)
np.savez(Path(run) / "trained.npz", *[variable.numpy() for variable in trained.variables])
"""


@pytest.fixture(scope="module")
def mixed(discs, tmp_path_factory):
    return discs(tmp_path_factory.mktemp("mixed"), ["train"] * 6 + ["unlabelled"] * 2)


def start(data, run, method="supervised", steps=STEPS, devices=""):
    command = [sys.executable, "-c", TRAIN, str(data), str(run), method, str(steps), devices]
    return subprocess.Popen(command, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, stderr=subprocess.DEVNULL)


def finish(data, run, *arguments):
    assert start(data, run, *arguments).wait() == 0
    with np.load(run / "trained.npz") as arrays:
        return [arrays[name] for name in arrays.files]


def rows_of(run, name):
    """The rows of a log without their times, which no two trainings share."""
    return [{key: value for key, value in row.items() if not key.endswith("seconds")} for row in read_rows(run / name)]


def written(path):
    """When a file was last written, 0 for never."""
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.slow
def test_a_training_killed_ten_times_ends_bit_for_bit_like_an_uninterrupted_one(mixed, tmp_path):
    whole = finish(mixed, tmp_path / "whole")
    run, rng, rows_at_kill = tmp_path / "killed", random.Random(8), []
    # Lives so long that all of them together do not reach the end.
    times = [row["seconds"] for row in read_rows(tmp_path / "whole" / "log.csv")]
    longest = (times[-1] - times[0]) / KILLS
    for number in range(KILLS):
        process = start(mixed, run)
        before = written(run / "checkpoint.npz")
        if number % 3:
            # While steps, checkpoints and validations follow each other; otherwise while it starts.
            while process.poll() is None and written(run / "checkpoint.npz") == before:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, longest))
        else:
            time.sleep(rng.uniform(0, times[0] + 3))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was over before it could be killed; give it more steps"
        rows_at_kill.append(len(read_rows(run / "log.csv")))
    # Otherwise it only ever began anew.
    assert max(rows_at_kill) > 3
    killed = finish(mixed, run)
    for one, two in zip(whole, killed, strict=True):
        assert np.array_equal(one, two)
    assert len(rows_of(run, "log.csv")) == STEPS
    for name in ("log.csv", "validation.csv"):
        assert rows_of(run, name) == rows_of(tmp_path / "whole", name)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["supervised", "semi", "strong"])
def test_two_devices_train_like_one(method, mixed, tmp_path):
    one = finish(mixed, tmp_path / "one", method, 6)
    two = finish(mixed, tmp_path / "two", method, 6, "CPU:0,CPU:1")
    for single, shared in zip(one, two, strict=True):
        np.testing.assert_allclose(shared, single, rtol=2e-3, atol=2e-4)
    losses = [[row["loss"] for row in rows_of(tmp_path / run, "log.csv")] for run in ("one", "two")]
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-3)
