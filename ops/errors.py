"""The exception of this package."""


class OperatorError(Exception):
    """What is wrong, where, and what to do; printed as one line without a traceback."""
