"""Import a public set as a data set, with its licence, citation and fixed folds.

    DATA/imported.json    which set, how it was read        DATA/import.txt    what was found, what was left out and why
    DATA/regions/<case>/regions_<view>.nrrd                 if the set labels the bones

An interrupted import can be resumed: the result is that of an import from the beginning, because cases whose files,
labels or pixel size have changed since are imported again. Nothing is downloaded. The conversion of grey values to
counts and the source of the pixel size are recorded in dataset.json and in every case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.common.locks import exclusive_access
from SpectBoneMetSegLib.common.plural import pluralize
from SpectBoneMetSegLib.export.volumes import write_volume
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, PlanarView, ViewName, WholeBodyScan
from SpectBoneMetSegLib.scan.plausibility import check_scan
from SpectBoneMetSegLib.scan.side_evidence import side_warnings
from SpectBoneMetSegLib.scan.skeleton_regions import BONE_REGIONS

from ...common.progress import Progress
from ...dataset.cases import Instance, finish_dataset, patients_with_lesions, records_of
from ...dataset.files import claim_folder, write_json
from ...dataset.sources import SOURCES
from ..case_writing import find_crop, write_scan
from ..claim import removed_without_cases
from .catalogue import find_set
from .coco import CocoBones, read_coco
from .completeness import NAMED, check_whole, without_scan
from .description import PublicSet, as_json
from .earlier import MADE_FROM, check_scans, forget, made_from
from .folds import SEED, case_names, folds_of, patient_names, sides_of
from .imported import Imported, text_of
from .listing import Listing, list_files
from .manifests import compare_with_lists
from .pixel_sizes import find_pixel_size
from .truth import ViewTruth, known_regions, number_bones, read_mask, read_truth
from .views import SetView, read_view

__all__ = ["ImportRequest", "import_set"]

RECORD, REPORT = "imported.json", "import.txt"
VERSION = 1
#: Entries of a case: whether the views' content contradicts their sides, and why a file of it may be damaged.
SIDES_IN_DOUBT, FILES_IN_DOUBT = "sides_in_doubt", "files_in_doubt"


@dataclass(frozen=True)
class ImportRequest:
    """Import request.

    Attributes:
        found: the set.
        folder: where it was unpacked.
        scans: where the scans are that its masks belong to.
        pixel_size_mm: over what is stated or estimated.
        as_counts: grey values divided by their gain where it is known.
        accepted: whether the user has settled the set's open terms.
    """

    found: PublicSet
    folder: Path
    scans: Path | None = None
    pixel_size_mm: float | None = None
    as_counts: bool = True
    accepted: bool = False


@dataclass(frozen=True)
class _Case:
    """One patient's scan with its reference labels; regions as acquired."""

    scan: WholeBodyScan
    instances: list[Instance] | None
    regions: dict[ViewName, NDArray[np.uint8]] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def import_set(request: ImportRequest, data: Path, progress: Progress | None = None) -> Imported:
    """Write a public set into a data set, or resume an interrupted import.

    Raises:
        UserError: its terms are not accepted, nothing of it or none of its labels lies in the folder, a file is not the
            published one, or the data set's folder holds something else or cases of scans that are not there.
    """
    found = request.found
    if found.terms and not request.accepted:
        raise UserError(f"{found.title}: {found.terms} Confirm that you may use it, then import again.", "accept_terms")
    listing, bones = _listed(request)
    marks = request.scans if found.boxes and request.scans else request.folder
    notes = [*listing.notes, *check_whole(found, listing, marks, {"coco images": bones.images} if bones else {})]
    notes += without_scan(listing, bones.places if bones else ())
    if bones and bones.unknown:
        notes.append(f"Categories that are no region of ours: {', '.join(sorted(bones.unknown))}.")
    asked = {
        "version": VERSION,
        "set": found.name,
        "pixel_size_mm": request.pixel_size_mm,
        "as_counts": request.as_counts,
    }
    try:
        with removed_without_cases(data, RECORD):
            claim_folder(data, RECORD, asked, "data set of a public set")
            with exclusive_access(data):
                return _Import(request, data, listing, bones, notes).run(progress)
    except OSError as error:
        why = reason_of(error)
        raise UserError(f"{data} cannot be written ({why}); free space and run the same import again.") from error


def _listed(request: ImportRequest) -> tuple[Listing, CocoBones | None]:
    found, scans = request.found, None
    if found.base:
        base = find_set(found.base)
        if request.scans is None:
            raise UserError(f"{found.title} holds no scans; say where {base.title} lies.", "scans")
        scans = list_files(base, request.scans)
    elif request.scans is not None:
        raise UserError(f"{found.title} comes with its scans; leave the scans out.", "scans")
    listing = list_files(found, request.folder, scans)
    compare_with_lists(found, request.folder, listing)
    return listing, (None if found.files else read_coco(request.folder))


class _Import:
    """One call of `import_set`."""

    def __init__(
        self, request: ImportRequest, data: Path, listing: Listing, bones: CocoBones | None, notes: Sequence[str]
    ) -> None:
        self.request, self.found, self.data = request, request.found, data
        self.listing, self.bones = listing, bones
        self.notes = list(notes)
        self.left_out: dict[str, str] = {}
        self.names = patient_names(self.found, listing.patients())
        self.cases = case_names(self.found, listing.patients())
        self.sides, self.split_source = sides_of(self.found, listing, request.scans or request.folder)
        self.notes += [self.split_source] if self.split_source else []
        size = find_pixel_size(self.found, listing, request.pixel_size_mm)
        self.pixel, self.pixel_source = size.edge, size.source
        if size.estimated:
            self.notes.append(f"Pixel size {size.edge} mm: {size.source}.")

    def run(self, progress: Progress | None) -> Imported:
        cases = self.cases
        earlier = {record["case"]: record.get(MADE_FROM) for record in records_of(self.data)}
        check_scans(self.data, self.request.scans or self.request.folder, set(earlier) - set(cases.values()))
        for number, (patient, case) in enumerate(cases.items(), start=1):
            if patient in self.found.left_out:
                forget(self.data, case)
                self.left_out[patient] = self.found.left_out[patient]
            else:
                source = self._made_from(patient)
                if earlier.get(case) != source:
                    # A file was repaired or replaced since: neither its old image nor its old labels may stay.
                    forget(self.data, case)
                    try:
                        self._write(case, self._case(case, patient), patient, source)
                    except UserError as error:
                        self.left_out[patient] = str(error)
            if progress:
                progress(number, len(cases))
        return self._finish()

    def _made_from(self, patient: str) -> str:
        more = {
            "patient": self.names[patient],
            "side": self.sides[patient],
            "pixel_size_mm": self.pixel,
            "pixel_size_source": self.pixel_source,
            "outlines": self.bones.of(patient) if self.bones else None,
            "outlined": self._named() if self.bones else None,
        }
        return made_from(self.found, self.listing, patient, more)

    def _case(self, case: str, patient: str) -> _Case:
        """Read one scan with its labels.

        Raises:
            UserError: none of its views can be read, or they do not fit each other or their masks.
        """
        views: dict[ViewName, SetView] = {}
        for name in VIEW_NAMES:
            path = self.listing.of("scan").get((patient, name))
            if path is not None:
                views[name] = read_view(path, self.found, name, as_counts=self.request.as_counts)
        if len({view.counts.shape for view in views.values()}) > 1:
            raise UserError("Its views have different numbers of pixels.")
        planar = {name: PlanarView(view.counts, self._spacing(view), name) for name, view in views.items()}
        scan = WholeBodyScan(case, planar.get("anterior"), planar.get("posterior"))
        notes = check_scan(scan, override=True)
        truths = {name: read_truth(self.found, self.listing, patient, name, v.counts) for name, v in planar.items()}
        diseased = self._diseased(patient, views)
        drawn = [truth for truth in truths.values() if truth is not None]
        instances = None
        if drawn:
            instances = _instances({name: truth for name, truth in truths.items() if truth is not None}, scan)
        elif diseased is False:
            instances = []
        about: dict[str, Any] = {
            "patient": self.names[patient],
            "data": "imported",
            "set": self.found.name,
            "greys": {name: view.about for name, view in views.items()},
            "pixel_size": self.pixel_source,
            SIDES_IN_DOUBT: bool(side_warnings(scan)),
            FILES_IN_DOUBT: [doubt for view in views.values() for doubt in view.doubts],
        }
        if diseased is not None:
            about["diseased"] = diseased
        if drawn:
            about["benign_areas"] = sum(truth.benign for truth in drawn)
        regions = {}
        for name, view in planar.items():
            numbered = self._regions(patient, name, view)
            if numbered is not None:
                regions[name] = numbered
        if regions:
            about["regions_named"] = self._named()
        return _Case(scan, instances, regions, about, [*notes, *(note for truth in drawn for note in truth.notes)])

    def _spacing(self, view: SetView) -> tuple[float, float]:
        if view.spacing is not None and self.request.pixel_size_mm is None:
            return view.spacing
        if self.pixel is None:
            raise UserError("Its file does not state the pixel size, as the others do.")
        return (self.pixel, self.pixel)

    def _diseased(self, patient: str, views: Mapping[ViewName, SetView]) -> bool | None:
        """Whether the set labels a patient as diseased, in any view; None if not stated."""
        stated = [self.found.has_lesions(self.listing.groups.get((patient, name), "")) for name in views]
        return True if True in stated else None if None in stated else False

    def _regions(self, patient: str, name: ViewName, view: PlanarView) -> NDArray[np.uint8] | None:
        found, mask = self.found, self.listing.of("bones").get((patient, name))
        if self.bones is not None:
            stored = self.bones.mask(patient, name, view.shape, BONE_REGIONS)
            table: Mapping[int, str] = {number: region for region, number in BONE_REGIONS.items()}
            if stored is None:
                return None
            return number_bones(stored, table, name, view.spacing[0], f"the anatomy of {patient}")
        if mask is None or name not in found.bones:
            return None
        return number_bones(
            read_mask(mask, view.shape, found, name), found.bones[name], name, view.spacing[0], str(mask)
        )

    def _named(self) -> list[str]:
        """Return the bones that the set labels in any view."""
        if self.bones is not None:
            return known_regions(self.bones.regions)
        return known_regions({region for table in self.found.bones.values() for region in table.values()})

    def _write(self, case: str, made: _Case, patient: str, source: str) -> None:
        scan = made.scan
        crop, unsure = find_crop(scan)
        side = self.sides[patient]
        split = "unlabelled" if made.instances is None else "test" if side == "test" else "train"
        for name, numbers in made.regions.items():
            with whole_file(self.data / "regions" / case / f"regions_{name}.nrrd") as part:
                write_volume(numbers, scan.views[name].ijk_to_ras, str(part))
        about = {**made.about, MADE_FROM: source, "side": side, "notes": [*made.notes, *unsure]}
        write_scan(self.data, case, scan, crop, made.instances, about, split)

    def _finish(self) -> Imported:
        records = records_of(self.data)
        if not records:
            patient, reason = next(iter(self.left_out.items()), ("", "The folder holds none."))
            first = f"; the first of {pluralize(len(self.left_out), 'patient')}, {patient}" if patient else ""
            raise UserError(f"No scan of {self.found.title} could be used{first}: {reason}")
        train = [record for record in records if record["split"] == "train"]
        folds = folds_of(
            {record["case"]: record["patient"] for record in train},
            {record["case"] for record in train if record["side"] == "validation"},
            patients_with_lesions(self.data, train),
        )
        write_json(self.data / "splits.json", {"seed": SEED, "folds": folds})
        finish_dataset(
            self.data,
            self.found.name.replace("-", "_"),
            SEED,
            f"{self.found.title} ({self.found.home}), as imported.",
            {
                SOURCES: [self.found.source],
                **as_json(self.found),
                "pixel_size_mm": self.pixel,
                "pixel_size_source": self.pixel_source,
                "split_source": self.split_source or f"folds of our own, seed {SEED}",
                "terms_settled_by_importer": self.found.terms,
            },
        )
        self.notes += _remarks(records)
        kinds = ("train", "test", "unlabelled")
        cases = {kind: sum(record["split"] == kind for record in records) for kind in kinds}
        unlabelled = self._why_unlabelled() if cases["train"] + cases["test"] == 0 else ""
        result = Imported(self.data, cases, tuple(self.notes), self.left_out, unlabelled)
        with whole_file(self.data / REPORT) as part:
            part.write_text(text_of(result, self.found), encoding="utf-8")
        return result

    def _why_unlabelled(self) -> str:
        """Return why no patient is labelled, "" of a set without labels."""
        if self.found.diseased:
            return "No patient is labelled: the set outlines no lesions, and none of its patients is without them."
        if self.found.lesions:
            return "No patient is labelled: none of the scans has a mask of lesions; give the folder that holds them."
        return ""


def _instances(truths: Mapping[ViewName, ViewTruth], scan: WholeBodyScan) -> list[Instance]:
    """Return per-view lesions in the anterior frame, from head to foot; views without labels are "ignore"."""
    from ..labels.marks import unseen

    items: list[tuple[int, ViewName, NDArray[np.bool_], bool]] = []
    for name, truth in truths.items():
        for masks, labelled in ((truth.lesions, True), (truth.ignored, False)):
            for mask in masks:
                frame = mask[:, ::-1] if name == "posterior" else mask
                items.append((int(np.flatnonzero(frame.any(1))[0]), name, np.ascontiguousarray(frame), labelled))
    items.sort(key=lambda item: (item[0], item[1]))
    result = [
        Instance(number, {name: mask}, {name: labelled}, {"source": "per view"})
        for number, (_, name, mask, labelled) in enumerate(items, start=1)
    ]
    return result + unseen(tuple(truths), scan, len(result) + 1)


def _remarks(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield sentences on what the cases have in common, also those of earlier calls."""
    ran = sum(view.get("pixels_ran_over", 0) > 0 for record in records for view in record["greys"].values())
    if ran:
        yield f"Views with hot spots that overflowed their 8 bits: {ran}."
    kept = sum(view.get("grey_values_kept", False) for record in records for view in record["greys"].values())
    if kept:
        yield f"Views whose grey values were kept, because neither gaps nor noise show how many make a count: {kept}."
    sides = sum(record[SIDES_IN_DOUBT] for record in records)
    if sides:
        yield f"Scans whose views may be mirrored or swapped: {sides}; their cases name them under notes."
    files = [doubt for record in records for doubt in record[FILES_IN_DOUBT]]
    yield from files[:NAMED]
    if len(files) > NAMED:
        more = pluralize(len(files) - NAMED, "more sentence")
        yield f"{more} of this kind: see {FILES_IN_DOUBT} in the cases."
