"""The operator's commands behind `make`, one module for each or for those that belong together."""
