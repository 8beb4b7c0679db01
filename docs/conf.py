"""The site of the documents and of the reference that is built from the docstrings: `make docs`."""

from pathlib import Path

from SpectBoneMetSegLib import __version__

ROOT = Path(__file__).resolve().parents[1]

project = "SpectBoneMetSeg"
author = "The SpectBoneMetSeg developers"
copyright = author
release = __version__

extensions = ["myst_parser", "sphinx.ext.apidoc", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "experiments/results", "experiments/page"]
html_theme = "furo"
html_title = project

myst_heading_anchors = 3
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# Attributes of classes are described where the class is, and nowhere twice.
napoleon_use_ivar = True
# Short names of types that several packages have lead to none of them.
suppress_warnings = ["ref.python"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
apidoc_modules = [
    {
        "path": f"../{module}/{module}Lib",
        "destination": f"api/{module}Lib",
        "max_depth": 2,
        "separate_modules": True,
        "module_first": True,
        # They need PyTorch, JAX or nnU-Net, which only trainings with them have.
        "exclude_patterns": ["**/on_torch.py", "**/on_jax.py", "**/nnunet/trainer.py"],
    }
    for module in ("SpectBoneMetSeg", "SpectBoneMetSegTraining")
]


def show_as_written(_app, what, _name, _thing, _options, lines):
    """Trees of folders, commands and tables at the head of a module keep their lines."""
    if what != "module":
        return
    written: list[str] = []
    inside = False
    for line in lines:
        block = line.startswith(("    ", "|")) and (inside or not written or not written[-1])
        if block and not inside:
            written += ["::", ""]
        if inside and line and not block:
            written.append("")
        inside = block or (inside and not line)
        written.append(f"    {line}" if line.startswith("|") else line)
    lines[:] = written


def link_or_name(_app, tree):
    """Links from the README to files beside it lead to the page that shows the file, or only name the file."""
    from sphinx.addnodes import pending_xref

    for link in list(tree.findall(pending_xref)):
        target = link["reftarget"]
        if link.get("reftype") != "myst" or not (ROOT / target).is_file():
            continue
        page = Path(target).stem.lower()
        if (ROOT / "docs" / f"{page}.md").is_file() and Path(target).parent == Path():
            link["refdomain"], link["reftarget"], link["reftargetid"] = "doc", page, None
        else:
            link.replace_self(link.children)


def setup(app):
    """Sphinx calls this."""
    app.connect("doctree-read", link_or_name)
    app.connect("autodoc-process-docstring", show_as_written)
