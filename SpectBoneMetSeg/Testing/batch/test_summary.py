"""The page about a run: numbers, histograms, what to check first, failures, small pictures; and no other file."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from SpectBoneMetSegLib.batch.summary import LISTED, summary_page, write_summary
from SpectBoneMetSegLib.export.png import write_png


def read(case, areas, area_cm2, certain, box=1.0, state="read", warnings=""):
    return {
        "input": f"/archive/{case}",
        "case": case,
        "state": state,
        "areas": areas,
        "area_cm2": area_cm2,
        "lowest_confidence": certain,
        "crop_confidence": box,
        "warnings": warnings,
    }


ROWS = [
    read("sure", 3, 30.5, 0.99),
    read("healthy", 0, 0.0, None, state="read before"),
    read("doubtful", 1, 1.5, 0.2, warnings="The box may be wrong."),
    read("<script>", 7, 60.0, 0.5, box=0.1),
    {"input": "/archive/broken.dcm", "case": "", "state": "failed", "reason": "broken.dcm is empty."},
    {"input": "/archive/x.png", "case": "", "state": "left out", "reason": "an image next to DICOM files"},
]


class Strict(HTMLParser):
    """Fails where tags do not close in the order in which they were opened."""

    alone = ("meta", "img", "!doctype")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.alone:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page(tmp_path):
    return summary_page(ROWS, tmp_path, "An archive", "Read with a model.")


def text(page):
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S)).split())


def test_every_tag_is_closed_and_names_are_words(page):
    parser = Strict()
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_it_needs_no_other_file_and_says_what_it_is_for(page):
    assert not re.search(r"(src|href)='?(https?:|//)|@import|url\(", page)
    assert "Research use only" in page


def test_numbers_are_those_of_the_table(page):
    words = text(page)
    assert "4 studies read 3 with abnormal uptake 1 with a warning 1 failed" in words
    assert "broken.dcm is empty." in words
    assert "an image next to DICOM files" in words


def test_the_least_certain_are_first(page):
    first = page[page.index("Review these first") :]
    assert first.index("&lt;script&gt;") < first.index("doubtful") < first.index("sure")


def test_bars_count_every_study(page):
    counts = [int(count) for count in re.findall(r"class=count[^>]*>(\d+)", page)]
    half = len(counts) // 2
    assert sum(counts[:half]) == sum(counts[half:]) == 4


def test_long_lists_are_cut_and_say_so(tmp_path):
    rows = [{"input": f"/{number}", "case": "", "state": "failed", "reason": "empty"} for number in range(LISTED + 5)]
    assert "and 5 more in failures.csv" in text(summary_page(rows, tmp_path, "t", "f"))


def test_a_run_without_studies_has_a_page(tmp_path):
    parser = Strict()
    parser.feed(summary_page([], tmp_path, "t", "f"))
    assert parser.open == []


def test_pictures_lie_in_the_page(tmp_path):
    for row in ROWS[:2]:
        (tmp_path / row["case"]).mkdir()
        write_png(np.full((600, 900, 3), 200, np.uint8), str(tmp_path / row["case"] / "overview.png"))
    path = write_summary(ROWS, tmp_path, "t", "f")
    assert path.read_text(encoding="utf-8").count("data:image/jpeg;base64,") == 2
    assert path.stat().st_size < 50_000
