"""The public data sets that `import` supports, as declarations; docs/open-data.md describes them.

Layouts and counts are from the sets' own documentation and from published code that reads them. The importers are
tested on synthetic folders of the same layout, not on copies of the sets.
"""

from __future__ import annotations

from typing import Any

from SpectBoneMetSegLib.common.errors import UserError

from .description import Files, PublicSet

__all__ = ["SETS", "find_set"]

_HUANG = (
    "Huang Z, Pu X, Tang G, Ping M, Jiang G, Wang M, Wei X, Ren Y. BS-80K: The first large open-access dataset of bone "
    "scan images. Comput Biol Med 2022;151:106221."
)
#: Patients with two numbers: their images are identical in 24 of 26 regions.
_TWINS = (("828", "2244"), ("312", "570"), ("831", "3216"), ("832", "3245"))
_NO_SKELETON = "no usable skeleton (blobs or points, as of another tracer)"
_LEFT_OUT = {"1654": _NO_SKELETON, "779": _NO_SKELETON, "722": _NO_SKELETON}
_PICTURES = (
    Files("scan", r"wholeBody(?P<view>ANT|POST)/(?P<patient>\d+)\.jpg"),
    Files("scan", r"bs80k_wholebody/(?P<patient>\d+)(?P<view>ANT|POST)\.jpg"),
)
_BOXES = (Files("boxes", r"wholeBody(?:ANT|POST)/(?P<view>ant|post)/(?P<patient>\d+)\.xml"),)
_WINDOWED = (
    "Grey values are counts times a gain that differs between images and between the two views of a patient; hot "
    "spots of some images overflowed their 8 bits."
)
#: 1..12 of the skeleton masks for BS-80K.
_BONES = {
    1: "skull", 2: "cervical spine", 3: "thoracic spine", 4: "ribs", 5: "sternum", 6: "clavicle", 7: "scapula",
    8: "humerus", 9: "lumbar spine", 10: "sacrum", 11: "pelvis", 12: "femur",
}  # fmt: skip
_BOTH_BONES = {"anterior": _BONES, "posterior": {k: v for k, v in _BONES.items() if v != "sternum"}}
#: Of the pairs of folders that are passed around; the posterior view has ribs over the scapula as a class of its own.
_PAIR_BONES = {
    1: "skull", 2: "cervical spine", 3: "thoracic spine", 4: "lumbar spine", 5: "sacrum", 6: "pelvis", 7: "ribs",
    8: "scapula", 9: "humerus", 10: "femur", 11: "sternum", 12: "clavicle",
}  # fmt: skip
_NO_LICENCE = "Its authors state no licence: check whether you may train on it and distribute the model."
_BOX_TRUTH = (
    "Physicians' boxes of abnormal hot spots; the outline inside a box is a threshold (Otsu, else the 75th percentile) "
    "that no reader drew. Boxes labelled normal are not lesions."
)

#: Words of the names of groups in English and Spanish; those that deny come first, as "without" metastases.
_GROUPS = {
    **dict.fromkeys(
        (
            "without", "no", "non", "not", "sin", "free", "libre", "normal", "normales", "negative", "negatives",
            "negativo", "negativos", "healthy", "sano", "sanos", "sana", "sanas", "control", "controls", "controles",
            "nometastasis", "nometastases", "nonmetastatic",
        ),
        False,
    ),
    **dict.fromkeys(
        (
            "metastasis", "metastases", "metastatic", "metastasico", "metastasicos", "metastatico", "metastaticos",
            "mets", "positive", "positives", "positivo", "positivos", "abnormal",
        ),
        True,
    ),
}  # fmt: skip
#: Fields shared by sets of masks for the scans of BS-80K.
_OF_BS80K: dict[str, Any] = {
    **{"base": "bs80k", "people": "bs80k", "size": (1024, 256), "twins": _TWINS, "left_out": _LEFT_OUT}
}
_ALL = (
    PublicSet(
        "bs80k",
        "BS-80K",
        "doi:10.1016/j.compbiomed.2022.106221",
        _HUANG,
        "none stated",
        (*_PICTURES, *_BOXES),
        _BOX_TRUTH,
        terms=_NO_LICENCE,
        size=(1024, 256),
        boxes={"abnormal": "lesion", "normal": "benign"},
        label_lists=r"wholeBody(?:ANT|POST)/wholeBody(?P<view>ANT|POST)\.txt",
        expected={"patients": 3247, "boxes anterior": 2924, "boxes posterior": 2555},
        twins=_TWINS,
        left_out=_LEFT_OUT,
        faults=(
            _WINDOWED,
            "Four patients are in it twice (828/2244, 312/570, 831/3216, 832/3245); each pair counts as one patient "
            "here.",
            "elbowRPOST repeats elbowLPOST; the images of regions are not imported.",
            "At least 23 views show no usable skeleton; three patients known by number are left out.",
            "No time points, diagnoses, cameras or doses are stated.",
        ),
    ),
    PublicSet(
        "bs80k-hotspots",
        "Hot-spot and skeleton masks for BS-80K",
        "doi:10.5281/zenodo.23190333",
        f"Zenodo 10.5281/zenodo.23190333 (Liamours), for the scans of: {_HUANG}",
        "CC BY 4.0 for the masks; the scans' authors state none",
        (
            Files("lesions", r"[^/]*hot[^/]*/patient_(?P<patient>\d+)/study_\d+/(?P<view>anterior|posterior)\.png"),
            Files("bones", r"[^/]*skeleton[^/]*/patient_(?P<patient>\d+)/study_\d+/(?P<view>anterior|posterior)\.png"),
        ),
        "Masks computed from BS-80K's boxes by a threshold, malignant ones as lesions; skeletons drawn for 3,593 views "
        "and predicted by a network for the others.",
        terms=_NO_LICENCE,
        **_OF_BS80K,
        lesions={1: "benign", 2: "lesion"},
        empty_without_mask=True,
        listed_split=True,
        bones=_BOTH_BONES,
        expected={"bones": 6494},
        faults=(
            _WINDOWED,
            "A DSC against these masks measures agreement with a threshold in boxes on 8-bit images.",
            "Patient 831 of its test is patient 3216 of its training; here both are in the test.",
        ),
    ),
    PublicSet(
        "bs80k-skeleton",
        "Skeleton masks for BS-80K (Telkom University)",
        "doi:10.5281/zenodo.20342310",
        f"Zenodo 10.5281/zenodo.20342310 (Rachmawati E. et al.), for the scans of: {_HUANG}",
        "CC BY-SA 4.0 for the masks; the scans' authors state none",
        (Files("bones", r"masks/(?P<view>anterior|posterior)/(?P<patient>\d+)\.png"),),
        f"Skeletons drawn manually; lesions as in BS-80K: {_BOX_TRUTH}",
        terms=f"{_NO_LICENCE} Share-alike: what is made of the masks has the same licence.",
        **_OF_BS80K,
        boxes={"abnormal": "lesion", "normal": "benign"},
        bones=_BOTH_BONES,
        expected={"bones anterior": 1841, "bones posterior": 1752},
        faults=(
            _WINDOWED,
            "Its own splits share patients between the views' tests and trainings; folds here are by patient.",
            "Copies from before a correction of its colours may number the regions otherwise: the order is checked by "
            "where they lie.",
        ),
    ),
    PublicSet(
        "bs80k-anatomy",
        "Whole-body anatomy of BS-80K (WBAS)",
        "https://huggingface.co/datasets/cmseibold/BS80K_Anatomy",
        f"Seibold C. et al., BS80K_Anatomy, for the scans of: {_HUANG}",
        "CC BY-NC-SA 4.0 for the outlines; the scans' authors state none",
        (),
        f"Anatomy as COCO polygons; lesions as in BS-80K: {_BOX_TRUTH}",
        terms=f"{_NO_LICENCE} Not for commercial use, share-alike: this also applies to a model trained on it.",
        **_OF_BS80K,
        boxes={"abnormal": "lesion", "normal": "benign"},
        expected={"coco images": 5933},
        faults=(_WINDOWED, "Outlines were partly predicted by a network."),
    ),
    PublicSet(
        "iics-una",
        "Bone scans of IICS-UNA, Paraguay",
        "doi:10.5281/zenodo.13900966",
        "Zenodo 10.5281/zenodo.13900966 (IICS-UNA, Paraguay); PMC11699483.",
        "CC BY 4.0",
        (Files("scan", r"(?P<group>[^/]+)/(?:Anterior|Posterior)/(?P<view>[AP])(?P<patient>\d+)\.png"),),
        "A patient with or without metastases (physician's final diagnosis). Patients without are labelled as having "
        "no lesion; those with are unlabelled, because none was outlined.",
        size=(1024, 256),
        posterior="assumed from behind",
        grey="16-bit values, every image stretched to 65535",
        diseased=_GROUPS,
        grouped=True,
        expected={"patients": 291, "scan": 582},
        faults=(
            "No document states that the posterior view is seen from behind; this is checked on the images.",
            "Numbers of patients start again in every class: a patient is class and number.",
        ),
    ),
    PublicSet(
        "libs160k",
        "LIBS-160K, whole bodies",
        "doi:10.6084/m9.figshare.28715375",
        "Wei X. et al., LIBS-160K, figshare 10.6084/m9.figshare.28715375.",
        "CC BY 4.0",
        (Files("scan", r"whole(?P<view>ANT|POST)/(?P<group>Abnormal|Normal)/(?P<patient>\d+)\.jpg"),),
        "A view called normal or abnormal. Patients of whom every view is normal are labelled as having no lesion; the "
        "others are unlabelled.",
        people="bs80k",
        size=(1024, 256),
        diseased={"abnormal": True, "normal": False},
        expected={"scan anterior": 6738, "scan posterior": 6738},
        twins=_TWINS,
        left_out=_LEFT_OUT,
        faults=(
            _WINDOWED,
            "3,247 of its whole bodies are those of BS-80K: do not train on one set and evaluate on the other.",
            "Its crops with captions show no whole body and are not imported; a third of them are in it twice, most "
            "across its splits.",
        ),
    ),
    PublicSet(
        "pairs",
        "Pairs of MetaImage folders",
        "none",
        "as the provider of the set requires",
        "unknown",
        (
            Files("scan", r"Image/(?P<patient>[^/]+)\.mhd", "anterior"),
            Files("scan", r"Image_P/(?P<patient>[^/]+)\.mhd", "posterior"),
            Files("lesions", r"Tumor/(?P<patient>[^/]+)\.mhd", "anterior"),
            Files("lesions", r"Tumor_P/(?P<patient>[^/]+)\.mhd", "posterior"),
            Files("bones", r"Bone/(?P<patient>[^/]+)\.mhd", "anterior"),
            Files("bones", r"Bone_P/(?P<patient>[^/]+)\.mhd", "posterior"),
        ),
        "Outlines per view, drawn by the authors of the set; the rule is not stated.",
        terms="Sets of this form are shared privately: check whether you may train on yours.",
        posterior="flipped",
        grey="counts, clipped at 255 in some views",
        counts=True,
        lesions={1: "lesion", -1: "lesion", 255: "lesion"},
        bones={"anterior": _PAIR_BONES, "posterior": {k: v for k, v in _PAIR_BONES.items() if k < 11}},
        pixel_source="the files' headers",
        faults=("The posterior view is stored flipped onto the anterior one; it is flipped back.",),
    ),
    PublicSet(
        "nnunet-pairs",
        "nnU-Net folders with a view a channel",
        "none",
        "as the provider of the set requires",
        "unknown",
        (
            Files("scan", r"images(?:Tr|Ts)/(?P<patient>.+)_0000\.png", "anterior"),
            Files("scan", r"images(?:Tr|Ts)/(?P<patient>.+)_0001\.png", "posterior"),
            Files("lesions", r"labelsTr/lesion/(?P<patient>.+)_0000\.png", "anterior"),
            Files("lesions", r"labelsTr/lesion/(?P<patient>.+)_0001\.png", "posterior"),
            Files("bones", r"labelsTr/bone/(?P<patient>.+)_0000\.png", "anterior"),
            Files("bones", r"labelsTr/bone/(?P<patient>.+)_0001\.png", "posterior"),
        ),
        "Masks per view as drawn or computed by the authors of the folders.",
        terms="Folders of this form are made from other sets: check their terms.",
        lesions={1: "benign", 2: "lesion"},
        bones=_BOTH_BONES,
    ),
)
SETS: dict[str, PublicSet] = {each.name: each for each in _ALL}


def find_set(name: str) -> PublicSet:
    """Return the set of that name.

    Raises:
        UserError: there is no such set.
    """
    if name not in SETS:
        raise UserError(f"There is no public set {name!r}; choose one of {', '.join(SETS)}.", "list")
    return SETS[name]
