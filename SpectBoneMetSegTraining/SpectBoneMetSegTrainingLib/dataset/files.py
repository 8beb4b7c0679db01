"""The files of a data set: NIfTI with their place in the patient, and JSON; written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.loading.images import open_image
from SpectBoneMetSegLib.scan.planar import PlanarView

#: A projection has no thickness; with slices so far apart nnU-Net plans a 2D network as it stands.
SLICE_SPACING_MM = 999.0

__all__ = ["claim_folder", "clear_leftovers", "read_image", "read_json", "write_image", "write_json"]


def write_image(path: Path, array: NDArray[Any], view: PlanarView, origin: tuple[float, float, float] | None) -> None:
    """Write (rows, columns) or (layers, rows, columns) as NIfTI with the view's directions, RAS `origin` of (0, 0).

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
    """(slices, rows, columns) of an image file.

    Raises:
        UserError: it is missing or damaged.
    """
    import SimpleITK as sitk  # noqa: N813

    try:
        return sitk.GetArrayFromImage(open_image(path))
    except (UserError, OSError) as error:
        raise UserError(f"{path} is missing or damaged; make the data set again or restore the file.") from error


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    with whole_file(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is missing or damaged; make the data set again or restore the file.") from error


def claim_folder(folder: Path, record: str, asked: dict[str, Any], kind: str) -> None:
    """Write into a new or empty folder what it is to hold, or check that this is what it holds.

    Args:
        record: name of the JSON file with `asked`.
        kind: what the folder is called, "simulated data set" say.

    Raises:
        UserError: it holds something else, or cannot be written.
    """
    about = folder / record
    if about.exists():
        if read_json(about) != asked:
            raise UserError(f"{folder} holds a {kind} made with other options; choose another output folder.", "output")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not a {kind}; choose another output folder.", "output")
    try:
        write_json(about, asked)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}); choose another output folder.", "output"
        ) from error


def clear_leftovers(folder: Path) -> None:
    """Delete what a run that was killed while writing left half-written in the folders of a data set."""
    for leftover in folder.glob("*/.[0-9]*-*"):
        leftover.unlink()
