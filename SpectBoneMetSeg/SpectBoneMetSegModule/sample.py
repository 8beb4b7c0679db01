"""The simulated study that comes with the extension, offered in the module Sample Data."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.resources import package_folder

import SpectBoneMetSegModule

if TYPE_CHECKING:
    from .slicer_types import Volumes

MODULE_FOLDER = package_folder(SpectBoneMetSegModule).parent
#: Of the file as it is shipped.
SHA256 = "9565e19d16c34cbfb4abdf203c41ed2d58a8a18976ce875de8df2f8da817d8cf"


def sampleFile() -> Path:
    """The simulated study: installed with the module, or in the source tree."""
    folders = (MODULE_FOLDER, MODULE_FOLDER.parent)
    places = [folder / "Resources" / "Sample" / "simulated_scan.dcm" for folder in folders]
    return next((place for place in places if place.exists()), places[0])


def registerSampleData() -> None:
    """Offer the simulated study in the module Sample Data."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=_("Nuclear Medicine"),
        sampleName="SimulatedBoneScan",
        uris=sampleFile().as_uri(),
        fileNames="simulated_scan.dcm",
        nodeNames="SimulatedBoneScan",
        thumbnailFileName=str(MODULE_FOLDER / "Resources" / "Icons" / "SpectBoneMetSeg.png"),
        checksums=f"SHA256:{SHA256}",
        # By name, without the button, Slicer would load it as one volume in which nobody's sides are right.
        loadFiles=False,
        customDownloader=lambda source: list(loadSample().values()),
    )


def loadSample() -> Volumes:
    """{"anterior": volume node, "posterior": volume node} of the simulated study.

    Raises:
        UserError: the file is not the one that was shipped.
    """
    from SpectBoneMetSegLib.common.files import sha256_of

    from .logic import SpectBoneMetSegLogic

    # Slicer checks what it downloads; this file was never downloaded.
    if not sampleFile().exists() or sha256_of(sampleFile()) != SHA256:
        raise UserError(_("The simulated study is damaged: install the extension again."))
    return SpectBoneMetSegLogic.loadScan(sampleFile())
