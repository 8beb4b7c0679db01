"""A test host for scripted Slicer modules: Slicer's own MRML (slicer-core) and Qt (PySide6), the rest is substituted.

`start()` makes `import slicer, qt, ctk` work as in the application, as far as this project's modules need it. What is
real: nodes, scenes, logics, slice rendering, Qt's widgets. Substituted: qMRML and ctk widgets, the application
object, the base classes of scripted modules. Nothing is shown on a screen.
"""

from .host import Host, start

__all__ = ["Host", "start"]
