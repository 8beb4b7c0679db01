"""`spectbonemetseg simulate`, as a shell starts it."""

import re

from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegTrainingLib.dataset.cases import finish_dataset
from SpectBoneMetSegTrainingLib.phantom.cohort import population
from support.datasets import make_scan, write


def test_it_ends_with_what_was_made_and_how_long_it_took(tmp_path, monkeypatch, capsys):
    def made(folder, *_):
        for case, split in (("a", "train"), ("b", "train"), ("c", "test"), ("d", "unlabelled")):
            write(folder, make_scan(case), split)
        finish_dataset(folder, "Tiny", 1, "tiny")
        return {}

    monkeypatch.setattr(population, "simulate_population", made)
    assert main(["simulate", "--patients", "2", "--seed", "1", "--output", str(tmp_path / "set")]) == 0
    printed = capsys.readouterr().err.strip().splitlines()[-1]
    facts, _, time_taken = printed.rpartition("; ")
    assert facts == (
        f"{tmp_path / 'set'}: simulated patients, 2 for training, 1 for the test, 1 without labels; 4 scans with 9 "
        f"labelled lesions; train with `train --data {tmp_path / 'set'}`"
    )
    # A loaded machine takes longer than none.
    assert re.fullmatch(r"it took \d+ s\.", time_taken)
