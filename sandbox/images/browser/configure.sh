#!/bin/sh
# Turns the bootstrapped tree into the image of the browser that tests use. Runs once, inside the tree, at build time.
set -eu
useradd --uid 1000 --user-group --create-home --shell /bin/sh browser
apt-get -q clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
