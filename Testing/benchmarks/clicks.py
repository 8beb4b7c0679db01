"""Effort of correcting a model's reading by clicks, compared with painting, and the error that remains.

    python Testing/benchmarks/clicks.py DATA --model NAME

A simulated reader has the labels. A missed lesion gets one click at its hottest pixel, a false area one click to
remove it. In manual editing the same reader paints each missed lesion with a round brush, each dab where it helps most,
until no more pixels are wrong than after the click, and erases false areas in the same way.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from SpectBoneMetSegLib.lesions.clicks.change import add_lesion, remove_lesion
from SpectBoneMetSegLib.lesions.components import number_lesions
from SpectBoneMetSegLib.model.engines import load_engine
from SpectBoneMetSegLib.model.store import find_model
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM, PlanarView, WholeBodyScan
from SpectBoneMetSegTrainingLib.dataset.cases import IGNORE, LESION, LabelledCrop, cases_of
from SpectBoneMetSegTrainingLib.evaluation.predictions import Delineator, level_region_of, predict_cases

Mask = NDArray[np.bool_]
SPACING = (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM)
#: Diameter of the brush (mm), as readers of bone scans use it for a rib, and maximum number of dabs for a lesion.
BRUSH_MM, MOST_DABS = 10.0, 60


@dataclass
class Work:
    """Totals of all cases: clicks and dabs, wrong pixels before and after, seconds of each outline."""

    views: int = 0
    lesions: int = 0
    missed: int = 0
    false: int = 0
    dabs: int = 0
    wrong_before: int = 0
    wrong_clicked: int = 0
    true: int = 0
    dice: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def correct_view(crop: LabelledCrop, view: str, probability: NDArray[np.float32], marked: Mask, work: Work) -> None:
    """Correct one view of one case, and add the effort to `work`."""
    label = crop.labels[view]
    truth, evaluated = label == LESION, label != IGNORE
    ids = number_lesions(marked)
    scan = WholeBodyScan(crop.case, PlanarView(crop.counts[view], SPACING, "anterior"), None)
    work.views += 1
    work.true += int(truth.sum())
    work.wrong_before += int(((ids > 0) != truth)[evaluated].sum())
    for number in range(1, int(ids.max(initial=0)) + 1):
        own = ids == number
        if own.any() and not (label[own] != 0).any():
            row, column = (int(indices[0]) for indices in np.nonzero(own))
            work.false += 1
            work.dabs += dabs_until(own, 0)
            ids = remove_lesion(ids, (row, column))
    for lesion in (each for each in crop.lesions if each["labelled"].get(view)):
        mask = (crop.instances[view] == int(lesion["id"])).any(0)
        if not mask.any():
            continue
        work.lesions += 1
        if (ids > 0)[mask].any():
            continue
        hottest = np.unravel_index(int(np.where(mask, crop.counts[view], -1).argmax()), mask.shape)
        before = ids
        started = time.process_time()
        ids = add_lesion(ids, scan, {"anterior": probability}, hottest)
        work.seconds.append(time.process_time() - started)
        drawn = (ids > 0) & (before == 0)
        wrong = int((drawn != mask)[evaluated].sum())
        work.missed += 1
        work.dice.append(float(2 * (drawn & mask).sum() / (drawn.sum() + mask.sum())))
        work.dabs += dabs_until(mask, wrong)
    work.wrong_clicked += int(((ids > 0) != truth)[evaluated].sum())


def dabs_until(mask: Mask, wrong: int) -> int:
    """Count dabs of the brush, each where it gains most, until at most `wrong` pixels are wrong, or no dab gains."""
    radius = BRUSH_MM / 2 / SPACING[0]
    reach = int(np.ceil(radius))
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    brush = (y**2 + x**2 <= radius**2).astype(np.float64)
    rows, columns = np.nonzero(mask)
    box = tuple(slice(max(0, each.min() - reach), each.max() + reach + 1) for each in (rows, columns))
    left = np.where(mask[box], 1.0, -1.0)
    missing, dabs = int(mask.sum()), 0
    painted = np.zeros(left.shape, bool)
    while missing > wrong and dabs < MOST_DABS:
        gain = ndimage.correlate(np.where(painted, 0.0, left), brush, mode="constant")
        position = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[position] <= 0:
            break
        dab = np.zeros(left.shape, bool)
        dab[position] = True
        dab = ndimage.binary_dilation(dab, brush > 0)
        painted |= dab
        missing = int((painted != mask[box]).sum())
        dabs += 1
    return dabs


def main() -> None:
    """Print the effort and the remaining error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--split", default="test", choices=("train", "test"))
    parser.add_argument("--cases", type=int, help="number of cases (all)")
    args = parser.parse_args()
    model = find_model(args.model)
    cases = cases_of(args.data, args.split)[: args.cases]
    region = level_region_of(args.data, cases, model.card)
    engine, limits, work = load_engine(model), Delineator.of(model.card), Work()
    for crop, maps in predict_cases(args.data, cases, engine.predict, model.card.network, region=region):
        marks = limits(maps)
        for view, probability in maps.items():
            correct_view(crop, view, probability, marks[view], work)
    clicks = work.missed + work.false
    seconds = np.array(work.seconds or [0.0])
    print(f"{len(cases)} cases, {work.views} views, {work.lesions} lesions; {model.card.name}")
    print(
        f"missed {work.missed}, false areas {work.false}: {clicks} clicks, {clicks / max(work.views, 1):.2f} per view"
    )
    print(f"dabs of a brush of {BRUSH_MM:g} mm instead: {work.dabs}, {work.dabs / max(clicks, 1):.1f} per click")
    print(f"DSC of a clicked outline: mean {np.mean(work.dice or [np.nan]):.3f}, of {len(work.dice)}")
    print(
        f"wrong area / true area: before {work.wrong_before / max(work.true, 1):.3f}, after clicks "
        f"{work.wrong_clicked / max(work.true, 1):.3f}"
    )
    print(f"an outline takes {1000 * np.median(seconds):.0f} ms on one core, at most {1000 * seconds.max():.0f} ms")


if __name__ == "__main__":
    main()
