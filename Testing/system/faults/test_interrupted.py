"""Ctrl-C in a terminal reaches the command and all its processes: it ends in one sentence, with whole results only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from SpectBoneMetSegLib.cli.main import main
from support.archives import make_archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return make_archive(tmp_path_factory.mktemp("archive"), 4)


def wait_for(what, seconds=120):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX'")
@pytest.mark.parametrize("command", ["segment", "batch"])
def test_ctrl_c_ends_a_run_in_one_sentence_and_the_same_command_completes_it(archive, tmp_path, command):
    out = tmp_path / "out"
    studies = [str(archive / f"P{number}") for number in range(4)]
    arguments = [command, *(studies if command == "segment" else [str(archive), "--jobs", "2"]), "--output", str(out)]
    run = subprocess.Popen(
        [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # A group of its own, as a terminal gives to the command in its foreground.
        start_new_session=True,
        # A background job of a shell ignores SIGINT, and so would what it starts.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: any(out.glob("P*/receipt.json")))
    os.killpg(run.pid, signal.SIGINT)
    _, message = run.communicate(timeout=60)
    assert run.returncode == 130
    assert message.splitlines()[-1] == "spectbonemetseg: stopped."
    assert message.count("stopped") == 1
    assert "Traceback" not in message
    results = list(out.glob("P*"))
    assert 0 < len(results) < 4
    assert all((result / "receipt.json").is_file() for result in results)
    assert [*out.rglob("*unfinished*/*"), *out.glob(".*.unfinished")] == []
    assert main(arguments) == 0
    assert all((out / f"P{number}" / "receipt.json").is_file() for number in range(4))
