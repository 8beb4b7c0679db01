"""Time of the forward pass of a thorax and of a whole body, beside nnU-Net's predictor on images of the same size.

    python Testing/benchmarks/forward.py [--repeat N] [--nnunet PYTHON --data THORAX WHOLE_BODY]

Both read two views at once, on all cores, without a GPU. For each data set (of `spectbonemetseg simulate`, and with
`--region whole-body`) nnU-Net v2 has the network of its own plan, with untrained weights, and reads images of the size
of the set's first case, with mirroring off and on. PYTHON is an interpreter with nnunetv2.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

#: Rows and columns of the images.
SIZES = {"thorax": (256, 256), "whole body": (1024, 256)}
#: Runs in nnU-Net's interpreter: folder of the trained model, number of repetitions, rows, columns.
PREDICTOR = """
import json, statistics, sys, time
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
folder, (repeat, rows, columns) = sys.argv[1], map(int, sys.argv[2:])
image, result = torch.rand(2, 1, rows, columns), {}
for mirroring in (False, True):
    predictor = nnUNetPredictor(
        use_mirroring=mirroring, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(folder, (0,), "checkpoint_final.pth")
    seconds = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        predictor.predict_logits_from_preprocessed_data(image)
        seconds.append(time.perf_counter() - start)
    result[f"nnU-Net v2, {rows} x {columns}, mirroring {'on' if mirroring else 'off'}"] = statistics.median(seconds[1:])
print("RESULT" + json.dumps(result))
"""


def ours(repeat: int) -> dict[str, float]:
    """Return the median seconds of the shipped model's forward pass by size."""
    from SpectBoneMetSegLib.model.engines import import_onnxruntime
    from SpectBoneMetSegLib.model.store import find_model

    model = find_model()
    session = import_onnxruntime().InferenceSession(os.fspath(model.onnx), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    result = {}
    for size, shape in SIZES.items():
        image = np.random.default_rng(0).random((1, *shape, len(model.card.network.inputs)), dtype=np.float32)
        seconds = []
        for _ in range(repeat + 1):
            start = time.perf_counter()
            session.run(None, {name: image})
            seconds.append(time.perf_counter() - start)
        result[f"{model.card.name}, {size}, {shape[0]} x {shape[1]}"] = median(seconds[1:])
    return result


def nnunet(python: Path, data: Path, repeat: int) -> dict[str, float]:
    """Return the median seconds of nnU-Net's predictor by mirroring, after one second of training."""
    import SimpleITK as sitk  # noqa: N813
    from SpectBoneMetSegTrainingLib.experiments.nnunet.client import (
        VARIABLES,
        NnunetSettings,
        result_folder,
        train_nnunet,
        write_raw,
    )
    from SpectBoneMetSegTrainingLib.training.setup.cases import TrainingCases, training_and_validation

    labelled, validation = training_and_validation(data)
    columns, rows = sitk.ReadImage(str(data / "imagesTr" / f"{labelled[0]}_0000.nii.gz")).GetSize()[:2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_raw(data, TrainingCases(labelled[:4], validation[:2], []), folder)
        train_nnunet(python, folder, NnunetSettings(batch=2, iterations=1), seconds=1, seed=0)
        variables = {"nnUNet_raw": "raw", "nnUNet_preprocessed": "preprocessed", "nnUNet_results": "results"}
        environment = {key: str(folder / value) for key, value in variables.items()}
        environment |= {"nnUNet_extTrainer": str(folder / "trainers")}
        environment |= dict.fromkeys(VARIABLES, "1")
        command = [python, "-c", PREDICTOR, result_folder(folder), *map(str, (repeat, rows, columns))]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.partition("RESULT")[2]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="simulated data sets, for nnU-Net's plans")
    parser.add_argument("--nnunet", type=Path, metavar="PYTHON", help="also time nnU-Net with this interpreter")
    args = parser.parse_args()
    if bool(args.nnunet) != bool(args.data):
        parser.error("--nnunet and --data need each other")
    timings = ours(args.repeat)
    for data in args.data:
        timings |= nnunet(args.nnunet, data, args.repeat)
    print(f"{os.cpu_count()} cores, median of {args.repeat}")
    for name, seconds in timings.items():
        print(f"{name:45}{1000 * seconds:8.0f} ms")


if __name__ == "__main__":
    main()
