"""What surrounds a droplet on the internet: DNS, a certificate authority, object storage, a package cache."""
