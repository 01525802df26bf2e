"""The operator's commands behind `make`: up, down, status, drift, verify, backup, restore, rotate, ssh, psql, logs, env."""
