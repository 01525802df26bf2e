"""What surrounds a droplet: DNS, a certificate authority, object storage, a mail server, a package cache."""
