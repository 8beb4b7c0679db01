"""What `evaluate` prints fits a terminal."""

from __future__ import annotations

from SpectBoneMetSegTrainingLib.cli.evaluate import COLUMNS, print_metrics


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
