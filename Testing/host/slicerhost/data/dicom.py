"""`DICOMLib` and `slicer.dicomDatabase`: what a DICOM plugin gets from the application."""

# Names are those of Slicer's classes.
# ruff: noqa: N802
from __future__ import annotations

from typing import Any

__all__ = ["DICOMLoadable", "DICOMPlugin", "Database"]

STUDY = ("0020,000D", "0008,1030")


class Database:
    """Reads tags from the files themselves."""

    def fileValue(self, file: str, tag: str) -> str:
        """One value as the database stores it: several joined by a backslash, empty when it is missing."""
        import pydicom

        group, element = (int(part, 16) for part in tag.split(","))
        try:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[(group << 16) + element])
        except (OSError, pydicom.errors.InvalidDicomError):
            return ""
        found = dataset.get((group, element))
        if found is None or found.value is None:
            return ""
        several = found.VM > 1 and not isinstance(found.value, str)
        return "\\".join(str(value) for value in found.value) if several else str(found.value)

    def filesForSeries(self, uid: str) -> list[str]:
        """The host knows no series."""
        return []


class DICOMLoadable:
    """Something a plugin offers to load."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.name, self.tooltip, self.warning = "Unknown", "", ""
        self.selected, self.confidence = False, 0.5


class DICOMPlugin:
    """Base class of DICOM plugins."""

    def __init__(self) -> None:
        self.loadType = "Generic DICOM"
        self.tags = {"seriesDescription": "0008,103E", "seriesNumber": "0020,0011"}
        self._cache: dict[tuple[str, ...], list[Any]] = {}

    def getCachedLoadables(self, files: list[str]) -> Any:
        """What `cacheLoadables` kept for these files."""
        return self._cache.get(tuple(files))

    def cacheLoadables(self, files: list[str], loadables: list[Any]) -> None:
        """Keep the answer for these files."""
        self._cache[tuple(files)] = loadables

    def addSeriesInSubjectHierarchy(self, loadable: Any, node: Any) -> None:
        """File a node as a series below its study and patient."""
        import slicer

        constants = slicer.vtkMRMLSubjectHierarchyConstants
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        value = slicer.dicomDatabase.fileValue
        file = loadable.files[0]
        uid = value(file, "0020,000E")
        item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
        hierarchy.SetItemUID(item, constants.GetDICOMUIDName(), uid)
        study, title = (value(file, tag) for tag in STUDY)
        slicer.vtkSlicerSubjectHierarchyModuleLogic.InsertDicomSeriesInHierarchy(
            hierarchy, value(file, "0010,0020"), study, uid
        )
        study_item = hierarchy.GetItemByUID(constants.GetDICOMUIDName(), study)
        hierarchy.SetItemName(study_item, title or "No study description")
