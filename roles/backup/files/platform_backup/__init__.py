"""Backups of the platform's database: `platform-backup --help` lists the commands."""
