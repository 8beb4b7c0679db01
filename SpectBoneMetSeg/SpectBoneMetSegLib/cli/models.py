"""`spectbonemetseg models`: list, install, remove and export models."""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

from .common import UsageError, print_json, silence_libraries

#: Usual width of a terminal, and indentation of descriptions (characters).
WIDTH, INDENT = 80, 4


class ModelsCommand:
    """List the models, install one from a folder or file, remove one, or write one as a file."""

    help = "List the models, install or remove one, or export one as a file."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--install", metavar="FOLDER", help="install a model folder for reading")
        action.add_argument("--export", nargs=2, metavar=("NAME|PATH", "FILE"), help="write a model as one file")
        action.add_argument(
            "--import", dest="import_file", metavar="FILE", help="check an exported file and install its model"
        )
        action.add_argument(
            "--remove", metavar="NAME", help="delete an installed model; shipped models cannot be deleted"
        )
        action.add_argument("--export-onnx", metavar="NAME|PATH", help="add model.onnx to a model, for ONNX Runtime")
        parser.add_argument("--replace", action="store_true", help="with --import: replace a model of the same name")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """List, install, remove or export."""
        from ..model.archive import export_model, import_model
        from ..model.store import find_model, install_model, list_models, remove_model

        if args.replace and args.import_file is None:
            raise UsageError("--replace applies to a model that is imported: add --import.")
        if args.install is not None:
            model = install_model(Path(args.install))
            print(f"Installed {model.card.name}.", file=sys.stderr)
        if args.import_file is not None:
            model = import_model(Path(args.import_file), replace=args.replace)
            print(f"Installed {model.card.name}.", file=sys.stderr)
        if args.export is not None:
            print(f"Wrote {export_model(find_model(args.export[0]), Path(args.export[1]))}.", file=sys.stderr)
        if args.export_onnx is not None:
            silence_libraries()
            from ..model.onnx_export import export_onnx

            model = find_model(args.export_onnx)
            # Made again, it would differ in its bytes, and a shipped model would no longer be the shipped one.
            if model.onnx.is_file():
                print(f"{model.onnx} is there already.", file=sys.stderr)
            else:
                print(f"Wrote {export_onnx(model).onnx}.", file=sys.stderr)
        if args.remove is not None:
            print(f"Removed {remove_model(args.remove)}.", file=sys.stderr)
        models = list_models()
        if args.json:
            print_json([{"path": str(model.path), **model.card.to_dict()} for model in models])
            return 0
        for model in models:
            lines = textwrap.wrap(model.card.description, WIDTH - INDENT) or [""]
            print(f"{model.path.name} (version {model.card.version})")
            print("\n".join(" " * INDENT + line for line in lines))
        return 0
