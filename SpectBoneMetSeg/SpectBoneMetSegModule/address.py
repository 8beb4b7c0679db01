"""Addresses of the documents, from one setting shared by the modules and the catalogue's metadata."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.resources import package_folder

import SpectBoneMetSegModule

MODULE_FOLDER = package_folder(SpectBoneMetSegModule).parent
#: Holds the address of the repository, or nothing as long as it has none.
FILE = MODULE_FOLDER / "Resources" / "address.txt"
PAPER = "https://doi.org/10.3389/fmolb.2022.956720"


def address() -> str:
    """The address of the repository, empty as long as it has none."""
    try:
        return FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def documentAddress(name: str) -> str:
    """Where a document of the folder docs is read: in the repository, next to the modules, or the paper."""
    if address():
        return f"{address()}/blob/main/docs/{name}"
    local = MODULE_FOLDER.parent / "docs" / name
    return local.as_uri() if local.exists() else PAPER


def helpLink(name: str) -> str:
    """A link for a module's help text."""
    return f'<p><a href="{documentAddress(name)}">{_("How to use this module")}</a></p>'
