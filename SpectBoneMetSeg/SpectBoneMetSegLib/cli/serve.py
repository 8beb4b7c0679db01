"""`spectbonemetseg serve`: receives studies by DICOM, reads them, and sends the results on."""

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
from .common import UsageError
from .reading_options import add_reading_options, outputs_of
from .segment import make_writable, prepare

if TYPE_CHECKING:
    from ..batch.cases import Case
    from ..batch.work import Settings
    from ..common.locks import FileLock
    from ..receiving.server import Address
    from ..receiving.service import ReceiverOptions

__all__ = ["ServeCommand"]

#: Where others find us: the port that DICOM has for programs without rights, and our title.
PORT, TITLE, LOOPBACK = 11112, "SPECTBONEMETSEG", "127.0.0.1"
#: Seconds to wait for what a killed receiver left running.
LOCK_PATIENCE = 5.0


class ServeCommand:
    """Receive, read, send on; ends with Ctrl-C or SIGTERM."""

    help = "Receive studies by DICOM, read each when it is complete, send the results to an archive."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("spool", metavar="SPOOL", help="folder of the received images, for this command alone")
        parser.add_argument(
            "--accept", action="append", required=True, metavar="AET", help="title of a sender; may be repeated"
        )
        parser.add_argument("--aet", default=TITLE, metavar="AET", help=f"our own title (default: {TITLE})")
        parser.add_argument("--host", default=LOOPBACK, metavar="ADDRESS", help="listen on (default: this machine)")
        parser.add_argument("--port", type=int, default=PORT, metavar="N", help=f"listen on (default: {PORT})")
        parser.add_argument(
            "--send-to", action="append", metavar="AET@HOST:PORT", help="send DICOM results there; may be repeated"
        )
        parser.add_argument(
            "--wait", type=float, default=30.0, metavar="S", help="a study is complete after S quiet seconds (30)"
        )
        parser.add_argument(
            "--keep-days", type=float, default=30.0, metavar="N", help="remove images N days after all is done (30)"
        )
        parser.add_argument(
            "--spool-gb", type=float, default=20.0, metavar="GB", help="take no more images than these (20)"
        )
        parser.add_argument("--retry-failed", action="store_true", help="also try again what failed before")
        add_reading_options(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Serve until somebody ends it; status 0 then."""
        address, wishes, settings = _checked(args)
        from ..model.store import find_model
        from ..receiving.reading import done_before
        from ..receiving.server import listening
        from ..receiving.service import Service
        from ..receiving.spool import Spool

        output, spool_folder = Path(args.output), Path(args.spool).absolute()
        if output.resolve().is_relative_to(spool_folder.resolve()):
            raise UsageError(f"{spool_folder} is for the received images alone; choose another --output.")
        try:
            card = find_model(args.model).card
        except UserError as error:
            raise UsageError.of(error) from error
        make_writable(output)
        lock = _alone(output)
        # Once for all threads: a filter that each sets for itself is taken away from the others.
        warnings.simplefilter("ignore")
        tell = _Log(as_json=args.json)
        spool = Spool.opened(spool_folder, args.spool_gb * 1e9, tell.say)
        readers = _Readers(settings, lock.fileno())
        try:
            service = Service(spool, output, done_before(card, settings), readers.read, wishes, tell.say, tell.report)
            with listening(address, spool, tell.say) as port, _until_ended(service, readers):
                tell.say(
                    f"Listening on {address.host}:{port} as {address.title} for {', '.join(address.accepted)}; "
                    f"model {card.name} {card.version}."
                )
                if address.host not in (LOOPBACK, "localhost", "::1"):
                    tell.say("Other machines can reach this address; a title is no password, and nothing is encrypted.")
                _wait()
        finally:
            spool.release()
            lock.release()
        tell.say("Ended.")
        return 0


def _alone(output: Path) -> FileLock:
    """The lock of the results; the last process of a killed receiver may need a moment to end.

    Raises:
        UserError: another run is at work there.
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
    """Until Ctrl-C or SIGTERM."""
    asleep = threading.Event()
    try:
        while True:
            # A wait without an end takes no Ctrl-C on Windows.
            asleep.wait(1.0)
    except KeyboardInterrupt:
        return


@contextmanager
def _until_ended(service: Any, readers: _Readers) -> Iterator[None]:
    service.start()
    try:
        yield
    finally:
        service.ask_to_end()
        readers.stop()
        service.end()


class _Readers:
    """The process that reads, started for each study, so that nothing is held between two of them."""

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
            # What is said of a batch advises fewer processes, or to start again.
            if self._ended:
                raise UserError("the receiver was ended") from error
            if "jobs" in error.fields:
                raise UserError("the process that reads ends whenever it is started") from error
            raise

    def stop(self) -> None:
        self._ended = True
        if self._pool is not None:
            self._pool.stop()


class _Log:
    """Says what happens, with the time; on stdout a JSON line for each study where that is asked for."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def say(self, sentence: str) -> None:
        _print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {sentence}", sys.stderr)

    def report(self, told: dict[str, Any]) -> None:
        if self._as_json:
            _print(json.dumps(told), sys.stdout)


def _print(line: str, stream: TextIO) -> None:
    # Work goes on when nobody listens any more.
    with suppress(OSError, ValueError):
        print(line, file=stream, flush=True)


def _checked(args: argparse.Namespace) -> tuple[Address, ReceiverOptions, Settings]:
    """What the options mean.

    Raises:
        UsageError: what cannot be meant.
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
            raise UsageError(f"{title!r} is no application entity title; give at most {TITLE_LETTERS} plain letters.")
    for name, least in (("wait", 0.0), ("keep_days", 0.0), ("spool_gb", 0.0)):
        if not getattr(args, name) > least:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(args, name):g} is too little; give more than 0.")
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
