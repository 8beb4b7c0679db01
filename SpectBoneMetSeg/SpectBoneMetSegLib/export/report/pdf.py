"""`report.pdf`: the report on A4 paper."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from .content import Content, Section, Table

__all__ = ["pdf_report"]

#: Margins and gap in points (1/72 inch).
MARGIN, GAP, FOOT = 40, 5, 26
PICTURE_HEIGHT = 400
FONT, BOLD = "Vera", "VeraBd"
#: Font size of table cells, in points.
CELL = 7.2


def pdf_report(content: Content) -> bytes:
    """Render the report as PDF with embedded fonts; the same content always results in the same bytes."""
    from reportlab import rl_config
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    _fonts()
    # Binary pictures: ASCII85 takes most of the time and 25 % more space.
    rl_config.useA85 = 0
    stream = io.BytesIO()
    width, height = A4
    document = BaseDocTemplate(stream, pagesize=A4, title=content.title, author="SpectBoneMetSeg", invariant=1)
    frame = Frame(MARGIN, MARGIN, width - 2 * MARGIN, height - 2 * MARGIN, 0, 0, 0, 0)
    document.addPageTemplates(PageTemplate("page", [frame]))
    document.build(list(_flow(content, width - 2 * MARGIN)), canvasmaker=_numbered(content))
    return stream.getvalue()


def _fonts() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name in (FONT, BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))


def _style(size: float, *, bold: bool = False, grey: bool = False, **further: Any) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle

    return ParagraphStyle(
        "text",
        fontName=BOLD if bold else FONT,
        fontSize=size,
        leading=1.28 * size,
        textColor=HexColor("#444444" if grey else "#191919"),
        **further,
    )


def _flow(content: Content, width: float) -> Iterator[Any]:
    from reportlab.platypus import Paragraph, Spacer

    yield Paragraph(escape(content.title), _style(15, bold=True))
    yield Paragraph(escape(content.headline), _style(11, spaceBefore=3))
    yield _notice(content.notice, width)
    yield _facts(content.facts, width)
    yield Spacer(1, 6)
    yield _pictures(content, width)
    yield from (Paragraph(escape(note), _style(6.8, grey=True, spaceBefore=1)) for note in content.notes)
    for section in content.sections:
        yield from _section(section, width)
    yield Spacer(1, 10)
    yield _confirmation(content, width)


def _notice(text: str, width: float) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Paragraph
    from reportlab.platypus import Table as Grid

    box = Grid([[Paragraph(escape(text), _style(9, bold=True, alignment=1))]], colWidths=[width])
    box.setStyle([("BOX", (0, 0), (-1, -1), 1.2, HexColor("#191919")), ("BOTTOMPADDING", (0, 0), (-1, -1), 4)])
    box.spaceBefore = box.spaceAfter = 6
    return box


def _facts(facts: tuple[tuple[str, str], ...], width: float) -> Any:
    from reportlab.platypus import Paragraph
    from reportlab.platypus import Table as Grid

    rows = [
        [Paragraph(escape(name), _style(8, grey=True)), Paragraph(escape(value), _style(8))] for name, value in facts
    ]
    grid = Grid(rows, colWidths=[0.3 * width, 0.7 * width])
    grid.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_padding(1)])
    return grid


def _padding(points: float) -> list[tuple[Any, ...]]:
    sides = [(f"{side}PADDING", (0, 0), (-1, -1), points) for side in ("TOP", "BOTTOM")]
    return [*sides, *((f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT"))]


def _pictures(content: Content, width: float) -> Any:
    from PIL import Image as Pillow
    from reportlab.platypus import Image, Paragraph
    from reportlab.platypus import Table as Grid

    shapes = [Pillow.open(io.BytesIO(picture.png)).size for picture in content.pictures]
    available = width - GAP * (len(shapes) - 1)
    height = min(PICTURE_HEIGHT, available / sum(wide / high for wide, high in shapes))
    widths = [height * wide / high + GAP for wide, high in shapes]
    caption = _style(6, alignment=1)
    rows = [
        [Paragraph(escape(picture.caption), caption) for picture in content.pictures],
        [
            Image(io.BytesIO(picture.png), width=each - GAP, height=height)
            for picture, each in zip(content.pictures, widths, strict=True)
        ],
        [Paragraph(escape(picture.below), caption) for picture in content.pictures],
    ]
    grid = Grid(rows, colWidths=widths)
    grid.setStyle([*_padding(1), ("VALIGN", (0, 0), (-1, 0), "BOTTOM"), ("ALIGN", (0, 0), (-1, -1), "CENTER")])
    return grid


def _section(section: Section, width: float) -> Iterator[Any]:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import CondPageBreak, HRFlowable, Paragraph

    yield CondPageBreak(90)
    yield Paragraph(escape(section.heading), _style(10.5, bold=True, spaceBefore=12, keepWithNext=1))
    yield HRFlowable(width="100%", thickness=0.6, color=HexColor("#999999"), spaceBefore=1, spaceAfter=3)
    if section.facts:
        yield _facts(section.facts, width)
    yield from (Paragraph(escape(sentence), _style(7.5, grey=True, spaceBefore=2)) for sentence in section.sentences)
    if section.table is not None:
        yield _table(section.table, width)


def _table(table: Table, width: float) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Paragraph
    from reportlab.platypus import Table as Grid

    def cell(text: str, index: int, *, bold: bool = False) -> Any:
        return Paragraph(escape(text), _style(CELL, bold=bold, alignment=2 if index in table.numeric else 0))

    rows = [
        [cell(text, index, bold=True) for index, text in enumerate(table.columns)],
        *([cell(text, index) for index, text in enumerate(row)] for row in table.rows),
    ]
    grid = Grid(rows, colWidths=_widths(table, width), repeatRows=1)
    grid.setStyle(
        [
            ("LINEBELOW", (0, 0), (-1, 0), 1, HexColor("#191919")),
            ("LINEBELOW", (0, 1), (-1, -1), 0.4, HexColor("#cccccc")),
            ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
            ("VALIGN", (0, 1), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 0.3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.0),
            ("LEFTPADDING", (0, 0), (-1, -1), 3),
            ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ]
    )
    grid.spaceBefore = 4
    return grid


def _widths(table: Table, width: float) -> list[float]:
    """Return column widths: the longest word of each column; columns with longer texts share the remaining width."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    def wide(text: str, *, bold: bool = False) -> float:
        return float(stringWidth(text, BOLD if bold else FONT, CELL)) + 8

    columns = [(heading, [row[index] for row in table.rows]) for index, heading in enumerate(table.columns)]
    least = [
        max(
            *(wide(word, bold=True) for word in heading.split()),
            *(wide(word) for cell in cells for word in cell.split()),
        )
        for heading, cells in columns
    ]
    preferred = [max(low, *map(wide, cells)) for low, (_, cells) in zip(least, columns, strict=True)]
    spare, wanted = width - sum(least), sum(preferred) - sum(least)
    if spare <= 0:
        return [width * low / sum(least) for low in least]
    if wanted <= spare:
        return [width * full / sum(preferred) for full in preferred]
    return [low + spare * (full - low) / wanted for low, full in zip(least, preferred, strict=True)]


def _confirmation(content: Content, width: float) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import KeepTogether, Paragraph
    from reportlab.platypus import Table as Grid

    texts, ink = content.texts, HexColor("#191919")
    empty = Grid([[""]], [9], [9])
    empty.setStyle([("BOX", (0, 0), (-1, -1), 1, ink)])
    box = Grid(
        [[empty, Paragraph(escape(texts(key)), _style(8.5))] for key in ("agree", "disagree")], [18, width - 60], 15
    )
    box.setStyle([("VALIGN", (0, 0), (-1, -1), "MIDDLE"), ("LEFTPADDING", (0, 0), (-1, -1), 0)])
    signs = Grid(
        [[Paragraph(escape(texts(key)), _style(7, grey=True)) for key in ("name", "date", "signature")]],
        [0.4 * (width - 24), 0.2 * (width - 24), 0.4 * (width - 24)],
    )
    signs.setStyle([("LINEABOVE", (index, 0), (index, 0), 0.8, ink) for index in range(3)])
    rows = [
        [Paragraph(escape(texts("confirmation")), _style(9.5, bold=True))],
        [Paragraph(escape(texts("confirmation_note")), _style(7.5, grey=True))],
        [box],
        [""],
        [signs],
    ]
    outer = Grid(rows, [width], [None, None, None, 22, None])
    outer.setStyle(
        [
            ("BOX", (0, 0), (-1, -1), 1.2, ink),
            ("LEFTPADDING", (0, 0), (-1, -1), 12),
            ("TOPPADDING", (0, 0), (-1, 0), 8),
            ("BOTTOMPADDING", (0, -1), (-1, -1), 8),
        ]
    )
    return KeepTogether([outer])


def _numbered(content: Content) -> Any:
    """Return a canvas class that writes the notice and "Page 1 of 3" at the foot of each page."""
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):
        def __init__(self, *arguments: Any, **further: Any) -> None:
            super().__init__(*arguments, **further)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, start=1):
                self.__dict__.update(page)
                self.setFont(FONT, 7)
                self.drawString(MARGIN, FOOT, content.notice)
                footer = content.texts("page", number=number, count=len(self._pages))
                self.drawRightString(self._pagesize[0] - MARGIN, FOOT, footer)
                super().showPage()
            super().save()

    return Numbered
