"""`spectbonemetseg serve`: receive studies by DICOM, read them, and send the results to archives."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..common.errors import UserError
from ..common.packages import is_installed
from .common import UsageError, print_line
from .reading_options import add_reading_options, outputs_of
from .segment import make_writable, prepare

if TYPE_CHECKING:
    from ..batch.cases import Case
    from ..batch.work import Settings
    from ..common.locks import FileLock
    from ..receiving.server import Address
    from ..receiving.service import ReceiverOptions

__all__ = ["ServeCommand"]

#: Default port (registered for DICOM, needs no special permission), application entity title and address.
PORT, TITLE, LOOPBACK = 11112, "SPECTBONEMETSEG", "127.0.0.1"
#: Seconds to wait for the last process of a killed receiver.
LOCK_PATIENCE = 5.0


class ServeCommand:
    """Receive, read and send until Ctrl-C or SIGTERM."""

    help = "Receive studies by DICOM, read each when it is complete, and send the results to an archive."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("spool", metavar="SPOOL", help="folder for received images, used by this command only")
        parser.add_argument(
            "--accept", action="append", required=True, metavar="AET", help="AE title of a sender; may be repeated"
        )
        parser.add_argument("--aet", default=TITLE, metavar="AET", help=f"AE title of this receiver (default: {TITLE})")
        parser.add_argument("--host", default=LOOPBACK, metavar="ADDRESS", help="listen on (default: this machine)")
        parser.add_argument("--port", type=int, default=PORT, metavar="N", help=f"listen on (default: {PORT})")
        parser.add_argument(
            "--send-to", action="append", metavar="AET@HOST:PORT", help="send DICOM results there; may be repeated"
        )
        parser.add_argument(
            "--wait",
            type=float,
            default=30.0,
            metavar="S",
            help="read a study S seconds after its last image (30)",
        )
        parser.add_argument(
            "--keep-days",
            type=float,
            default=30.0,
            metavar="N",
            help="keep images N days after reading and sending (30)",
        )
        parser.add_argument(
            "--spool-gb", type=float, default=20.0, metavar="GB", help="maximum size of the received images (20)"
        )
        parser.add_argument("--retry-failed", action="store_true", help="also retry studies that failed before")
        add_reading_options(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Serve until the command is interrupted; return 0 then."""
        address, receiver_options, settings = _settings_of(args)
        from ..batch.run import remove_unfinished
        from ..model.store import find_model
        from ..receiving.reading import done_before
        from ..receiving.server import check_address, listening
        from ..receiving.service import ReceivingService
        from ..receiving.spool import Spool

        output, spool_folder = Path(args.output), Path(args.spool).absolute()
        if output.resolve().is_relative_to(spool_folder.resolve()):
            raise UsageError(f"{spool_folder} is for received images only; choose another --output.")
        try:
            card = find_model(args.model).card
            check_address(address)
        except UserError as error:
            raise UsageError.of(error) from error
        make_writable(output)
        lock = _lock_results(output)
        # Once for all threads: `catch_warnings` in one thread changes the filters of all others.
        warnings.simplefilter("ignore")
        log = _Log(as_json=args.json)
        spool = Spool.opened(spool_folder, args.spool_gb * 1e9, log.write)
        readers = _Readers(settings, lock.fileno())
        try:
            service = ReceivingService(
                spool, output, done_before(card, settings), readers.read, receiver_options, log.write, log.report
            )
            with listening(address, spool, log.write) as port, _running(service, readers):
                log.write(
                    f"Listening on {address.host}:{port} as {address.title} for {', '.join(address.accepted)}; "
                    f"model {card.name} {card.version}."
                )
                if address.host not in (LOOPBACK, "localhost", "::1"):
                    log.write("Other machines can reach this address; a title is not a password, nothing is encrypted.")
                _wait()
        finally:
            spool.release()
            remove_unfinished(output)
            lock.release()
        log.write("Ended.")
        return 0


def _lock_results(output: Path) -> FileLock:
    """Lock the folder of results; wait a moment for the last process of a killed receiver.

    Raises:
        UserError: another run is writing there.
    """
    from ..batch.run import lock_work_folder

    end = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            return lock_work_folder(output)
        except UserError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def _wait() -> None:
    """Wait until Ctrl-C or SIGTERM."""
    asleep = threading.Event()
    try:
        while True:
            # On Windows Ctrl-C does not interrupt a wait without a timeout.
            asleep.wait(1.0)
    except KeyboardInterrupt:
        return


@contextmanager
def _running(service: Any, readers: _Readers) -> Iterator[None]:
    service.start()
    try:
        yield
    finally:
        service.ask_to_end()
        readers.stop()
        service.end()


class _Readers:
    """Reads studies, each in a new process, so that no memory is held between two studies."""

    def __init__(self, settings: Settings, held: int | None) -> None:
        self._settings, self._held = settings, held
        self._pool: Any = None
        self._ended = False

    def read(self, cases: Sequence[Case]) -> Iterator[tuple[int, dict[str, Any]]]:
        from ..batch.pool import Pool

        if self._ended:
            raise UserError("the receiver was ended")
        self._pool = Pool(self._settings, 1, held=self._held)
        try:
            yield from self._pool.results(cases)
        except UserError as error:
            # The original messages advise fewer processes or a new start, which do not apply to a receiver.
            if self._ended:
                raise UserError("the receiver was ended") from error
            if "jobs" in error.fields:
                raise UserError("the reading process ends whenever it is started") from error
            raise

    def stop(self) -> None:
        self._ended = True
        if self._pool is not None:
            self._pool.stop()


class _Log:
    """Writes events with their time to stderr and, with --json, a JSON line for each study to stdout."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def write(self, message: str) -> None:
        _print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}", sys.stderr)

    def report(self, study: dict[str, Any]) -> None:
        if self._as_json:
            _print(json.dumps(study), sys.stdout)


def _print(line: str, stream: TextIO) -> None:
    # The receiver continues when the stream is closed.
    with suppress(OSError, ValueError):
        print_line(line, file=stream)


def _settings_of(args: argparse.Namespace) -> tuple[Address, ReceiverOptions, Settings]:
    """Return the settings of the options.

    Raises:
        UsageError: an option is invalid.
    """
    from ..batch.run import WORK_FOLDER
    from ..batch.work import Settings
    from ..receiving.sending import TITLE_LETTERS, Destination, is_title
    from ..receiving.server import Address
    from ..receiving.service import ReceiverOptions

    # Only DICOM objects can be sent.
    args.dicom = args.dicom or bool(args.send_to)
    options, outputs = prepare(args), outputs_of(args)
    if not is_installed("pynetdicom"):
        raise UsageError("Receiving needs pynetdicom: pip install 'spectbonemetseg[archive]'.")
    for title in (args.aet, *args.accept):
        if not is_title(title):
            raise UsageError(
                f"{title!r} is not an application entity title; give at most {TITLE_LETTERS} plain letters."
            )
    for name in ("wait", "keep_days", "spool_gb"):
        if not getattr(args, name) > 0:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(args, name):g} is too small; give more than 0.")
    try:
        destinations = tuple(dict.fromkeys(Destination.parsed(text) for text in args.send_to or ()))
    except UserError as error:
        raise UsageError.of(error) from error
    title = args.aet.strip()
    settings = Settings(
        model=args.model,
        engine=args.engine,
        device=args.device,
        options=options,
        outputs=outputs,
        staging=(Path(args.output) / WORK_FOLDER / "unfinished").absolute(),
    )
    return (
        Address(args.host, args.port, title, tuple(each.strip() for each in args.accept)),
        ReceiverOptions(args.wait, args.keep_days * 86400.0, title, destinations, args.retry_failed),
        settings,
    )
