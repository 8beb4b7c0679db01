"""Which words name a side, and which only look like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.loading.laterality import views_in_text


@pytest.mark.parametrize(
    ("text", "views"),
    [
        ("ANT", ("anterior",)),
        ("WB_Anterior", ("anterior",)),
        ("Whole Body ANT_E", ("anterior",)),
        ("ant1", ("anterior",)),
        ("Tc99m MDP ant", ("anterior",)),
        ("POST", ("posterior",)),
        ("wb-post", ("posterior",)),
        ("POST WB", ("posterior",)),
        ("post_2", ("posterior",)),
        ("patient3_POST", ("posterior",)),
        ("posterior view", ("posterior",)),
        ("ANT/POST", ("anterior", "posterior")),
        ("ANTPOST", ("anterior", "posterior")),
        ("Post & Ant", ("posterior", "anterior")),
        ("POST INJECTION", ()),
        ("POSTTHERAPY", ()),
        ("post-therapy", ()),
        ("POSTOP", ()),
        ("Post OP", ()),
        ("3H POST", ()),
        ("3h post injection", ()),
        ("POST 3H", ()),
        ("pre/post", ()),
        ("ANTERO-POSTERIOR", ()),
        ("AP", ()),
        ("PA", ()),
        ("right posterior oblique", ()),
        ("ANT LAT", ()),
        ("pain in the posterior ribs since May, please exclude metastases", ()),
        ("WHOLE BODY_E", ()),
        ("antibody", ()),
        ("", ()),
    ],
)
def test_words_that_name_a_side(text, views):
    assert views_in_text(text) == views


@given(st.text(max_size=60))
def test_any_text_is_understood_or_left_alone(text):
    views = views_in_text(text)
    assert len(set(views)) == len(views) <= 2
    if "anterior" in views:
        assert any(word in text.upper() for word in ("ANT", "VENTRAL"))
    if "posterior" in views:
        assert any(word in text.upper() for word in ("POST", "DORSAL"))


@given(st.sampled_from(["INJECTION", "THERAPY", "OP", "TREATMENT", "CHEMO", "RT", "VOID", "DOSE"]), st.booleans())
def test_post_before_a_word_of_time_is_no_side(word, lower):
    text = f"Bone scan post {word}"
    assert views_in_text(text.lower() if lower else text) == ()
