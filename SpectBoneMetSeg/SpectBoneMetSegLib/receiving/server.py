"""The DICOM listener: C-ECHO, and C-STORE of planar images into the spool.

Status of C-STORE: 0x0000 when the image is on the disk; 0xB006 (elements discarded) for an object that is not a planar
image and is not kept, so that a sender of mixed studies continues; 0xA700 if space is exhausted; 0xA900 for an object
without a study, or with another UID than requested; 0xC000 for an object that cannot be parsed.
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

from ..common.errors import UserError, reason_of
from ..common.plural import pluralize
from ..loading.dicom import NotPlanarError, read_header
from ..loading.dicom_values import text
from .spool import FullError, Spool

if TYPE_CHECKING:
    from pathlib import Path

    from pynetdicom.events import Event

__all__ = ["Address", "StoreStatus", "listening", "store_object"]

#: Maximum number of connections, and maximum length of a protocol unit and of an object (bytes).
MOST_CONNECTIONS, LONGEST_PIECE, LONGEST_OBJECT = 10, 2**20, 2**29
#: Seconds after which an inactive connection is closed.
SILENCE_SECONDS = 60
STORED, DISCARDED, OUT_OF_RESOURCES, MISMATCH, NOT_UNDERSTOOD = 0x0000, 0xB006, 0xA700, 0xA900, 0xC000
#: Maximum length of an error comment (LO), and of a reason in the log.
COMMENT_LETTERS = 64
#: Maximum number of different reasons logged per connection; reasons may contain text of the sender.
MOST_REASONS = 10
#: Free space is checked after so many bytes of an object; those of all connections together fit into the reserve.
CHECK_BYTES = 2**24
#: The only elements that are read before an image is stored; others may be as long as the object.
HEADER_TAGS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Modality", "ImageType", "Rows")
#: Transfer syntaxes that are not accepted: a few bytes of them may expand to more than the memory holds.
DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")


@dataclass(frozen=True)
class Address:
    """Address and title of this node, and the senders that it accepts.

    Attributes:
        host: IP address or host name of this node.
        port: TCP port.
        title: application entity title of this node.
        accepted: application entity titles of the senders.
    """

    host: str
    port: int
    title: str
    accepted: tuple[str, ...]


@dataclass(frozen=True)
class StoreStatus:
    """A status of C-STORE, with a reason unless the image was stored.

    Attributes:
        status: status code of the C-STORE response (PS3.4, B.2.3).
        reason: why the object was not stored; "" if it was.
    """

    status: int
    reason: str = ""


def store_object(file: Path, announced_uid: str, spool: Spool) -> StoreStatus:
    """Store a received object, or return why it is not stored.

    Args:
        file: the object.
        announced_uid: SOP Instance UID of the request.
        spool: receives the object.
    """
    try:
        header = read_header(file, "the object", HEADER_TAGS)
    except NotPlanarError as error:
        return StoreStatus(DISCARDED, f"not kept: {error.kind}")
    except UserError as error:
        return StoreStatus(NOT_UNDERSTOOD, str(error))
    study_uid, sop_uid = text(header, "StudyInstanceUID"), text(header, "SOPInstanceUID")
    if not study_uid or not sop_uid or sop_uid != announced_uid:
        return StoreStatus(MISMATCH, "the object has no study, or another UID than the request")
    try:
        spool.keep(file, study_uid, sop_uid)
    except FullError:
        return StoreStatus(OUT_OF_RESOURCES, "no space for more images")
    except OSError as error:
        return StoreStatus(OUT_OF_RESOURCES, f"it cannot be written ({reason_of(error)})")
    return StoreStatus(STORED)


def check_address(address: Address) -> None:
    """Check that an address can be listened on, before anything is written.

    Raises:
        UserError: the address is not available.
    """
    import socket

    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            # As the server does: connections of a receiver that has just ended do not block its port.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((address.host, address.port))
    except (OSError, OverflowError) as error:
        raise _not_available(address, error) from error


def _not_available(address: Address, error: Exception) -> UserError:
    return UserError(
        f"{address.host}:{address.port} is not available ({reason_of(error)}); choose another address.", "host", "port"
    )


@contextmanager
def listening(address: Address, spool: Spool, log: Callable[[str], None]) -> Iterator[int]:
    """Listen until the block ends; yield the port, which the system chooses for port 0.

    Args:
        address: where to listen.
        spool: receives the images.
        log: called with messages, also from other threads.

    Raises:
        UserError: the address is not available.
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
    handler, limits = _StoreHandler(spool, log), _Limits(spool)
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
    # Objects are written to the disk as they arrive, and not to a folder that others can read.
    _config.STORE_RECV_CHUNKED_DATASET, tempfile.tempdir = True, str(spool.incoming)
    try:
        try:
            endpoint = (address.host, address.port)
            server = entity.start_server(endpoint, block=False, evt_handlers=handlers)  # type: ignore[arg-type]
        except (OSError, OverflowError) as error:
            raise _not_available(address, error) from error
        try:
            yield int(server.socket.getsockname()[1])  # type: ignore[union-attr]
        finally:
            entity.shutdown()
    finally:
        _config.STORE_RECV_CHUNKED_DATASET, tempfile.tempdir = earlier


class _StoreHandler:
    """Handles requests, and logs at the end of a connection what was received."""

    def __init__(self, spool: Spool, log: Callable[[str], None]) -> None:
        self._spool, self._log = spool, log
        self._counted: weakref.WeakKeyDictionary[Any, Counter[str]] = weakref.WeakKeyDictionary()
        self._guard = threading.Lock()

    def store(self, event: Event) -> Any:
        """Handle a request to store an object."""
        from pydicom.dataset import Dataset

        request: Any = event.request
        result = store_object(event.dataset_path, str(request.AffectedSOPInstanceUID), self._spool)
        with self._guard:
            counted = self._counted.setdefault(event.assoc, Counter())
            reason = _printable(result.reason)[:COMMENT_LETTERS] or "kept"
            counted[reason if reason in counted or len(counted) < MOST_REASONS else "for other reasons"] += 1
        response = Dataset()
        response.Status = result.status
        if result.reason:
            response.ErrorComment = _printable(result.reason)[:COMMENT_LETTERS]
        return response

    def refused(self, event: Event) -> None:
        """Log a rejected connection."""
        self._log(f"Refused a connection from {_peer(event)} to {_called(event)}.")

    def closed(self, event: Event) -> None:
        """Log the end of a connection, for whatever reason it ended."""
        with self._guard:
            counted = self._counted.pop(event.assoc, None)
        if counted:
            reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(counted.items()))
            self._log(f"{_peer(event)} sent {pluralize(counted.total(), 'object')}: {reasons}.")


class _Limits:
    """Closes a connection that sends too long a protocol unit or object, or more than the spool or disk can hold."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._received: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def watch(self, event: Event) -> None:
        """Count the bytes that a new connection receives."""
        association = event.assoc
        socket: Any = association.dul.socket
        receive, association_ref = socket.recv, weakref.ref(association)

        def counted(length: int) -> Any:
            owner = association_ref()
            before = self._received.get(owner, 0)
            received = before + length
            check = received // CHECK_BYTES > before // CHECK_BYTES
            if length > LONGEST_PIECE or received > LONGEST_OBJECT or (check and not self._spool.may_grow()):
                # The same error as of a lost peer, which closes the connection.
                raise OSError("the object is too long")
            self._received[owner] = received
            return receive(length)

        socket.recv = counted

    def begin(self, event: Event) -> None:
        """Restart the count after a complete message."""
        self._received[event.assoc] = 0


def _drop_parts(event: Event) -> None:
    """Remove the incomplete and the unprocessed objects of a closed connection."""
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
    return f"{_printable(requestor.ae_title) or 'no title'} at {requestor.address}"


def _called(event: Event) -> str:
    primitive = event.assoc.requestor.primitive
    return _printable(primitive.called_ae_title if primitive is not None else "") or "no title"


def _printable(text: Sequence[str] | str) -> str:
    """Replace control characters, which a terminal would interpret, in a text from the network."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))
