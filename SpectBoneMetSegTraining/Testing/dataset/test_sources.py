"""A card names the sources of the training data, through every set and model in between."""

from __future__ import annotations

from SpectBoneMetSegTrainingLib.dataset.cases import finish_dataset
from SpectBoneMetSegTrainingLib.dataset.sources import combined_sources, inherited_sources, licence_with, sources_of

ONE = {"name": "One", "licence": "CC BY 4.0", "citation": "A. One", "home": "doi:1"}
TWO = {"name": "Two", "licence": "none stated", "citation": "B. Two", "home": "doi:2"}


def test_a_data_set_names_its_sources_and_one_of_ones_own_has_none(discs, tmp_path):
    data = discs(tmp_path / "d", ["train"] * 3)
    assert sources_of(data) == []
    finish_dataset(data, "Tiny", 1, "Made-up discs.", inherited_sources({"sources": [ONE], "other": 3}))
    assert sources_of(data) == [ONE]


def test_a_card_names_its_data_and_those_of_its_parent_each_once():
    assert combined_sources([ONE], {"sources": [TWO, ONE]}) == {"sources": [ONE, TWO]}
    assert combined_sources([], {}) == {}


def test_the_licence_of_a_model_names_that_of_its_data_and_is_not_lengthened_twice():
    once = licence_with("Apache-2.0", [ONE])
    assert once == "Apache-2.0; trained on One: CC BY 4.0"
    both = "Apache-2.0; trained on One: CC BY 4.0; Two: none stated"
    assert licence_with(once, [ONE, TWO]) == both
    assert licence_with(once.replace("trained", "taught"), [ONE, TWO]) == both
    assert licence_with("Apache-2.0", []) == "Apache-2.0"
