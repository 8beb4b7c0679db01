"""Times of the module in the test host: loading, the first result with a cold and a warm worker, and interactions.

python Testing/benchmarks/panel.py [SCAN] [--model NAME|PATH]

Prints one table. Seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Testing" / "host"), str(ROOT / "SpectBoneMetSeg")]
SAMPLE = ROOT / "Resources" / "Sample" / "simulated_scan.dcm"
PATIENCE = 600.0
#: Lesions of an artificial reading, and number of slider moves that are timed.
MANY, MOVES = 40, 20
#: Positions of the clicks (row, column), between the areas of that reading.
CLICKED = [(36.0, 128.0), (36.0, 60.0), (36.0, 190.0), (988.0, 60.0), (988.0, 190.0)]


class Table:
    """Prints a line after each step."""

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block."""
        start = time.perf_counter()
        yield
        print(f"{name:58}{time.perf_counter() - start:9.3f} s", flush=True)


def wait(host: Any, condition: Callable[[], bool]) -> None:
    """Process events of the application until a condition holds."""
    end = time.perf_counter() + PATIENCE
    while not condition():
        if time.perf_counter() > end:
            raise TimeoutError("waited too long")
        host.process_events()
        time.sleep(0.002)


def read(host: Any, panel: Any) -> None:
    """Press Apply and wait for the lesions."""
    panel.ui.applyButton.click()
    wait(host, lambda: not panel.logic.busy)
    if panel.live is None:
        raise RuntimeError(panel.ui.statusLabel.text)


def print_moves(panel: Any) -> None:
    """Print the median time of moves of the threshold, half of them down and half of them up."""
    walls, works = [], []
    for number in range(MOVES):
        wall, work = time.perf_counter(), time.process_time()
        panel.ui.thresholdSlider.value = panel.ui.thresholdSlider.value + (0.01 if number >= MOVES // 2 else -0.01)
        walls.append(time.perf_counter() - wall)
        works.append(time.process_time() - work)
    name = f"a move of the threshold ({len(panel.live.reading.lesions)} areas)"
    print(f"{name:58}{statistics.median(walls):9.3f} s, processor time {statistics.median(works):.3f} s", flush=True)


def print_clicks(host: Any, panel: Any) -> None:
    """Print the median times of the click tool: outline an area between others, and remove it again."""
    from slicerhost.mouse import click

    for _ in range(3):
        host.process_events()
    panel.ui.clickButton.checked = True
    frame = panel.live.result.scan.frame
    for name in ("outlines", "removes"):
        walls, works = [], []
        for position in CLICKED:
            wall, work = time.perf_counter(), time.process_time()
            click(host, "SpectAnterior", frame, position)
            walls.append(time.perf_counter() - wall)
            works.append(time.process_time() - work)
        text = f"a click {name} ({len(panel.live.reading.lesions)} areas)"
        print(
            f"{text:58}{statistics.median(walls):9.3f} s, processor time {statistics.median(works):.3f} s",
            flush=True,
        )
    panel.ui.clickButton.checked = False


def measure(host: Any, scan: Path, model: str) -> None:
    """Time each step of a user's session."""
    from slicerhost.many import open_many_lesions

    module, table = ROOT / "SpectBoneMetSeg", Table()
    with table.step("load the modules"):
        host.load_module(module / "DICOMPlanarScintigraphyPlugin.py")
        python = host.load_module(module / "SpectBoneMetSeg.py")
    with table.step("make the panel"):
        panel = host.make_widget(python)
    panel.ui.modelSelector.setCurrentText(model)
    with table.step("open the panel (the window is free again)"):
        panel.ui.warmCheckBox.checked = True
        panel.enter()
    with table.step("load the scan and show it"):
        panel.ui.scanPath.currentPath = str(scan)
        panel.ui.loadButton.click()
    with table.step("worker started and model loaded, meanwhile"):
        wait(host, lambda: "(ready)" in panel.ui.deviceLabel.text)
    with table.step("Apply to first result, worker warm"):
        read(host, panel)
    with table.step("Apply again, worker warm"):
        read(host, panel)
    for name, seconds in panel.live.result.receipt["seconds"].items():
        print(f"  in the worker: {name:41}{seconds:9.3f} s")
    panel.logic.worker.close()
    with table.step("Apply, worker cold (started, model loaded, scan read)"):
        read(host, panel)
    print_moves(panel)
    if panel.live.reading.lesions:
        with table.step("remove a segment; table and outlines follow"):
            panel.live.node.GetSegmentation().RemoveSegment(panel.live.segment_of(1))
        with table.step("select a lesion in the table"):
            panel.ui.lesionTable.selectRow(0)
    with tempfile.TemporaryDirectory() as folder, table.step("save all results"):
        panel.ui.outputPath.currentPath = folder
        panel.ui.saveButton.click()
    engine, parameters = panel.ui.deviceLabel.text, panel._parameterNode
    volumes = {"anterior": parameters.anteriorVolume, "posterior": parameters.posteriorVolume}
    open_many_lesions(host, panel, volumes, MANY)
    print_moves(panel)
    print_clicks(host, panel)
    print(f"with {engine}, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    panel.cleanup()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--model", default="")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from slicerhost import start

    host = start()
    measure(host, args.scan, args.model)
    # With nodes left in the scene the interpreter would crash at exit.
    host.clear()


if __name__ == "__main__":
    main()
