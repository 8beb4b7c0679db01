"""Whether patients are in several splits."""

from __future__ import annotations


def shared_patients(patients, *groups):
    """Patients with cases in more than one group: empty where nothing leaks."""
    names = [{patients[case] for case in group} for group in groups]
    return {name for i, first in enumerate(names) for other in names[i + 1 :] for name in first & other}
