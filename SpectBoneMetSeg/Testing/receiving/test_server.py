"""Who may send what, and what is on the disk when a sender gets success."""

from __future__ import annotations

import os
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, EncapsulatedPDFStorage
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.dicom import read_header
from SpectBoneMetSegLib.receiving import server as module
from SpectBoneMetSegLib.receiving import spool as spool_module
from SpectBoneMetSegLib.receiving.server import Address, listening
from SpectBoneMetSegLib.receiving.spool import Spool, study_key
from support.dicom_net import associate, receiver, scan, store, until
from support.nm_files import ANTERIOR, nm, saved

NAME = "Do^Not^Tell"


@pytest.fixture
def spool(tmp_path):
    found = Spool.opened(tmp_path / "spool", 1e9)
    yield found
    found.release()


def images(spool):
    return sorted((spool.folder / "studies").rglob("*.dcm"))


def test_a_sender_that_is_accepted_gets_an_echo(spool):
    with receiver(spool) as port:
        association = associate(port)
        assert association.send_c_echo().Status == 0
        association.release()


@pytest.mark.parametrize("titles", [{"calling": "STRANGER"}, {"called": "ANOTHER"}, {"calling": "camera"}])
def test_an_unknown_sender_or_another_title_is_refused_and_reported(spool, titles):
    reported: list[str] = []
    with receiver(spool, reported) as port:
        assert store(port, scan(), **titles) == []
    assert not images(spool)
    assert any(line.startswith("Refused a connection from") for line in reported)


def test_an_image_is_on_the_disk_before_its_sender_gets_success(spool, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    with receiver(spool) as port:
        (answer,) = store(port, scan())
        (image,) = images(spool)
        assert answer.Status == 0
        assert {image.stat().st_ino, image.parent.stat().st_ino, image.parent.parent.stat().st_ino} <= set(synced)
    assert pydicom.dcmread(image).pixel_array[0].tolist() == ANTERIOR.tolist()


def test_nothing_on_the_disk_or_in_messages_names_the_patient(spool):
    reported: list[str] = []
    with receiver(spool, reported) as port:
        store(port, scan())
    names = [str(path.relative_to(spool.folder)) for path in spool.folder.rglob("*")]
    assert not any("Not" in text for text in (*names, *reported))
    journal = spool.folder / "journal" / f"{study_key('1.2.3')}.json"
    assert NAME not in journal.read_text()
    assert not list(spool.incoming.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
def test_others_on_the_machine_cannot_read_the_spool(spool):
    assert spool.folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("uid", ["../../outside", "/etc/passwd", "1.2/../../3", "..", "a\\b", "1" * 64])
def test_a_uid_that_is_a_path_leads_nowhere(spool, tmp_path, uid):
    sent = scan(study=uid.replace("\\", "/"), sop=uid.replace("\\", "/"))
    with receiver(spool) as port:
        statuses = [answer.get("Status") for answer in store(port, sent)]
    assert {path.name for path in tmp_path.iterdir()} == {"spool"}
    kept = images(spool)
    assert len(kept) == statuses.count(0)
    assert all(path.parent.parent == spool.folder / "studies" for path in kept)


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        (nm(ANTERIOR, Modality="CT", SOPClassUID=CTImageStorage), "CT"),
        (nm(ANTERIOR, ImageType=["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]), "tomo"),
        (nm(ANTERIOR, Modality="DOC", SOPClassUID=EncapsulatedPDFStorage), "DOC"),
    ],
)
def test_what_is_no_planar_scan_is_skipped_with_a_warning_that_says_so(spool, sent, word):
    reported: list[str] = []
    with receiver(spool, reported) as port:
        answers = store(port, sent, scan())
        until(lambda: reported)
    assert [answer.Status for answer in answers] == [0xB006, 0]
    assert word in answers[0].ErrorComment
    assert word in reported[0]
    assert "1 kept" in reported[0]
    assert len(images(spool)) == 1
    assert not list(spool.incoming.iterdir())


def test_several_senders_at_once_lose_nothing(spool):
    studies = [[scan(f"1.{number}", f"1.{number}.{image}") for image in range(4)] for number in range(5)]
    with receiver(spool) as port, ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda images: store(port, *images), studies))
    assert [[answer.Status for answer in each] for each in answers] == [[0] * 4] * 5
    assert len(images(spool)) == 20


def test_what_is_no_uid_is_in_no_table(spool):
    with receiver(spool) as port:
        store(port, scan(study="=Do^Not^Tell"))
    assert [entry.study_uid for entry in spool.journal.all()] in ([], [""])


def test_an_object_without_a_study_is_refused(spool):
    with receiver(spool) as port:
        (answer,) = store(port, scan(study=""))
    assert answer.Status == 0xA900
    assert not images(spool)


def test_what_cannot_be_understood_is_refused(spool):
    odd = scan(Modality="")
    odd.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    with receiver(spool) as port:
        (answer,) = store(port, odd)
    assert answer.Status == 0xC000


def test_without_space_a_sender_gets_a_failure_and_nothing_is_kept(spool, monkeypatch):
    monkeypatch.setattr(spool_module, "RESERVE_BYTES", 2**62)
    with receiver(spool) as port:
        (answer,) = store(port, scan())
    assert answer.Status == 0xA700
    assert not images(spool)


def test_a_disk_without_space_is_no_success(spool, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool_module, "write_durably", full)
    with receiver(spool) as port:
        (answer,) = store(port, scan())
    assert answer.Status == 0xA700
    assert "No space left" in answer.ErrorComment


def raw(port, announced: int) -> bytes:
    """What comes back from a connection that announces a piece of some length and continues to send it."""
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        try:
            line.sendall(struct.pack(">BBL", 1, 0, announced) + bytes(4096))
            return line.recv(100)
        except ConnectionError:
            return b""


def test_a_piece_that_would_fill_the_memory_ends_its_connection(spool):
    with receiver(spool) as port:
        before = time.monotonic()
        raw(port, 2**32 - 1)
        assert time.monotonic() - before < 5
        assert [answer.Status for answer in store(port, scan())] == [0]


def test_an_object_that_would_fill_the_disk_ends_its_connection(spool, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_OBJECT", 2**16)
    large = scan()
    large.add_new(0x00091001, "OB", np.zeros(2**18, np.uint8).tobytes())
    with receiver(spool) as port:
        assert [answer.get("Status") for answer in store(port, large)] == [None]
        assert [answer.Status for answer in store(port, scan())] == [0]


def test_what_expands_in_memory_is_not_accepted(spool):
    packed = scan()
    packed.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    with receiver(spool) as port:
        association = associate(port, packed)
        assert [context.abstract_syntax for context in association.accepted_contexts] == ["1.2.840.10008.1.1"]
        association.release()


def test_only_what_is_needed_of_an_object_is_read(tmp_path):
    large = scan(StudyDescription="x" * 64)
    large.add_new(0x00091001, "OB", bytes(2**16))
    header = read_header(saved(large, tmp_path / "large.dcm"), only=module.HEADER_TAGS)
    assert {element.keyword for element in header} == set(module.HEADER_TAGS)


def test_what_a_connection_that_is_gone_has_not_sent_whole_is_removed_at_once(spool, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_OBJECT", 2**16)
    large = scan()
    large.add_new(0x00091001, "OB", bytes(2**18))
    with receiver(spool) as port:
        assert [answer.get("Status") for answer in store(port, large)] == [None]
        until(lambda: not list(spool.incoming.iterdir()))


def test_an_object_that_would_take_the_reserve_of_the_disk_ends_its_connection(spool, monkeypatch):
    monkeypatch.setattr(module, "CHECK_BYTES", 2**16)
    monkeypatch.setattr(Spool, "free_bytes", lambda _: -1)
    large = scan()
    large.add_new(0x00091001, "OB", bytes(2**18))
    with receiver(spool) as port:
        assert [answer.get("Status") for answer in store(port, large)] == [None]


def test_an_object_that_is_larger_than_the_spool_may_be_ends_its_connection(spool, monkeypatch):
    monkeypatch.setattr(module, "CHECK_BYTES", 2**16)
    spool.limit_bytes = 2**18
    large = scan()
    large.add_new(0x00091001, "OB", bytes(2**20))
    with receiver(spool) as port:
        assert [answer.get("Status") for answer in store(port, large)] == [None]
        assert [answer.Status for answer in store(port, scan())] == [0]


def test_a_message_of_a_sender_fills_neither_memory_nor_log(spool):
    reported: list[str] = []
    odd = [nm(ANTERIOR, Modality=f"X{number}", SOPClassUID=CTImageStorage) for number in range(30)]
    odd[0].Modality = "Y" * 500
    with receiver(spool, reported) as port:
        store(port, *odd)
        until(lambda: reported)
    assert "30 objects" in reported[0]
    assert "for other reasons" in reported[0]
    assert len(reported[0]) < 600


def test_a_port_that_is_taken_is_reported_in_one_sentence(spool):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place = Address("127.0.0.1", port, "READER", ("CAMERA",))
        with pytest.raises(UserError, match="choose another address"), listening(place, spool, print):
            pass
