"""Removes what nothing needs any more, so that an empty account leaves nothing on the machine."""

import shutil

from sandbox import loop
from sandbox.cloud.account import Account
from sandbox.docker import docker, exists, labelled, remove_container


def tidy(account: Account) -> None:
    """Remove services, networks and files once the account holds no resource."""
    with account.state.locked():
        state = account.state.read()
        if any(value for key, value in state.items() if key not in ("version", "next_number")):
            return
        remove_everything(account)


def remove_everything(account: Account) -> None:
    """Remove every container, network, volume and file of this sandbox, but not Pulumi's own state."""
    home = account.home
    for container in labelled("container", home.label):
        remove_container(container)
    for volume in labelled("volume", home.label):
        docker("volume", "rm", volume)
    for network in labelled("network", home.label):
        if exists("network", network):
            docker("network", "rm", network)
    loop.detach_all(home)
    for folder in (home.droplets, home.services, home.volumes, home.locks):
        shutil.rmtree(folder, ignore_errors=True)
    home.state_file.unlink(missing_ok=True)
