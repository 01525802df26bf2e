#!/bin/sh
# Turns the bootstrapped tree into the stand-in's image. Runs once, inside the tree, at build time.
set -eu
useradd --system --user-group --no-create-home --shell /usr/sbin/nologin kong
apt-get -q clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
