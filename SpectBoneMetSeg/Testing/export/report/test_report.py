import dataclasses
import html.parser
import io
import re
import string
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image
from SpectBoneMetSegLib.common.notice import RESEARCH_USE
from SpectBoneMetSegLib.export.report import texts
from SpectBoneMetSegLib.export.report.content import content_of, with_patient
from SpectBoneMetSegLib.export.report.html import html_report
from SpectBoneMetSegLib.export.report.pdf import pdf_report
from SpectBoneMetSegLib.export.report.pictures import _body_rows
from SpectBoneMetSegLib.export.report.texts import ENGLISH, PHRASES, ReportTexts
from SpectBoneMetSegLib.quantification.anatomy import all_regions
from SpectBoneMetSegLib.quantification.quantify import quantify
from SpectBoneMetSegLib.quantification.results import RegionQuantities


def content(reading, **further):
    return content_of(reading, quantify(reading), **further)


def reviewed(reading):
    """One area accepted as malignant, one drawn manually, one rejected."""
    first, second, third = reading.lesions
    return dataclasses.replace(
        reading,
        lesions=(
            dataclasses.replace(first, decision="accepted", classification="malignant"),
            dataclasses.replace(second, edited=True),
            third,
        ),
        rejected=(dataclasses.replace(third, id=4, decision="rejected"),),
    )


class Cells(html.parser.HTMLParser):
    """Rows of the page's tables, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self._in = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.links += [value for key, value in attributes if key in ("src", "href") and value]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._in = True

    def handle_endtag(self, tag):
        self._in = self._in and tag not in ("td", "th")

    def handle_data(self, data):
        self.words.append(data)
        if self._in:
            self.rows[-1].append(data)


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    return " ".join(document[i].get_textpage().get_text_range() for i in range(len(document))).replace("\r\n", " ")


def test_the_page_needs_no_other_file_and_shows_every_area(a_reading):
    page = Cells(html_report(content(a_reading)))
    assert page.links
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    rows = {row[0]: row for row in page.rows if row and row[0].isdigit()}
    assert set(rows) == {"1", "2", "3"}
    for lesion in a_reading.lesions:
        assert f"{lesion.area_mm2 / 100:.1f}" in rows[str(lesion.id)]
    assert RESEARCH_USE in page.words


def grey_of(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("L"), float)


@pytest.mark.parametrize("views", [("anterior", "posterior"), ("posterior",)])
def test_both_views_are_shown_at_two_intensities(reading_factory, views):
    shown = content(reading_factory(views=views))
    captions = [picture.caption for picture in shown.pictures]
    assert len(captions) == len(set(captions)) == 2 * len(views)
    bright, dark = (
        np.asarray(Image.open(io.BytesIO(picture.png)).convert("L"), float) for picture in shown.pictures[:2]
    )
    assert bright.mean() < dark.mean()
    assert bright.shape == dark.shape


def test_pdf_and_page_say_the_same(a_reading):
    shown = content(reviewed(a_reading))
    page, pdf = "".join(Cells(html_report(shown)).words), text_of(pdf_report(shown))

    def plain(text):
        return re.sub(r"\s+", "", text)

    for section in shown.sections:
        parts = [section.heading, *section.sentences, *(part for fact in section.facts for part in fact)]
        parts += [cell for row in (section.table.rows if section.table else ()) for cell in row]
        assert [part for part in parts if plain(part) not in plain(page)] == []
        assert [part for part in parts if plain(part) not in plain(pdf)] == []
    assert plain(ENGLISH["confirmation"]) in plain(pdf)
    assert plain(RESEARCH_USE) in plain(pdf)


def test_the_same_content_gives_the_same_pdf(a_reading):
    shown = content(a_reading)
    assert pdf_report(shown) == pdf_report(shown)


def test_what_the_physician_decided_is_in_the_report_and_named_as_such(a_reading):
    page = Cells(html_report(content(reviewed(a_reading))))
    rows = {row[0]: row for row in page.rows if row and row[0].isdigit()}
    assert rows["1"][-3:] == ["accepted", "malignant", "physician"]
    assert rows["2"][-3:] == ["open", "-", "physician (outline)"]
    assert rows["3"][-3:] == ["open", "-", "model"]
    assert rows["4"][-3:] == ["rejected", "-", "physician"]
    assert any("1 accepted, 1 rejected" in word for word in page.words)
    untouched = Cells(html_report(content(a_reading)))
    assert ENGLISH["not_reviewed"] in untouched.words or any("No physician" in word for word in untouched.words)


def test_an_index_that_cannot_be_computed_says_why_and_is_no_number(a_reading):
    known = quantify(a_reading)
    assert known.index.percent is None
    section = next(part for part in content(a_reading).sections if part.heading == ENGLISH["index"])
    assert section.sentences[0].startswith("Not computable:")
    assert known.index.remedy in section.sentences[0]


def test_a_reading_without_any_area_is_reported(a_reading):
    none = dataclasses.replace(
        a_reading,
        lesions=(),
        mask=a_reading.mask * 0,
        view_masks={name: ids * 0 for name, ids in a_reading.view_masks.items()},
    )
    shown = content(none)
    assert ENGLISH["none"] in text_of(pdf_report(shown))
    assert ENGLISH["none"] in html_report(shown)


def test_many_areas_continue_over_pages_with_their_headings(reading_factory):
    spots = tuple(((10 + 9 * row, 12 + 8 * column, 2), ("anterior",)) for row in range(9) for column in range(4))
    reading = reading_factory(spots=spots)
    assert len(reading.lesions) > 30
    pdf = pdf_report(content(reading))
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) >= 2
    for number in range(len(document)):
        reported = document[number].get_textpage().get_text_range()
        assert f"Page {number + 1} of {len(document)}" in reported
        assert RESEARCH_USE in reported


def test_names_are_shown_as_text_and_never_run(a_reading):
    odd = dataclasses.replace(a_reading.scan, case="<script>alert(1)</script> & <b>ä")
    shown = content(dataclasses.replace(a_reading, scan=odd))
    assert "<script>" not in html_report(shown)
    assert "<script>alert(1)</script> & <b>ä" in text_of(pdf_report(shown)).replace("\n", "")


def test_a_patient_is_named_only_on_request(a_reading):
    assert "Gisela" not in html_report(content(a_reading))
    named = with_patient(content(a_reading), {"patient": "Geheim^Gisela"})
    assert "Geheim^Gisela" in html_report(named)
    assert "Geheim^Gisela" in text_of(pdf_report(named))


def test_outlines_can_be_seen_in_grey(a_reading):
    """The outline stays visible on its own picture when colours are lost: it lies on a white line."""
    shown = content(a_reading)
    grey = grey_of(shown.pictures[0])
    red = np.asarray(Image.open(io.BytesIO(shown.pictures[0].png)).convert("RGB"), int)
    outline = (red[..., 0] > 150) & (red[..., 1] < 60)
    assert outline.any()
    rows, columns = np.nonzero(outline)
    around = [
        grey[max(0, r - 5) : r + 6, max(0, c - 5) : c + 6].max() for r, c in zip(rows[::50], columns[::50], strict=True)
    ]
    assert np.median(around) - np.median(grey[outline]) > 100


def test_all_words_are_in_one_table_that_can_be_translated(a_reading):
    translated = {key: f"#{key}#{''.join(f'{{{name}}}' for name in fields(text))}" for key, text in ENGLISH.items()}
    page = html_report(content(reviewed(a_reading), texts=ReportTexts(translated)))
    for key in ("title", "areas", "quality", "about", "confirmation", "accepted", "physician_drew"):
        assert f"#{key}#" in page
        assert ENGLISH[key] not in re.sub(r"#\w+#", "", page)


def test_words_of_bones_views_and_region_are_translated_too(a_reading):
    texts = ReportTexts({"language": "fr"}, {phrase: f"[{phrase}]" for phrase in PHRASES})
    shown = content(a_reading, texts=texts)
    assert shown.headline == "3 areas of abnormal uptake in [the thorax box]."
    assert shown.notice == f"[{RESEARCH_USE}]"
    assert '<html lang="fr">' in html_report(shown)
    areas = next(section for section in shown.sections if section.heading == ENGLISH["areas"])
    assert all(row[2].startswith("[") for row in areas.table.rows)


def test_bones_that_the_field_cuts_are_named_where_their_shares_are(a_reading):
    known = quantify(a_reading)
    femurs = tuple(region for region in all_regions().values() if region.name == "femur")
    seen = RegionQuantities(femurs[0], {}, {}, {}, 0, 0.1, 0.1, 8.9, None)
    shown = content_of(a_reading, dataclasses.replace(known, regions=(seen,), cut=femurs))
    section = next(each for each in shown.sections if each.heading == ENGLISH["regions"])
    assert any(line.startswith("Cut by the edge") and "left femur, right femur" in line for line in section.sentences)


def test_areas_that_were_erased_are_in_the_report(a_reading):
    erased = dataclasses.replace(a_reading, receipt={**a_reading.receipt, "erased": 2})
    facts = dict(content(erased).facts)
    assert "2 erased" in facts[ENGLISH["review"]]
    assert "Reviewed by a physician" in facts[ENGLISH["review"]]


def fields(text):
    return [f"{name}" for _, name, *_ in string.Formatter().parse(text) if name]


def test_no_text_is_unused():
    folder = Path(texts.__file__).parent
    code = "".join(path.read_text() for path in folder.glob("*.py") if path.name != "texts.py")
    # Decisions and classes are looked up by their value, who decided by the quantification.
    by_value = {"open", "accepted", "rejected", "benign", "equivocal", "malignant", "model_decided"}
    by_value |= {"physician_decided", "anterior", "posterior", "patient", "patient_id", "birth_date"}
    assert [key for key in ENGLISH if f'"{key}"' not in code and key not in by_value] == []


def test_a_view_with_more_rows_than_the_other_is_shown_to_its_end(a_reading):
    views = a_reading.scan.views
    short = dataclasses.replace(views["posterior"], counts=views["posterior"].counts[:-40])
    scan = dataclasses.replace(a_reading.scan, posterior=short)
    masks = {**a_reading.view_masks, "posterior": a_reading.view_masks["posterior"][:-40]}
    reading = dataclasses.replace(a_reading, scan=scan, view_masks=masks)
    assert _body_rows(reading, views["anterior"]) == (0, views["anterior"].shape[0])
    assert _body_rows(reading, short) == (0, short.shape[0])
