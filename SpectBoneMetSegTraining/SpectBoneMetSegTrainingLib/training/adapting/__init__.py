"""A model fitted to a hospital of which few scans are outlined: short folds, a conservative operating point, a verdict.

Every labelled patient is judged once by a model that did not learn from them. These judgements choose how long to learn
and where to cut the probabilities, and they are what the parent is compared with; then one more training learns from
everybody. `adapt` is the whole of it, `page` shows it to people.
"""
