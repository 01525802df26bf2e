"""The one exception the sandbox raises for people to read."""


class SandboxError(Exception):
    """Something the operator has to know: what is wrong, where, and what to do about it."""
