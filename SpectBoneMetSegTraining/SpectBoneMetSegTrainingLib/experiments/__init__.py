"""The experiments of Lin et al. 2022 on simulated patients: plan, trainings, results, page."""
