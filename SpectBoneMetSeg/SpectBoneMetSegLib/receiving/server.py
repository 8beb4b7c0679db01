"""The DICOM listener: C-ECHO, and C-STORE of planar images into the spool.

What it answers: 0x0000 once the image is on the disk; 0xB006 (elements discarded) for what is no planar image and is
not kept, so that a sender of mixed studies goes on; 0xA700 without room; 0xA900 for an object that names no study or is
another than announced; 0xC000 for what cannot be understood.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError
from ..common.plural import pluralize
from ..loading.dicom import NotPlanarError, read_header
from ..loading.dicom_values import text
from .spool import FullError, Spool

if TYPE_CHECKING:
    from pathlib import Path

    from pynetdicom.events import Event

__all__ = ["Address", "StoreStatus", "listening", "store_object"]

#: No more connections at once, and no longer piece and object of any of them, than these (bytes).
MOST_CONNECTIONS, LONGEST_PIECE, LONGEST_OBJECT = 10, 2**20, 2**29
#: Seconds after which a silent connection is ended.
SILENCE_SECONDS = 60
STORED, DISCARDED, NO_ROOM, MISMATCH, NOT_UNDERSTOOD = 0x0000, 0xB006, 0xA700, 0xA900, 0xC000
#: Letters of a comment on a status (LO), and of a reason that is told.
COMMENT_LETTERS = 64
#: So many different reasons are told of a connection, which the sender's own words are part of.
MOST_REASONS = 10
#: After so many bytes of an object it is looked again whether the disk has room; all connections' fit the reserve.
CHECK_BYTES = 2**24
#: All that is looked at before an image is kept; other elements may be as long as the object.
HEADER_TAGS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Modality", "ImageType", "Rows")
#: Syntaxes that are not taken: few bytes of them may unfold to more than the memory holds.
DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")


@dataclass(frozen=True)
class Address:
    """Where to listen: on `host` and `port` as application entity `title`, to the entities in `accepted` alone."""

    host: str
    port: int
    title: str
    accepted: tuple[str, ...]


@dataclass(frozen=True)
class StoreStatus:
    """A status of C-STORE, with the reason in words for all but a stored image."""

    status: int
    reason: str = ""


def store_object(file: Path, announced_uid: str, spool: Spool) -> StoreStatus:
    """Keep a received object, or say why not.

    Args:
        file: the object.
        announced_uid: the SOP Instance UID of the request.
    """
    try:
        header = read_header(file, "the object", HEADER_TAGS)
    except NotPlanarError as error:
        return StoreStatus(DISCARDED, f"not kept: {error.kind}")
    except UserError as error:
        return StoreStatus(NOT_UNDERSTOOD, str(error))
    study_uid, sop_uid = text(header, "StudyInstanceUID"), text(header, "SOPInstanceUID")
    if not study_uid or not sop_uid or sop_uid != announced_uid:
        return StoreStatus(MISMATCH, "the object names no study, or is not the one that was announced")
    try:
        spool.keep(file, study_uid, sop_uid)
    except FullError:
        return StoreStatus(NO_ROOM, "no room for more images")
    except OSError as error:
        return StoreStatus(NO_ROOM, f"the disk does not take it ({error.strerror})")
    return StoreStatus(STORED)


@contextmanager
def listening(address: Address, spool: Spool, tell: Callable[[str], None]) -> Iterator[int]:
    """Listen until the block ends; gives the port, which the system chooses for port 0.

    Args:
        tell: is given sentences; may be called from other threads.

    Raises:
        UserError: the address cannot be had.
        ModuleNotFoundError: pynetdicom is not installed.
    """
    from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, _config, evt
    from pynetdicom.sop_class import Verification  # type: ignore[attr-defined,unused-ignore]

    entity = AE(ae_title=address.title)
    syntaxes = [each for each in ALL_TRANSFER_SYNTAXES if each not in DEFLATED]
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax or "", syntaxes)
    entity.add_supported_context(Verification)
    entity.require_called_aet, entity.require_calling_aet = True, list(address.accepted)
    entity.maximum_associations = MOST_CONNECTIONS
    entity.network_timeout = entity.dimse_timeout = SILENCE_SECONDS
    handler, limits = _StoreHandler(spool, tell), _Limits(spool)
    handlers = [
        (evt.EVT_CONN_OPEN, limits.watch),
        (evt.EVT_DIMSE_RECV, limits.begin),
        (evt.EVT_C_STORE, handler.store),
        (evt.EVT_C_ECHO, lambda _: STORED),
        (evt.EVT_REJECTED, handler.refused),
        *((end, handler.closed) for end in (evt.EVT_RELEASED, evt.EVT_ABORTED, evt.EVT_CONN_CLOSE)),
        (evt.EVT_CONN_CLOSE, _drop_parts),
    ]
    earlier = _config.STORE_RECV_CHUNKED_DATASET, tempfile.tempdir
    # Objects go to the disk as they come, and to no folder that others can read.
    _config.STORE_RECV_CHUNKED_DATASET, tempfile.tempdir = True, str(spool.incoming)
    try:
        try:
            place = (address.host, address.port)
            server = entity.start_server(place, block=False, evt_handlers=handlers)  # type: ignore[arg-type]
        except (OSError, OverflowError) as error:
            raise UserError(
                f"{address.host}:{address.port} cannot be listened on ({error}); choose another address.",
                *("host", "port"),
            ) from error
        try:
            yield int(server.socket.getsockname()[1])  # type: ignore[union-attr]
        finally:
            entity.shutdown()
    finally:
        _config.STORE_RECV_CHUNKED_DATASET, tempfile.tempdir = earlier


class _StoreHandler:
    """Answers requests, and tells at the end of a connection what it brought."""

    def __init__(self, spool: Spool, tell: Callable[[str], None]) -> None:
        self._spool, self._tell = spool, tell
        self._counted: weakref.WeakKeyDictionary[Any, Counter[str]] = weakref.WeakKeyDictionary()
        self._guard = threading.Lock()

    def store(self, event: Event) -> Any:
        """A request to store an object."""
        from pydicom.dataset import Dataset

        request: Any = event.request
        answer = store_object(event.dataset_path, str(request.AffectedSOPInstanceUID), self._spool)
        with self._guard:
            counted = self._counted.setdefault(event.assoc, Counter())
            reason = _printable(answer.reason)[:COMMENT_LETTERS] or "kept"
            counted[reason if reason in counted or len(counted) < MOST_REASONS else "for other reasons"] += 1
        status = Dataset()
        status.Status = answer.status
        if answer.reason:
            status.ErrorComment = _printable(answer.reason)[:COMMENT_LETTERS]
        return status

    def refused(self, event: Event) -> None:
        """Somebody who may not connect."""
        self._tell(f"Refused a connection from {_peer(event)} to {_called(event)}.")

    def closed(self, event: Event) -> None:
        """The end of a connection, however it came."""
        with self._guard:
            counted = self._counted.pop(event.assoc, None)
        if counted:
            words = ", ".join(f"{number} {what}" for what, number in sorted(counted.items()))
            self._tell(f"{_peer(event)} sent {pluralize(counted.total(), 'object')}: {words}.")


class _Limits:
    """Ends a connection whose pieces or objects are longer than any that are meant for us, or than the disk holds."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._taken: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def watch(self, event: Event) -> None:
        """Count what a new connection takes in."""
        association = event.assoc
        socket: Any = association.dul.socket
        receive, known = socket.recv, weakref.ref(association)

        def counted(length: int) -> Any:
            owner = known()
            before = self._taken.get(owner, 0)
            taken = before + length
            look = taken // CHECK_BYTES > before // CHECK_BYTES
            if length > LONGEST_PIECE or taken > LONGEST_OBJECT or (look and self._spool.free_bytes() < 0):
                # As if the peer had gone, which ends the connection.
                raise OSError("more than is taken")
            self._taken[owner] = taken
            return receive(length)

        socket.recv = counted

    def begin(self, event: Event) -> None:
        """A message is whole; the next one is counted from nothing."""
        self._taken[event.assoc] = 0


def _drop_parts(event: Event) -> None:
    """Remove what a connection that is gone has not sent whole, and what it waits for no answer to any more."""
    dimse: Any = event.assoc.dimse
    files = [getattr(dimse.message, "_data_set_file", None)]
    with suppress(Empty):
        while True:
            files.append(getattr(dimse.msg_queue.get_nowait()[1], "_dataset_file", None))
    for file in files:
        if file is not None:
            with suppress(OSError):
                file.close()
                os.unlink(file.name)


def _peer(event: Event) -> str:
    requestor = event.assoc.requestor
    return f"{_printable(requestor.ae_title) or 'nobody'} at {requestor.address}"


def _called(event: Event) -> str:
    asked = event.assoc.requestor.primitive
    return _printable(asked.called_ae_title if asked is not None else "") or "no title"


def _printable(words: Sequence[str] | str) -> str:
    """What came over the network without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(words))
