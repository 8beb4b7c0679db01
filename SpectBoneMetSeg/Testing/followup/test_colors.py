"""The colours of the changes of a lesion, as seen by people who lack one type of cone."""

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab
from SpectBoneMetSegLib.followup.page import LEGEND
from SpectBoneMetSegLib.followup.picture import COLORS


def test_the_states_are_distinguished_by_the_colour_blind():
    # Machado 2009, severity 1: protanopia and deuteranopia.
    blind = [
        np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
        np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    ]
    colors = np.array([COLORS[state] for state in LEGEND]) / 255
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    for matrix in (np.eye(3), *blind):
        shown = np.clip(linear @ matrix.T, 0, 1)
        lab = rgb2lab(np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055))
        distances = [deltaE_ciede2000(lab[i], lab[j]) for i in range(len(lab)) for j in range(i)]
        assert min(distances) > 10, distances
