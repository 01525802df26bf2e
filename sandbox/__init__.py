"""A DigitalOcean account on this machine: droplets are containers, volumes are loop devices, the rest is real."""
