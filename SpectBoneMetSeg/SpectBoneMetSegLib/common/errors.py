"""The one exception whose message is meant for the person in front of the screen."""

__all__ = ["UserError"]


class UserError(Exception):
    """Something the user can put right.

    The message is one sentence that names the file (or option) and the remedy. Command lines print it
    without a traceback; the Slicer modules show it as it stands.
    """
