"""The one road from a scan to its reading: crop, aggregate, network, delineate, measure.

Only this file knows the order of the steps. The network works at the paper's pixel size (2.26 mm); results come back
in the scan's own pixels.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._version import __version__
from .common.errors import UserError
from .common.notice import RESEARCH_USE
from .export.savable_reading import SavableReading
from .lesions.extent import what_was_read
from .lesions.model_result import Limits, ModelResult
from .lesions.redraw import reading_at
from .lesions.results import Reading
from .loading.options import REGIONS, Box, Options, Region
from .model.appearance import appearance_warnings
from .model.config import BODY_LEVEL
from .model.inputs import network_inputs, smoothed, view_scales
from .scan.aggregation import aggregate
from .scan.boxes import Intervals, cut, paste
from .scan.planar import PlanarView, ViewName, WholeBodyScan, mirror, same_grid
from .scan.plausibility import check_scan
from .scan.region_fragments import remove_fragments
from .scan.region_sides import region_maps
from .scan.regrid import regrid, sample_on
from .scan.thorax import LOW_CONFIDENCE, ThoraxCrop, crop_thorax, whole_field

__all__ = [
    "BOX_MAY_BE_WRONG",
    "REGIONS",
    "Box",
    "Clock",
    "Options",
    "Reader",
    "Region",
    "SavableReading",
    "find_region",
    "find_thorax",
    "segment",
]

if TYPE_CHECKING:
    from .model.engines import DeviceName, Engine, EngineName
    from .model.store import ModelFolder

#: The forward pass draws no random numbers; the receipt says so by a fixed seed.
SEED = 0

#: What to do about a thorax box of low confidence; the panel in Slicer has words of its own for it.
BOX_MAY_BE_WRONG = "The thorax box may be wrong: check overview.png and set it manually if it is."

Map = NDArray[np.float32]
Number = TypeVar("Number", np.uint8, np.uint16)


@dataclass
class Clock:
    """Seconds per named step.

    Attributes:
        seconds: {step: seconds it took}.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time of the block to `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def rounded(self) -> dict[str, float]:
        """As a receipt says it."""
        return {name: round(value, 4) for name, value in self.seconds.items()}


class Reader:
    """A loaded model that reads scans; keep one for many scans, it stays warm."""

    def __init__(
        self,
        model: str | Path | None = None,
        engine: EngineName = "auto",
        device: DeviceName = "auto",
        threads: int = 0,
    ) -> None:
        """Load `model` (a name or folder, None for the default); `threads` as in `load_engine`.

        Raises:
            UserError: unknown or damaged model, missing engine, no such device.
        """
        from .model.engines import load_engine
        from .model.store import find_model

        start = time.perf_counter()
        self.model: ModelFolder = find_model(model)
        self.engine: Engine = load_engine(self.model, engine, device, threads)
        self.seconds_to_load = time.perf_counter() - start

    def read(self, path: str | Path, options: Options | None = None) -> SavableReading:
        """Read the file, or the folder of one study, at `path`.

        Raises:
            UserError: the input cannot be read as a planar whole-body scan, or the crop does not lie on it.
        """
        from .loading import read_scan

        options = options or Options()
        clock = Clock()
        with clock.step("read"):
            scan = read_scan(
                path,
                views=options.views,
                pixel_size_mm=options.pixel_size_mm,
                views_override=options.views_override,
            )
        return self.read_scan(scan, options, clock)

    def read_arrays(
        self, anterior: ArrayLike | None = None, posterior: ArrayLike | None = None, options: Options | None = None
    ) -> SavableReading:
        """Read views that are arrays already; `options.pixel_size_mm` must be given (see `scan_from_arrays`).

        Raises:
            UserError: they cannot be a planar whole-body scan.
        """
        from .loading.arrays import scan_from_arrays

        options = options or Options()
        return self.read_scan(scan_from_arrays(anterior, posterior, options.pixel_size_mm), options)

    def read_scan(
        self, scan: WholeBodyScan, options: Options | None = None, clock: Clock | None = None
    ) -> SavableReading:
        """Read a scan that is in memory already.

        Raises:
            UserError: it can be no whole body in counts, or the crop does not lie on it.
        """
        clock = clock or Clock()
        result = self.infer(scan, options, clock)
        with clock.step("delineate"):
            reading = reading_at(result, result.limits.threshold, result.limits.minimum_area_mm2)
        parts = {item.name: getattr(reading, item.name) for item in fields(Reading)}
        return SavableReading(**{**parts, "receipt": {**reading.receipt, "seconds": clock.rounded()}})

    def infer(self, scan: WholeBodyScan, options: Options | None = None, clock: Clock | None = None) -> ModelResult:
        """What the network finds in a scan, before any threshold; `redraw.reading_at` makes lesions of it.

        Raises:
            UserError: it can be no whole body in counts, or the crop does not lie on it.
        """
        options, clock = options or Options(), clock or Clock()
        with clock.step("check"):
            doubts = check_scan(scan, override=options.read_anyway)
            scan = replace(scan, warnings=tuple(dict.fromkeys((*scan.warnings, *doubts))))
        with clock.step("aggregate"):
            aggregated = aggregate(scan)
        with clock.step("crop"):
            work = regrid(aggregated)
            thorax = crop_thorax(work.counts, work.spacing[0])
            crop, (rows, columns) = find_region(aggregated, work, thorax, options, scan.case)
        with clock.step("prepare"):
            views = _views_on(scan, work)
            network = self.model.card.network
            # Filtering a whole view takes milliseconds: appearance and level share it.
            smooth: dict[str, Map] = {name: smoothed(counts) for name, counts in views.items()}
            notes = appearance_warnings(views, work.spacing[0], self.model.card.appearance, scan.case, smooth)
            scan = replace(scan, warnings=(*scan.warnings, *notes))
            boxes = {name: cut(counts, rows, columns) for name, counts in views.items()}
            # The count levels are always those of the region that the model was trained on.
            trained = whole_field(work.shape) if self.model.card.trained_region == "whole-body" else thorax
            levels = {name: cut(counts, trained.rows, trained.columns) for name, counts in views.items()}
            same = trained.method == "whole-body" and network.scaling.smoothing_pixels == BODY_LEVEL.smoothing_pixels
            first, second = levels.get("anterior"), levels.get("posterior")
            scales = view_scales(first, second, network.scaling, network.inputs, smooth if same else None)
            inputs = network_inputs(
                boxes.get("anterior"), boxes.get("posterior"), network.inputs, network.scaling, scales
            )
        with clock.step("network"):
            output, regions = (
                (self.engine.predict(inputs), None) if not network.regions else self.engine.predict_all(inputs)
            )
        maps = self._probabilities(output, boxes, (rows, columns), work, aggregated)
        shown = {} if regions is None else self._regions(regions, scan, (rows, columns), work, aggregated)
        result = ModelResult(scan, crop, maps, self._limits(options), {}, self.model.card.confidence, shown)
        return replace(result, receipt=self._receipt(result, options, clock))

    def _probabilities(
        self,
        output: Map,
        boxes: dict[ViewName, Map],
        box: Intervals,
        work: PlanarView,
        frame: PlanarView,
    ) -> dict[ViewName, Map]:
        """{existing view: (rows, columns) probability on the scan's own anterior frame}."""
        names = self.model.card.network.outputs
        maps: dict[ViewName, Map] = {}
        for name in boxes:
            index = names.index(name) if name in names else names.index("union")
            whole = paste(np.ascontiguousarray(output[..., index]), *box, work.shape)
            maps[name] = whole if same_grid(work, frame) else sample_on(whole, work, frame)
        return maps

    def _regions(
        self, regions: Map, scan: WholeBodyScan, box: Intervals, work: PlanarView, frame: PlanarView
    ) -> dict[ViewName, NDArray[np.uint8]]:
        """{existing view: (rows, columns) numbers of the skeleton's regions on the view's own grid}."""
        (first, end), (left, right) = box
        numbers = region_maps(regions, self.model.card.network.outputs, work.spacing[0])
        maps: dict[ViewName, NDArray[np.uint8]] = {}
        for name, view in scan.views.items():
            whole = paste(numbers[name][: end - first, : right - left], *box, work.shape)
            whole = remove_fragments(whole, work.spacing[0])
            own = whole if same_grid(work, frame) else sample_on(whole, work, frame, order=0)
            maps[name] = _on_view(own, frame, view)
        return maps

    def _limits(self, options: Options) -> Limits:
        """The model's own where the options name none."""
        card = self.model.card
        threshold = card.threshold if options.threshold is None else options.threshold
        smallest = card.minimum_area_mm2 if options.minimum_area_mm2 is None else options.minimum_area_mm2
        return Limits(threshold, max(threshold, card.seed_threshold), smallest)

    def _receipt(self, result: ModelResult, options: Options, clock: Clock) -> dict[str, object]:
        scan, card, crop, shape = result.scan, self.model.card, result.crop, result.scan.frame.shape
        source = scan.source
        uids = source.sop_instance_uids or ("",) * len(source.files)
        warnings = [*scan.warnings, *self.engine.warnings]
        if crop.method == "profiles" and crop.confidence < LOW_CONFIDENCE:
            warnings.append(BOX_MAY_BE_WRONG)
        if len(scan.views) == 2 and card.network.outputs == ("union",):
            warnings.append("The model reads the sum of both views: every lesion is marked in both.")
        # A model that knows whole bodies knows their thoraxes.
        if crop.method != "manual" and options.region == "whole-body" and card.trained_region != "whole-body":
            warnings.append(f"The model was trained on the {card.region}, not on the whole body.")
        return {
            "read": what_was_read(crop, shape),
            "program": {"name": "SpectBoneMetSeg", "version": __version__},
            "model": {
                "name": card.name,
                "version": card.version,
                "sha256": card.sha256,
                "description": card.description,
            },
            "inputs": [
                {"file": file, "sha256": digest, "sop_instance_uid": uid}
                for file, digest, uid in zip(source.files, source.sha256, uids, strict=True)
            ],
            "study_instance_uid": source.study_instance_uid,
            "scan": dict(source.description),
            "views": list(scan.views),
            "aggregated": len(scan.views) == 2,
            "engine": self.engine.name,
            "device": self.engine.device,
            "seconds": clock.rounded(),
            "region": options.region,
            "crop": {
                "rows": _inside(crop.rows, shape[0]),
                "columns": _inside(crop.columns, shape[1]),
                "confidence": crop.confidence,
                "method": crop.method,
                "reasons": list(crop.reasons),
            },
            "options": options.to_dict(),
            **asdict(result.limits),
            "seed": SEED,
            "warnings": warnings,
            "notice": RESEARCH_USE,
        }


def segment(
    path: str | Path | None = None,
    *,
    anterior: ArrayLike | None = None,
    posterior: ArrayLike | None = None,
    model: str | Path | None = None,
    engine: EngineName = "auto",
    device: DeviceName = "auto",
    **options: Any,
) -> SavableReading:
    """Read one scan: `reading = segment("scan.dcm")`, then `reading.lesions`, `reading.mask`, `reading.save(folder)`.

    Arrays in hand are read as well: `segment(anterior=array, posterior=array, pixel_size_mm=2.26)`. For many scans make
    one `Reader`, whose model stays loaded.

    Args:
        path: a file, or the folder of one study; None when arrays are given.
        anterior: (rows, columns) counts, rows from head to foot; the posterior view as seen from behind.
        posterior: (rows, columns) counts, rows from head to foot; the posterior view as seen from behind.
        model: name or folder of a model; None for the default one.
        engine: "auto" takes what is there; see `engines.load_engine`.
        device: "auto" takes what is there; see `engines.load_engine`.
        options: region, crop, views, pixel_size_mm and the others of `Options`.

    Raises:
        UserError: with one sentence that says what to do.
        TypeError: an option that `Options` does not have.
    """
    chosen = Options(**options)
    if path is not None and (anterior is not None or posterior is not None):
        raise UserError("Give a file or arrays, not both.")
    reader = Reader(model, engine, device)
    return reader.read_arrays(anterior, posterior, chosen) if path is None else reader.read(path, chosen)


def find_thorax(scan: WholeBodyScan) -> ThoraxCrop:
    """The thorax box that `Reader` would read, in pixels of the scan's anterior frame."""
    frame = aggregate(scan)
    work = regrid(frame)
    return find_region(frame, work, crop_thorax(work.counts, work.spacing[0]), Options(), scan.case)[0]


def find_region(
    frame: PlanarView, work: PlanarView, thorax: ThoraxCrop, options: Options, case: str
) -> tuple[ThoraxCrop, Intervals]:
    """The region to read: in pixels of `frame`, and its rows and columns in pixels of `work`.

    Args:
        frame: the scan's own anterior frame.
        work: the same image at the working pixel size.
        thorax: the box found in `work`.
        options: may name another region or box.
        case: name for messages.

    Raises:
        UserError: a box by hand that does not lie on the scan.
    """
    rows, columns = frame.shape
    if options.crop is not None:
        first, end, left, right = options.crop
        near = -rows <= first < rows and 0 < end <= 2 * rows and -columns <= left < columns and 0 < right <= 2 * columns
        if not near:
            raise UserError(
                f"The crop {first},{end},{left},{right} does not lie on {case} ({rows} rows, {columns} columns); give "
                "first row, end row, first column, end column in its pixels.",
                "crop",
            )
        by_hand = ThoraxCrop((first, end), (left, right), 1.0, (), "manual")
        return by_hand, _scaled(by_hand, frame, work)
    if options.region == "whole-body":
        return whole_field(frame.shape), ((0, work.shape[0]), (0, work.shape[1]))
    own_rows, own_columns = _scaled(thorax, work, frame)
    return replace(thorax, rows=own_rows, columns=own_columns), (thorax.rows, thorax.columns)


def _on_view(ids: NDArray[Number], frame: PlanarView, view: PlanarView) -> NDArray[Number]:
    """IDs or region numbers on the anterior frame as the view's own grid shows them."""
    if same_grid(frame, view):
        return ids
    if same_grid(frame, mirror(view)):
        return np.ascontiguousarray(ids[:, ::-1])
    return sample_on(ids, frame, view, order=0)


def _inside(interval: tuple[int, int], size: int) -> list[int]:
    """The part of an interval that lies on the field: what a script can slice with."""
    return [min(max(edge, 0), size) for edge in interval]


def _views_on(scan: WholeBodyScan, work: PlanarView) -> dict[ViewName, Map]:
    """{existing view: (rows, columns) counts on the working grid, anterior frame}."""
    result: dict[ViewName, Map] = {}
    for name, view in scan.views.items():
        shown = regrid(view if name == "anterior" else mirror(view))
        result[name] = shown.counts if same_grid(shown, work) else sample_on(shown.counts, shown, work)
    return result


def _scaled(crop: ThoraxCrop, source: PlanarView, target: PlanarView) -> Intervals:
    """The box in pixels of `target`, of a box in pixels of `source`; both grids cover one field, centred alike."""
    if same_grid(source, target):
        return crop.rows, crop.columns
    result = []
    for axis, interval in enumerate((crop.rows, crop.columns)):
        ratio = source.spacing[axis] / target.spacing[axis]
        middle_from, middle_to = source.shape[axis] / 2, target.shape[axis] / 2
        first, end = (round((edge - middle_from) * ratio + middle_to) for edge in interval)
        result.append((first, max(end, first + 1)))
    return result[0], result[1]
