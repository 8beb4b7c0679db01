"""The report of an adaptation shows the scans that changed most, under the names that its reader knows."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegTrainingLib.dataset.opened import opened
from SpectBoneMetSegTrainingLib.evaluation.predictions import Delineator
from SpectBoneMetSegTrainingLib.training.adapting.adapt import PARENT, AdaptationRequest
from SpectBoneMetSegTrainingLib.training.adapting.choice import REPORTED_FIGURES, AdaptationComparison
from SpectBoneMetSegTrainingLib.training.adapting.page import write_page
from SpectBoneMetSegTrainingLib.training.adapting.plan import AdaptationPlan
from SpectBoneMetSegTrainingLib.training.outcome.parent_comparison import Difference

CASES = 13


@pytest.fixture
def write(discs, tmp_path):
    """Write the page for the DSC of every case with the parent and the adapted model, and return its text."""
    data = opened(discs(tmp_path / "d", ["train"] * CASES))
    network = NetworkConfig(channels=(8,), dilations=((1, 2),))
    shape = (64, 64, len(network.outputs))
    run = tmp_path / "run"
    run.mkdir()
    np.savez(run / PARENT, **{f"case{number}": np.zeros(shape, np.float16) for number in range(CASES)})
    card, figure = ModelCard("mine", network), Difference(0.5, 0.5, 0.0, -0.1, 0.1)

    def page(changes: dict[str, float], **named) -> str:
        ordered = sorted(changes.items(), key=lambda item: -item[1])
        adapted = SimpleNamespace(
            model=SimpleNamespace(card=card),
            parent=SimpleNamespace(card=card),
            comparison=AdaptationComparison(CASES, CASES, dict.fromkeys(REPORTED_FIGURES, figure)),
            limits=Delineator(0.5, 0.5, 0.0),
            share=0.25,
            per_case=[(case, 0.5, 0.5 + change) for case, change in ordered],
            held_out_limits={},
            paths=[run / PARENT],
            config=SimpleNamespace(network=network, region="thorax"),
            plan=AdaptationPlan(((0,), (1,)), 40, 9.0, CASES),
        )
        write_page(tmp_path / "page.html", AdaptationRequest(data, run, tmp_path / "model"), adapted, **named)
        return (tmp_path / "page.html").read_text(encoding="utf-8")

    return page


def captions(text: str) -> tuple[list[str], list[str]]:
    """Return the names under the pictures of the scans that improved and of those that worsened."""
    gained, lost = text.split("Scans that improved most")[1].split("Scans that worsened most")
    return tuple(re.findall(r"<figcaption>(.*?): DSC", part) for part in (gained, lost))


def test_the_five_scans_that_gained_and_the_five_that_lost_most_are_shown(write):
    # 0.06, 0.05, ... -0.06: six scans gained, six lost.
    text = write({f"case{number}": (6 - number) / 100 for number in range(CASES)})
    assert captions(text) == (
        ["case0", "case1", "case2", "case3", "case4"],
        ["case12", "case11", "case10", "case9", "case8"],
    )
    assert "6 scans improved, 6 worsened, 1 is unchanged" in text


def test_a_scan_that_hardly_changed_is_not_shown(write):
    text = write({f"case{number}": 0.004 * (-1) ** number for number in range(CASES - 1)} | {"case12": 0.1})
    assert captions(text) == (["case12"], [])
    assert "1 scan improved, 0 worsened, 12 are unchanged" in text


def test_scans_of_the_users_folder_are_named_by_their_files(write):
    files = {f"case{number}": str(Path("visits", f"{number}.dcm")) for number in range(CASES)}
    text = write({f"case{number}": (6 - number) / 100 for number in range(CASES)}, files=files)
    assert captions(text)[0][0] == files["case0"]
    assert all(f"<td>{file}</td>" in text for file in files.values())
    assert "case0" not in text
    assert "This page names your files" in text
    assert "names your files" not in write({"case0": 0.1})


def test_the_legend_explains_every_outline_that_is_drawn(write):
    legend = write({"case0": 0.1}).split("&#9632;")[1:5]
    assert [re.search(r"</span> ([\w ]+?)(?: &nbsp;|\.)", item)[1] for item in legend] == [
        "your outlines",
        "the parent model",
        "the adapted model",
        "ignored",
    ]
