"""`SampleData`: what modules have registered, and what a script gets of it by name."""

# Names are those of Slicer's module.
# ruff: noqa: N802, N803
from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

__all__ = ["SampleDataLogic", "downloadSamples"]


class SampleDataLogic:
    """The sources of the application."""

    sources: list[dict[str, Any]] = []  # noqa: RUF012  one list for the application

    @classmethod
    def registerCustomSampleDataSource(
        cls,
        category: str = "Custom",
        sampleName: str | None = None,
        uris: str | None = None,
        fileNames: str | None = None,
        nodeNames: str | None = None,
        customDownloader: Callable[[Any], Any] | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: str | None = None,
        loadFiles: bool | None = None,
        checksums: str | None = None,
    ) -> None:
        """Keep a source of one file."""
        cls.sources.append(dict(list(locals().items())[1:]))


def downloadSamples(sampleName: str) -> list[Any]:
    """As in Slicer: not by the custom downloader; the reader of volumes loads the file unless that is ruled out.

    Raises:
        ValueError: the file is not the one of the checksum.
    """
    import slicer

    source = next(entry for entry in SampleDataLogic.sources if entry["sampleName"] == sampleName)
    file = url2pathname(urlparse(source["uris"]).path)
    algorithm, digest = source["checksums"].split(":")
    with open(file, "rb") as stream:
        if hashlib.new(algorithm, stream.read()).hexdigest() != digest:
            raise ValueError(f"{file} has another checksum")
    if source["loadFiles"] is False:
        return [file]
    return [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", source["nodeNames"])]
