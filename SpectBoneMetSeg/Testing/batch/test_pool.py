"""Processes that share cases: one that dies is replaced, the case at fault is found, the others are read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from SpectBoneMetSegLib.batch.cases import Case
from SpectBoneMetSegLib.batch.pool import Pool
from SpectBoneMetSegLib.batch.work import Settings
from SpectBoneMetSegLib.common.errors import UserError

#: A child that reads nothing: the name of a case says what becomes of it.
CHILD = """
import os, pickle, signal, sys, time
stream = os.fdopen(os.dup(1), "wb")
def tell(*message):
    pickle.dump(message, stream); stream.flush()
pickle.load(sys.stdin.buffer)
if os.environ.get("TINY_REFUSES"):
    tell("refused", {"message": "There is no model.", "fields": [], "command": ""}); sys.exit()
hung = os.environ.get("TINY_HANGS")
if hung and (hung == "always" or not os.path.exists(hung)):
    if hung != "always": open(hung, "w").close()
    time.sleep(600)
if os.environ.get("TINY_DIES"):
    sys.exit("no memory")
tell("ready", "onnx", "CPU")
while True:
    try:
        number, case = pickle.load(sys.stdin.buffer)
    except EOFError:
        os._exit(0)
    if case.name.startswith("kills"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if case.name.startswith("hangs"):
        time.sleep(600)
    if case.name.startswith("full"):
        tell("done", number, {"stop": "No space left on device."}); continue
    if case.name.startswith("slow"):
        time.sleep(0.1)
    once = case.folder.parent / "once"
    if case.name.startswith("unlucky") and not once.exists():
        once.touch(); os.kill(os.getpid(), signal.SIGKILL)
    tell("done", number, {"input": str(case.input), "process": os.getpid()})
"""


@pytest.fixture
def pool(tmp_path):
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    return lambda jobs, **more: Pool(Settings(), jobs, command=[sys.executable, str(script)], **more)


def read(pool, tmp_path, *names):
    """{name: result} of cases."""
    cases = [Case(Path(name), tmp_path / name) for name in names]
    found = {cases[number].name: result for number, result in pool.results(cases)}
    assert len(found) == len(names)
    return found


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_every_case_gives_one_result(pool, tmp_path, jobs):
    names = [f"case{number}" for number in range(7)]
    assert all("error" not in result for result in read(pool(jobs), tmp_path, *names).values())


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX'")
def test_a_case_that_kills_its_process_is_named_and_the_others_are_read(pool, tmp_path):
    found = read(pool(2), tmp_path, "a", "b", "kills", "c", "d", "e")
    assert {name for name, result in found.items() if "error" in result} == {"kills"}
    assert "ended (SIGSEGV)" in found["kills"]["error"]["message"]


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX'")
def test_a_process_that_somebody_kills_loses_nothing(pool, tmp_path):
    found = read(pool(2), tmp_path, "a", "unlucky", "b", "c")
    assert all("error" not in result for result in found.values())


@pytest.mark.slow
def test_a_case_that_takes_too_long_is_given_up(pool, tmp_path):
    found = read(pool(1, limit=1.0), tmp_path, "a", "hangs", "b")
    assert {name for name, result in found.items() if "error" in result} == {"hangs"}
    assert "took longer than 1 s" in found["hangs"]["error"]["message"]


def test_without_a_model_nothing_is_tried_again(pool, tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_REFUSES", "1")
    with pytest.raises(UserError, match="There is no model"):
        read(pool(2), tmp_path, "a", "b")


def test_processes_that_die_one_after_the_other_end_the_run_with_their_output(pool, tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_DIES", "1")
    with pytest.raises(UserError, match=r"no memory.*try fewer"):
        read(pool(2), tmp_path, "a", "b")


@pytest.mark.slow
def test_a_process_that_hangs_while_it_starts_is_replaced(pool, tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_HANGS", str(tmp_path / "hung"))
    found = read(pool(1, idle_limit=3.0), tmp_path, "a", "b")
    assert all("error" not in result for result in found.values())


@pytest.mark.slow
def test_processes_that_never_get_ready_end_the_run(pool, tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_HANGS", "always")
    with pytest.raises(UserError, match=r"not ready within 1 s.*try fewer"):
        read(pool(1, idle_limit=1.0), tmp_path, "a", "b")


def test_a_run_that_is_left_ends_its_processes(pool, tmp_path):
    one = pool(2)
    results = one.results([Case(Path(name), tmp_path / name) for name in ("a", "hangs1", "hangs2", "b")])
    next(results)
    assert one.pids
    results.close()
    assert not any(alive(pid) for pid in one.pids)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_ends_a_run_is_passed_on_unchanged_from_a_process(pool, tmp_path):
    found = read(pool(2), tmp_path, "case0", "full disk", "case1")
    assert found["full disk"] == {"stop": "No space left on device."}


def test_a_case_that_hangs_is_ended_while_the_others_still_deliver(pool, tmp_path):
    names = ["hangs", *(f"slow{number}" for number in range(60))]
    cases = [Case(Path(name), tmp_path / name) for name in names]
    order = [cases[number].name for number, _ in pool(2, limit=0.7).results(cases)]
    # The cases of the hanging process are delivered long before the other one has read all of the rest.
    assert order.index("hangs") < len(names) - 10
