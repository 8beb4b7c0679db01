"""Adaptation: fine-tune a model to a hospital with few outlined scans, by cross-validation over patients.

Every labelled patient is predicted once by a model that was not trained on them. These predictions choose the number of
steps (early stopping) and the operating point, and are compared with the parent model; then a final training uses all
labelled patients. `adapt` runs it, `page` writes the report.
"""
