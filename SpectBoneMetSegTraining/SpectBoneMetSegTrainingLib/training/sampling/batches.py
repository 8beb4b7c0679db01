"""Batches of a training: a function of (seed, step) alone, read from disk through a bounded cache."""

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

#: {name: (patches, n, n, channels) float32}; regions uint8.
Batch = dict[str, NDArray[Any]]
#: Batches that are prepared in advance.
PREFETCH = 2

#: Default size of the crop cache in bytes: about 1,500 cases of 256 x 256 pixels.
CACHE_BYTES = 2**30

#: Patches of a batch cut from one simulated scan, each augmented on its own: simulating the scan costs most.
PATCHES_OF_A_SCAN = 2
#: A simulated scan is used in STEPS_OF_A_SCAN steps, one in every STEPS_BETWEEN, before it is replaced.
STEPS_OF_A_SCAN, STEPS_BETWEEN = 4, 4
#: Simulated scans kept in memory.
SCANS_KEPT = 64
#: Seed component that separates the random numbers of simulated scans from those of batches.
SCAN_SEED = 1

#: The input image that belongs to an output, for the losses of Eq. 7 and 8.
IMAGE_OF: dict[OutputName, InputName] = {"anterior": "anterior", "posterior": "posterior", "union": "aggregate"}


class CropCache:
    """Least-recently-used cache of cases, up to `limit` bytes; thread-safe."""

    def __init__(
        self, data: Data, limit: int = CACHE_BYTES, region: Region = "thorax", *, regions: bool = False
    ) -> None:
        """Create an empty cache.

        Args:
            data: data set.
            limit: maximum size in bytes.
            region: region of the body.
            regions: load the skeletal regions, too, if known.
        """
        self._load = partial(load_case, data, region=region, regions=regions)
        self._limit = limit
        self._crops: OrderedDict[str, LabelledCrop] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def __call__(self, case: str) -> LabelledCrop:
        """Return a case without its instances; an unlabelled one has BACKGROUND as its label.

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
    """Make the batch of any step.

    Args:
        load: returns a case by its name.
        cases: cases to sample from.
        config: options of the training.
        positive: labelled cases with a lesion, from `cases_with_lesions`.
        store: simulates new scans of stored patients, for the share `config.store_share` of the labelled patches.
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
        """Return the batch of a step; the same step always gives the same patches.

        Every second patch of a mixed batch is unlabelled. Every second labelled patch comes from a case with labelled
        lesions.

        Returns:
            "inputs"; "image" of each output; "label" and "weight" (0 for "ignore" and outside the field) of each
            output; "labelled" (patches, 1, 1, 1), 1 or 0. For a network with regions "regions" as in `Patch`. For the
            method "strong", "inputs" of unlabelled patches are strongly augmented, "weak" has the weakly augmented ones
            (patches / 2, ...), and their "label" is 1 where a lesion was pasted.
        """
        rng = np.random.default_rng((self._config.seed, step))
        stored = self._stored_scans(step)
        samples = [self._draw(i, rng, stored) for i in range(self._config.batch)]
        labelled = np.array([flag for _, flag in samples], np.float32)[:, None, None, None]
        stacked = np.stack([patch.inputs for patch, _ in samples])
        inputs = stacked[..., : len(self._config.network.inputs)]
        batch = {
            "inputs": inputs,
            "image": stacked[..., [self._channels.index(IMAGE_OF[name]) for name in self._config.network.outputs]],
            "label": np.stack([patch.label for patch, _ in samples]),
            "weight": np.stack([patch.weight for patch, _ in samples]),
            "labelled": labelled,
        }
        if self._config.network.regions:
            batch["regions"] = np.stack([patch.regions for patch, _ in samples])
        if self._config.method == "strong":
            batch["weak"] = inputs[1::2].copy()
            batch["inputs"] = inputs.copy()
            for i in range(1, len(samples), 2):
                donor = int(rng.integers(len(samples) // 2)) * 2
                batch["inputs"][i], batch["label"][i] = strong_view(
                    inputs[i], inputs[donor], batch["label"][donor], self._config.network, rng
                )
        return batch

    def _stored_scans(self, step: int) -> Iterator[LabelledCrop]:
        """Yield scans of stored patients endlessly, each PATCHES_OF_A_SCAN times."""
        for position in count():
            if self._store is None:
                return
            yield from repeat(self._store(step, position), PATCHES_OF_A_SCAN)

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
    """Cache of simulated scans of stored patients: a function of seed, step and position in the batch."""

    def __init__(self, store: PatientStore, seed: int) -> None:
        self._seed = seed
        self._kept = lru_cache(maxsize=SCANS_KEPT)(lambda *key: store.draw(np.random.default_rng((*key, SCAN_SEED))))
        self._lock = threading.Lock()

    def __call__(self, step: int, position: int) -> LabelledCrop:
        # Positions are replaced in different steps, so that the work is spread evenly.
        turn, slot = divmod(step, STEPS_BETWEEN)
        with self._lock:
            return self._kept(self._seed, (turn + position) // STEPS_OF_A_SCAN, slot, position)


def cases_with_lesions(load: Callable[[str], LabelledCrop], cases: list[str]) -> list[str]:
    """Return the cases that show a labelled lesion; reads every case once."""
    return [case for case in cases if shows_lesion(load(case))]


def prefetched(make: Callable[[int], Batch], first: int, end: int) -> Iterator[Batch]:
    """Yield the batches of steps first..end-1, prepared in threads while the network computes."""
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
