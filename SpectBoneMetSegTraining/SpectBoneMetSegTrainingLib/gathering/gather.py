"""Gather labelled and unlabelled scans into a training data set, incrementally as labels are added.

    DATA/            the data set (see `dataset`), with gathered.json: pseudonyms only, no path, no reader, no patient
    DATA-private/    pseudonyms.key, found.csv, agreement.csv, annotate_again.csv, summary.txt, sources.json,
                     disagreements/<case>.png: paths and readers' names, not to be shared

An interrupted call can be resumed. A case gathered before is rewritten if its labels changed or its scan got another
view, and an unlabelled case becomes labelled when it gets labels. A case is removed only if another one holds its files
(see `known_scans`). New patients join the existing folds (`extend_split`); no patient changes splits. With a test
share, some of the new labelled patients are held out as the test set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError, reason_of, why_unread
from SpectBoneMetSegLib.common.packages import is_installed
from SpectBoneMetSegLib.common.plural import pluralize
from SpectBoneMetSegLib.scan.planar import WholeBodyScan
from SpectBoneMetSegLib.scan.plausibility import check_scan

from ..dataset.cases import finish_dataset, patients_with_lesions, records_of
from ..dataset.files import read_json, write_json
from ..dataset.folds import VALIDATION_FOLD, extend_split
from .case_writing import check_counts, digest_of, find_crop, forget_case, identity_of, outside_crop, write_scan
from .claim import claimed, holds_cases, private_folder
from .disagreement_picture import write_disagreement
from .discovery.pseudonyms import Pseudonyms, read_or_make_key
from .discovery.scan_files import ScanFiles
from .discovery.studies import Found, LabelledStudy
from .formats.read_labels import read_labels
from .known_scans import Known, cases_with_files, only_with
from .labels.consensus import Consensus, settle
from .labels.marks import LabelledScan, instances_of
from .report import SUMMARY_FILE, AgreementRow, Outcome, ReportRow, describe, why_left_out, write_report
from .scan_reading import read_found

__all__ = ["Gathered", "NothingUsableError", "gather", "private_folder", "sources_of"]

SOURCES = "sources.json"
PICTURES = "disagreements"
WITHOUT_LABELS = "None of its labels can be used: it is taken as unlabelled, because it lies in such a folder too."
PART_OF_ANOTHER = (
    "Some of its files are in the data set as part of another scan; put all files of one scan into one folder, or "
    "gather into a new data set."
)
NO_PATIENT = "It names no patient and counts as a patient of its own."


@dataclass(frozen=True)
class Gathered:
    """Result of gathering.

    Attributes:
        data: the data set.
        private: the private folder next to it.
        rows: outcome of every scan and file.
        agreement: every pair of readers.
        text: human-readable summary.
    """

    data: Path
    private: Path
    rows: tuple[ReportRow, ...]
    agreement: tuple[AgreementRow, ...]
    text: str


def sources_of(data: Path) -> dict[str, list[str]]:
    """Return {case: files or nodes of its scan} of a gathered data set.

    Raises:
        UserError: the private folder is missing or damaged.
    """
    return dict(read_json(private_folder(data) / SOURCES))


def gather(
    data: Path,
    found: Found,
    scene: Sequence[LabelledScan] = (),
    *,
    seed: int = 0,
    test_share: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Gathered:
    """Write scans and labels into a new or an existing data set.

    Args:
        data: folder of the data set.
        found: from `studies.find`.
        scene: labelled scans in memory, as from Slicer.
        seed: random seed for choosing among agreeing readers and splitting patients; the first call's seed is kept.
        test_share: share of labelled patients held out for the test, 0..1; None keeps the previous share. At least
            one patient stays in the training set.
        progress: called with the number of scans done and their total; an exception that it raises stops gathering.

    Raises:
        UserError: the folder holds another data set or cannot be written, another process gathers into it, its
            private folder is missing, or nothing usable was found.
    """
    if found == Found() and not scene and not holds_cases(data):
        raise NothingUsableError("Nothing usable was found: no scan is in the folders; give folders of bone scans.")
    try:
        with claimed(data, seed, test_share) as (agreed_seed, share):
            return _Gatherer(data, agreed_seed, share).run(found, scene, progress)
    except OSError as error:
        why = f"{data} cannot be written ({reason_of(error)})"
        if holds_cases(data):
            kept = pluralize(len(records_of(data)), "scan")
            raise UserError(
                f"{why} and is not complete; free space and gather the same folders again, which continues after the "
                f"{kept} in it."
            ) from error
        raise UserError(f"{why}; free space or choose another folder.") from error


class NothingUsableError(UserError):
    """No scan that was found can be used.

    Attributes:
        reason: how many files were left out and why the first was; "" if no file was found.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class _Gatherer:
    """One call of `gather`."""

    def __init__(self, data: Path, seed: int, test_share: float) -> None:
        self.data, self.private = data, private_folder(data)
        self.seed, self.test_share = seed, test_share
        new = not (data / "dataset.json").exists() and not holds_cases(data)
        self.names = Pseudonyms(read_or_make_key(self.private, new=new))
        self.records = {record["case"]: record for record in records_of(data)}
        self.rows: list[ReportRow] = []
        self.agreement: list[AgreementRow] = []
        self.met: dict[str, str] = {}
        self.test = {record["patient"] for record in self.records.values() if record["split"] == "test"}
        earlier = self.private / SOURCES
        self.sources: dict[str, list[str]] = dict(read_json(earlier)) if earlier.exists() else {}

    def run(self, found: Found, scene: Sequence[LabelledScan], progress: Callable[[int, int], None] | None) -> Gathered:
        """Add all scans, labelled before unlabelled ones, then write splits and report."""
        patients = [item.patient for item in scene] + [study.scan.patient for study in found.labelled]
        self.test |= self._drawn_for_test({self.names.patient(patient) for patient in patients if patient})
        work: list[Callable[[], None]] = [
            *(partial(self._scene_scan, item) for item in scene),
            *(partial(self._study, study) for study in found.labelled),
            *(partial(self._unlabelled, scan) for scan in found.unlabelled),
        ]
        for done, step in enumerate(work, start=1):
            step()
            if progress:
                progress(done, len(work))
        self.rows += [
            ReportRow(str(item.path), "", "left out", item.reason, failed=item.failed) for item in found.left_out
        ]
        usable = holds_cases(self.data)
        splits = self._finish() if usable else ""
        text = describe(self.rows, splits)
        if usable:
            write_json(self.private / SOURCES, self.sources)
        write_report(self.private, self.rows, self.agreement, text)
        if not usable:
            reason = why_left_out(self.rows)
            raise NothingUsableError(
                f"Nothing usable was found: {reason}; {self.private / SUMMARY_FILE} lists the reasons.", reason
            )
        return Gathered(self.data, self.private, tuple(self.rows), tuple(self.agreement), text)

    def _drawn_for_test(self, labelled: set[str]) -> set[str]:
        """Draw new patients for the test set until it has its share; scans without a patient's ID are never drawn.

        Patients already in the data set are not drawn, labelled or not: a model may have been trained on them.
        """
        old = {record["patient"] for record in self.records.values()}
        learning = {record["patient"] for record in self.records.values() if record["split"] == "train"}
        new = sorted(labelled - old)
        everyone = len(learning | self.test | labelled)
        wanted = min(round(self.test_share * everyone), everyone - 1) - len(self.test)
        order = np.random.default_rng((self.seed, len(self.test), 1)).permutation(len(new))
        return {new[i] for i in order[: max(wanted, 0)]}

    def _scene_scan(self, item: LabelledScan) -> None:
        # The scan was outlined in Slicer, so implausible values are only reported.
        self._labelled(item, identity_of(item.scan), check_scan(item.scan, override=True))

    def _study(self, study: LabelledStudy) -> None:
        """Add a scan on disk with its label files; readers whose files cannot be used are skipped."""
        path = str(study.scan.files[0])
        try:
            scan, notes = read_found(study.scan)
        except (UserError, OSError) as error:
            self.rows.append(ReportRow(path, "labelled", "left out", why_unread(error), failed=True))
            return
        labels = []
        for reader, files in study.readers.items():
            try:
                labels.append(read_labels(files, scan, reader))
            except (UserError, OSError) as error:
                self.rows.append(ReportRow(str(files[0].path), "", "left out", why_unread(error), failed=True))
        if labels:
            self._labelled(LabelledScan(scan, tuple(labels), study.scan.patient, path), study.scan.uids, notes)
        elif study.also_unlabelled:
            self._unlabelled(study.scan, WITHOUT_LABELS)
        else:
            reason = (
                "None of its labels can be used, so it is in no set; correct a label, or list its folder as unlabelled."
            )
            self.rows.append(ReportRow(path, "labelled", "left out", reason, failed=True))

    def _labelled(self, item: LabelledScan, identity: Sequence[str], remarks: Sequence[str]) -> None:
        known = cases_with_files(self._file_names(identity), self.records, labelled=True)
        case = self._case(identity, known)
        reason = self._why_not(case, known)
        if reason:
            self.rows.append(ReportRow(item.place, "labelled", "left out", reason))
            return
        try:
            scan, notes = check_counts(item.scan)
        except UserError as error:
            self.rows.append(ReportRow(item.place, "labelled", "left out", str(error), failed=True))
            return
        crop, unsure = find_crop(scan)
        about = self._about(case, item.patient, identity)
        notes = [*remarks, *notes]
        notes += ["Kept for the test."] if about["patient"] in self.test else []
        truth = settle(item.labels, scan, np.random.default_rng((self.seed, int(case.split("_")[1], 16))))
        instances = instances_of(truth.labels, scan)
        outside = outside_crop(instances, scan, crop)
        notes += [*unsure, *truth.labels.notes]
        notes += [f"Labelled lesions outside the thorax, for models of the whole body: {outside}."] if outside else []
        notes += [] if item.patient else [NO_PATIENT]
        about["labels"] = {
            "readers": len(item.labels),
            "decided_by": truth.decided_by,
            "largest_difference": truth.largest_difference,
            "digest": digest_of(instances),
        }
        before = self.records.get(case, {})
        outcome: Outcome = "changed" if before else "new"
        notes += self._replacement(known, about)
        if _digest_and_files(before) == _digest_and_files(about):
            outcome = "as before"
        else:
            forget_case(self.data, case)
            split = "test" if about["patient"] in self.test else "train"
            write_scan(self.data, case, scan, crop, instances, about, split)
        self._remember(case, item.place, scan, known)
        self._record_agreement(case, item, scan, truth)
        lesions = sum(any(lesion.labelled.values()) for lesion in instances)
        self.rows.append(
            ReportRow(
                item.place,
                "labelled",
                outcome,
                "",
                case,
                about["patient"],
                " and ".join(scan.views),
                len(item.labels),
                lesions,
                truth.largest_difference,
                truth.decided_by,
                " ".join(notes),
            )
        )

    def _unlabelled(self, files: ScanFiles, remark: str = "") -> None:
        known = cases_with_files(self._file_names(files.uids), self.records, labelled=False)
        path, case = str(files.files[0]), self._case(files.uids, known)
        row = ReportRow(path, "unlabelled", "left out", "")
        if known.kept:
            labelled = "lesions" in self.records[known.kept[0]]
            reason = "It is in the data set with labels." if labelled else PART_OF_ANOTHER
            self.rows.append(replace(row, reason=reason, case=known.kept[0]))
            return
        if known.replaced == (case,) and self.records[case]["files"] == self._file_names(files.uids):
            patient = self.records[case]["patient"]
            self.rows.append(replace(row, outcome="as before", case=case, patient=patient, notes=remark))
            self.met[case] = path
            return
        try:
            scan, read_notes = read_found(files)
            scan, notes = check_counts(scan)
            notes = [*filter(None, [remark]), *read_notes, *notes]
        except (UserError, OSError) as error:
            self.rows.append(replace(row, reason=why_unread(error), failed=True))
            return
        crop, unsure = find_crop(scan)
        if unsure:
            self.rows.append(replace(row, reason=f"{unsure[0]} Without a label that is too little."))
            return
        about = self._about(case, files.patient, files.uids)
        notes += [*([] if files.patient else [NO_PATIENT]), *self._replacement(known, about)]
        forget_case(self.data, case)
        write_scan(self.data, case, scan, crop, None, about, "unlabelled")
        outcome: Outcome = "changed" if case in self.records else "new"
        self._remember(case, path, scan, known)
        row = replace(row, outcome=outcome, case=case, patient=about["patient"], views=" and ".join(scan.views))
        self.rows.append(replace(row, notes=" ".join(notes)))

    def _about(self, case: str, patient: str, identity: Sequence[str]) -> dict[str, Any]:
        """Return the case's JSON fields; a known case keeps its patient, so that splits stay the same."""
        before = self.records.get(case, {}).get("patient")
        return {
            "patient": before or self.names.patient(patient or f"\0{case}"),
            "data": "gathered",
            "files": self._file_names(identity),
        }

    def _case(self, identity: Sequence[str], known: Known) -> str:
        """Return the name of a scan; one that replaces a case keeps its name, and so its patient and split."""
        return known.replaced[0] if known.replaced else self.names.scan("\0".join(sorted(identity)))

    def _why_not(self, case: str, known: Known) -> str:
        """Return why a labelled scan is left out, "" if it is not."""
        met = [name for name in (case, *known.replaced, *known.kept) if name in self.met]
        if met:
            return f"It is the same scan as {self.met[met[0]]}."
        return PART_OF_ANOTHER if known.kept else ""

    def _replacement(self, known: Known, about: dict[str, Any]) -> list[str]:
        count = sum(self.records[case]["files"] != about["files"] for case in known.replaced)
        return [f"It replaces {pluralize(count, 'scan')} of the data set that held a file of it."] if count else []

    def _file_names(self, identity: Sequence[str]) -> list[str]:
        return [self.names.scan(f"file {uid}") for uid in sorted(identity)]

    def _remember(self, case: str, path: str, scan: WholeBodyScan, known: Known) -> None:
        """Record a written case, and remove the others that it replaces; this comes last, so that no scan is lost."""
        self.met[case] = path
        self.sources[case] = list(scan.source.files) or [path]
        self.records[case] = read_json(self.data / "instances" / f"{case}.json")
        for other in known.replaced[1:]:
            forget_case(self.data, other)
            del self.records[other]
            self.sources.pop(other, None)
            (self.private / PICTURES / f"{other}.png").unlink(missing_ok=True)

    def _record_agreement(self, case: str, item: LabelledScan, scan: WholeBodyScan, truth: Consensus) -> None:
        picture = f"{PICTURES}/{case}.png" if truth.again else ""
        if picture and not is_installed("matplotlib"):
            # The tables hold the same values; only the picture needs matplotlib.
            picture = ""
        if picture:
            write_disagreement(self.private / picture, case, scan, item.labels, truth)
        else:
            (self.private / PICTURES / f"{case}.png").unlink(missing_ok=True)
        self.agreement += [
            AgreementRow(case, item.place, pair, pair.image in truth.again, picture) for pair in truth.comparisons
        ]

    def _finish(self) -> str:
        """Write splits and dataset.json; return a summary of the splits."""
        labelled = [record for record in records_of(self.data) if record["split"] == "train"]
        patients = {record["case"]: record["patient"] for record in labelled}
        splits = self.data / "splits.json"
        count = pluralize(len(set(patients.values())), "labelled patient")
        summary = f"splits: {count} in folds drawn from seed {self.seed}."
        if splits.exists():
            before = read_json(splits)
            marked = patients_with_lesions(self.data, labelled)
            folds, joined = extend_split(only_with(self.records, before["folds"]), patients, self.seed, marked)
            summary = "splits: no new patients; all patients keep their split."
            if folds != before["folds"]:
                write_json(splits, {**before, "folds": folds})
            if joined:
                held = sum(fold == VALIDATION_FOLD for fold in joined.values())
                summary = (
                    f"splits: {pluralize(len(joined), 'new labelled patient')} added, {held} of them for validation "
                    f"(fold {VALIDATION_FOLD}); all other patients keep their split."
                )
        kept = {record["patient"] for record in records_of(self.data) if record["split"] == "test"}
        if kept:
            summary += f" {len(kept)} labelled patients are kept for the test."
        finish_dataset(
            self.data, "GatheredBoneScans", self.seed, "Gathered planar whole-body bone scans, pseudonymous."
        )
        if len(set(patients.values())) == 1:
            summary += (
                " All labelled scans have the same patient ID, but validation needs another patient: label another "
                "patient, or give anonymised files individual IDs."
            )
        return summary


def _digest_and_files(record: dict[str, Any]) -> tuple[Any, Any]:
    return record.get("labels", {}).get("digest"), record.get("files")
