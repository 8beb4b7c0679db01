"""Planar nuclear medicine images in Slicer's DICOM browser: anterior and posterior view as volumes of their own.

The scalar volume plugin would stack both views as slices of one volume, with the posterior view in the anterior one's
place. Here each view becomes a one-slice volume that lies in the patient as its detector saw it.
"""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import slicer
from DICOMLib import DICOMLoadable, DICOMPlugin
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegModule.slicer_types import VolumeNode, Volumes, Widget

#: A DICOMLoadable, what the DICOM browser offers to load.
Loadable: TypeAlias = Any

#: The scalar volume plugin offers the same files with 0.5.
CONFIDENCE = 0.9
NM_CLASSES = ("1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.5")
PLANAR_TYPES = ("WHOLE BODY", "STATIC")
OTHER_TYPES = ("TOMO", "GATED", "DYNAMIC", "RECON")


class DICOMPlanarScintigraphyPluginClass(DICOMPlugin):
    """Loads whole-body and static planar NM images."""

    def __init__(self) -> None:
        super().__init__()
        self.loadType = _("Planar scintigraphy")
        self.tags["modality"] = "0008,0060"
        self.tags["classUID"] = "0008,0016"
        self.tags["imageType"] = "0008,0008"
        self.tags["seriesInstanceUID"] = "0020,000E"
        self.tags["numberOfFrames"] = "0028,0008"
        self.tags["instanceUID"] = "0008,0018"
        #: Files of the scan that was loaded last, the file its loadable began with, and its volumes.
        self.lastLoaded: tuple[frozenset[str], str, list[VolumeNode]] | None = None

    def examineForImport(self, fileLists: Sequence[Sequence[str]]) -> list[Loadable]:
        """One loadable per scan; its views may lie in several files, and these in several series."""
        files = [file for found in fileLists for file in found]
        loadables: list[Loadable] | None = self.getCachedLoadables(files)
        if loadables is None:
            loadables = self.examineFiles(files)
            self.cacheLoadables(files, loadables)
        return loadables

    def examine(self, fileLists: Sequence[Sequence[str]]) -> list[Loadable]:
        """Return the loadables of lists of files; called by the DICOM browser."""
        return self.examineForImport(fileLists)

    def examineFiles(self, files: Sequence[str]) -> list[Loadable]:
        """The loadables of a list of files; reads headers only."""
        from SpectBoneMetSegLib.loading import group_files

        # The DICOM database knows a file by its own spelling of the path alone, with slashes on Windows, too.
        planar = {Path(file): file for file in files if self.isPlanar(file)}
        loadables: list[Loadable] = []
        for group in group_files(list(planar)):
            loadables += self.loadablesOf([planar[path] for path in group])
        return loadables

    def loadablesOf(self, files: Sequence[str]) -> list[Loadable]:
        """One loadable for each series that a scan lies in, all of the whole scan.

        The DICOM browser takes a loadable for one of the series of its first file; a series without one of ours would
        be loaded by the scalar volume plugin, too, which puts its volume into all views.
        """
        first: dict[str, str] = {}
        for file in files:
            first.setdefault(slicer.dicomDatabase.fileValue(file, self.tags["seriesInstanceUID"]), file)
        loadables = []
        for start in first.values():
            loadable = DICOMLoadable()
            loadable.files = [start, *(file for file in files if file != start)]
            loadable.name = self.seriesName(start)
            loadable.tooltip = _("Anterior and posterior view as separate volumes in patient coordinates, as acquired")
            loadable.selected = True
            loadable.confidence = CONFIDENCE
            loadables.append(loadable)
        return loadables

    def isPlanar(self, file: str) -> bool:
        """Whether a file holds a planar NM image."""
        value = slicer.dicomDatabase.fileValue
        if value(file, self.tags["modality"]) != "NM" or value(file, self.tags["classUID"]) not in NM_CLASSES:
            return False
        kind = value(file, self.tags["imageType"]).upper()
        return any(value in kind for value in PLANAR_TYPES) and not any(value in kind for value in OTHER_TYPES)

    def seriesName(self, file: str) -> str:
        """Series number and description."""
        value = slicer.dicomDatabase.fileValue
        number = value(file, self.tags["seriesNumber"])
        description: str = value(file, self.tags["seriesDescription"]) or _("Planar scintigraphy")
        return f"{number}: {description}" if number else description

    def broughtByOtherSeries(self, files: Sequence[str]) -> VolumeNode | None:
        """The first volume of a scan that its other series has just loaded whole, otherwise None; asked for once."""
        before, self.lastLoaded = self.lastLoaded, None
        if before is None:
            return None
        scan, start, volumes = before
        whole = all(volume.GetScene() is not None for volume in volumes)
        return volumes[0] if whole and scan == frozenset(files) and start != files[0] else None

    def load(self, loadable: Loadable) -> VolumeNode | None:
        """Load the views; returns the first volume, None when the views cannot be distinguished."""
        brought = self.broughtByOtherSeries(loadable.files)
        if brought is not None:
            return brought
        from SpectBoneMetSegLib.common.errors import UserError

        try:
            volumes = loadPlanarScan(loadable.files, loadable.name)
        except UserError as error:
            # The DICOM browser lists in one window what was not loaded, by its name; a second one would hide it.
            loadable.name = f"{loadable.name} ({refusal(error)})"
            logging.error(refusal(error))
            return None
        first = next(iter(volumes.values()))
        uids = " ".join(slicer.dicomDatabase.fileValue(file, self.tags["instanceUID"]) for file in loadable.files)
        for volume in volumes.values():
            # By these Slicer finds the files again: for export, for tools that ask where a volume came from.
            volume.SetAttribute("DICOM.instanceUIDs", uids)
        self.lastLoaded = frozenset(loadable.files), loadable.files[0], list(volumes.values())
        self.addSeriesInSubjectHierarchy(loadable, first)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(first))
        for volume in list(volumes.values())[1:]:
            item = hierarchy.GetItemByDataNode(volume) or hierarchy.CreateItem(study, volume)
            hierarchy.SetItemParent(item, study)
        return first


def loadPlanarScan(files: Sequence[str], name: str = "") -> Volumes:
    """{"anterior": volume node, "posterior": volume node} of the files of one planar scan, as far as they exist.

    Raises:
        UserError: it cannot be read; nothing was added to the scene.
    """
    from SpectBoneMetSegLib.loading import read_files
    from SpectBoneMetSegLib.mrml.slice_views import show_scan
    from SpectBoneMetSegLib.mrml.stored_result import add_scan
    from SpectBoneMetSegModule.display.views import fitViews

    scan = read_files(files)
    for warning in scan.warnings:
        logging.warning(warning)
    volumes = add_scan(scan, slicer.mrmlScene, name)
    show_scan(volumes, slicer.mrmlScene)
    fitViews()
    return volumes


def refusal(error: UserError) -> str:
    """Why a scan was not loaded, and what can be done about it."""
    from SpectBoneMetSegModule.panel_texts import panelWords

    remedy = _("The module Bone scan reading can open the file; enter there what the file does not state.")
    return f"{panelWords(error)} {remedy}"


class DICOMPlanarScintigraphyPlugin(ScriptedLoadableModule):
    """Registers the plugin; hidden, because there is nothing to open."""

    def __init__(self, parent: Widget) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("DICOM planar scintigraphy plugin")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Developer Tools.DICOM Plugins")]
        self.parent.contributors = ["The SpectBoneMetSeg developers"]
        self.parent.helpText = _("Loads planar nuclear medicine images with their anterior and posterior views.")
        self.parent.acknowledgementText = ""
        self.parent.hidden = True
        if not hasattr(slicer.modules, "dicomPlugins"):
            slicer.modules.dicomPlugins = {}
        slicer.modules.dicomPlugins["DICOMPlanarScintigraphyPlugin"] = DICOMPlanarScintigraphyPluginClass
