"""A receiver that is killed at any moment: what it acknowledged is read and sent, once."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading

import pydicom
import pytest
from SpectBoneMetSegLib.receiving.spool import study_key
from support import dicom_net
from support.dicom_net import Archive, free_port, scan, store, until


def started(tmp_path, port, place):
    command = [
        sys.executable,
        dicom_net.__file__,
        str(tmp_path / "spool"),
        str(tmp_path / "out"),
        str(port),
        str(place),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(("studies", "seed"), [(3, 1), *((8, seed) for seed in range(4))])
def test_killed_again_and_again_it_loses_nothing_and_sends_nothing_twice(tmp_path, studies, seed):
    dice, archive, port = random.Random(seed), Archive(), free_port()
    (tmp_path / "out").mkdir()
    acknowledged: set[str] = set()
    with archive.open() as place:
        for number in range(studies):
            process = started(tmp_path, port, place)
            try:
                until(lambda: listens(port))
                study = f"1.{number + 1}"
                if [answer.get("Status") for answer in store(port, scan(study, f"{study}.1"))] == [0]:
                    acknowledged.add(study)
                # Somewhere in waiting, reading, writing or sending.
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(dice.uniform(0, 1.5))
            finally:
                process.kill()
                process.communicate()
        assert len(acknowledged) == studies
        process = started(tmp_path, port, place)
        try:
            until(lambda: len(set(archive.got)) == 2 * studies, 40)
            until(
                lambda: all('"over": true' in path.read_text() for path in (tmp_path / "spool/journal").glob("*.json"))
            )
        finally:
            process.kill()
            printed = process.communicate()[0]
    assert "Traceback" not in printed
    results = {path.name for path in (tmp_path / "out").glob("study-*")}
    assert results == {study_key(study) for study in acknowledged}
    # Twice at most those whose answer the kill cut off.
    assert len(archive.got) - 2 * studies <= studies


def test_every_image_that_is_acknowledged_is_whole_when_the_receiver_is_killed_while_more_come(tmp_path):
    port, uids = free_port(), [f"1.1.{number}" for number in range(200)]
    (tmp_path / "out").mkdir()
    process = started(tmp_path, port, "PACS@127.0.0.1:9")
    acknowledged: list[str] = []
    try:
        until(lambda: listens(port))
        association = dicom_net.associate(port, scan())
        for uid in uids:
            if len(acknowledged) == 10:
                threading.Timer(0.01, process.kill).start()
            image = scan("1.1", uid)
            if not association.is_established or association.send_c_store(image).get("Status") != 0:
                break
            acknowledged.append(uid)
    finally:
        process.kill()
        process.communicate()
    assert 10 <= len(acknowledged) < len(uids)
    kept = [pydicom.dcmread(path) for path in (tmp_path / "spool" / "studies").rglob("*.dcm")]
    assert set(acknowledged) <= {str(image.SOPInstanceUID) for image in kept}
    assert all(image.pixel_array.any() for image in kept)
