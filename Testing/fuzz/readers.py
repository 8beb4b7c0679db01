"""Passes unexpected bytes to a reader: the only error may be a sentence for the user.

    python Testing/fuzz/readers.py READER [--seconds S] [--seed N] | --list

READER is one of TARGETS. With atheris (pip install atheris) inputs are found by the branches they reach; without it,
files of the corpus of bad files, and intact ones, are damaged at random. An input that crashes, hangs for 20 s or takes
4 GB ends the program with a status that is not 0, and lies in the folder `fuzz-found`.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for place in ("SpectBoneMetSeg", "SpectBoneMetSegTraining", "SpectBoneMetSegTraining/Testing"):
    sys.path.insert(0, str(ROOT / place))

HANG_SECONDS, MEMORY_MB = 20, 4096
FOUND = Path("fuzz-found")
#: Reader: (how its files end, generator of seeds in the corpus of bad files, in which "intact" ones can be read).
TARGETS = {
    "dicom": (".dcm", "scans"),
    "nrrd": (".nrrd", "scans"),
    "nifti": (".nii", "scans"),
    "meta": (".mha", "scans"),
    "png": (".png", "scans"),
    "tiff": (".tif", "scans"),
    "jpeg": (".jpg", "scans"),
    "labelme": (".json", "labels"),
    "seg.nrrd": (".seg.nrrd", "labels"),
    "dicom-seg": (".dcm", "labels"),
    "card": ("", "cards"),
    "model": (".zip", "model_files"),
}


def reader_of(target: str, folder: Path) -> Callable[[Path], object]:
    """What reads a file of that kind."""
    from support.intact_files import labelled_scan, read_picture

    if TARGETS[target][1] == "labels":
        from SpectBoneMetSegTrainingLib.gathering.formats.read_labels import read_labels
        from SpectBoneMetSegTrainingLib.gathering.labels.marks import LabelFile

        scan = labelled_scan(folder.parent)
        return lambda path: read_labels([LabelFile(path, "anterior")], scan)
    if target == "card":
        from SpectBoneMetSegLib.model.store import read_model

        def read_card(path: Path) -> object:
            return read_model(path.rename(path.with_name("card.json")).parent)

        return read_card
    if target == "model":
        from SpectBoneMetSegLib.model.archive import import_model
        from SpectBoneMetSegLib.model.store import MODELS_VARIABLE

        os.environ[MODELS_VARIABLE] = str(folder / "models")
        return import_model
    return read_picture


def seeds_of(target: str) -> list[bytes]:
    """Bytes to begin with, small ones."""
    from support import bad_files

    ending, generator = TARGETS[target]
    made = getattr(bad_files, generator)()
    return [content for name, content in made if name.endswith(ending) and len(content) < 200_000]


def one_input(target: str, folder: Path) -> Callable[[bytes], None]:
    """A function that shows the reader some bytes, and lets only what is no sentence for the user through."""
    from SpectBoneMetSegLib.common.errors import UserError

    read, ending = reader_of(target, folder), TARGETS[target][0]

    def show(content: bytes) -> None:
        path = folder / f"input{ending}"
        path.write_bytes(content)
        with contextlib.suppress(UserError):
            read(path)

    return show


def spoiled(seeds: list[bytes], dice: random.Random) -> bytes:
    """A seed with some bytes changed, taken out, repeated, or joined to another one."""
    content = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 2, 8, 50))):
        place = dice.randrange(len(content) + 1)
        match dice.randrange(5):
            case 0:
                content[place : place + 1] = bytes([dice.randrange(256)])
            case 1:
                del content[place : place + dice.randrange(1, 40)]
            case 2:
                content[place:place] = content[place : place + dice.randrange(1, 40)]
            case 3:
                content[place : place + 4] = dice.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"9999"))
            case 4:
                other = dice.choice(seeds)
                content[place:] = other[dice.randrange(len(other) + 1) :]
    return bytes(content)


def without_guide(name: str, seeds: list[bytes], show: Callable[[bytes], None], seconds: float, seed: int) -> int:
    """Show spoiled files for so long; how many."""
    dice, end, shown = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        content = spoiled(seeds, dice)
        # There before it is shown: a hang, also one inside a C library, ends the program at once.
        kept = FOUND / f"{name}-{seed}-{shown}"
        kept.write_bytes(content)
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        show(content)
        faulthandler.cancel_dump_traceback_later()
        kept.unlink()
        shown += 1
    return shown


def main() -> None:
    """Fuzz one reader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=TARGETS, nargs="?")
    parser.add_argument("--list", action="store_true", help="name the readers")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.list or args.reader is None:
        print(*TARGETS)
        return
    FOUND.mkdir(exist_ok=True)
    try:
        import atheris
    except ImportError:
        atheris = None
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "read"
        folder.mkdir()
        if atheris is None:
            import resource

            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_MB * 2**20, MEMORY_MB * 2**20))
            seeds = [seed for seed in seeds_of(args.reader) if seed]
            shown = without_guide(args.reader, seeds, one_input(args.reader, folder), args.seconds, args.seed)
            print(f"{args.reader}: {shown} inputs in {args.seconds:.0f} s, without atheris; nothing but sentences")
            return
        with atheris.instrument_imports(include=["SpectBoneMetSegLib", "SpectBoneMetSegTrainingLib", "pydicom"]):
            show = one_input(args.reader, folder)
            # What is imported when it is first needed must be imported here.
            for seed in seeds_of(args.reader)[:1]:
                show(seed)
        corpus = Path(place) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(seeds_of(args.reader)):
            (corpus / str(number)).write_bytes(seed)
        limits = [f"-timeout={HANG_SECONDS}", f"-rss_limit_mb={MEMORY_MB}", "-max_len=200000"]
        options = [f"-max_total_time={args.seconds:.0f}", f"-seed={args.seed + 1}", f"-artifact_prefix={FOUND}/"]
        options += [*limits, str(corpus)]
        atheris.Setup([sys.argv[0], *options], show)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
