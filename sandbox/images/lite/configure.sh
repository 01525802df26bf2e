#!/bin/sh
# Turns the bootstrapped tree into the stand-in's image. Runs once, inside the tree, at build time.
set -eu
# The number that the images of Auth and REST run as.
useradd --system --uid 1000 --user-group --no-create-home --shell /usr/sbin/nologin lite
# What only lite's command line and its other databases use is two thirds of what it brings.
cd /usr/local/lib/lite/node_modules
rm -r @electric-sql @opentelemetry @sentry @supabase/pg-delta typescript
find . -name '*.d.ts' -delete
find . -name '*.map' -delete
apt-get -q clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
