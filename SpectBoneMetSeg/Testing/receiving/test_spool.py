"""The folder of received images: one receiver at a time, nothing twice, never more than it may hold."""

from __future__ import annotations

import os
import shutil
import time

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.receiving.spool import FullError, Spool, study_key
from support.dicom_net import scan
from support.nm_files import saved


@pytest.fixture
def spool(tmp_path):
    return Spool.opened(tmp_path / "spool", 1e9)


def keep(spool, tmp_path, study, sop="1", **header):
    return spool.keep(saved(scan(study, sop, **header), tmp_path / "sent.dcm"), study, sop)


def settled(spool, study, *, over=True):
    """The study as if it were read and sent."""
    key = study_key(study)
    entry = spool.journal.of(key)
    entry.read, entry.over = spool.fingerprint(key), over
    spool.journal.write(entry)
    for waiting, mark in spool.waiting(0):
        if waiting == key:
            spool.settle(key, mark)


def waiting(spool):
    return [key for key, _ in spool.waiting(0)]


def test_a_second_receiver_is_refused(spool, tmp_path, monkeypatch):
    monkeypatch.setattr("SpectBoneMetSegLib.receiving.spool.LOCK_PATIENCE", 0.0)
    with pytest.raises(UserError, match="Another receiver is using"):
        Spool.opened(tmp_path / "spool", 1e9)
    spool.release()
    Spool.opened(tmp_path / "spool", 1e9).release()


def test_the_same_image_again_makes_nothing_wait_and_a_corrected_one_does(spool, tmp_path):
    assert keep(spool, tmp_path, "1.1")
    settled(spool, "1.1")
    assert not keep(spool, tmp_path, "1.1")
    assert waiting(spool) == []
    assert keep(spool, tmp_path, "1.1", ImageComments="corrected")
    assert waiting(spool) == [study_key("1.1")]
    assert len(list(spool.study(study_key("1.1")).iterdir())) == 1


def test_a_study_waits_until_nothing_came_for_a_while(spool, tmp_path):
    keep(spool, tmp_path, "1.1")
    assert spool.waiting(60.0) == []
    assert waiting(spool) == [study_key("1.1")]


def test_an_image_that_comes_while_its_study_is_read_lets_it_wait_on(spool, tmp_path):
    keep(spool, tmp_path, "1.1")
    ((key, mark),) = spool.waiting(0)
    keep(spool, tmp_path, "1.1", "2")
    spool.settle(key, mark)
    assert waiting(spool) == [key]


def test_a_new_receiver_finds_what_was_not_read_and_clears_what_was_not_whole(spool, tmp_path):
    keep(spool, tmp_path, "1.1")
    keep(spool, tmp_path, "1.2")
    settled(spool, "1.1")
    (spool.incoming / "tmp1.dcm").write_bytes(b"half")
    (spool.study(study_key("1.2")) / ".0123456789ab.unfinished").write_bytes(b"half")
    spool.release()
    again = Spool.opened(tmp_path / "spool", 1e9)
    assert waiting(again) == [study_key("1.2")]
    assert not list(again.incoming.iterdir())
    assert len(list(again.study(study_key("1.2")).iterdir())) == 1


def test_a_damaged_journal_costs_a_reading_and_no_image(spool, tmp_path):
    keep(spool, tmp_path, "1.1")
    settled(spool, "1.1")
    (spool.folder / "journal" / f"{study_key('1.1')}.json").write_bytes(b"\0\0")
    spool.release()
    assert waiting(Spool.opened(tmp_path / "spool", 1e9)) == [study_key("1.1")]


def test_the_oldest_images_that_are_done_with_make_room(spool, tmp_path):
    for study in ("1.1", "1.2", "1.3"):
        keep(spool, tmp_path, study)
        size = (tmp_path / "sent.dcm").stat().st_size
    settled(spool, "1.1")
    settled(spool, "1.2", over=False)
    spool.limit_bytes = 3.5 * size
    keep(spool, tmp_path, "1.4")
    assert not spool.study(study_key("1.1")).exists()
    assert all(spool.study(study_key(study)).is_dir() for study in ("1.2", "1.3", "1.4"))
    with pytest.raises(FullError):
        keep(spool, tmp_path, "1.5")
    # No waiting study was given up for it.
    assert waiting(spool) == [study_key("1.3"), study_key("1.4")]


def test_images_that_are_not_whole_yet_count_as_well(spool, tmp_path):
    keep(spool, tmp_path, "1.1")
    size = (tmp_path / "sent.dcm").stat().st_size
    spool.limit_bytes = 2.5 * size
    part = spool.incoming / "part"
    part.write_bytes(bytes(size))
    assert spool.may_grow()
    with pytest.raises(FullError):
        keep(spool, tmp_path, "1.2")
    part.write_bytes(bytes(2 * size))
    assert not spool.may_grow()
    # What is done with would make room.
    settled(spool, "1.1")
    assert spool.may_grow()
    part.unlink()
    keep(spool, tmp_path, "1.2")


def test_a_received_image_is_not_counted_twice_while_it_is_copied(spool, tmp_path):
    sent = saved(scan("1.1", "1"), spool.incoming / "sent.dcm")
    spool.limit_bytes = sent.stat().st_size
    assert spool.keep(sent, "1.1", "1")


def test_images_are_removed_when_their_time_is_over_and_the_journal_stays(spool, tmp_path):
    for study in ("1.1", "1.2"):
        keep(spool, tmp_path, study)
    settled(spool, "1.1")
    left = spool.incoming / "broken"
    left.touch()
    os.utime(left, (time.time() - 10_000,) * 2)
    time.sleep(0.01)
    assert spool.tidy(3600) == []
    assert spool.tidy(0) == [study_key("1.1")]
    assert not left.exists()
    assert spool.journal.of(study_key("1.1")).over
    assert waiting(spool) == [study_key("1.2")]
    assert spool.fingerprint(study_key("1.1")) == ""


def test_a_late_image_does_not_drive_out_the_others_of_its_study(spool, tmp_path):
    keep(spool, tmp_path, "1.1")
    settled(spool, "1.1")
    spool.limit_bytes = 1.5 * (tmp_path / "sent.dcm").stat().st_size
    with pytest.raises(FullError):
        keep(spool, tmp_path, "1.1", "2")
    assert len(spool.images(study_key("1.1"))) == 1


def test_what_was_never_read_is_given_up_last_and_reported(tmp_path):
    reported: list[str] = []
    spool = Spool.opened(tmp_path / "spool", 1e9, reported.append)
    for study in ("1.1", "1.2"):
        keep(spool, tmp_path, study)
    spool.journal.of(study_key("1.1")).state = "failed"
    settled(spool, "1.1")
    settled(spool, "1.2")
    spool.limit_bytes = 2.5 * (tmp_path / "sent.dcm").stat().st_size
    keep(spool, tmp_path, "1.3")
    assert [spool.study(study_key(study)).is_dir() for study in ("1.1", "1.2")] == [True, False]
    assert reported == []
    keep(spool, tmp_path, "1.4")
    assert not spool.study(study_key("1.1")).exists()
    assert [study_key("1.1") in line and "never read" in line for line in reported] == [True]


def test_a_full_disk_gives_up_what_is_done_with(spool, tmp_path, monkeypatch):
    keep(spool, tmp_path, "1.1")
    settled(spool, "1.1")
    gone = spool.study(study_key("1.1"))
    monkeypatch.setattr(Spool, "free_bytes", lambda _: 0 if gone.exists() else 10**9)
    assert keep(spool, tmp_path, "1.2")
    assert not gone.exists()


def test_a_study_is_not_forgotten_while_its_images_lie_there(spool, tmp_path, monkeypatch):
    for study in ("1.1", "1.2"):
        keep(spool, tmp_path, study)
        settled(spool, study)
    shutil.rmtree(spool.study(study_key("1.2")))
    spool.release()
    monkeypatch.setattr("SpectBoneMetSegLib.receiving.journal.FORGET_SECONDS", -1.0)
    again = Spool.opened(tmp_path / "spool", 1e9)
    assert [entry.key for entry in again.journal.all()] == [study_key("1.1")]
    assert waiting(again) == []


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
def test_a_spool_that_was_there_is_closed_to_others(tmp_path):
    (tmp_path / "spool").mkdir(mode=0o755)
    Spool.opened(tmp_path / "spool", 1e9).release()
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0


def test_what_is_no_study_in_the_spool_stops_no_start(spool, tmp_path):
    (spool.folder / "studies" / ".DS_Store").write_bytes(b"x")
    spool.release()
    assert waiting(Spool.opened(tmp_path / "spool", 1e9)) == []
