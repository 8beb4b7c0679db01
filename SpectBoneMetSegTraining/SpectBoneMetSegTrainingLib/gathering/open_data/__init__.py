"""Import public data sets of planar bone scans that the user has downloaded.

`catalogue` describes the sets and their file layout, `listing` finds and checks the files, `views` and `truth` read
scans and reference labels, `import_set` writes the data set. Nothing is downloaded.
"""
