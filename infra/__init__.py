"""The platform's infrastructure program: stack configuration in, a converged server and its evidence out."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "supabase-platform"
