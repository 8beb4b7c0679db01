"""The extension as the Extensions Index requires it: check it, and set its URL.

python Testing/catalogue/catalogue.py                              what is missing for tier 1, a line each
python Testing/catalogue/catalogue.py --set-address ADDRESS        the repository's address goes wherever it belongs
python Testing/catalogue/catalogue.py --index CLONE                also the index's own scripts, from a clone of it

ADDRESS is the repository's, such as https://github.com/OWNER/SlicerSpectBoneMetSeg; its name begins with "Slicer".
Status 0 when nothing is missing, 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = "SpectBoneMetSeg"
ADDRESS_FILE = Path(NAME) / "Resources" / "address.txt"
ICON = Path(NAME) / "Resources" / "Icons" / f"{NAME}.png"
SCREENSHOTS = tuple(Path("Resources") / "Screenshots" / f"{name}.png" for name in ("views", "panel", "result"))
#: Properties of the catalogue's schema 1.0.2 and their types.
PROPERTIES = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "dicom_support_rule": str,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
SCHEMA = "slicer-extension-catalog-entry-schema-v1.0.2.json#"
REQUIRED = ("$schema", "category", "scm_url")
PREFIXES = ("Slicer", "Slicer-", "Slicer_", "SlicerExtension-", "SlicerExtension_")
MOST_MEGABYTES = 100


def findings(root: Path) -> list[str]:
    """What the index would object to, a sentence each."""
    return [*entry_findings(root), *cmake_findings(root), *tree_findings(root)]


def entry_findings(root: Path) -> list[str]:
    """Of the catalogue's entry."""
    path = root / f"{NAME}.json"
    content = path.read_bytes()
    entry = json.loads(content)
    found = []
    if b"\r" in content:
        found.append(f"{path.name} has other line endings than LF.")
    if not str(entry.get("$schema", "")).endswith(SCHEMA):
        found.append(f"{path.name} does not name the schema {SCHEMA}.")
    found += [f"{path.name} lacks {key}." for key in REQUIRED if not entry.get(key)]
    for key, value in entry.items():
        if key not in PROPERTIES:
            found.append(f"{path.name} has {key}, which the schema does not know.")
        elif not isinstance(value, PROPERTIES[key]):
            found.append(f"{path.name}: {key} is no {PROPERTIES[key].__name__}.")
    if not 1 <= int(entry.get("tier", 1)) <= 5:
        found.append(f"{path.name}: tier lies outside 1 to 5.")
    if NAME.lower().startswith("slicer"):
        found.append("The extension's name begins with Slicer; only the repository's should.")
    address = str(entry.get("scm_url", ""))
    if not address.startswith(("https://", "git://")):
        found.append("The repository has no public address yet: --set-address.")
    else:
        repository = address.rstrip("/").split("/")[-1].removesuffix(".git")
        if not repository.startswith(PREFIXES):
            found.append(f"The repository is called {repository}; its name is to begin with Slicer.")
    return found


def cmake_findings(root: Path) -> list[str]:
    """Of the top CMakeLists.txt."""
    text = (root / "CMakeLists.txt").read_text(encoding="utf-8")
    entry = json.loads((root / f"{NAME}.json").read_text(encoding="utf-8"))
    values = dict(re.findall(r'set\s*\(EXTENSION_(\w+)\s*"([^"]*)"', text))
    found = []
    if f"project({NAME})" not in text:
        found.append(f"CMakeLists.txt does not name the project {NAME}.")
    for key in ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION"):
        if not values.get(key):
            found.append(f"EXTENSION_{key} is empty.")
    if values.get("CATEGORY") != entry.get("category"):
        found.append("The category of CMakeLists.txt is not that of the entry.")
    base = raw_address(str(entry.get("scm_url", "")))
    for key in ("ICONURL", "SCREENSHOTURLS"):
        addresses = values.get(key, "").split()
        if not addresses:
            found.append(f"EXTENSION_{key} is empty: --set-address.")
        for address in addresses:
            if not base or not address.startswith(base):
                found.append(f"EXTENSION_{key}: {address} does not lie in the repository.")
            elif not (root / address.removeprefix(base)).is_file():
                found.append(f"EXTENSION_{key}: there is no {address.removeprefix(base)}.")
    return found


def tree_findings(root: Path) -> list[str]:
    """Of the files and their history."""
    found = [] if list(root.glob("LICENSE*")) else ["There is no licence in the root."]
    for picture in (ICON, *SCREENSHOTS):
        if not (root / picture).is_file():
            found.append(f"There is no {picture.as_posix()}.")
        elif (root / picture).read_bytes()[:8] != b"\x89PNG\r\n\x1a\n":
            found.append(f"{picture.as_posix()} is no PNG.")
    if (root / ".git").exists():
        command = ["git", "count-objects", "-v"]
        reported = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        sizes = dict(line.split(": ") for line in reported.stdout.splitlines())
        megabytes = (int(sizes["size"]) + int(sizes["size-pack"])) / 1024
        if megabytes > MOST_MEGABYTES:
            found.append(f"The repository has {megabytes:.0f} MB with its history; {MOST_MEGABYTES} are allowed.")
    return found


def raw_address(repository: str) -> str:
    """Where the files of a repository are fetched from; empty without an address."""
    host = "https://github.com/"
    if not repository.startswith(host):
        return ""
    return f"https://raw.githubusercontent.com/{repository.removesuffix('.git').removeprefix(host)}/main/"


def set_address(root: Path, address: str) -> None:
    """Write the repository's address into all files that name it; an empty one takes it out again."""
    address = address.rstrip("/").removesuffix(".git")
    (root / ADDRESS_FILE).write_text(f"{address}\n", encoding="utf-8")
    path = root / f"{NAME}.json"
    entry = json.loads(path.read_text(encoding="utf-8"))
    entry["scm_type"], entry["scm_url"] = ("git", f"{address}.git") if address else ("local", ".")
    entry.pop("scm_revision", None)
    if address:
        entry["scm_revision"] = "main"
    path.write_text(json.dumps(dict(sorted(entry.items())), indent=2) + "\n", encoding="utf-8")
    base = raw_address(address)
    pictures = " ".join(f"{base}{picture.as_posix()}" for picture in SCREENSHOTS) if base else ""
    values = {
        "HOMEPAGE": address or "https://doi.org/10.3389/fmolb.2022.956720",
        "ICONURL": f"{base}{ICON.as_posix()}" if base else "",
        "SCREENSHOTURLS": pictures,
    }
    path = root / "CMakeLists.txt"
    text = path.read_text(encoding="utf-8")
    for key, value in values.items():
        text = re.sub(rf'set\(EXTENSION_{key} "[^"]*"\)', f'set(EXTENSION_{key} "{value}")', text)
    path.write_text(text, encoding="utf-8")


def index_findings(root: Path, index: Path) -> list[str]:
    """What the index's own script says, a sentence each; it clones the address that the entry names."""
    script = (index / "scripts" / "check_description_files.py").resolve()
    with tempfile.TemporaryDirectory() as folder:
        # The script skips every file that does not lie next to the others, in the folder where it runs.
        for other in index.glob("*.json"):
            shutil.copy(other, folder)
        shutil.copy(root / f"{NAME}.json", folder)
        reported = subprocess.run([sys.executable, script, f"{NAME}.json"], cwd=folder, capture_output=True, text=True)
    print(reported.stdout)
    if not reported.returncode:
        return []
    objections = [line.split(":x:")[1].strip() for line in reported.stdout.splitlines() if ":x:" in line]
    return [f"The index's own script: {printed}" for printed in objections or [reported.stderr.strip()]]


def main() -> int:
    """Check, or set the address."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set-address", metavar="ADDRESS")
    parser.add_argument("--index", type=Path, metavar="CLONE")
    args = parser.parse_args()
    if args.set_address is not None:
        set_address(ROOT, args.set_address)
    found = findings(ROOT)
    if args.index is not None:
        found += index_findings(ROOT, args.index)
    for finding in found:
        print(finding)
    print("Nothing is missing." if not found else f"{len(found)} points are open.")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())
