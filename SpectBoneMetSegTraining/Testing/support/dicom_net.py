"""A DICOM network on loopback: a sender, an archive that can be made to refuse, and a reader that reads nothing.

As a program, `python dicom_net.py SPOOL OUTPUT PORT [AET@HOST:PORT]`, it is a receiver with that reader, to be killed.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE, AllStoragePresentationContexts, evt
from SpectBoneMetSegLib.receiving.sending import Destination
from SpectBoneMetSegLib.receiving.server import Address, listening
from SpectBoneMetSegLib.receiving.service import ReceiverOptions, ReceivingService
from SpectBoneMetSegLib.receiving.spool import Spool

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.nm_files import ANTERIOR, POSTERIOR, detector, nm

TITLE, CAMERA = "READER", "CAMERA"


def scan(study: str = "1.2.3", sop: str = "1.2.3.4", **header: Any) -> Dataset:
    """A whole-body scan of a patient with a name."""
    views = [detector("399348003", "Anterior"), detector("399173006", "Posterior")]
    return nm(ANTERIOR, POSTERIOR, detectors=views, StudyInstanceUID=study, SOPInstanceUID=sop, **header)


@contextmanager
def receiver(spool: Spool, reported: list[str] | None = None) -> Iterator[int]:
    """A listener; gives its port."""
    lines = [] if reported is None else reported
    with listening(Address("127.0.0.1", 0, TITLE, (CAMERA,)), spool, lines.append) as port:
        yield port


def associate(port: int, *objects: Dataset, calling: str = CAMERA, called: str = TITLE) -> Any:
    entity = AE(ae_title=calling)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = 10
    entity.add_requested_context("1.2.840.10008.1.1")
    for kind, encoding in {(each.SOPClassUID, each.file_meta.TransferSyntaxUID) for each in objects}:
        entity.add_requested_context(kind, encoding)
    return entity.associate("127.0.0.1", port, ae_title=called)


def store(port: int, *objects: Dataset, **titles: str) -> list[Any]:
    """The answers to objects that are sent over one connection; [] where it is refused."""
    association = associate(port, *objects, **titles)
    if not association.is_established:
        return []
    answers = [association.send_c_store(each) for each in objects]
    association.release()
    return answers


class Archive:
    """An archive that keeps what it is sent, in order; `answers` are given to the first ones instead of success."""

    def __init__(self, *answers: int) -> None:
        self.got: list[str] = []
        self.answers = list(answers)
        self.port = 0

    @contextmanager
    def open(self, port: int = 0) -> Iterator[Destination]:
        entity = AE(ae_title="PACS")
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax)
        server: Any = entity.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)]
        )
        self.port = server.socket.getsockname()[1]
        try:
            yield Destination("PACS", "127.0.0.1", self.port)
        finally:
            entity.shutdown()

    def _take(self, event: Any) -> int:
        if self.answers:
            status = self.answers.pop(0)
            if status:
                return status
        self.got.append(str(event.request.AffectedSOPInstanceUID))
        return 0


class Reader:
    """Writes folders of results that hold a receipt and two DICOM objects; counts what it read."""

    def __init__(self, output: Path, seconds: float = 0.0) -> None:
        self.output, self.seconds = output, seconds
        self.read_cases: list[str] = []
        #: Results given instead, in order.
        self.instead: list[dict[str, Any]] = []

    def done(self, case: Any) -> bool:
        path = case.folder / "receipt.json"
        reported = json.loads(path.read_text()) if path.is_file() else {}
        return reported.get("inputs") == _inputs(case)

    def read(self, cases: Any) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, case in enumerate(cases):
            self.read_cases.append(case.name)
            time.sleep(self.seconds)
            if self.instead:
                yield number, self.instead.pop(0)
                continue
            inputs = _inputs(case)
            unfinished = case.folder.with_name(f".{case.name}")
            (unfinished / "dicom").mkdir(parents=True, exist_ok=True)
            for name in ("overview_sc.dcm", "seg_anterior.dcm"):
                uid = f"2.25.{int(hashlib.sha256(f'{name}{inputs}'.encode()).hexdigest()[:24], 16)}"
                _capture(uid).save_as(unfinished / "dicom" / name, enforce_file_format=True)
            (unfinished / "receipt.json").write_text(json.dumps({"inputs": inputs}))
            if case.folder.is_dir():
                case.folder.rename(case.folder.with_name(f".{case.name}-{len(self.read_cases)}"))
            unfinished.rename(case.folder)
            result = {"lesions": 1, "area_cm2": 2.5, "views": ["anterior"], "read": "whole", "warnings": []}
            yield number, {**result, "confidence": None, "lowest_confidence": None, "crop_confidence": 1.0}


def _inputs(case: Any) -> list[dict[str, str]]:
    files = sorted(case.scan.files)
    uids = sorted(case.identity.keys)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return [{"sop_instance_uid": uid, "sha256": digest} for uid, digest in zip(uids, digests, strict=True)]


def _capture(uid: str) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = SecondaryCaptureImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = uid
    made.Modality, made.Rows, made.Columns, made.SamplesPerPixel = "OT", 2, 2, 1
    made.BitsAllocated, made.PhotometricInterpretation = 8, "MONOCHROME2"
    made.PixelData = np.zeros(4, np.uint8).tobytes()
    return made


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def until(happened: Any, seconds: float = 100.0) -> None:
    """Wait for something; fails where it does not happen.

    On a busy machine pynetdicom sometimes loses a response; the sender tries again when its PATIENCE_SECONDS are over.
    """
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def _serve(spool_folder: str, output: str, port: str, send_to: str = "") -> None:
    spool, reader = Spool.opened(Path(spool_folder), 1e9), Reader(Path(output), 0.3)
    wishes = ReceiverOptions(0.3, destinations=(Destination.parsed(send_to),) if send_to else ())
    service = ReceivingService(
        spool, Path(output), reader.done, reader.read, wishes, lambda line: print(line, flush=True)
    )
    with listening(Address("127.0.0.1", int(port), TITLE, (CAMERA,)), spool, lambda line: print(line, flush=True)):
        service.start()
        threading.Event().wait()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
