"""The operator's commands behind `make`: up, down, status, drift, verify, ssh, psql, logs, env."""
