"""One case from its files to its result folder: load, infer, write; used by one process and by many."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError
from ..export.outputs import Outputs
from ..loading.options import Options
from ..pipeline import Clock, Reader
from .cases import Case, check_folder

if TYPE_CHECKING:
    from ..export.savable_reading import SavableReading
    from ..model.engines import DeviceName, EngineName
    from ..scan.planar import WholeBodyScan

__all__ = ["Loaded", "Settings", "failure_result", "load_case", "read_case", "reader_of", "write_result"]


@dataclass(frozen=True)
class Settings:
    """How the cases of a run are read; sent to other processes.

    Attributes:
        model: model of the reader.
        engine: engine of the reader.
        device: device of the reader.
        threads: threads of the reader.
        options: options of the readings.
        quick: write masks, table and receipt only.
        outputs: outputs in addition to the result files.
        staging: folder for incomplete results; None for one next to the result folder.
    """

    model: str | None = None
    engine: EngineName = "auto"
    device: DeviceName = "auto"
    threads: int = 0
    options: Options = field(default_factory=Options)
    quick: bool = False
    outputs: Outputs = field(default_factory=Outputs)
    staging: Path | None = None


@dataclass(frozen=True)
class Loaded:
    """A scan in memory, with the clock that timed its loading.

    Attributes:
        scan: the scan that was read.
        clock: seconds of the steps so far.
    """

    scan: WholeBodyScan
    clock: Clock


_LOCK = threading.Lock()
_READERS: dict[tuple[Any, ...], Reader] = {}


def reader_of(settings: Settings) -> Reader:
    """Return the reader of a run, which is loaded once per process.

    Raises:
        UserError: no such model or engine.
    """
    wanted = (settings.model, settings.engine, settings.device, settings.threads)
    with _LOCK:
        if wanted not in _READERS:
            # The old network is freed first: two may not fit on a GPU.
            _READERS.clear()
            _READERS[wanted] = Reader(*wanted)
        return _READERS[wanted]


def load_case(case: Case, options: Options) -> Loaded:
    """Load the scan of a case.

    Raises:
        UserError: the scan cannot be read, or the case has none.
    """
    from ..loading import read_found_scan

    if case.scan is None:
        raise UserError(case.failure)
    clock = Clock()
    with clock.step("read"):
        scan = read_found_scan(
            case.scan,
            case.name,
            case.input.name,
            views=options.views,
            pixel_size_mm=options.pixel_size_mm,
            override=options.views_override,
        )
    return Loaded(scan, clock)


def read_case(settings: Settings, case: Case) -> dict[str, Any]:
    """Read one case, write its results and return a summary; an error becomes a result (see `failure_result`)."""
    try:
        reader = reader_of(settings)
        loaded = load_case(case, settings.options)
        return write_result(case, reader.read_scan(loaded.scan, settings.options, loaded.clock), settings)
    except Exception as error:  # noqa: BLE001 - a study that fails must not end the others
        return failure_result(case, error)


def write_result(case: Case, reading: SavableReading, settings: Settings) -> dict[str, Any]:
    """Write a reading into the result folder of its case and return a summary.

    Raises:
        UserError: the folder cannot be written, or another run has written the result of another scan there.
    """
    from ..lesions.extent import headline

    clock = Clock()
    if settings.quick:
        # A later run without `quick` reads the scan again.
        reading = replace(reading, receipt={**reading.receipt, "quick": True})
    check_folder(case)
    with clock.step("write"):
        further = reading.save(str(case.folder), settings.outputs, quick=settings.quick, staging=settings.staging)
    receipt: dict[str, Any] = reading.receipt
    confidences = [lesion.confidence for lesion in reading.lesions if lesion.confidence is not None]
    return {
        "input": str(case.input),
        "folder": str(case.folder),
        "headline": headline(reading),
        "lesions": len(reading.lesions),
        "area_cm2": round(sum(lesion.area_mm2 for lesion in reading.lesions) / 100, 2),
        "confidence": reading.confidence,
        # Rounded as in the table of lesions.
        "lowest_confidence": float(f"{min(confidences):.6g}") if confidences else None,
        "views": list(reading.scan.views),
        "read": receipt["read"],
        "crop_confidence": reading.crop.confidence,
        "device": receipt["device"],
        "seconds": {**receipt["seconds"], **clock.rounded()},
        "warnings": [*map(str, receipt["warnings"]), *further],
    }


def failure_result(case: Case, error: Exception) -> dict[str, Any]:
    """Return the result of a case that failed: with "error", or with "stop" if no result can be written at all."""
    from ..export.result_folder import OutputNotWritableError

    if isinstance(error, OutputNotWritableError):
        return {"input": str(case.input), "stop": str(error)}
    if not isinstance(error, UserError):
        # One study must not stop a batch of thousands; the type of the error helps to find the cause.
        error = UserError(f"It could not be read ({type(error).__name__}: {error}); please report it.")
    return {"input": str(case.input), "error": error.to_dict()}
