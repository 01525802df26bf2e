#!/bin/sh
# Turns the bootstrapped tree into the image of the sandbox's services. Runs once, inside the tree, at build time.
set -eu
apt-get -q clean
rm -rf /var/lib/apt/lists/*
