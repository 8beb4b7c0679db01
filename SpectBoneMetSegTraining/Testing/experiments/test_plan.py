"""The experiments as lists of trainings: what the paper requires, each training once, in a good order."""

from __future__ import annotations

import pytest
from SpectBoneMetSegTrainingLib.experiments.definitions import NnunetTraining, key_of
from SpectBoneMetSegTrainingLib.experiments.page.findings import COMPARISONS
from SpectBoneMetSegTrainingLib.experiments.plan import ORDER, ExperimentPlan, trainings
from SpectBoneMetSegTrainingLib.experiments.scales import SCALES

PATIENTS = 56


@pytest.fixture(params=sorted(SCALES))
def plan(request):
    return ExperimentPlan(SCALES[request.param], PATIENTS)


def keys_of(plan, name):
    return [key_of(row.make(0)) for row in plan.experiments[name].rows]


def test_the_papers_shares_are_the_papers_numbers_of_patients(plan):
    budgets = [row.make(0).labels for row in plan.experiments["fig7"].rows if row.series.startswith("paper")]
    assert budgets == [0, 3, 6, 11, 17, 21, 39]
    assert [row.make(0).labels for row in plan.experiments["table6"].rows[4:6]] == [21, 39]


def test_every_table_and_figure_is_there_with_its_rows(plan):
    assert {name: len(item.rows) for name, item in plan.experiments.items()} == {
        **{"table3": 4, "fig7": 13, "fig8": 5, "table5": 4, "fig9": 3, "table6": 12}
    }
    assert set(ORDER) == set(plan.experiments)
    assert [row.make(0).data for row in plan.experiments["table3"].rows] == ["D1", "D2", "D3", "D4"]
    steps = [row.make(0).config.network.recurrent_steps for row in plan.experiments["fig8"].rows]
    assert steps == [1, 2, 3, 4, 5]


def test_a_training_that_experiments_share_is_one(plan):
    shared = (("table3", 1), ("fig7", 5), ("fig8", 2), ("table5", 3), ("fig9", 0))
    assert len({keys_of(plan, name)[index] for name, index in shared}) == 1
    assert keys_of(plan, "fig9")[1] == keys_of(plan, "table6")[0]


def test_different_trainings_have_different_keys_and_every_one_is_listed_once(plan):
    listed = trainings(plan, list(ORDER), [0, 1])
    keys = [key_of(training) for training in listed]
    assert len(set(keys)) == len(keys)
    rows = {key_of(row.make(seed)) for seed in (0, 1) for item in plan.experiments.values() for row in item.rows}
    assert rows == set(keys)


def test_every_training_can_be_trained(plan):
    for training in trainings(plan, list(ORDER), [0]):
        if not isinstance(training, NnunetTraining):
            training.config.check()


def test_seeds_come_one_after_the_other_and_nnunets_reference_before_it(plan):
    listed = trainings(plan, list(ORDER), [3, 1])
    assert [training.seed for training in listed] == sorted((t.seed for t in listed), reverse=True)
    order = {key_of(training): index for index, training in enumerate(listed)}
    peers = [training for training in listed if isinstance(training, NnunetTraining) and training.as_long_as]
    assert len(peers) == 4
    assert all(order[peer.as_long_as] < order[key_of(peer)] for peer in peers)


def test_sets_with_generated_samples_record_their_budget_and_others_draw_it_while_training(plan):
    d1, d2, d3, d4 = (row.make(0) for row in plan.experiments["table3"].rows)
    assert [training.config.labels for training in (d1, d2, d3, d4)] == [21, 21, None, None]
    assert {training.labels for training in (d1, d2, d3, d4)} == {21}


def test_every_method_stops_by_the_same_rule(plan):
    own = [t for t in trainings(plan, list(ORDER), [0]) if not isinstance(t, NnunetTraining)]
    assert len({(t.config.validate_every, t.config.patience, t.config.batch, t.config.patch) for t in own}) == 1


def test_claims_name_rows_that_mean_what_they_say(plan):
    for claim in COMPARISONS:
        lower, higher = (plan.experiments[name].rows[index].label for name, index in (claim.lower, claim.higher))
        assert lower != higher
        if "t = 3 better than" in claim.claim:
            assert higher == "t = 3"
            assert claim.claim.endswith(lower)
        if "nnU-Net" in claim.claim:
            assert "nnU-Net" in lower + higher
        if "D2 better than" in claim.claim:
            assert higher.startswith("D2")
            assert lower.startswith(claim.claim[-2:])
