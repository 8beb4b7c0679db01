"""`DICOMLib` and `slicer.dicomDatabase`: what a DICOM plugin gets from the application.

slicer-core has no DICOMLib. Where SLICER_SOURCE names a source tree of Slicer, its own base classes take the place of
those below, and the tests of the plugin run on them.
"""

# Names are those of Slicer's classes.
# ruff: noqa: N802, N803
from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

__all__ = ["DICOMLoadable", "DICOMPlugin", "DICOMUtils", "Database", "library"]

SOURCE = "SLICER_SOURCE"
STUDY = ("0020,000D", "0008,1030", "0008,0020")


def library(slicer: Any) -> types.ModuleType:
    """The module `DICOMLib`: Slicer's own base classes where there is a source tree, otherwise those of this file.

    Args:
        slicer: gets what the base classes ask the application for.

    Raises:
        FileNotFoundError: SLICER_SOURCE names a folder without them.
    """
    source = os.environ.get(SOURCE)
    if not source:
        return sys.modules[__name__]
    file = Path(source) / "Modules" / "Scripted" / "DICOMLib" / "DICOMPlugin.py"
    spec = importlib.util.spec_from_file_location("DICOMLib", file)
    assert spec is not None
    assert spec.loader is not None
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    # Slicer's own needs its indexer, which is compiled.
    own.DICOMUtils = DICOMUtils  # type: ignore[attr-defined]
    # What the data tree's names are made of, before a user says otherwise.
    handler = types.SimpleNamespace(
        displayPatientIDInSubjectHierarchyItemName=True,
        displayPatientBirthDateInSubjectHierarchyItemName=False,
        displayStudyIDInSubjectHierarchyItemName=False,
        displayStudyDateInSubjectHierarchyItemName=True,
    )
    slicer.qSlicerSubjectHierarchyPluginHandler = types.SimpleNamespace(instance=lambda: handler)
    return own


class Database:
    """Reads tags from the files themselves, and keeps copies of those that are imported."""

    def __init__(self) -> None:
        self.isOpen = True
        self._folder = tempfile.TemporaryDirectory()

    @property
    def databaseDirectory(self) -> str:
        """Where the copies lie."""
        return self._folder.name

    def initializeDatabase(self) -> bool:
        """Forget everything."""
        self._folder = tempfile.TemporaryDirectory()
        return True

    def insert(self, filePath: str, storeFile: bool = True, generateThumbnail: bool = True) -> None:
        """Take an object."""
        import pydicom

        uid = pydicom.dcmread(filePath, specific_tags=["SOPInstanceUID"]).SOPInstanceUID
        shutil.copyfile(filePath, os.path.join(self.databaseDirectory, f"{uid}.dcm"))

    def fileForInstance(self, sopInstanceUID: str) -> str:
        """Where an object lies; "" for one that is not there."""
        path = os.path.join(self.databaseDirectory, f"{sopInstanceUID}.dcm")
        return path if os.path.isfile(path) else ""

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
        """The host has no series."""
        return []


class DICOMUtils:
    """Functions of Slicer's module of that name."""

    @staticmethod
    def importDicom(dicomDataDir: str, dicomDatabase: Any = None, copyFiles: bool = False) -> bool:
        """Take the files of a folder; an object that cannot be taken is passed over, and what is raised only logged."""
        import slicer

        database = dicomDatabase or slicer.dicomDatabase
        try:
            for name in sorted(os.listdir(dicomDataDir)):
                database.insert(os.path.join(dicomDataDir, name), copyFiles)
        except Exception:
            logging.exception("Failed to import DICOM folder %s", dicomDataDir)
            return False
        return True


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
        instances = " ".join(value(each, "0008,0018") or "Unknown" for each in loadable.files)
        hierarchy.SetItemUID(item, constants.GetDICOMInstanceUIDName(), instances)
        study, title, day = (value(file, tag) for tag in STUDY)
        # A file without a patient gets one of its study.
        slicer.vtkSlicerSubjectHierarchyModuleLogic.InsertDicomSeriesInHierarchy(
            hierarchy, value(file, "0010,0020") or f"Patient-{study}", study, uid
        )
        study_item = hierarchy.GetItemByUID(constants.GetDICOMUIDName(), study)
        name = title or "No study description"
        hierarchy.SetItemName(study_item, f"{name} ({day})" if day else name)
