"""Files of a data set: NIfTI with their position in the patient, and JSON; written atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.loading.images import open_image
from SpectBoneMetSegLib.scan.planar import PlanarView

#: Spacing in mm between slices. A projection has no thickness; with this spacing nnU-Net plans a 2D network.
SLICE_SPACING_MM = 999.0

__all__ = ["claim_folder", "clear_leftovers", "read_image", "read_json", "write_image", "write_json"]


def write_image(path: Path, array: NDArray[Any], view: PlanarView, origin: tuple[float, float, float] | None) -> None:
    """Write an array as NIfTI with the directions and spacing of a view.

    Args:
        path: the file.
        array: (rows, columns) or (layers, rows, columns).
        view: gives directions and spacing.
        origin: position of pixel (0, 0), RAS in mm.

    Raises:
        OSError: the file cannot be written.
    """
    import SimpleITK as sitk  # noqa: N813

    assert origin is not None
    image = sitk.GetImageFromArray(array if array.ndim == 3 else array[None])
    directions = view.ijk_to_ras[:3, :3] / np.array([view.spacing[1], view.spacing[0], 1.0])
    to_lps = np.diag([-1.0, -1.0, 1.0])
    image.SetSpacing((view.spacing[1], view.spacing[0], SLICE_SPACING_MM))
    image.SetDirection((to_lps @ directions).ravel().tolist())
    image.SetOrigin((to_lps @ np.array(origin)).tolist())
    with whole_file(path) as part:
        sitk.WriteImage(image, str(part), useCompression=True)


def read_image(path: Path) -> NDArray[Any]:
    """Read an image file as (slices, rows, columns).

    Raises:
        UserError: the file is missing or damaged.
    """
    import SimpleITK as sitk  # noqa: N813

    try:
        return sitk.GetArrayFromImage(open_image(path))
    except (UserError, OSError) as error:
        raise UserError(f"{path} is missing or damaged; make the data set again or restore the file.") from error


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically.

    Raises:
        OSError: the file cannot be written.
    """
    with whole_file(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path, *, remedy: str = "make the data set again or restore the file") -> Any:
    """Read a JSON file, by default of a data set.

    Raises:
        UserError: the file is missing or damaged; the message ends with the remedy.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is missing or damaged; {remedy}.") from error


def claim_folder(folder: Path, record: str, asked: dict[str, Any], kind: str) -> None:
    """Record the options of an output folder, or check that an existing folder was made with the same options.

    Args:
        folder: new, empty, or made earlier.
        record: name of the JSON file that holds `asked`.
        asked: the options.
        kind: kind of the folder for messages, such as "simulated data set".

    Raises:
        UserError: the folder holds something else, or cannot be written.
    """
    record_file = folder / record
    if record_file.exists():
        if read_json(record_file) != asked:
            raise UserError(f"{folder} holds a {kind} made with other options; choose another output folder.", "output")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not a {kind}; choose another output folder.", "output")
    try:
        write_json(record_file, asked)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({reason_of(error)}); choose another output folder.", "output"
        ) from error


def clear_leftovers(folder: Path) -> None:
    """Delete partly written files that a killed run has left in the folders of a data set."""
    for leftover in folder.glob("*/.[0-9]*-*"):
        leftover.unlink()
