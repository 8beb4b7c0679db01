"""Content of a report, independent of its format: pictures, sections, tables. HTML and PDF show the same content."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ...common.dates import format_date
from ...common.notice import RESEARCH_USE
from ...lesions.extent import region_read
from ...lesions.results import Lesion, Reading
from ...lesions.seen import faint_views, seen_text
from ...quantification.results import LesionQuantities, Quantification, RegionQuantities
from ...scan.planar import VIEW_NAMES, ViewName
from .pictures import BRIGHT, DARK, map_picture, view_picture
from .texts import ReportTexts

__all__ = ["Content", "Picture", "Section", "Table", "content_of"]


@dataclass(frozen=True)
class Picture:
    """A PNG with its caption and a line below it.

    Attributes:
        caption: text above the picture.
        png: content of the PNG file.
        below: line below the picture.
    """

    caption: str
    png: bytes
    below: str = ""


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        columns: headers.
        rows: cells of each row, one for every column.
        numeric: indices of right-aligned columns.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """A section of the report: a heading, and what follows it.

    Attributes:
        heading: heading of the section.
        facts: (name, value) of each line of a list.
        sentences: paragraphs below the list.
        table: table below the paragraphs; None for none.
    """

    heading: str
    facts: tuple[tuple[str, str], ...] = ()
    sentences: tuple[str, ...] = ()
    table: Table | None = None


@dataclass(frozen=True)
class Content:
    """Content of a report.

    Attributes:
        title: of the report.
        headline: main result in one line.
        notice: notice of research use.
        facts: (name, value) pairs at the head.
        pictures: shown side by side.
        notes: shown below the pictures.
        sections: in order.
        texts: texts in the language of the report.
    """

    title: str
    headline: str
    notice: str
    facts: tuple[tuple[str, str], ...]
    pictures: tuple[Picture, ...]
    notes: tuple[str, ...]
    sections: tuple[Section, ...]
    texts: ReportTexts = field(default_factory=ReportTexts)


def content_of(reading: Reading, known: Quantification, texts: ReportTexts | None = None) -> Content:
    """Return the content of a reading's report; it names no patient.

    Args:
        reading: the reading.
        known: quantification of the reading.
        texts: texts in another language; None for English.
    """
    text = texts or ReportTexts()
    maps = bool(reading.regions)
    return Content(
        title=text("title"),
        headline=_headline(reading, text),
        notice=text.phrase(RESEARCH_USE),
        facts=tuple(_facts(reading, known, text)),
        pictures=tuple(_pictures(reading, text)),
        notes=(text("pictures_note"), *((text("map_note"),) if maps else ())),
        sections=(
            _areas(reading, known, text),
            _index(known, text),
            _regions(known, text),
            _quality(reading, text),
            _about(reading, text),
        ),
        texts=text,
    )


def with_patient(content: Content, patient: Mapping[str, str]) -> Content:
    """Return the content with the patient at its head.

    Args:
        content: of a report.
        patient: {key of the report's texts: value}.
    """
    return replace(content, facts=(*((content.texts(key), value) for key, value in patient.items()), *content.facts))


def _headline(reading: Reading, text: ReportTexts) -> str:
    count, region = len(reading.lesions), text.phrase(region_read(reading.crop))
    key = {0: "headline_none", 1: "headline_one"}.get(count, "headline_many")
    return text(key, count=count, region=region)


def _facts(reading: Reading, known: Quantification, text: ReportTexts) -> Iterator[tuple[str, str]]:
    yield text("case"), reading.scan.case
    description = reading.scan.source.description
    day = format_date(description.get("study_date", ""))
    if day:
        yield text("study_date"), day
    camera = " ".join(description[key] for key in ("manufacturer", "model") if description.get(key))
    if camera:
        yield text("camera"), camera
    yield text("read"), str(reading.receipt.get("read", ""))
    if reading.confidence is not None:
        yield text("scan_confidence"), f"{reading.confidence:.2f}"
    review = known.review
    if review.state == "not reviewed":
        yield text("review"), text("not_reviewed")
    else:
        counted = {
            key: getattr(review, key) for key in ("accepted", "rejected", "open", "edited", "erased", "reclassified")
        }
        yield text("review"), text("reviewed", **counted)


def _pictures(reading: Reading, text: ReportTexts) -> Iterator[Picture]:
    for name in reading.scan.views:
        for key, level in (("bright", BRIGHT), ("dark", DARK)):
            png, black = view_picture(reading, name, level)
            yield Picture(text(key, view=text(name)), png, f"{black:.0f}")
    for name in reading.scan.views:
        regions = map_picture(reading, name)
        if regions is not None:
            yield Picture(text("map", view=text(name)), regions)


def _areas(reading: Reading, known: Quantification, text: ReportTexts) -> Section:
    everything = (*reading.lesions, *reading.rejected)
    if not everything:
        return Section(text("areas"), sentences=(text("none"),))
    keys = (
        *("number", "bone", "seen_in", "area_cm2", "contrast_anterior", "contrast_posterior"),
        *("confidence", "decision", "classification", "decided_by"),
    )
    table = Table(
        tuple(map(text, keys)),
        tuple(_row(lesion, known.lesion(lesion.id), text) for lesion in everything),
        frozenset({0, 3, 4, 5, 6}),
    )
    return Section(text("areas"), sentences=(text("until"), text("contrast_note")), table=table)


def _row(lesion: Lesion, known: LesionQuantities, text: ReportTexts) -> tuple[str, ...]:
    return (
        str(lesion.id),
        _bones(known, text),
        text.phrase(seen_text(lesion)),
        f"{lesion.area_mm2 / 100:.1f}",
        *(_contrast(lesion, name) for name in VIEW_NAMES),
        "-" if lesion.confidence is None else f"{lesion.confidence:.2f}",
        text(lesion.decision),
        text(lesion.classification) if lesion.classification else "-",
        text("physician_drew" if known.edited else f"{known.decided_by}_decided"),
    )


def _bones(known: LesionQuantities, text: ReportTexts) -> str:
    """Return the bone as text, with its share if the lesion lies on several."""
    if not known.bones:
        return "-"
    if len(known.bones) == 1:
        return text.phrase(known.bones[0].region.title)
    return ", ".join(
        text("bone_share", bone=text.phrase(bone.region.title), share=100 * bone.share) for bone in known.bones[:2]
    )


def _contrast(lesion: Lesion, name: ViewName) -> str:
    measured = lesion.views.get(name)
    if measured is None or not math.isfinite(measured.contrast):
        return "-"
    return f"{measured.contrast:.2f}" + (" (f)" if name in faint_views(lesion) else "")


def _index(known: Quantification, text: ReportTexts) -> Section:
    index, burden = known.index, known.burden
    facts = (
        (text("burden"), text("burden_value", lesions=burden.lesions, area=burden.area_mm2 / 100)),
        *(
            (text("uptake", view=text.phrase(name)), f"{value:.2f} %")
            for name, value in burden.body_counts_percent.items()
        ),
    )
    if index.percent is None:
        return Section(
            text("index"),
            facts,
            (text("index_none", reason=text.phrase(index.reason), remedy=text.phrase(index.remedy)),),
        )
    table = text("weights", name=index.table.name, version=index.table.version)
    value = text("index_value", value=index.percent, table=table)
    return Section(text("index"), ((text("index"), value), *facts), (text("index_note"),))


def _regions(known: Quantification, text: ReportTexts) -> Section:
    if not known.regions:
        return Section(text("regions"), sentences=(text("no_regions"),))
    keys = ("map_number", "region", "region_areas", "region_involved", "region_index")
    table = Table(
        tuple(map(text, keys)),
        tuple(_region_row(each, text) for each in known.regions),
        frozenset({0, 2, 3, 4}),
    )
    sentences = tuple(
        text(key, names=", ".join(text.phrase(region.title) for region in regions))
        for key, regions in (("not_found", known.not_found), ("cut", known.cut))
        if regions
    )
    return Section(text("regions"), sentences=sentences, table=table)


def _region_row(known: RegionQuantities, text: ReportTexts) -> tuple[str, ...]:
    share, part = known.involved_share, known.index_percent
    return (
        str(known.region.number),
        text.phrase(known.region.title),
        str(known.lesions or "-"),
        "-" if not share else f"{100 * share:.1f}",
        "-" if part is None else f"{part:.2f}",
    )


def _quality(reading: Reading, text: ReportTexts) -> Section:
    description, receipt = reading.scan.source.description, reading.receipt
    facts = [(text("views"), " + ".join(map(text.phrase, reading.scan.views)))]
    for name, view in reading.scan.views.items():
        counts = float(description.get(f"counts_{name}") or view.counts.sum(dtype=float))
        facts.append(
            (text("counts", view=text.phrase(name)), text("counts_value", counts=counts, million=counts / 1e6))
        )
    view = next(iter(reading.scan.views.values()))
    (rows, columns), (down, across) = view.shape, view.spacing
    facts.append((text("pixels"), text("pixels_value", rows=rows, columns=columns, down=down, across=across)))
    if reading.crop.method == "profiles":
        facts.append((text("box"), text("box_value", what=text.phrase("thorax"), confidence=reading.crop.confidence)))
    warnings = receipt.get("warnings")
    notes = " ".join(map(str, warnings)) if isinstance(warnings, list) else ""
    facts.append((text("checks"), notes or text("no_warnings")))
    return Section(text("quality"), tuple(facts))


def _about(reading: Reading, text: ReportTexts) -> Section:
    receipt = reading.receipt
    model, program = receipt.get("model"), receipt.get("program")
    facts = []
    if isinstance(model, dict):
        name = f"{model.get('name')} {model.get('version')}, SHA-256 {str(model.get('sha256'))[:16]}..."
        facts.append((text("model"), name))
    if isinstance(program, dict):
        facts.append((text("program"), f"{program.get('name')} {program.get('version')}"))
    if receipt.get("engine"):
        facts.append((text("engine"), f"{receipt['engine']}, {receipt.get('device')}"))
    threshold = receipt.get("threshold")
    if isinstance(threshold, int | float):
        facts.append((text("threshold"), f"{threshold:.3g}"))
    described = str(model.get("description") or "") if isinstance(model, dict) else ""
    return Section(text("about"), tuple(facts), tuple(filter(None, (described, text("limits")))))
