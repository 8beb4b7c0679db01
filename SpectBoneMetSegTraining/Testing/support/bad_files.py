"""Some hundred malformed files, made by code, each for the reader that would open it."""

from __future__ import annotations

import copy
import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, Sequence
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite
from pydicom.tag import Tag

from .intact_files import label_bytes, scan_bytes
from .nm_files import coded_pair

#: (name of the file, its bytes).
Named = tuple[str, bytes]


def scans() -> Iterator[Named]:
    """For `read_picture`; the files named "intact" can be read."""
    yield from ((f"intact{ending}", content) for ending, content in scan_bytes().items())
    yield from _dicom()
    yield from _nrrd()
    yield from _nifti()
    yield from _meta()
    yield from _pictures()


def dicom_bytes(dataset: Dataset) -> bytes:
    file = DicomBytesIO()
    dcmwrite(file, dataset, enforce_file_format=False)
    return bytes(file.getvalue())


def _dicom() -> Iterator[Named]:
    intact = coded_pair()
    intact.file_meta.MediaStorageSOPClassUID = intact.SOPClassUID
    intact.file_meta.MediaStorageSOPInstanceUID = intact.SOPInstanceUID
    whole = dicom_bytes(intact)
    dice = random.Random(0)
    for number in range(24):
        yield f"cut{number}.dcm", whole[: dice.randrange(len(whole))]
    for number in range(24):
        spoiled = bytearray(whole)
        for _ in range(dice.choice((1, 4, 40))):
            # Headers are short compared with pixels, and damage matters there.
            spoiled[dice.randrange(128, 1200)] = dice.randrange(256)
        yield f"spoiled{number}.dcm", bytes(spoiled)
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    ends = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    opened = b"\x54\x00\x22\x00SQ\0\0\xff\xff\xff\xff" + item
    for depth in (20, 300, 5000):
        # Written as bytes: what is nested so deep pydicom reads but does not write.
        yield f"deep{depth}.dcm", whole + opened * depth + ends * depth
        yield f"open{depth}.dcm", whole + opened * depth
    for name, changed in _dicom_values(intact):
        try:
            yield f"{name}.dcm", dicom_bytes(changed)
        except Exception:  # noqa: BLE001 - each value has its own way to be unwritable
            # What pydicom itself does not write no file holds in that way.
            continue


def _dicom_values(intact: Dataset) -> Iterator[tuple[str, Dataset]]:
    raw: dict[str, list[tuple[str, bytes]]] = {
        "Rows": [("US", struct.pack("<H", value)) for value in (0, 1, 65535)],
        "Columns": [("US", struct.pack("<H", value)) for value in (0, 1, 65535)],
        "NumberOfFrames": [("IS", text) for text in (b"0 ", b"-1", b"999999999 ", b"abc ", b"1\\2 ", b"1e9 ")],
        "BitsAllocated": [("US", struct.pack("<H", value)) for value in (0, 1, 7, 64, 65535)],
        "BitsStored": [("US", struct.pack("<H", value)) for value in (0, 65535)],
        "SamplesPerPixel": [("US", struct.pack("<H", value)) for value in (0, 3, 65535)],
        "PixelRepresentation": [("US", struct.pack("<H", 9))],
        "PixelSpacing": [("DS", text) for text in (b"0\\0 ", b"-1\\1", b"1e30\\1", b"nan\\nan ", b"x ", b"1 ", b"")],
        "PhotometricInterpretation": [("CS", b"XXXX"), ("CS", b"PALETTE COLOR ")],
        "RescaleSlope": [("DS", text) for text in (b"inf ", b"nan ", b"1e308 ", b"abc ")],
        "StudyInstanceUID": [("UI", b"../../../etc/passwd\0"), ("UI", b"9" * 9000), ("UI", b"\0\0")],
        "SOPInstanceUID": [("UI", b"/etc/passwd\0"), ("UI", b"")],
        "SOPClassUID": [("UI", b""), ("UI", b"1.2.840.10008.5.1.4.1.1.66.4\0")],
        "ImageType": [("CS", b"\\\\\\\\"), ("CS", b"A" * 4000)],
        "PatientName": [("PN", b"\xff" * 999 + b"^"), ("SQ", b"nothing ")],
        "Modality": [("US", b"NM"), ("FD", b"NM")],
        "SpecificCharacterSet": [("CS", b"NO SUCH SET "), ("CS", b"ISO_IR 192\\\\ISO 2022 IR 87")],
        "AcquisitionTime": [("TM", b"999999"), ("TM", b"-1")],
        "EnergyWindowInformationSequence": [("SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\x7f")],
    }  # fmt: skip
    for keyword, values in raw.items():
        for number, (vr, value) in enumerate(values):
            changed = copy.deepcopy(intact)
            tag = Tag(keyword)
            changed._dict[tag] = RawDataElement(
                tag, vr, len(value), value, 0, is_implicit_VR=False, is_little_endian=True
            )
            yield f"{keyword}{number}", changed
    for keyword in ("Rows", "Columns", "BitsAllocated", "PixelData", "NumberOfFrames", "PixelSpacing", "SOPClassUID",
                    "Modality", "ImageType", "SamplesPerPixel", "PhotometricInterpretation", "HighBit"):  # fmt: skip
        changed = copy.deepcopy(intact)
        if keyword in changed:
            del changed[keyword]
            yield f"without{keyword}", changed
    for uid in ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.50", "1.2.3.4.5", ""):
        changed = copy.deepcopy(intact)
        changed.file_meta.TransferSyntaxUID = uid
        yield f"syntax{uid}", changed
    many = copy.deepcopy(intact)
    many.DetectorInformationSequence = Sequence([Dataset() for _ in range(3000)])
    yield "many", many
    short = copy.deepcopy(intact)
    short.PixelData = short.PixelData[:100]
    yield "short", short


def _nrrd() -> Iterator[Named]:
    head = {
        "type": "float", "dimension": "3", "space": "left-posterior-superior", "sizes": "64 256 1",
        "space directions": "(2.26,0,0) (0,0,-2.26) (0,1,0)", "kinds": "domain domain domain", "endian": "little",
        "encoding": "gzip", "space origin": "(0,0,0)",
    }  # fmt: skip
    pixels = gzip.compress(np.ones((256, 64), "<f4").tobytes(), 1)

    def made(changes: dict[str, str], content: bytes = pixels, first: str = "NRRD0004") -> bytes:
        lines = [first, *(f"{key}: {value}" for key, value in {**head, **changes}.items() if value != "-")]
        return "\n".join([*lines, "", ""]).encode() + content

    changes: list[dict[str, str]] = [
        *({"sizes": text} for text in ("0 0 0", "-1 -1 1", "99999999 99999999 1", "30000 30000 1", "1", "64 256 9999")),
        *({"dimension": text} for text in ("0", "99", "-3", "x", "16")),
        *({"type": text} for text in ("block", "double", "nothing", "string")),
        *({"encoding": text} for text in ("raw", "hex", "ascii", "bzip2", "nothing")),
        *({"space directions": text} for text in ("none none none", "(nan,0,0) (0,nan,0) (0,0,nan)",
          "(0,0,0) (0,0,0) (0,0,0)", "((((")),
        *({"data file": text} for text in ("/etc/passwd", "../../../etc/passwd", "LIST", "/dev/zero", "nothing.raw")),
        *({"space origin": text} for text in ("(inf,inf,inf)", "x")),
        *({key: "-"} for key in ("type", "dimension", "sizes", "encoding", "endian")),
        {"line skip": "999999"}, {"byte skip": "-1"}, {"byte skip": "999999999999"}, {"kinds": "vector vector vector"},
    ]  # fmt: skip
    for number, change in enumerate(changes):
        yield f"head{number}.nrrd", made(change)
    yield "empty.nrrd", made({}, b"")
    yield "endless.nrrd", made({"encoding": "bzip2"}, b"").rstrip(b"\n")
    yield "cut.nrrd", made({}, pixels[:20])
    for length in (1100, 20000):
        yield f"endless{length}.nrrd", made({"type": "U" * length})
        yield f"pair{length}.nrrd", made({"type": "U" * length + ":=1"})
        yield f"late{length}.nrrd", made({"content": "c" * 2**20, "type": "U" * length})
        yield f"list{length}.nrrd", made({"data file": "LIST", "encoding": "raw"}, b"U" * length)
    yield "bomb.nrrd", made({"sizes": "20000 20000 1"}, gzip.compress(bytes(64_000_000), 9))
    yield "magic.nrrd", made({}, first="NRRD9999")


def _nifti() -> Iterator[Named]:
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, 64, 1, 256, 1, 1, 1, 1)
    struct.pack_into("<hh", head, 70, 16, 32)
    struct.pack_into("<8f", head, 76, 1, 2.26, 1, 2.26, 0, 0, 0, 0)
    struct.pack_into("<f", head, 108, 352)
    struct.pack_into("<hh", head, 252, 0, 1)
    struct.pack_into("<12f", head, 280, 2.26, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2.26, 0)
    head[344:348] = b"n+1\0"
    whole = head + np.ones(64 * 256, "<f4").tobytes()
    # Offsets of sizeof_hdr, dim, datatype, bitpix, pixdim, vox_offset, scl_slope, qform_code, srow_x, magic.
    changes = [
        *((0, struct.pack("<i", value)) for value in (0, -1, 540)),
        *(
            (40, struct.pack("<8h", *dim))
            for dim in ((0,) * 8, (7, *(32767,) * 7), (3, -1, 1, 1, 1, 1, 1, 1), (99,) * 8)
        ),
        *((70, struct.pack("<h", value)) for value in (0, 1, 128, 1536, 9999, -5)),
        *((72, struct.pack("<h", value)) for value in (0, 1, -8)),
        *((76, struct.pack("<8f", *([value] * 8))) for value in (0, float("nan"), -1, 1e30)),
        *((108, struct.pack("<f", value)) for value in (-1, 1e30, float("nan"))),
        *((112, struct.pack("<f", value)) for value in (float("inf"), float("nan"))),
        (280, struct.pack("<12f", *([float("nan")] * 12))),
        (344, b"abcd"),
    ]
    for number, (place, content) in enumerate(changes):
        spoiled = bytearray(whole)
        spoiled[place : place + len(content)] = content
        yield f"head{number}.nii", bytes(spoiled)
    yield "cut.nii", bytes(whole[:400])
    yield "cut.nii.gz", gzip.compress(bytes(whole))[:200]
    yield "no.nii.gz", b"\x1f\x8b" + bytes(100)
    yield "bomb.nii.gz", gzip.compress(bytes(whole[:352]) + bytes(64_000_000), 9)


def _meta() -> Iterator[Named]:
    head = {"ObjectType": "Image", "NDims": "2", "DimSize": "64 256", "ElementSpacing": "2.26 2.26",
            "ElementType": "MET_FLOAT", "ElementDataFile": "LOCAL"}  # fmt: skip
    changes = [
        *({"ElementDataFile": text} for text in ("/etc/passwd", "../../etc/passwd", "/dev/zero", "LIST", "no.raw")),
        *({"DimSize": text} for text in ("0 0", "-1 5", "99999999 99999999", "30000 30000", "x")),
        *({"NDims": text} for text in ("0", "99", "-1")),
        *({"ElementType": text} for text in ("MET_NOTHING", "MET_DOUBLE_ARRAY")),
        *({"ElementSpacing": text} for text in ("0 0", "nan nan", "-1 1", "1e30 1")),
        {"CompressedData": "True"},
    ]
    for number, change in enumerate(changes):
        lines = [f"{key} = {value}" for key, value in {**head, **change}.items()]
        yield f"head{number}.mha", "\n".join([*lines, ""]).encode() + np.ones((256, 64), "<f4").tobytes()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _pictures() -> Iterator[Named]:
    from PIL import Image

    signature = b"\x89PNG\r\n\x1a\n"
    for number, (wide, high, depth, colour) in enumerate(
        ((100_000, 100_000, 8, 0), (2**31 - 1, 1, 16, 0), (0, 0, 8, 2), (40_000, 40_000, 1, 3), (64, 256, 99, 7))
    ):
        header = _chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, depth, colour, 0, 0, 0))
        yield (
            f"bomb{number}.png",
            signature + header + _chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9)) + _chunk(b"IEND", b""),
        )
    words = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(32_000_000), 9))
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 256, 8, 0, 0, 0, 0))
    yield "words.png", signature + header + words + _chunk(b"IEND", b"")
    picture = Image.fromarray((np.arange(64 * 256) % 251).astype(np.uint8).reshape(256, 64))
    dice = random.Random(1)
    for kind, ending in (("PNG", "png"), ("TIFF", "tif"), ("JPEG", "jpg")):
        file = io.BytesIO()
        picture.save(file, kind)
        whole = file.getvalue()
        for number in range(4):
            yield f"cut{number}.{ending}", whole[: dice.randrange(1, len(whole))]
            spoiled = bytearray(whole)
            for _ in range(10):
                spoiled[dice.randrange(4, len(spoiled))] = dice.randrange(256)
            yield f"spoiled{number}.{ending}", bytes(spoiled)
    circle = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 0) + struct.pack("<I", 8)
    yield "circle.tif", circle
    entries = [(256, 4, 1, 90_000), (257, 4, 1, 90_000), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
               (279, 4, 1, 2**31)]  # fmt: skip
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    yield "bomb.tif", b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4)
    yield "endless.tif", b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", 8)


def labels() -> Iterator[Named]:
    """For `read_labels`, drawn on `labelled_scan`; the files named "intact" can be read."""
    intact_labels = label_bytes()
    yield from ((f"intact{ending}", content) for ending, content in intact_labels.items())
    for number, value in enumerate(_json_oddities()):
        yield f"odd{number}.json", value
    intact = json.loads(intact_labels[".json"])
    (shape,) = intact["shapes"]
    changes: list[dict[str, Any]] = [
        {"shapes": None}, {"shapes": "x"}, {"shapes": [None]}, {"shapes": [[]]}, {"imageHeight": -1},
        {"imageHeight": 10**12, "imageWidth": 10**12}, {"imageData": "no base 64"}, {"imagePath": "../../etc/passwd"},
        *({"shapes": [{**shape, "points": points}]} for points in
          ([], [[1]], [["a", "b"]], [[1e300, 1e300]] * 3, [[None, None]] * 3, [[-5, -5], [1e9, 0], [0, 1e9]], 7)),
        *({"shapes": [{**shape, "shape_type": kind}]} for kind in
          ("circle", "rectangle", "mask", "linestrip", "nothing", 3)),
        {"shapes": [{**shape, "points": [[number % 60, number % 250] for number in range(100_000)]}]},
        {"shapes": [{**shape, "shape_type": "mask", "mask": "AAAA"}]},
    ]  # fmt: skip
    for number, change in enumerate(changes):
        yield f"shapes{number}.json", json.dumps({**intact, **change}).encode()
    for name, content in _nrrd():
        yield name.replace(".nrrd", ".seg.nrrd"), content
    yield from _spoiled("nrrd", ".seg.nrrd", intact_labels[".seg.nrrd"])
    yield from _spoiled("seg", ".dcm", intact_labels[".dcm"])


def _spoiled(name: str, ending: str, whole: bytes) -> Iterator[Named]:
    """Cut files, and files with damaged bytes, at random."""
    dice = random.Random(2)
    for number in range(24):
        yield f"{name}_cut{number}{ending}", whole[: dice.randrange(len(whole))]
        spoiled = bytearray(whole)
        for _ in range(dice.choice((1, 4, 40))):
            spoiled[dice.randrange(min(len(spoiled), 1200))] = dice.randrange(256)
        yield f"{name}_spoiled{number}{ending}", bytes(spoiled)


def _json_oddities() -> Iterator[bytes]:
    yield from (b"", b"{", b"[]", b"null", b"1e999", b"\xff\xfe\x00", b'"text"', b"[" * 100_000, b'{"a":' * 50_000)
    yield b'{"shapes": NaN}'
    yield ("[" + "9" * 5000 + "]").encode()


def cards() -> Iterator[Named]:
    """For `read_model`: card.json without any other file."""
    from SpectBoneMetSegLib.model.store import find_model

    intact = find_model("whole-body").card.to_dict()
    for number, value in enumerate(_json_oddities()):
        yield f"odd{number}", value
    changes: list[dict[str, Any]] = [
        *({"network": value} for value in (None, [], "x", {}, {"channels": [10**9]}, {"channels": []})),
        *({"network": {**intact["network"], "channels": value}} for value in ([0], [-1], ["a"], [10**12], [4] * 500)),
        *({"name": value} for value in ("../../x", "", None, "a" * 9999, "a/b", "\0")),
        *({"threshold": value} for value in (None, "x", -1, float("nan"), 2)),
        *({"sha256": value} for value in (None, 5)),
        {"preprocessing_version": "x"}, {"confidence": 5}, {"appearance": []}, {"appearance": {"level": "x"}},
        {"unknown": 1}, {"__class__": "Lambda"},
    ]  # fmt: skip
    for number, change in enumerate(changes):
        yield f"card{number}", json.dumps({**intact, **change}).encode()


def model_files() -> Iterator[Named]:
    """For `import_model`."""
    import hashlib
    import pickle

    from SpectBoneMetSegLib.model.store import find_model

    class Opens:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return (open, ("/tmp/a-model-was-unpickled", "w"))

    folder = find_model("whole-body").path
    card = (folder / "card.json").read_bytes()

    def zipped(entries: list[tuple[str, bytes]], *, hashes: bool = True) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries:
                archive.writestr(name, content)
            if hashes:
                found = {name: hashlib.sha256(content).hexdigest() for name, content in entries}
                archive.writestr("sha256.json", json.dumps(found))
        return file.getvalue()

    array = io.BytesIO()
    np.save(array, np.array([Opens()], dtype=object), allow_pickle=True)
    pickled = zipped([("layer.npy", array.getvalue())], hashes=False)
    for number, name in enumerate(
        ("../card.json", "/tmp/card.json", "a/../../x", "..\\x", "C:\\x", "\0", "card.json/")
    ):
        yield f"slip{number}.zip", zipped([("card.json", card), ("weights.npz", b"x"), (name, b"x")])
    yield "pickled.zip", zipped([("card.json", card), ("weights.npz", pickled)])
    yield "pickle.zip", pickle.dumps(Opens())
    yield "bomb.zip", zipped([("card.json", card), ("weights.npz", bytes(64_000_000))])
    yield "card.zip", zipped([("card.json", b"[" * 100_000), ("weights.npz", b"x")])
    yield "none.zip", zipped([])
    yield "text.zip", b"nothing"
    yield "cut.zip", zipped([("card.json", card), ("weights.npz", b"x" * 999)])[:-30]
    yield "keras.zip", zipped([("config.json", b'{"class_name": "Lambda"}'), ("model.weights.h5", b"x")], hashes=False)


def write(named: Named, folder: Path) -> Path:
    path = folder / named[0]
    path.write_bytes(named[1])
    return path
