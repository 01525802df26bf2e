#!/bin/sh
# Turns the bootstrapped tree into a droplet image. Runs once, inside the tree, at build time.
set -eu
export DEBIAN_FRONTEND=noninteractive

# The bootstrap knows its mirror; updates and security live beside it.
mirror=$(awk '$1 == "deb" {print $2; exit}' /etc/apt/sources.list)
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
rm /etc/apt/sources.list
cat > /etc/apt/sources.list.d/debian.sources <<SOURCES
Types: deb
URIs: $mirror
Suites: $release $release-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: $mirror-security
Suites: $release-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
apt-get -q update
apt-get -q -y full-upgrade
apt-get -q clean

# Nothing that tells one machine from another may be in the image.
rm -f /etc/ssh/ssh_host_* /etc/machine-id /etc/hostname /etc/hosts
touch /etc/machine-id

systemctl enable ssh
# A container has no console and no virtual terminals.
systemctl mask getty.target console-getty.service
# The network is up before the droplet's first process runs.
systemctl disable systemd-networkd.service systemd-networkd-wait-online.service 2>/dev/null || true
