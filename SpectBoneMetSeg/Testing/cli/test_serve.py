"""`spectbonemetseg serve` from the shell: what it refuses, and that it ends on request."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pydicom
import pytest
from SpectBoneMetSegLib.cli import serve as serve_module
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.receiving.sending import objects_in
from support.dicom_net import CAMERA, Archive, associate, scan, store, until

SAMPLE = Path(__file__).resolve().parents[3] / "Resources" / "Sample" / "simulated_scan.dcm"
SERVE = ["serve", "SPOOL", "--output", "OUT", "--accept", CAMERA, "--port", "0"]


def serve(folder, *more):
    words = {"SPOOL": str(folder / "spool"), "OUT": str(folder / "out")}
    return [words.get(word, word) for word in (*SERVE, *more)]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--accept", "A TITLE THAT IS TOO LONG"], "not an application entity title"),
        (["--aet", ""], "not an application entity title"),
        (["--send-to", "pacs"], "AET@HOST:PORT"),
        (["--send-to", "PÄCS@10.0.0.5:104"], "AET@HOST:PORT"),
        (["--wait", "0"], "--wait 0 is too small"),
        (["--keep-days", "nan"], "--keep-days nan is too small"),
        (["--output", "SPOOL"], "choose another --output"),
        (["--de-identify"], "add --dicom or --report"),
        (["--model", "no such model"], "no such model"),
    ],
)
def test_what_makes_no_sense_is_reported_in_one_sentence_before_anything_is_made(tmp_path, capsys, more, sentence):
    assert main(serve(tmp_path, *more)) == 2
    printed = capsys.readouterr().err.strip()
    assert sentence in printed
    assert "\n" not in printed
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("port", ["taken", "70000"])
def test_an_address_that_is_not_available_is_told_before_anything_is_made(tmp_path, capsys, port):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1]) if port == "taken" else port
        assert main(serve(tmp_path, "--port", number)) == 2
    printed = capsys.readouterr().err.strip()
    assert f"127.0.0.1:{number} is not available (" in printed
    assert "--port" in printed
    assert "\n" not in printed
    assert list(tmp_path.iterdir()) == []


def test_somebody_must_be_accepted(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["serve", str(tmp_path), "--output", str(tmp_path / "out")])
    assert "--accept" in capsys.readouterr().err


def test_without_its_package_it_names_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynetdicom", None)
    assert main(serve(tmp_path)) == 2
    assert "pip install 'spectbonemetseg[archive]'" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_listens_on_this_machine_only_and_ends_cleanly_on_request(tmp_path, number):
    command = [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", *serve(tmp_path, "--wait", "600")]
    # A background job of a shell ignores SIGINT, and so would what it starts.
    listens = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stderr=pipe, stdout=pipe, text=True, preexec_fn=listens) as process:
        try:
            line = process.stderr.readline()
            place = re.search(r"Listening on 127\.0\.0\.1:(\d+) as SPECTBONEMETSEG for CAMERA", line)
            assert place, line + process.stderr.read()
            port = int(place[1])
            assert [answer.Status for answer in store(port, scan(), called="SPECTBONEMETSEG")] == [0]
            # A sender is still connected.
            associate(port, called="SPECTBONEMETSEG")
            process.send_signal(number)
            out, rest = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert (out, rest.splitlines()[-1][20:]) == ("", "Ended.")
    assert "Traceback" not in rest
    assert (tmp_path / "out" / "studies.csv").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--de-identify"]])
def test_a_camera_s_scan_is_read_as_by_segment_and_its_results_are_sent(tmp_path, more):
    header = pydicom.dcmread(SAMPLE, stop_before_pixels=True)
    named = pydicom.dcmread(SAMPLE)
    named.PatientName, named.PatientID = "Do^Not^Tell", "MRN-0815"
    archive = Archive()
    with archive.open() as place:
        wishes = ["--wait", "1", "--send-to", str(place), "--report", "--region", "whole-body", *more]
        command = [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", *serve(tmp_path, *wishes, "--json")]
        with (
            (tmp_path / "log").open("w+") as log,
            subprocess.Popen(command, stderr=log, stdout=subprocess.PIPE, text=True) as process,
        ):
            printed = (tmp_path / "log").read_text
            try:
                until(lambda: "Listening" in printed(), 60)
                port = int(re.search(r"127\.0\.0\.1:(\d+)", printed())[1])
                assert [answer.Status for answer in store(port, named, called="SPECTBONEMETSEG")] == [0]
                until(lambda: len(archive.got) == 5, 300)
                process.send_signal(signal.SIGTERM)
                out = process.communicate(timeout=30)[0]
            finally:
                process.kill()
    (case,) = (tmp_path / "out").glob("study-*")
    assert [item.sop_uid for item in objects_in(case)] == archive.got
    assert json.loads(out)["state"] == "read"
    assert json.loads(out)["study_uid"] == header.StudyInstanceUID
    main(["segment", str(SAMPLE), "--output", str(tmp_path / "beside"), "--region", "whole-body"])
    for name in ("mask.nrrd", "lesions.csv", "quantification.csv"):
        assert (case / name).read_bytes() == (tmp_path / "beside" / "simulated_scan" / name).read_bytes()
    # The patient is named in the images, and in what goes to the archive unless that is taken out.
    reported = [path for path in tmp_path.rglob("*") if path.is_file() and "studies" not in path.parts]
    naming = {path.parent.name for path in reported if b"Tell" in path.read_bytes() or b"MRN-0815" in path.read_bytes()}
    assert naming == (set() if more else {"dicom"})
    assert "Tell" not in out


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM")
def test_ended_while_it_reads_it_leaves_nothing_half_done_and_reads_the_study_at_the_next_start(tmp_path):
    command = [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", *serve(tmp_path, "--wait", "0.5")]
    log = tmp_path / "log"

    def start():
        with log.open("w") as file:
            return subprocess.Popen(command, stderr=file)

    process = start()
    try:
        until(lambda: "Listening" in log.read_text(), 60)
        port = int(re.search(r"127\.0\.0\.1:(\d+)", log.read_text())[1])
        assert [answer.Status for answer in store(port, pydicom.dcmread(SAMPLE), called="SPECTBONEMETSEG")] == [0]
        until(lambda: "reading." in log.read_text())
        process.send_signal(signal.SIGTERM)
        requested = time.monotonic()
        assert process.wait(30) == 0
        assert time.monotonic() - requested < 10
        assert log.read_text().splitlines()[-1].endswith("Ended.")
        assert "tried again" not in log.read_text()
        assert not list((tmp_path / "out").glob("study-*"))
        process = start()
        until(lambda: list((tmp_path / "out").glob("study-*/receipt.json")), 120)
        until(lambda: "areas" in log.read_text())
        assert log.read_text().count("reading.") == 1
    finally:
        process.kill()
        process.wait()


def test_what_ends_a_reading_is_reported_in_a_message_that_applies_to_a_receiver(monkeypatch):
    class Dying:
        def __init__(self, *_, **__):
            pass

        def results(self, _):
            raise UserError("The reading processes end one after another (signal 9); try fewer.", "jobs")
            yield

    monkeypatch.setattr("SpectBoneMetSegLib.batch.pool.Pool", Dying)
    readers = serve_module._Readers(None, None)
    with pytest.raises(UserError, match="ends whenever it is started"):
        list(readers.read([]))
    readers._ended = True
    with pytest.raises(UserError, match="the receiver was ended"):
        list(readers.read([]))
