"""What happens while scans are compared: the module is left, the reading is changed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))

pytest_plugins = ["slicerhost.fixtures", "slicerhost.many"]


def begin(section):
    section.ui.followupSection.setCollapsed(False)
    section.ui.earlierPath.currentPath = str(section.panel.result)
    section.ui.addEarlierButton.click()
    section.ui.compareButton.click()


def test_a_comparison_that_ends_when_the_module_was_left_changes_no_layout(host, section, until):
    panel = section.panel
    panel.enter()
    begin(section)
    panel.exit()
    until(lambda: not section.busy)
    assert section.shown is not None, section.ui.followupStatus.text
    assert "SpectThenAnterior" not in host.layout.shown()
    panel.enter()
    section.ui.sideBySideButton.click()
    assert "SpectThenAnterior" in host.layout.shown()


def test_a_reading_that_was_changed_while_it_was_compared_is_reported(host, section, until):
    panel = section.panel
    begin(section)
    panel.ui.lesionTable.cellWidget(0, 2).setCurrentIndex(2)
    until(lambda: not section.busy)
    assert "compare again" in section.ui.followupStatus.text
