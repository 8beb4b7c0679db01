"""Send the DICOM objects of a result folder to an archive by C-STORE."""

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

#: Maximum length of an application entity title.
TITLE_LETTERS = 16
#: Timeouts of the connection to an archive (s).
PATIENCE_SECONDS = 30


def is_title(text: str) -> bool:
    """Return whether a text is a valid application entity title (PS3.5, AE): up to 16 plain letters."""
    plain = text.isascii() and text.isprintable() and "\\" not in text
    return plain and 0 < len(text.strip()) <= TITLE_LETTERS


@dataclass(frozen=True)
class Destination:
    """An archive that receives DICOM objects.

    Attributes:
        title: application entity title.
        host: host name or IP address.
        port: TCP port.
    """

    title: str
    host: str
    port: int

    @classmethod
    def parsed(cls, text: str) -> Destination:
        """Parse AET@HOST:PORT.

        Raises:
            UserError: the text has another form.
        """
        found = re.fullmatch(r"(?P<title>[^@\\]{1,16})@(?P<host>\[[^\]]+\]|[^:@\[\]]+):(?P<port>\d{1,5})", text)
        if found is None or not is_title(found["title"]) or not 0 < int(found["port"]) < 65536:
            raise UserError(f"{text} is not an archive; give AET@HOST:PORT, such as PACS@10.0.0.5:104.", "send_to")
        return cls(found["title"].strip(), found["host"].strip("[]"), int(found["port"]))

    def __str__(self) -> str:
        return f"{self.title}@{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True)
class DicomObject:
    """A DICOM object to send.

    Attributes:
        file: the file.
        sop_class: SOP Class UID.
        sop_uid: SOP Instance UID.
    """

    file: Path
    sop_class: str
    sop_uid: str


@dataclass
class Outcome:
    """Outcome of sending.

    Attributes:
        stored: SOP Instance UIDs that the archive accepted.
        refused: {refused SOP Instance UID: reason}.
        interruption: why sending was interrupted; "" if it was not.
    """

    stored: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    interruption: str = ""


def objects_in(folder: Path) -> list[DicomObject]:
    """Return the DICOM objects of a result folder; segmentations come before the report that refers to them.

    Raises:
        OSError: an object cannot be read.
        ValueError: an object is empty or damaged.
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
                # A damaged file may raise any error in the parser.
                raise ValueError(f"{DICOM_FOLDER}/{name} is damaged") from error
    return found


def send(
    objects: list[DicomObject],
    destination: Destination,
    own_title: str,
    on_stored: Callable[[str], None],
    stop: threading.Event,
) -> Outcome:
    """Send objects over one connection.

    Args:
        objects: the objects to send.
        destination: the archive.
        own_title: application entity title of this program.
        on_stored: called with the UID of each object as soon as the archive has stored it.
        stop: interrupts sending between two objects.

    Returns:
        What was stored and refused, and why sending was interrupted.
    """
    outcome = Outcome()
    with _connection(destination, own_title, {item.sop_class for item in objects}) as association:
        if not association.is_established:
            problem = "refuses the connection" if association.is_rejected else "cannot be reached"
            outcome.interruption = f"{destination} {problem}"
            return outcome
        known = {str(context.abstract_syntax) for context in association.accepted_contexts}
        for item in objects:
            if stop.is_set():
                outcome.interruption = "the receiver was ended"
                return outcome
            if item.sop_class not in known:
                outcome.refused[item.sop_uid] = f"{destination} does not accept objects like {item.file.name}"
                continue
            status = _status(association, item)
            if status is None:
                outcome.interruption = f"{destination} closed the connection"
                return outcome
            if status == 0 or status & 0xF000 == 0xB000:
                on_stored(item.sop_uid)
                outcome.stored.append(item.sop_uid)
            elif status & 0xFF00 == 0xA700:
                outcome.interruption = f"{destination} is out of space (status {status:04X}H)"
                return outcome
            else:
                outcome.refused[item.sop_uid] = f"{destination} refuses {item.file.name} (status {status:04X}H)"
    return outcome


def _status(association: Association, item: DicomObject) -> int | None:
    """Send an object and return the status of the archive's response; None without a response."""
    from pydicom import dcmread

    try:
        response: Any = association.send_c_store(dcmread(item.file))
    except RuntimeError:
        # The connection was lost before the request.
        return None
    return int(response.Status) if "Status" in response else None


@contextmanager
def _connection(destination: Destination, own_title: str, classes: set[str]) -> Iterator[Association]:
    """Yield an association with the archive, which may not be established."""
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
