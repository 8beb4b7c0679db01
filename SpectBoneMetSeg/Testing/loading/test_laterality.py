"""Texts that name a side, and texts that only seem to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_scan
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
def test_any_text_is_understood_or_left_unchanged(text):
    views = views_in_text(text)
    assert len(set(views)) == len(views) <= 2
    if "anterior" in views:
        assert any(word in text.upper() for word in ("ANT", "VENTRAL"))
    if "posterior" in views:
        assert any(word in text.upper() for word in ("POST", "DORSAL"))


@given(st.sampled_from(["INJECTION", "THERAPY", "OP", "TREATMENT", "CHEMO", "RT", "VOID", "DOSE"]), st.booleans())
def test_post_before_a_term_of_time_is_no_side(word, lower):
    text = f"Bone scan post {word}"
    assert views_in_text(text.lower() if lower else text) == ()


def test_the_option_overrides_the_file_only_when_it_is_insisted_on_and_with_a_warning(both_views, person):
    path = both_views()
    with pytest.raises(UserError, match="use the views that the file states") as caught:
        read_scan(path, views=["posterior", "anterior"])
    assert caught.value.fields == ("views", "views_override")
    assert read_scan(path, views=["anterior", "posterior"]).warnings == ()
    scan = read_scan(path, views=["posterior", "anterior"], views_override=True)
    assert np.array_equal(scan.posterior.counts, person[0])
    assert any("as requested" in warning for warning in scan.warnings)


def test_a_file_name_that_says_otherwise_is_not_overridden_either(tmp_path, person):
    Image.fromarray(person[0]).save(tmp_path / "p_POST.png")
    with pytest.raises(UserError, match="use the views that the file states") as caught:
        read_scan(tmp_path / "p_POST.png", views=["anterior"], pixel_size_mm=4.52)
    assert caught.value.fields == ("views", "views_override")


def test_the_order_that_a_text_states_of_a_wide_picture_is_not_overridden_either(tmp_path, person, nm_file):
    path = nm_file(tmp_path / "a.dcm", [np.concatenate(person, axis=1)], SeriesDescription="WB ANT POST")
    with pytest.raises(UserError, match="use the views that the file states") as caught:
        read_scan(path, views=["posterior", "anterior"])
    assert caught.value.fields == ("views", "views_override")
