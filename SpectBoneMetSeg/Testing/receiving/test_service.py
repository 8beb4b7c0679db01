"""From images that came in to results that are written and sent on: everything once, nothing lost."""

from __future__ import annotations

import csv
import json
import threading
import time
from contextlib import contextmanager

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.receiving import delivery as delivery_module
from SpectBoneMetSegLib.receiving import service as service_module
from SpectBoneMetSegLib.receiving.sending import Destination
from SpectBoneMetSegLib.receiving.service import ReceiverOptions, ReceivingService
from SpectBoneMetSegLib.receiving.spool import Spool, study_key
from support.dicom_net import Archive, Reader, scan, until
from support.nm_files import saved


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(delivery_module, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(service_module, "RETRY", 0.1)
    monkeypatch.setattr(service_module, "POLL", 0.02)


class House:
    """A receiver's folders with its reader, which outlive the receiver."""

    def __init__(self, folder):
        self.folder, self.output = folder, folder / "out"
        self.output.mkdir()
        self.reader, self.lines, self.reported = Reader(self.output), [], []

    @contextmanager
    def open(self, *destinations, quiet=0.05, **wishes):
        spool = Spool.opened(self.folder / "spool", 1e9)
        wanted = ReceiverOptions(quiet, destinations=destinations, **wishes)
        service = ReceivingService(
            spool, self.output, self.reader.done, self.reader.read, wanted, self.lines.append, self.reported.append
        )
        service.start()
        try:
            yield spool
        finally:
            service.end()
            spool.release()

    def send(self, spool, study="1.1", sop="1.1.1", **header):
        spool.keep(saved(scan(study, sop, **header), self.folder / "sent.dcm"), study, sop)

    def read_once(self, **changes):
        """A study is read, and its entry changed since; gives the spool."""
        with self.open() as spool:
            self.send(spool)
            until(lambda: over(spool))
        entry = spool.journal.of(study_key("1.1"))
        for name, value in changes.items():
            setattr(entry, name, value)
        spool.journal.write(entry)
        return spool

    def rows(self):
        with (self.output / "studies.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def uids(self):
        return sorted(item for folder in self.output.glob("study-*") for item in uids_in(folder))


def uids_in(folder):
    from SpectBoneMetSegLib.receiving.sending import objects_in

    return [item.sop_uid for item in objects_in(folder)]


def over(spool, study="1.1"):
    entry = spool.journal.of(study_key(study))
    return entry is not None and entry.over


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_a_complete_study_is_read_and_reported_without_its_patient(house):
    with house.open() as spool:
        house.send(spool)
        until(lambda: over(spool))
    (row,) = house.rows()
    assert (row["state"], row["areas"], row["study_instance_uid"]) == ("read", "1", "1.1")
    assert (house.output / row["case"] / "receipt.json").is_file()
    assert row["case"] == study_key("1.1")
    reported = json.dumps(house.reported) + (house.output / "studies.csv").read_text() + "".join(house.lines)
    assert "Tell" not in reported
    assert house.reported[0]["state"] == "read"


def test_nothing_is_read_while_images_are_still_coming(house):
    with house.open(quiet=1.0) as spool:
        house.send(spool)
        house.send(spool, sop="1.1.2")
        assert house.reader.read_cases == []
        until(lambda: over(spool))
    assert len(house.reader.read_cases) == 1


def test_a_restart_reads_nothing_again_and_a_late_scan_alone(house):
    with house.open() as spool:
        house.send(spool, AcquisitionDate="20240101", AcquisitionTime="080000")
        until(lambda: over(spool))
    first = [*house.reader.read_cases]
    with house.open() as spool:
        # The late phase of the same study, three hours after.
        house.send(spool, sop="1.1.2", AcquisitionDate="20240101", AcquisitionTime="110000")
        until(lambda: len(house.reader.read_cases) == 2)
        until(lambda: over(spool))
    assert house.reader.read_cases[0] == first[0] != house.reader.read_cases[1]
    assert {row["state"] for row in house.rows()} == {"read", "read before"}


def test_an_image_that_the_archive_corrected_is_read_again(house):
    with house.open() as spool:
        house.send(spool)
        until(lambda: over(spool))
        house.send(spool, ImageComments="corrected")
        until(lambda: len(house.reader.read_cases) == 2)
        until(lambda: over(spool))
    assert house.reader.read_cases[0] == house.reader.read_cases[1]


def test_a_late_image_of_a_study_whose_images_are_gone_is_not_read_alone(house):
    first = {"AcquisitionDate": "20240101", "AcquisitionTime": "080000"}
    with house.open() as spool:
        house.send(spool, **first)
        until(lambda: over(spool))
        assert spool.tidy(-1.0) == [study_key("1.1")]
        house.send(spool, sop="1.1.2")
        until(lambda: any("send all of it again" in line for line in house.lines))
    assert len(house.reader.read_cases) == 1
    assert [row["state"] for row in house.rows()] == ["failed", "read"]
    with house.open() as spool:
        house.send(spool, **first)
        until(lambda: over(spool) and spool.journal.of(study_key("1.1")).state == "read")
    assert {row["state"] for row in house.rows()} <= {"read", "read before"}


def test_complete_results_that_are_not_in_the_journal_are_not_read_again(house):
    with house.open() as spool:
        house.send(spool)
        until(lambda: over(spool))
    (house.folder / "spool" / "journal" / f"{study_key('1.1')}.json").unlink()
    with house.open() as spool:
        until(lambda: over(spool))
    assert len(house.reader.read_cases) == 1
    assert [row["state"] for row in house.rows()] == ["read before"]


def test_a_failure_is_reported_once_and_tried_again_only_on_request(house):
    house.reader.instead = [{"error": UserError("It holds no body; send another.").to_dict()}]
    with house.open() as spool:
        house.send(spool)
        until(lambda: over(spool))
    assert house.rows()[0]["reason"] == "It holds no body; send another."
    with house.open():
        pass
    assert len(house.reader.read_cases) == 1
    with house.open(retry_failed=True) as spool:
        until(lambda: over(spool) and len(house.reader.read_cases) == 2)
    assert house.rows()[0]["state"] == "read"


def test_what_was_refused_of_a_failed_study_is_offered_again_also_without_its_images(house):
    archive = Archive()
    spool = house.read_once(state="failed", refused={"PACS": {"1": "refused"}})
    spool.tidy(-1.0)
    with archive.open() as place, house.open(place, retry_failed=True) as spool:
        until(lambda: over(spool))
    assert sorted(archive.got) == house.uids()


def test_a_full_disk_blames_no_study_and_is_tried_again(house):
    house.reader.instead = [{"stop": "The results cannot be written (No space left on device)."}] * 2
    with house.open() as spool:
        house.send(spool)
        until(lambda: over(spool))
    assert len(house.reader.read_cases) == 3
    assert house.rows()[0]["state"] == "read"
    assert sum("No space left" in line for line in house.lines) == 2


def test_a_study_without_a_whole_body_is_reported_as_such(house):
    with house.open() as spool:
        house.send(spool, ImageType=["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"])
        until(lambda: over(spool))
    assert (house.rows()[0]["state"], house.reader.read_cases) == ("no scan", [])
    assert "tomo" in house.rows()[0]["reason"]


def test_a_fault_of_ours_stops_neither_reading_nor_sending(house, monkeypatch):
    read = house.reader.read

    def odd(cases):
        if not house.reader.read_cases:
            house.reader.read_cases.append("odd")
            raise ZeroDivisionError
        return read(cases)

    house.reader.read = odd
    with house.open() as spool:
        house.send(spool)
        until(lambda: over(spool))
        house.send(spool, "1.2")
        until(lambda: over(spool, "1.2"))
    assert sorted(row["state"] for row in house.rows()) == ["failed", "read"]


def test_a_disk_that_fails_for_a_while_stops_no_reading(house, monkeypatch):
    fingerprint, failures = Spool.fingerprint, [OSError(5, "Input/output error")] * 2

    def odd(spool, key):
        if failures and threading.current_thread() is not threading.main_thread():
            raise failures.pop()
        return fingerprint(spool, key)

    monkeypatch.setattr(Spool, "fingerprint", odd)
    with house.open() as spool:
        house.send(spool)
        until(lambda: over(spool))
    assert sum("Input/output error" in line for line in house.lines) == 2


def test_results_are_sent_to_every_archive_once_segmentations_first(house):
    one, two = Archive(), Archive()
    with one.open() as first, two.open() as second, house.open(first, second) as spool:
        house.send(spool)
        until(lambda: over(spool))
        house.send(spool)
    assert one.got == two.got == uids_in(next(house.output.glob("study-*")))
    assert house.rows()[0]["sent"] == " | ".join(sorted(f"2 to {each}" for each in (first, second)))


def test_an_archive_that_is_not_available_gets_its_results_later_and_is_reported_once(house):
    archive = Archive()
    with archive.open() as place:
        pass
    with house.open(place) as spool:
        house.send(spool)
        until(lambda: any("cannot be reached" in line for line in house.lines))
        assert house.rows()[0]["state"] == "read"
        with archive.open(place.port):
            until(lambda: over(spool))
    assert sorted(archive.got) == house.uids()
    assert sum("cannot be reached" in line for line in house.lines) == 1


def test_after_a_restart_only_what_the_archive_has_not_taken_is_sent(house):
    archive = Archive(0, *[0xA700] * 100)
    with archive.open() as place:
        with house.open(place) as spool:
            house.send(spool)
            until(lambda: any("is out of space" in line for line in house.lines))
        assert len(archive.got) == 1
        archive.answers.clear()
        with house.open(place) as spool:
            until(lambda: over(spool))
    assert sorted(archive.got) == house.uids()
    assert len(house.reader.read_cases) == 1


def test_an_object_that_an_archive_refuses_is_given_up_and_offered_again_on_request(house):
    archive = Archive(*[0xC000] * 100)
    with archive.open() as place:
        with house.open(place) as spool:
            house.send(spool)
            until(lambda: over(spool))
        assert archive.got == []
        assert "C000H" in house.rows()[0]["not_sent"]
        assert 100 - len(archive.answers) >= 2 * delivery_module.OFFERS
        archive.answers.clear()
        with house.open(place, retry_failed=True) as spool:
            until(lambda: archive.got and over(spool))
    assert sorted(archive.got) == house.uids()
    assert house.rows()[0]["not_sent"] == ""


def test_a_damaged_result_is_reported_once_and_keeps_no_other_study_waiting(house):
    archive = Archive()
    house.read_once(over=False)
    damaged = house.output / study_key("1.1") / "dicom" / "seg_anterior.dcm"
    intact = damaged.read_bytes()
    damaged.write_bytes(b"")
    with archive.open() as place, house.open(place) as spool:
        house.send(spool, "1.2")
        until(lambda: over(spool, "1.2"))
        assert not over(spool)
        damaged.write_bytes(intact)
        until(lambda: over(spool))
    assert sorted(archive.got) == house.uids()
    assert sum("seg_anterior.dcm is damaged" in line for line in house.lines) == 1


def test_whatever_goes_wrong_in_sending_is_tried_again_later_and_others_are_sent(house, monkeypatch):
    send, failures = delivery_module.send, [AttributeError("odd")] * 3

    def odd(parcels, *more):
        if failures and study_key("1.1") in str(parcels[0].file):
            raise failures.pop()
        return send(parcels, *more)

    monkeypatch.setattr(delivery_module, "send", odd)
    archive = Archive()
    with archive.open() as place, house.open(place) as spool:
        house.send(spool)
        house.send(spool, "1.2", "1.2.1")
        until(lambda: over(spool) and over(spool, "1.2"))
    assert sorted(archive.got) == house.uids()
    assert sum("AttributeError: odd" in line for line in house.lines) == 1


def test_results_that_are_missing_for_a_moment_are_not_marked_as_sent(house):
    archive = Archive()
    house.read_once(over=False)
    place = house.output / study_key("1.1")
    place.rename(house.folder / "away")
    with archive.open() as address, house.open(address) as spool:
        until(lambda: any("is not there" in line for line in house.lines))
        assert not over(spool)
        (house.folder / "away").rename(place)
        until(lambda: over(spool))
    assert sorted(archive.got) == house.uids()


def test_an_archive_that_was_away_for_weeks_is_tried_on(house):
    archive = Archive(0xA700, 0xA700)
    with house.open() as spool:
        house.send(spool)
        until(lambda: over(spool))
    with archive.open() as place:
        delivery = delivery_module.Delivery(spool.journal, house.output, [place], "READER", house.lines.append)
        delivery.add(study_key("1.1"))
        due = delivery._due[study_key("1.1")]
        due.tries = 5000
        delivery.work(threading.Event())
        assert 0 < due.at - time.monotonic() <= delivery_module.LONGEST_DELAY


def test_an_outage_is_no_refusal(house, monkeypatch):
    answers = [0xA700] * 2 * delivery_module.OFFERS + [0xC000]
    archive = Archive(*answers)
    monkeypatch.setattr(delivery_module, "LONGEST_DELAY", 0.05)
    with archive.open() as place, house.open(place) as spool:
        house.send(spool)
        until(lambda: over(spool))
    assert sorted(archive.got) == house.uids()
    assert house.rows()[0]["not_sent"] == ""


def test_a_postponed_study_is_tried_again_at_the_stated_time(house, monkeypatch):
    monkeypatch.setattr(service_module, "RETRY", 1.0)
    house.reader.instead = [{"stop": "No space left on device."}]
    with house.open(quiet=0.8) as spool:
        house.send(spool)
        until(lambda: any("tried again" in line for line in house.lines))
        reported = time.monotonic()
        until(lambda: over(spool))
        assert time.monotonic() - reported < 1.7


@pytest.mark.parametrize(
    "text",
    ["", "PACS", "PACS@host", "PACS@host:0", "PACS@host:99999", "@host:104", "A" * 17, "PÄCS@host:1", "P\t@host:1"],
)
def test_what_is_no_archive_is_reported(text):
    with pytest.raises(UserError, match="AET@HOST:PORT"):
        Destination.parsed(text)


def test_an_address_of_the_new_internet_is_one(house):
    assert Destination.parsed("PACS@[::1]:104") == Destination("PACS", "::1", 104)
    assert str(Destination.parsed("PACS@[::1]:104")) == "PACS@[::1]:104"
