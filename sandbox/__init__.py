"""A DigitalOcean account on this machine: droplets are containers, volumes are loop devices, everything else is real."""
