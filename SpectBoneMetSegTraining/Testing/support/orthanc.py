"""A real archive on this machine: Orthanc with DICOMweb, its storage in a folder of the test, random ports."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.dicom_net import free_port, until

#: Where Debian's packages orthanc and orthanc-dicomweb put the plugin.
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def missing() -> str:
    """Why there is no archive; "" where there is one."""
    if shutil.which("Orthanc") is None:
        return "Orthanc is not installed (apt-get install orthanc orthanc-dicomweb)"
    return "" if PLUGIN.is_file() else f"{PLUGIN} is not there (apt-get install orthanc-dicomweb)"


class Orthanc:
    """A running one; `reader_port` is where it sends what goes to the modality "reader"."""

    title = "ORTHANC"

    def __init__(self) -> None:
        self.http, self.dicom, self.reader_port = free_port(), free_port(), free_port()

    @property
    def dicomweb(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"

    def ask(self, path: str, body: str | None = None, method: str | None = None) -> Any:
        """An answer of Orthanc's own interface; urllib's HTTPError where it reports a failure."""
        data = None if body is None else body.encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
        try:
            return json.loads(content or b"null")
        except ValueError:
            return content.decode()

    def clear(self) -> None:
        for patient in self.ask("/patients"):
            self.ask(f"/patients/{patient}", method="DELETE")

    @contextmanager
    def running(self, folder: Path) -> Iterator[Orthanc]:
        config = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": self.http,
            "DicomPort": self.dicom,
            "DicomAet": self.title,
            "DicomCheckCalledAet": True,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomModalities": {"reader": ["SPECTBONEMETSEG", "127.0.0.1", self.reader_port]},
            "ExecuteLuaEnabled": True,
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        (folder / "orthanc.json").write_text(json.dumps(config))
        with (folder / "orthanc.log").open("wb") as log:
            process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            until(self._answers, 60)
            yield self
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()

    def _answers(self) -> bool:
        try:
            return bool(self.ask("/system"))
        except OSError:
            return False
