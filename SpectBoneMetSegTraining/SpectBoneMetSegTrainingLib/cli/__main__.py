"""`python -m SpectBoneMetSegTrainingLib.cli COMMAND`: all commands, without entry points, as in Slicer."""

import sys

from SpectBoneMetSegLib.cli.main import main

import SpectBoneMetSegTrainingLib.cli as commands

FURTHER = {name.removesuffix("Command").lower(): getattr(commands, name) for name in commands.__all__}

sys.exit(main(further=FURTHER))
