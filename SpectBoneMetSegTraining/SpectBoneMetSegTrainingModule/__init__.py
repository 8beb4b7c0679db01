"""What the module SpectBoneMetSegTraining consists of besides its widget; imported inside Slicer only."""
