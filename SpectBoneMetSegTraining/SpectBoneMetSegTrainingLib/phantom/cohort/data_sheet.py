"""The data sheet of a benchmark: distributions as numbers and plots; for the sealed test only how it was drawn."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.common.notice import RESEARCH_USE

from ...dataset.files import read_image, read_json
from ..disease.mimics import KINDS

Record = dict[str, Any]
#: Values of one part: {quantity: values}.
Values = dict[str, list[Any]]

SHOWN_PARTS = ("train", "development")
COLOURS = ("tab:blue", "tab:orange")
QUANTILES = (5, 25, 50, 75, 95)
#: Percentiles at which a logarithmic plot ends; values beyond are in the outermost bars.
PLOTTED = (0.2, 99.8)

#: Quantity: title with unit, and whether the axis is logarithmic.
NUMBERS = {
    "stature_m": ("stature (m)", False),
    "girth": ("girth (factor)", False),
    "weight_kg": ("weight (kg)", False),
    "age": ("age (years)", False),
    "anterior_counts": ("counts of the first view", True),
    "spacing_mm": ("pixel size (mm)", False),
    "lesions": ("metastases per diseased patient", False),
    "uptake": ("uptake of a metastasis (factor on normal bone)", True),
    "contrast": ("contrast of a metastasis in a view", True),
    "snr": ("signal-to-noise of a metastasis in a view", True),
    "size_mm2": ("area of an exact outline (mm2)", True),
    "mimics": ("mimics per patient", False),
    "area_difference": ("area difference of two readers (Eq. 2)", False),
}
#: Quantity: title of a categorical distribution.
SHARES = {
    "sex": "sex",
    "disease": "disease",
    "site": "site of metastases",
    "mimic": "kind of mimic",
    "condition": "conditions and flags, share of patients",
    "camera": "camera, share of scans",
    "form": "form of the DICOM files",
}
#: Plot: its quantities.
FIGURES = {
    "people": ("sex", "stature_m", "girth", "weight_kg", "age", "disease"),
    "scans": ("anterior_counts", "spacing_mm", "camera", "form", "condition", "area_difference"),
    "lesions": ("lesions", "site", "uptake", "contrast", "snr", "size_mm2", "mimics", "mimic"),
}


@dataclass(frozen=True)
class BenchmarkPart:
    """The distributions of one part of the benchmark.

    Attributes:
        name: of the part.
        numbers: {quantity of NUMBERS: values}.
        categories: {quantity of SHARES: values}.
        agreement: of the readers.
        scans: number of scans.
    """

    name: str
    numbers: Values
    categories: Values
    agreement: Record
    scans: int


def write_data_sheet(folder: Path, about: Mapping[str, Any]) -> None:
    """Write datasheet.md and datasheet_*.png into a benchmark.

    Args:
        folder: the benchmark, all parts complete.
        about: name, version, seed and sizes, as in benchmark.json.

    Raises:
        UserError: a file of a part is missing or damaged.
        OSError: the folder cannot be written.
    """
    parts = [read_part(folder / name) for name in SHOWN_PARTS]
    for name, quantities in FIGURES.items():
        _plot(folder / f"datasheet_{name}.png", quantities, parts)
    text = "\n".join(_text(about, parts, read_json(folder / "train" / "d1.json")))
    with whole_file(folder / "datasheet.md") as part:
        part.write_text(text + "\n", encoding="utf-8")


def read_part(folder: Path) -> BenchmarkPart:
    """Read the quantities of one data set.

    Raises:
        UserError: a file is missing or damaged.
    """
    records = [read_json(path) for path in sorted((folder / "instances").glob("[!.]*.json"))]
    numbers: Values = {name: [] for name in NUMBERS}
    categories: Values = {name: [] for name in SHARES}
    for record in records:
        parameters = record["parameters"]
        for name in NUMBERS:
            if name in parameters:
                numbers[name].append(float(parameters[name]))
        numbers["mimics"].append(len(record["mimics"]))
        for name in ("sex", "disease"):
            if name in parameters:
                categories[name].append(str(parameters[name]))
        categories["mimic"] += [mimic_kind(text) for text in record["mimics"]]
        categories["condition"] += sorted({_short(text) for text in parameters.get("conditions", ())})
        categories["condition"] += [*record["flags"], *(["arms up"] if parameters.get("arms_up") else [])]
        categories["camera"] += _camera(record)
        categories["form"].append(str(record["variant"]))
        _add_lesions(folder, record, numbers, categories)
    for path in sorted((folder / "readers").glob("[!.]*.json")):
        for image in read_json(path)["views"].values():
            if image["marked"]:
                numbers["area_difference"] += image["area_differences"][0]
    return BenchmarkPart(folder.name, numbers, categories, read_json(folder / "agreement.json"), len(records))


def site(bone: str) -> str:
    """Return the region of an atlas bone: "rib" for "right rib 5", "thoracic spine" for "T11"."""
    spine = re.fullmatch(r"([CTL])\d+", bone)
    if spine:
        return {"C": "cervical spine", "T": "thoracic spine", "L": "lumbar spine"}[spine[1]]
    return re.sub(r"^(right|left) | \d+$", "", bone)


def mimic_kind(text: str) -> str:
    """Return the kind of a mimic: "old fracture" for "old fracture right rib 5"."""
    return next((kind for kind in KINDS if text.startswith(kind + " ")), text)


def _add_lesions(folder: Path, record: Record, numbers: Values, categories: Values) -> None:
    lesions = record.get("lesions", [])
    if not lesions:
        return
    numbers["lesions"].append(len(lesions))
    for lesion in lesions:
        categories["site"].append(site(lesion["bone"]))
        numbers["uptake"].append(lesion["uptake"])
        for name in ("contrast", "snr"):
            # Cold lesions have negative values.
            numbers[name] += [value for value in lesion[name].values() if value > 0]
    pixel = float(np.prod(record["frame"]["spacing_mm"]))
    for view in record["views"]:
        layers = read_image(folder / "exact" / f"{record['case']}_{view}.nii.gz")
        numbers["size_mm2"] += [float(count) * pixel for count in np.bincount(layers.ravel())[1:] if count]


def _camera(record: Record) -> list[str]:
    """Return the special properties of an acquisition; one scan can have several."""
    parameters = record["parameters"]
    if "heads" not in parameters:
        return []
    found = ["one head" if parameters["heads"] == 1 else "two heads"]
    special = {
        f"{record['views'][0]} only": len(record["views"]) == 1,
        "half time": parameters["half_time"],
        "motion": parameters["jerks"] > 0,
        "metal": bool(parameters["metal"]),
        "smoothed": parameters["vendor_smoothing_pixels"] > 0,
        "enhanced": parameters["enhancement"] > 0,
        "8-bit capture": parameters["capture_white_counts"] > 0,
    }
    return found + [name for name, there in special.items() if there]


def _short(text: str) -> str:
    """Remove the side from a condition, so that both sides are counted together."""
    return re.sub(r"\b(right|left)\b ?", "", text).strip()


def _per(name: str, part: BenchmarkPart) -> int:
    """Return the denominator of a quantity's shares: the number of scans, or of all counted values."""
    return part.scans if name in ("condition", "camera") else max(len(part.categories[name]), 1)


def _text(about: Mapping[str, Any], parts: Sequence[BenchmarkPart], d1: Record) -> Iterable[str]:
    sizes = about["sizes"]
    yield f"# {about['name']}: data sheet"
    yield ""
    yield f"Simulated patients and scans, no patient data; simulator version {about['simulator_version']},"
    yield f"seed {about['seed']}. {RESEARCH_USE}. Nothing measured on them is evidence of clinical performance."
    yield ""
    yield f"- train: {parts[0].scans} scans; D1 is {d1['images']} lesion images, the views of {len(d1['labelled'])}"
    yield f"  patients; the other {len(d1['unlabelled'])} are the unlabelled pool (train/d1.json)."
    yield f"- development: {parts[1].scans} scans of other patients with held-out body shapes, with background images."
    yield f"- sealed: {sizes['positives']} patients with labelled lesions in the thorax and {sizes['negatives']} with"
    yield "  mimics and no metastasis, all of them other patients, with held-out shapes, and more flagged patients."
    yield "  Its ground truth is in an archive, every opening is logged, and its distributions are not shown."
    yield ""
    yield f"| quantity | part | values | {' | '.join(f'{q} %' for q in QUANTILES)} |"
    yield f"|---|---|---|{'---|' * len(QUANTILES)}"
    for name, (title, _) in NUMBERS.items():
        for part in parts:
            values = part.numbers[name]
            cells = [f"{value:.4g}" for value in np.percentile(values, QUANTILES)] if values else ["-"] * len(QUANTILES)
            yield f"| {title} | {part.name} | {len(values)} | {' | '.join(cells)} |"
    yield ""
    for name, title in SHARES.items():
        for part in parts:
            shares = [
                f"{word} {count / _per(name, part):.0%}" for word, count in Counter(part.categories[name]).most_common()
            ]
            yield f"- {title}, {part.name}: {', '.join(shares) or 'none'}"
    yield ""
    yield "Three simulated readers; agreement by Eq. 2 (an image is annotated again when a pair differs by more than"
    yield "the limit; after two rounds the pixel majority decides):"
    yield ""
    for part in parts:
        figures = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in part.agreement.items())
        yield f"- {part.name}: {figures}"
    yield ""
    yield from (f"![{name}](datasheet_{name}.png)" for name in FIGURES)


def _plot(path: Path, quantities: Sequence[str], parts: Sequence[BenchmarkPart]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = -(-len(quantities) // 2)
    figure = Figure(figsize=(5 * columns, 8), layout="constrained")
    FigureCanvasAgg(figure)
    for name, axes in zip(quantities, figure.subplots(2, columns).ravel(), strict=True):
        draw: Callable[..., None] = _histogram if name in NUMBERS else _bars
        draw(axes, name, parts)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    figure.suptitle("simulated, no patient data")
    with whole_file(path) as part:
        # Without the plotting library's version, so that the file depends on the image only.
        figure.savefig(part, dpi=80, format="png", metadata={"Software": None})


def _histogram(axes: Any, name: str, parts: Sequence[BenchmarkPart]) -> None:
    title, logarithmic = NUMBERS[name]
    values = [np.asarray(part.numbers[name], float) for part in parts]
    everything = np.concatenate(values)
    axes.set_xlabel(title)
    if not everything.size:
        return
    low, high = float(everything.min()), float(everything.max())
    if logarithmic:
        # A lesion outside the body has almost no background: one such contrast would dominate the axis.
        low, high = np.percentile(everything, PLOTTED)
        low = max(low, 1e-3)
        values = [np.clip(numbers, low, high) for numbers in values]
        bins = np.geomspace(low, max(high, low * 1.01), 25)
        axes.set_xscale("log")
    elif high - low < 40 and (everything == np.rint(everything)).all():
        bins = np.arange(low - 0.5, high + 1)
    else:
        bins = np.linspace(low, max(high, low + 1e-6), 25)
    for part, numbers, colour in zip(parts, values, COLOURS, strict=True):
        weights = np.full(numbers.size, 1 / max(numbers.size, 1))
        axes.hist(numbers, bins, weights=weights, histtype="step", color=colour, label=part.name)
    axes.set_ylabel("share")


def _bars(axes: Any, name: str, parts: Sequence[BenchmarkPart]) -> None:
    total: Counter[str] = Counter(word for part in parts for word in part.categories[name])
    categories = [word for word, _ in total.most_common(16)][::-1]
    for number, (part, colour) in enumerate(zip(parts, COLOURS, strict=True)):
        counts = Counter(part.categories[name])
        shares = [counts[word] / _per(name, part) for word in categories]
        axes.barh(np.arange(len(categories)) - 0.2 + 0.4 * (1 - number), shares, 0.4, color=colour, label=part.name)
    axes.set_yticks(range(len(categories)), categories, fontsize=8)
    axes.set_xlabel(f"share: {SHARES[name]}")
