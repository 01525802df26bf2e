"""Placeholder."""

from .settings import BackupError, Settings


def restore_lost_server(settings: Settings) -> None:
    """Not there yet."""
    raise BackupError(f"the repository holds {settings.platform} from a server that is gone; not restored yet")
