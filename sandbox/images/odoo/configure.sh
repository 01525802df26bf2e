#!/bin/sh
# Turns the bootstrapped tree into an Odoo with demo data that serves within seconds. Runs once, inside the tree, at build
# time. VERSION and SHA256 are those of odoo in playbooks/group_vars/all/versions.yml.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
settings=/etc/odoo-sandbox/odoo.conf

# Only unstable has Odoo. It alone comes from there, what it needs from this release: with unstable's Python it does not
# start. A mirror's unstable may be past the date that its Release file is good for; the checksum below is what counts.
mirror=$(awk '$1 == "deb" {print $2; exit}' /etc/apt/sources.list)
echo "deb [check-valid-until=no] $mirror unstable main" > /etc/apt/sources.list.d/unstable.list
printf 'Package: *\nPin: release a=unstable\nPin-Priority: -1\n' > /etc/apt/preferences.d/unstable
apt-get -q update
cd /tmp
# unstable keeps one version of a package. Once it has moved on, what it has then comes, held to the archive's signature:
# a test server that is a little newer is worth more than none.
if apt-get -q download "odoo-19=$VERSION"; then
  echo "$SHA256  $(echo odoo-19_*.deb)" | sha256sum --check
else
  apt-get -q download odoo-19/unstable
fi
apt-get -q -y install --no-install-recommends ./odoo-19_*.deb
rm odoo-19_*.deb /etc/apt/sources.list.d/unstable.list /etc/apt/preferences.d/unstable

# Nobody but Odoo reaches this cluster. What is committed survives a killed process; nothing here survives the machine.
pg_dropcluster 17 main
pg_createcluster --locale C.UTF-8 -o listen_addresses= -o fsync=off -o full_page_writes=off -o max_wal_size=1GB 17 main \
  -- --auth-local=peer --auth-host=scram-sha-256
pg_ctlcluster 17 main start
runuser -u postgres -- createuser --createdb odoo
runuser -u odoo -- odoo -c $settings -d odoo --with-demo -i account,product,contacts,base_automation --stop-after-init --no-http --log-level=warn
# Demo users have their names as passwords.
runuser -u odoo -- odoo shell -c $settings --no-http --log-level=warn <<'SCRIPT'
import secrets
for user in env["res.users"].with_context(active_test=False).search([]):
    user.password = secrets.token_urlsafe(32)
env.cr.commit()
SCRIPT
pg_ctlcluster 17 main stop

apt-get -q clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
