"""Which kernel settings differ, and which cannot be set."""

from pathlib import Path

import pytest

from plugins.modules.kernel_settings import plan


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    for name, value in {"net/ipv4/tcp_rmem": "4096\t131072\t6291456\n", "kernel/sysrq": "438\n"}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    return tmp_path


def test_equal_values_do_not_differ_whatever_their_spacing(settings: Path) -> None:
    assert plan({"net.ipv4.tcp_rmem": "4096 131072 6291456"}, settings, own_kernel=True) == ({}, {})


def test_a_differing_value_is_shown(settings: Path) -> None:
    assert plan({"kernel.sysrq": "0"}, settings, own_kernel=True) == ({"kernel.sysrq": "438"}, {})


def test_a_key_the_kernel_lacks_is_reported(settings: Path) -> None:
    differing, unavailable = plan({"kernel.yama.ptrace_scope": "1"}, settings, own_kernel=True)
    assert not differing
    assert unavailable == {"kernel.yama.ptrace_scope": "the kernel does not have it"}


def test_a_container_leaves_the_host_s_settings_alone(settings: Path) -> None:
    declared = {"kernel.sysrq": "0", "net.ipv4.tcp_rmem": "1 2 3"}
    differing, unavailable = plan(declared, settings, own_kernel=False)
    assert list(differing) == ["net.ipv4.tcp_rmem"]
    assert unavailable == {"kernel.sysrq": "the kernel belongs to the container's host"}
