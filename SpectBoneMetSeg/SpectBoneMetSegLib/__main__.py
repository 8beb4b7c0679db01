"""`python -m SpectBoneMetSegLib COMMAND`: the commands where none is on the PATH, as in Slicer (`PythonSlicer -m`)."""

import sys

from .cli.main import main

sys.exit(main())
