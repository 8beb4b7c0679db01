"""DICOM results read by the parsers of JavaScript viewers: dcmjs (OHIF, cornerstone's adapters) and dicom-parser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from SpectBoneMetSegLib.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "Resources" / "Sample" / "simulated_scan.dcm"
NODE = Path(__file__).parent

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    requested = ["--region", "whole-body", "--dicom"]
    assert main(["segment", str(SAMPLE), "--output", str(folder), *requested]) == 0
    return folder / "simulated_scan"


@pytest.fixture(scope="module")
def parsed(result, tmp_path_factory):
    """{file name: what the parsers found}; skipped where their packages cannot be installed."""
    folder = tmp_path_factory.mktemp("node")
    shutil.copyfile(NODE / "package.json", folder / "package.json")
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    if subprocess.run(install, cwd=folder, capture_output=True).returncode:
        pytest.skip("npm could not install dcmjs and dicom-parser")
    files = sorted(map(str, (result / "dicom").iterdir()))
    reported = subprocess.run(
        ["node", str(NODE / "read.cjs"), *files],
        env={"NODE_PATH": str(folder / "node_modules"), "PATH": str(Path(shutil.which("node") or "").parent)},
        capture_output=True,
        text=True,
    )
    assert reported.returncode == 0, reported.stderr
    return {Path(name).name: found for name, found in json.loads(reported.stdout.splitlines()[-1]).items()}


def test_both_parsers_open_every_object(parsed, result):
    assert set(parsed) == {file.name for file in (result / "dicom").iterdir()}
    for name, found in parsed.items():
        uid = pydicom.dcmread(result / "dicom" / name, stop_before_pixels=True).SOPInstanceUID
        assert found["uid"] == found["parsedUid"] == uid
        assert found["parsedWarnings"] == []


@pytest.mark.parametrize("view", ["anterior", "posterior"])
def test_segments_are_those_of_the_mask_exact_to_the_pixel(parsed, result, view):
    found = parsed[f"seg_{view}.dcm"]
    ids = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(result / f"mask_{view}.nrrd")))[0]
    labels = np.zeros(found["rows"] * found["columns"], int)
    by_number = {segment["number"]: int(segment["label"].split()[-1]) for segment in found["segments"]}
    for frame in found["frames"]:
        labels[frame["inside"]] = by_number[frame["segment"]]
    # The sample's posterior view is stored as seen from behind, as the mask is.
    np.testing.assert_array_equal(labels.reshape(ids.shape), ids)
    scan = pydicom.dcmread(SAMPLE, stop_before_pixels=True)
    assert {(frame["source"], frame["frame"]) for frame in found["frames"]} == {
        (scan.SOPInstanceUID, {"anterior": 1, "posterior": 2}[view])
    }


def test_the_structured_report_tracks_the_same_lesions(parsed):
    tracked = {uid for view in ("anterior", "posterior") for uid in trackings(parsed[f"seg_{view}.dcm"])}
    assert tracked
    assert tracked <= set(parsed["measurements_sr.dcm"]["tracking"])


def trackings(found):
    return [segment["tracking"] for segment in found["segments"]]
