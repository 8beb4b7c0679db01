"""`spectbonemetseg serve` from the shell: what it refuses, and that it ends when it is asked to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest
from SpectBoneMetSegLib.cli.main import main
from support.dicom_net import CAMERA, associate, scan, store

SERVE = ["serve", "SPOOL", "--output", "OUT", "--accept", CAMERA, "--port", "0"]


def serve(folder, *more):
    words = {"SPOOL": str(folder / "spool"), "OUT": str(folder / "out")}
    return [words.get(word, word) for word in (*SERVE, *more)]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--accept", "A TITLE THAT IS TOO LONG"], "no application entity title"),
        (["--aet", ""], "no application entity title"),
        (["--send-to", "pacs"], "AET@HOST:PORT"),
        (["--wait", "0"], "--wait 0 is too little"),
        (["--keep-days", "nan"], "--keep-days nan is too little"),
        (["--output", "SPOOL"], "choose another --output"),
        (["--de-identify"], "add --dicom or --report"),
        (["--model", "no such model"], "no such model"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_sentence_before_anything_is_made(tmp_path, capsys, more, sentence):
    assert main(serve(tmp_path, *more)) == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said
    assert "\n" not in said
    assert not (tmp_path / "spool").exists()


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
def test_it_listens_on_this_machine_alone_and_ends_cleanly_when_asked(tmp_path, number):
    command = [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", *serve(tmp_path, "--wait", "600")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stderr.readline()
            place = re.search(r"Listening on 127\.0\.0\.1:(\d+) as SPECTBONEMETSEG for CAMERA", line)
            assert place, line + process.stderr.read()
            port = int(place[1])
            assert [answer.Status for answer in store(port, scan(), called="SPECTBONEMETSEG")] == [0]
            # Somebody is connected still.
            associate(port, called="SPECTBONEMETSEG")
            process.send_signal(number)
            out, rest = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0
    assert (out, rest.splitlines()[-1][20:]) == ("", "Ended.")
    assert "Traceback" not in rest
    assert (tmp_path / "out" / "studies.csv").is_file()
