"""The operator's commands behind `make`: up, down, status, drift, verify, rotate, ssh, psql, logs, env."""
