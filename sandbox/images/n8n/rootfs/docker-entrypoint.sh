#!/bin/sh
# Starts n8n, or the command of it that is given.
[ "$#" -gt 0 ] || exec n8n
exec n8n "$@"
