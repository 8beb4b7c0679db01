"""A file that replaces another one is written whole by the functions of `common/files.py`, and by nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("SpectBoneMetSeg/SpectBoneMetSegLib", "SpectBoneMetSegTraining/SpectBoneMetSegTrainingLib")
#: A checkpoint has one temporary name for all processes and is flushed to the disk, a scene is renamed by its writer,
#: and an exported model creates no folders.
ALLOWED = {"common/files.py", "training/run_folder.py", "mrml/scene_file.py", "model/archive.py"}


def test_no_file_is_put_in_place_but_by_the_functions_for_it():
    found = []
    for library in LIBRARIES:
        for path in sorted((ROOT / library).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                # Strings are replaced with two arguments, paths with one.
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == "replace"
                    and (ast.unparse(node.func) == "os.replace" or (len(node.args) == 1 and not node.keywords))
                ):
                    found.append(str(path.relative_to(ROOT / library)))
    assert set(found) == ALLOWED
    assert found.count("training/run_folder.py") == 1
