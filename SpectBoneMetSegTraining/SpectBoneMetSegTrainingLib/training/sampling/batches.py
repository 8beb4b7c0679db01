"""Batches of a training: a pure function of (seed, step), read from disk through a cache of bounded size."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from itertools import count, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.config import InputName, OutputName

from ...dataset.cases import BACKGROUND, LabelledCrop, load_case, shows_lesion
from ...dataset.opened import Data
from ...phantom.store.crops import PatientStore
from ..setup.cases import TrainingCases
from ..setup.config import MIXED, TrainingConfig
from .patches import Patch, plain_patch, random_patch
from .strong_views import strong_view

#: Names to arrays (patches, n, n, channels) float32, regions uint8.
Batch = dict[str, NDArray[Any]]
PREFETCH = 2

#: Crops kept in memory: about 1,500 cases of 256 x 256 pixels.
CACHE_BYTES = 2**30

#: Patches of a batch that are cut from one drawn scan, each turned, thinned and cut for itself: drawing costs most.
PATCHES_OF_A_SCAN = 2
#: A drawn scan serves so many steps, every so many steps one, before another takes its place.
STEPS_OF_A_SCAN, STEPS_BETWEEN = 4, 4
DRAWN_KEPT = 64
#: Sets the random numbers of drawn scans apart from those of batches.
DRAWN = 1

#: The image whose outline an output draws, for the losses of Eq. 7 and 8.
IMAGE_OF: dict[OutputName, InputName] = {"anterior": "anterior", "posterior": "posterior", "union": "aggregate"}


class CropCache:
    """Cases of a data set, the least recently used forgotten beyond `limit` bytes; safe to use from threads."""

    def __init__(
        self, data: Data, limit: int = CACHE_BYTES, region: Region = "thorax", *, regions: bool = False
    ) -> None:
        """Args: regions: with the skeleton's regions, where they are known."""
        self._load = partial(load_case, data, region=region, regions=regions)
        self._limit = limit
        self._crops: OrderedDict[str, LabelledCrop] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def __call__(self, case: str) -> LabelledCrop:
        """The case, without its instances; an unlabelled one has BACKGROUND for a label.

        Raises:
            UserError: a file is missing or unreadable.
        """
        with self._lock:
            if case in self._crops:
                self._crops.move_to_end(case)
                return self._crops[case]
        crop = self._load(case)
        blank = {view: np.full(image.shape, BACKGROUND, np.uint8) for view, image in crop.counts.items()}
        crop = replace(crop, labels=crop.labels or blank, instances={}, lesions=[])
        with self._lock:
            if case not in self._crops:
                self._crops[case] = crop
                self.bytes += _size(crop)
            while self.bytes > self._limit and self._crops:
                self.bytes -= _size(self._crops.popitem(last=False)[1])
        return crop


def _size(crop: LabelledCrop) -> int:
    return sum(array.nbytes for group in (crop.counts, crop.labels, crop.regions) for array in group.values())


class BatchSource:
    """Makes the batch of any step.

    Args:
        load: gives a case by its name.
        cases: which to draw from.
        config: how.
        positive: the labelled cases with a lesion, `cases_with_lesions`.
        store: gives new scans of stored patients, for the share `config.store_share` of the labelled patches.
    """

    def __init__(
        self,
        load: Callable[[str], LabelledCrop],
        cases: TrainingCases,
        config: TrainingConfig,
        positive: list[str],
        store: PatientStore | None = None,
    ) -> None:
        self._load = load
        self._cases = cases
        self._config = config
        self._positive = positive
        self._store = store if store is None else _StoredScans(store, config.seed)
        network = config.network
        self._channels = tuple(dict.fromkeys((*network.inputs, *(IMAGE_OF[name] for name in network.outputs))))

    def make(self, step: int) -> Batch:
        """The batch of a step: the same step gives the same patches.

        Every second patch of a mixed batch is unlabelled. Of the labelled ones every second comes from a case with
        labelled lesions.

        Returns:
            "inputs"; "image" (of each output); "label", "weight" (0: outside the field or not to be judged), both per
            output; "labelled" (patches, 1, 1, 1), 1 or 0. Of a network with regions "regions" as in `Patch`. For the
            method "strong" the inputs of unlabelled patches are strong views, and "weak" holds their weak ones
            (patches / 2, ...); their "label" is 1 where a lesion was pasted.
        """
        rng = np.random.default_rng((self._config.seed, step))
        stored = self._stored_scans(step)
        drawn = [self._draw(i, rng, stored) for i in range(self._config.batch)]
        labelled = np.array([flag for _, flag in drawn], np.float32)[:, None, None, None]
        stacked = np.stack([patch.inputs for patch, _ in drawn])
        inputs = stacked[..., : len(self._config.network.inputs)]
        batch = {
            "inputs": inputs,
            "image": stacked[..., [self._channels.index(IMAGE_OF[name]) for name in self._config.network.outputs]],
            "label": np.stack([patch.label for patch, _ in drawn]),
            "weight": np.stack([patch.weight for patch, _ in drawn]),
            "labelled": labelled,
        }
        if self._config.network.regions:
            batch["regions"] = np.stack([patch.regions for patch, _ in drawn])
        if self._config.method == "strong":
            batch["weak"] = inputs[1::2].copy()
            batch["inputs"] = inputs.copy()
            for i in range(1, len(drawn), 2):
                donor = int(rng.integers(len(drawn) // 2)) * 2
                batch["inputs"][i], batch["label"][i] = strong_view(
                    inputs[i], inputs[donor], batch["label"][donor], self._config.network, rng
                )
        return batch

    def _stored_scans(self, step: int) -> Iterator[LabelledCrop]:
        """Scans of stored patients without end, each PATCHES_OF_A_SCAN times."""
        for place in count():
            if self._store is None:
                return
            yield from repeat(self._store(step, place), PATCHES_OF_A_SCAN)

    def _draw(self, i: int, rng: np.random.Generator, stored: Iterator[LabelledCrop]) -> tuple[Patch, bool]:
        config, cases = self._config, self._cases
        mixed = config.method in MIXED
        labelled = config.method != "unsupervised" and not (mixed and i % 2)
        if labelled and self._store is not None and rng.random() < config.store_share:
            return self._cut(next(stored), rng), True
        pool = cases.labelled if labelled else cases.unlabelled
        if labelled and self._positive and (i // 2 if mixed else i) % 2 == 0:
            pool = self._positive
        return self._cut(self._load(pool[int(rng.integers(len(pool)))]), rng), labelled

    def _cut(self, crop: LabelledCrop, rng: np.random.Generator) -> Patch:
        config, network = self._config, self._config.network
        how = (config.patch, self._channels, network.outputs, network.scaling, rng)
        if config.augment:
            return random_patch(crop, *how, by_instance=config.by_instance)
        return plain_patch(crop, *how)


class _StoredScans:
    """The scans that stored patients give: a function of seed, step and place in the batch, kept while they serve."""

    def __init__(self, store: PatientStore, seed: int) -> None:
        self._seed = seed
        self._kept = lru_cache(maxsize=DRAWN_KEPT)(lambda *key: store.draw(np.random.default_rng((*key, DRAWN))))
        self._lock = threading.Lock()

    def __call__(self, step: int, place: int) -> LabelledCrop:
        # Places take turns, so that not all of a batch is new in one step and old in the next.
        turn, slot = divmod(step, STEPS_BETWEEN)
        with self._lock:
            return self._kept(self._seed, (turn + place) // STEPS_OF_A_SCAN, slot, place)


def cases_with_lesions(load: Callable[[str], LabelledCrop], cases: list[str]) -> list[str]:
    """Those of the cases that show a labelled lesion; reads each once, one after the other."""
    return [case for case in cases if shows_lesion(load(case))]


def prefetched(make: Callable[[int], Batch], first: int, end: int) -> Iterator[Batch]:
    """Batches of the steps first..end-1, made in threads while the network works."""
    with ThreadPoolExecutor(PREFETCH) as pool:
        waiting = deque(pool.submit(make, step) for step in range(first, min(first + PREFETCH, end)))
        try:
            for step in range(first, end):
                batch = waiting.popleft().result()
                if step + PREFETCH < end:
                    waiting.append(pool.submit(make, step + PREFETCH))
                yield batch
        finally:
            for future in waiting:
                future.cancel()
