"""Results on their way to an archive: C-STORE of the DICOM objects of a folder, one after the other."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError
from ..export.outputs import DICOM_FILES, DICOM_FOLDER

if TYPE_CHECKING:
    from pynetdicom.association import Association

__all__ = ["TITLE_LETTERS", "Destination", "DicomObject", "Outcome", "is_title", "objects_in", "send"]

#: Letters of an application entity title.
TITLE_LETTERS = 16
#: Seconds without a word from the archive after which it is tried again later.
PATIENCE_SECONDS = 30


def is_title(text: str) -> bool:
    """Whether it may be an application entity title (PS3.5, AE): up to 16 plain letters."""
    plain = text.isascii() and text.isprintable() and "\\" not in text
    return plain and 0 < len(text.strip()) <= TITLE_LETTERS


@dataclass(frozen=True)
class Destination:
    """An archive: application entity `title` at `host` and `port`."""

    title: str
    host: str
    port: int

    @classmethod
    def parsed(cls, text: str) -> Destination:
        """From AET@HOST:PORT.

        Raises:
            UserError: it is none.
        """
        found = re.fullmatch(r"(?P<title>[^@\\]{1,16})@(?P<host>\[[^\]]+\]|[^:@\[\]]+):(?P<port>\d{1,5})", text)
        if found is None or not is_title(found["title"]) or not 0 < int(found["port"]) < 65536:
            raise UserError(f"{text} is no archive; give AET@HOST:PORT, such as PACS@10.0.0.5:104.", "send_to")
        return cls(found["title"].strip(), found["host"].strip("[]"), int(found["port"]))

    def __str__(self) -> str:
        return f"{self.title}@{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True)
class DicomObject:
    """An object to be sent: its file, class and UID."""

    file: Path
    sop_class: str
    sop_uid: str


@dataclass
class Outcome:
    """What became of parcels: UIDs the archive has taken, those it will not take with the reason, and what ended it."""

    taken: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    broken: str = ""


def objects_in(folder: Path) -> list[DicomObject]:
    """The DICOM objects among a case's results; segmentations come before the report that refers to them.

    Raises:
        OSError: one of them cannot be read.
        ValueError: one of them is empty or damaged.
    """
    from pydicom import dcmread

    found = []
    for name in DICOM_FILES:
        file = folder / DICOM_FOLDER / name
        if file.is_file():
            try:
                header = dcmread(file, specific_tags=["SOPClassUID", "SOPInstanceUID"])
                found.append(DicomObject(file, str(header.SOPClassUID), str(header.SOPInstanceUID)))
            except OSError:
                raise
            except Exception as error:
                # Whatever a damaged file does to the parser.
                raise ValueError(f"{DICOM_FOLDER}/{name} is damaged") from error
    return found


def send(
    parcels: list[DicomObject],
    destination: Destination,
    own_title: str,
    taken: Callable[[str], None],
    stop: threading.Event,
) -> Outcome:
    """Send objects over one connection.

    Args:
        own_title: our own application entity title.
        taken: is told each UID at once that the archive has.
        stop: ends it between two objects.
    """
    outcome = Outcome()
    with _connection(destination, own_title, {parcel.sop_class for parcel in parcels}) as association:
        if not association.is_established:
            why = "refuses the connection" if association.is_rejected else "cannot be reached"
            outcome.broken = f"{destination} {why}"
            return outcome
        known = {str(context.abstract_syntax) for context in association.accepted_contexts}
        for parcel in parcels:
            if stop.is_set():
                outcome.broken = "the receiver was ended"
                return outcome
            if parcel.sop_class not in known:
                outcome.refused[parcel.sop_uid] = f"{destination} takes no objects like {parcel.file.name}"
                continue
            status = _status(association, parcel)
            if status is None:
                outcome.broken = f"{destination} broke the connection off"
                return outcome
            if status == 0 or status & 0xF000 == 0xB000:
                taken(parcel.sop_uid)
                outcome.taken.append(parcel.sop_uid)
            elif status & 0xFF00 == 0xA700:
                outcome.broken = f"{destination} has no room (status {status:04X}H)"
                return outcome
            else:
                outcome.refused[parcel.sop_uid] = f"{destination} refuses {parcel.file.name} (status {status:04X}H)"
    return outcome


def _status(association: Association, parcel: DicomObject) -> int | None:
    """What the archive answers; None when it does not."""
    from pydicom import dcmread

    try:
        answer: Any = association.send_c_store(dcmread(parcel.file))
    except RuntimeError:
        # The connection was lost before the request.
        return None
    return int(answer.Status) if "Status" in answer else None


@contextmanager
def _connection(destination: Destination, own_title: str, classes: set[str]) -> Iterator[Association]:
    """A connection, or the attempt of one."""
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
    from pynetdicom import AE

    entity = AE(ae_title=own_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = PATIENCE_SECONDS
    entity.connection_timeout = PATIENCE_SECONDS
    for each in sorted(classes):
        entity.add_requested_context(each, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    association = entity.associate(destination.host, destination.port, ae_title=destination.title)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
