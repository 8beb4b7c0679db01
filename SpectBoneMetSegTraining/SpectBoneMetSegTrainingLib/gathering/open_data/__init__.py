"""Public sets of planar bone scans, downloaded by whoever uses them, as data sets: one description each.

`catalogue` says what a set is and how its files lie, `listing` finds and checks them, `views` and `truth` read them,
`import_set` writes the data set. Nothing here fetches anything.
"""
