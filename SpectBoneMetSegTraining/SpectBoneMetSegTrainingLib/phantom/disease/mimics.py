"""Benign mimics of metastases: degenerative joints, fractures and operations. They are never labelled.

Their uptake widely overlaps that of metastases, as on real scans. Degenerative change has 2-10 x the uptake of normal
bone, and active joints and fresh fractures are as hot as metastases, so no threshold separates them. Site and shape do:
facet joints are lateral to the midline, discs and collapsed vertebrae are bands, and rib fractures are spots near the
front, often aligned in neighbouring ribs (94 % spots; metastases are stripes in 52-78 %). No published table gives the
frequency of each mimic in whole-body scans. The rates are assumptions in the order of textbooks (lower lumbar facets,
knees, feet, shoulders and sternoclavicular joints often; Paget's disease, hyperostosis frontalis and operations
seldom).
"""

from __future__ import annotations

import numpy as np

from ..person.anatomy import Person
from ..person.skeleton import CERVICAL, LUMBAR, THORACIC
from .lesions import Focus, Form, bone_points, make_focus, place_focus, present_points
from .tracer import draw_age

#: Kinds of mimics.
KINDS = (
    "degenerative",
    "disc",
    "fracture",
    "compression fracture",
    "insufficiency fracture",
    "old fracture",
    "enthesopathy",
    "sternotomy",
    "dental",
    "sinusitis",
    "hyperostosis",
    "burr hole",
    "thoracotomy",
    "paget",
    "loosening",
)
#: Uptake: median factor on normal bone and sigma of its logarithm.
DEGENERATIVE_UPTAKE = (4.2, 0.65)
FRACTURE_UPTAKE = (6.5, 0.6)
OLD_FRACTURE_UPTAKE = (1.9, 0.3)

#: Degenerative joints: bone, position on the right side (R, A, S; mm, atlas), probability at 65 years, radius (mm).
JOINTS: tuple[tuple[str, tuple[float, float, float], float, float], ...] = (
    ("humerus", (160.0, -92.0, 455.0), 0.16, 15.0),
    ("clavicle", (130.0, -95.0, 475.0), 0.16, 9.0),
    ("clavicle", (18.0, -84.0, 465.0), 0.13, 9.0),
    ("hip bone", (46.0, -118.0, 15.0), 0.1, 13.0),
    ("hip bone", (5.0, -12.0, -92.0), 0.05, 10.0),
    ("femur", (72.0, -56.0, -72.0), 0.08, 18.0),
    ("hip bone", (78.0, -60.0, -55.0), 0.08, 16.0),
    ("femur", (64.0, -60.0, -498.0), 0.14, 17.0),
    ("tibia", (64.0, -58.0, -508.0), 0.14, 15.0),
    ("femur", (95.0, -60.0, -498.0), 0.06, 15.0),
    ("patella", (78.0, -10.0, -460.0), 0.12, 14.0),
    ("talus", (78.0, -60.0, -880.0), 0.08, 14.0),
    ("foot", (70.0, 20.0, -908.0), 0.15, 15.0),
    ("toes", (62.0, 60.0, -920.0), 0.2, 10.0),
    ("hand", (200.0, -85.0, -100.0), 0.2, 9.0),
    ("hand", (190.0, -80.0, -170.0), 0.1, 7.0),
    ("ulna", (185.0, -95.0, 165.0), 0.05, 11.0),
)
#: Tendon insertions, with the same columns.
TENDONS: tuple[tuple[str, tuple[float, float, float], float, float], ...] = (
    ("femur", (110.0, -75.0, -85.0), 0.05, 13.0),
    ("hip bone", (110.0, -60.0, 70.0), 0.03, 12.0),
    ("hip bone", (60.0, -110.0, -115.0), 0.03, 11.0),
    ("foot", (80.0, -120.0, -905.0), 0.06, 11.0),
    ("humerus", (185.0, -92.0, 440.0), 0.05, 9.0),
)


#: Height of a worn disc, a share of its radius.
DISC_FLATNESS = 0.3
#: Kinds of which one event makes several foci: all of these are present, or none.
MULTIFOCAL_KINDS = ("fracture", "insufficiency fracture", "disc", "sternotomy", "thoracotomy", "paget")


def draw_mimics(person: Person, rng: np.random.Generator, age: float | None = None, amount: float = 1.0) -> list[Focus]:
    """Draw the mimics of one patient on the reference person.

    Args:
        person: the reference person.
        rng: source of the draws.
        age: years; None to draw it.
        amount: share of the usual number.
    """
    worn = float(np.clip(1 + 0.025 * ((draw_age(rng) if age is None else age) - 65), 0.2, 1.7))
    foci = _spine(person, rng, worn)
    for table, kind, rate in ((JOINTS, "degenerative", worn), (TENDONS, "enthesopathy", 1.0)):
        for bone, centre, chance, radius in table:
            for side, sign in (("right", 1.0), ("left", -1.0)):
                if rng.random() < chance * rate:
                    name, position = f"{side} {bone}", (sign * centre[0], centre[1], centre[2])
                    start = nearest_point(person, name, position, rng)
                    size = radius * float(rng.uniform(0.6, 1.4))
                    foci.append(make_focus(person, rng, kind, name, Form(size), _uptake(rng), start))
    foci += _fractures(person, rng, worn)
    if rng.random() < 0.03:
        foci += _sternotomy(person, rng)
    if rng.random() < 0.02:
        foci += _thoracotomy(person, rng)
    if rng.random() < 0.006:
        foci += _paget(person, rng)
    foci += _skull(person, rng)
    foci += _loosening(person, rng)
    standing = [focus for focus in foci if person.present[focus.start] and not person.prosthesis[focus.start]]
    kept = {kind: rng.random() < amount for kind in MULTIFOCAL_KINDS}
    return [focus for focus in standing if (kept[focus.kind] if focus.kind in kept else rng.random() < amount)]


def nearest_point(
    person: Person, bone: str, position: tuple[float, float, float], rng: np.random.Generator, spread: float = 5.0
) -> int:
    """Return the index of the bone point nearest to a position in the atlas (RAS mm), scattered by `spread` mm."""
    index = bone_points(bone)
    target = np.array(position) + rng.normal(0, spread, 3)
    return int(index[np.argmin(((person.atlas_bones[index] - target) ** 2).sum(1))])


def _uptake(rng: np.random.Generator, median_sigma: tuple[float, float] = DEGENERATIVE_UPTAKE) -> float:
    return float(np.clip(median_sigma[0] * np.exp(rng.normal(0, median_sigma[1])), 1.2, 40))


def _spine(person: Person, rng: np.random.Generator, worn: float) -> list[Focus]:
    """Draw facet joints, and discs as a band along the two facing end plates."""
    foci = []
    for _ in range(int(rng.poisson(1.5 * worn))):
        # The lowest lumbar joints carry most load and degenerate most.
        bone = str(rng.choice([*LUMBAR, *3 * LUMBAR[3:], *THORACIC[6:], *CERVICAL[3:]]))
        # Facets and osteophytes are lateral to the midline, at the edge of the vertebra.
        index = bone_points(bone)
        aside = index[np.abs(person.atlas_bones[index, 0]) > 13]
        size = float(rng.uniform(5, 12))
        foci.append(make_focus(person, rng, "degenerative", bone, Form(size), _uptake(rng), int(rng.choice(aside))))
    if rng.random() < 0.22 * worn:
        column = (*CERVICAL[2:], *THORACIC, *LUMBAR)
        upper = int(rng.choice([2, 3, 4, *range(11, 17), *range(17, len(column) - 1), *range(17, len(column) - 1)]))
        side, uptake, width = float(rng.normal(0, 9)), _uptake(rng), float(rng.uniform(14, 22))
        for bone, end in ((column[upper], 0.0), (column[upper + 1], 1.0)):
            foci.append(_band(person, rng, "disc", bone, end, side, Form(width, DISC_FLATNESS), uptake))
    return foci


def _band(
    person: Person,
    rng: np.random.Generator,
    kind: str,
    bone: str,
    end: float,
    side: float,
    form: Form,
    uptake: float,
) -> Focus:
    """Make a flat focus across a vertebral body, from its lower (`end` 0) to its upper (1) end plate.

    Args:
        person: the reference person.
        rng: source of the draws.
        kind: of the focus.
        bone: the vertebra.
        end: position between the end plates, 0 .. 1.
        side: R of the centre, mm from the midline.
        form: its size, flat along S.
        uptake: factor on normal bone.
    """
    index = bone_points(bone)
    body = person.atlas_bones[index]
    # The front half of a vertebra is its body.
    front = index[body[:, 1] > (body[:, 1].min() + body[:, 1].max()) / 2]
    height = np.quantile(person.atlas_bones[front, 2], 0.04 + 0.92 * end)
    centre = (side, float(person.atlas_bones[front, 1].mean()), float(height))
    start = int(front[np.argmin(((person.atlas_bones[front] - np.array(centre)) ** 2).sum(1))])
    return place_focus(person, rng, kind, bone, form, uptake, start)


def _fractures(person: Person, rng: np.random.Generator, worn: float) -> list[Focus]:
    foci = []
    for side in ("right", "left"):
        if rng.random() < 0.14:
            bone = f"{side} rib {int(rng.integers(2, 12))}"
            foci.append(_rib_fracture(person, rng, bone, float(rng.uniform(-110, -25)), _uptake(rng, FRACTURE_UPTAKE)))
    if rng.random() < 0.14:
        foci += _aligned_fractures(person, rng)
    for _ in range(int(rng.random() < 0.06 * worn) * int(rng.integers(1, 3))):
        bone = str(rng.choice([*THORACIC[5:], *LUMBAR]))
        uptake, flatness = _uptake(rng, FRACTURE_UPTAKE), float(rng.uniform(0.25, 0.5))
        end, side_mm = float(rng.uniform(0.3, 1.0)), float(rng.normal(0, 3))
        foci.append(_band(person, rng, "compression fracture", bone, end, side_mm, Form(26.0, flatness), uptake))
    if rng.random() < 0.008 * worn:
        foci += _h_sign(person, rng)
    if rng.random() < 0.05:
        kind = str(rng.choice(["femur", "tibia", "humerus", "radius", "ulna", "fibula", "clavicle"]))
        bone = f"{'right' if rng.random() < 0.5 else 'left'} {kind}"
        index = bone_points(bone)
        order = index[np.argsort(person.atlas_bones[index, 0 if kind == "clavicle" else 2])]
        start = int(order[int(len(order) * rng.uniform(0.2, 0.8))])
        size = float(rng.uniform(10, 18))
        foci.append(
            make_focus(person, rng, "old fracture", bone, Form(size, 1.2), _uptake(rng, OLD_FRACTURE_UPTAKE), start)
        )
    return foci


def _rib_fracture(person: Person, rng: np.random.Generator, bone: str, front: float, uptake: float) -> Focus:
    """Make a fracture where the rib passes A = `front` (mm, atlas): mostly a spot, sometimes a stripe."""
    index = bone_points(bone)
    start = int(index[np.argmin(np.abs(person.atlas_bones[index, 1] - front))])
    stretch = float(rng.uniform(1.5, 2.5)) if rng.random() < 0.06 else 1.0
    return make_focus(person, rng, "fracture", bone, Form(float(rng.uniform(5, 9)), stretch), uptake, start)


def _aligned_fractures(person: Person, rng: np.random.Generator) -> list[Focus]:
    """Draw fractures of one trauma: neighbouring ribs, aligned, with similar uptake."""
    side = "right" if rng.random() < 0.5 else "left"
    first, count = int(rng.integers(3, 9)), int(rng.integers(2, 6))
    front, middle = rng.uniform(-100, -30), _uptake(rng, FRACTURE_UPTAKE)
    return [
        _rib_fracture(
            person,
            rng,
            f"{side} rib {number}",
            float(front + rng.normal(0, 5)),
            float(max(middle * np.exp(rng.normal(0, 0.25)), 1.2)),
        )
        for number in range(first, min(first + count, 11))
    ]


def _h_sign(person: Person, rng: np.random.Generator) -> list[Focus]:
    """Draw an insufficiency fracture of the sacrum (H sign): both wings and mostly a bar between them."""
    uptake = _uptake(rng, FRACTURE_UPTAKE)
    foci = []
    for sign in (1.0, -1.0):
        start = nearest_point(person, "sacrum", (sign * 32.0, -110.0, 12.0), rng, 2.0)
        foci.append(place_focus(person, rng, "insufficiency fracture", "sacrum", Form(9.0, 3.2), uptake, start))
    if rng.random() < 0.7:
        start = nearest_point(person, "sacrum", (0.0, -118.0, 5.0), rng, 2.0)
        foci.append(
            place_focus(
                person, rng, "insufficiency fracture", "sacrum", Form(8.0, 4.0, axis=(1.0, 0.0, 0.0)), uptake, start
            )
        )
    return foci


def _sternotomy(person: Person, rng: np.random.Generator) -> list[Focus]:
    """Draw a healing sternotomy: a row of foci with equal uptake along the midline of the sternum."""
    heights = person.atlas_bones[bone_points("sternum"), 2]
    uptake = float(rng.uniform(1.4, 3.0))
    starts = [
        nearest_point(person, "sternum", (0.0, -70.0, float(height)), rng, 1.0)
        for height in np.arange(heights.min(), heights.max(), 14)
    ]
    return [make_focus(person, rng, "sternotomy", "sternum", Form(8.0, 1.5), uptake, start) for start in starts]


def _skull(person: Person, rng: np.random.Generator) -> list[Focus]:
    """Draw dental foci, sinusitis, hyperostosis frontalis and the rim of a burr hole."""
    foci = []
    for _ in range(int(rng.poisson(0.35))):
        bone = "mandible" if rng.random() < 0.5 else "skull"
        centre = (float(rng.uniform(-28, 28)), -35.0, 585.0 if bone == "mandible" else 600.0)
        size, start = float(rng.uniform(6, 12)), nearest_point(person, bone, centre, rng)
        foci.append(make_focus(person, rng, "dental", bone, Form(size), _uptake(rng), start))
    if rng.random() < 0.08:
        centre = (float(rng.choice((-22.0, 22.0))), -30.0, float(rng.choice((620.0, 655.0))))
        start = nearest_point(person, "skull", centre, rng)
        foci.append(make_focus(person, rng, "sinusitis", "skull", Form(float(rng.uniform(9, 16))), _uptake(rng), start))
    if rng.random() < 0.04:
        uptake = float(rng.uniform(1.5, 3.0))
        for sign in (1.0, -1.0):
            start = nearest_point(person, "skull", (sign * 28.0, -35.0, 695.0), rng)
            size = float(rng.uniform(18, 30))
            foci.append(make_focus(person, rng, "hyperostosis", "skull", Form(size), uptake, start))
    if rng.random() < 0.01:
        centre = (float(rng.choice((-60.0, 60.0))), float(rng.uniform(-140, -50)), 690.0)
        start = nearest_point(person, "skull", centre, rng)
        size, uptake = float(rng.uniform(10, 28)), float(rng.uniform(1.5, 4))
        foci.append(make_focus(person, rng, "burr hole", "skull", Form(size, core=1.0), uptake, start))
    return foci


def _thoracotomy(person: Person, rng: np.random.Generator) -> list[Focus]:
    """Draw the ribs that were spread or cut in a lung operation: lateral and posterior stripes in two or three."""
    side, first = ("right" if rng.random() < 0.5 else "left"), int(rng.integers(4, 6))
    foci = []
    for number in range(first, first + int(rng.integers(2, 4))):
        index = bone_points(f"{side} rib {number}")
        start = int(index[np.argmin(np.abs(person.atlas_bones[index, 1] - rng.uniform(-160, -110)))])
        uptake, stretch = float(rng.uniform(1.5, 3.5)), float(rng.uniform(3, 6))
        foci.append(make_focus(person, rng, "thoracotomy", f"{side} rib {number}", Form(8.0, stretch), uptake, start))
    return foci


def _paget(person: Person, rng: np.random.Generator) -> list[Focus]:
    """Draw Paget's disease: the whole of one bone is hot."""
    bone = str(rng.choice(["left hip bone", "right hip bone", "L3", "T11", "right femur", "left tibia", "skull"]))
    index = present_points(person, bone)
    if not len(index):
        return []
    share = np.ones(len(index), np.float32)
    return [Focus("paget", bone, index, share, float(rng.uniform(2.5, 7)), int(index[len(index) // 2]), Form(radius=0))]


def _loosening(person: Person, rng: np.random.Generator) -> list[Focus]:
    """Draw loosening of a hip prosthesis: raised uptake at the tip of the stem, the calcar or the socket."""
    foci: list[Focus] = []
    for side in ("right", "left"):
        stem = bone_points(f"{side} femur")
        stem = stem[person.prosthesis[stem]]
        for bone in (f"{side} femur", f"{side} hip bone"):
            if not len(stem) or rng.random() > 0.35:
                continue
            heights = person.atlas_bones[stem, 2]
            target = person.atlas_bones[stem[np.argmin(heights) if rng.random() < 0.5 else np.argmax(heights)]]
            present = present_points(person, bone)
            start = int(present[np.argmin(((person.atlas_bones[present] - target) ** 2).sum(1))])
            foci.append(
                make_focus(person, rng, "loosening", bone, Form(float(rng.uniform(10, 18)), 1.6), _uptake(rng), start)
            )
    return foci
