#!/bin/sh
# Turns the bootstrapped tree into the image of postgres-meta. Runs once, inside the tree, at build time.
set -eu
useradd --system --uid 1000 --user-group --no-create-home --shell /usr/sbin/nologin node
cd /usr/src/app/node_modules
find . -name '*.d.ts' -delete
find . -name '*.map' -delete
apt-get -q clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
