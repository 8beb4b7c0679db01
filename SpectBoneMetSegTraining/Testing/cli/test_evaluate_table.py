"""What `evaluate` prints fits a terminal."""

from __future__ import annotations

from SpectBoneMetSegTrainingLib.cli.evaluate import COLUMNS, print_metrics

NO_MORE = {"flagged": {}, "views without any lesion": {"images": 0, "false_alarms_per_image": None}}


def test_the_table_of_figures_fits_80_columns(capsys):
    row = {**dict.fromkeys(COLUMNS, 0.1234), "precision": None, "lesions": 1234, "images": 12345}
    figures = {
        "cases": 97,
        "report": {"dsc": 0.5, "dsc_low": 0.4, "dsc_high": 0.6, "recall": None},
        **dict.fromkeys(("both views", "anterior", "posterior"), row),
        "baselines": {"2.5 x median": row},
        "flagged": {},
        "views without any lesion": {"images": 3, "false_alarms_per_image": 0.25},
    }
    print_metrics("thorax on test of DATA, lesion truth", figures)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    [head] = [line for line in lines if "found  " in line]
    assert head.split() == ["DSC", "precision", "recall", "found", "alarms", "lesions", "images"]
    [both] = [line for line in lines if line.startswith("both views")]
    assert both.split() == ["both", "views", "0.1234", "-", *["0.1234"] * 3, "1234", "12345"]


def test_a_rate_of_false_alarms_that_no_threshold_reaches_is_not_printed_as_a_sensitivity_of_zero(capsys):
    report = {name + end: 0.0 for name in ("froc_1", "froc_2") for end in ("", "_low", "_high")}
    report |= {"froc_2": 0.7, "froc_2_high": 0.8, "lesion_recall": 0.9, "lesion_recall_low": 0.8}
    row = dict.fromkeys(COLUMNS, 0.5)
    figures = {"cases": 6, "report": {**report, "lesion_recall_high": 1.0}}
    print_metrics("thorax", {**figures, **dict.fromkeys(("both views", "anterior", "posterior"), row), **NO_MORE})
    lines = capsys.readouterr().out.splitlines()
    printed = {line[:34].strip(): line[34:].split() for line in lines}
    assert printed["found at 1 false alarm/view"] == ["-", *["more", "false", "alarms", "at", "every", "threshold"]]
    assert printed["found at 2 false alarms/view"] == ["0.700", "95", "%", "-", "to", "0.800"]
