"""Finds or builds the programs the sandbox needs and a fresh machine lacks."""
