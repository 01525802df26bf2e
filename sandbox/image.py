"""Builds the Debian images of the sandbox: a package list, a tree of files laid over it, and a script run inside.

A recipe may also have image.txt, with lines such as `USER 1000` or `LABEL stand-in=...` for the image itself. Where its
tree has a package-lock.json, the npm packages that it pins are installed beside it. What versions.yml says of something
with the recipe's name reaches its script as variables: VERSION, SHA256.
"""

import fcntl
import hashlib
import io
import shlex
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from sandbox.docker import docker, exists
from sandbox.errors import SandboxError
from sandbox.home import CACHE, VERSIONS
from sandbox.progress import step
from sandbox.toolchain import npm

RECIPES = Path(__file__).parent / "images"
_BUILD_TIMEOUT_SECONDS = 900


def build(name: str) -> str:
    """Build the image `name` unless its recipe is unchanged; returns its full tag."""
    recipe = RECIPES / name
    tag = f"supabase-sandbox/{name}:{_recipe_hash(recipe)}"
    if not exists("image", tag):
        CACHE.mkdir(exist_ok=True)
        with (CACHE / f"image-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not exists("image", tag):
                with step(f"building image {name}"):
                    _bootstrap(recipe, tag)
    docker("tag", tag, f"supabase-sandbox/{name}:latest")
    return tag


def _versions() -> dict[str, dict[str, str]]:
    versions: dict[str, dict[str, str]] = yaml.safe_load(VERSIONS.read_text())["versions"]
    return versions


def _codename() -> str:
    return _versions()["debian"]["codename"]


def _variables(recipe: Path) -> list[str]:
    return [f"{name.upper()}={value}" for name, value in _versions().get(recipe.name, {}).items()]


def _files(folder: Path) -> Iterator[Path]:
    """Every file and link below a folder, in a fixed order, each with its parents first."""
    for path in sorted(folder.rglob("*")):
        if not {"__pycache__", "node_modules"} & set(path.relative_to(folder).parts):
            yield path


def _recipe_hash(recipe: Path) -> str:
    digest = hashlib.sha256(" ".join([_codename(), *_variables(recipe)]).encode())
    for path in _files(recipe):
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        digest.update(
            f"{path.relative_to(recipe)} {path.lstat().st_mode & 0o100:o} {len(content)}\n".encode() + content
        )
    return digest.hexdigest()[:12]


def _rootfs(recipe: Path) -> bytes:
    """The recipe's tree as a tar owned by root."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in _files(recipe / "rootfs"):
            member = tar.gettarinfo(path, arcname=str(path.relative_to(recipe / "rootfs")))
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            if path.is_dir() and not path.is_symlink():
                member.mode = 0o755
            with path.open("rb") if member.isfile() else io.BytesIO() as content:
                tar.addfile(member, content if member.isfile() else None)
    return out.getvalue()


def _bootstrap(recipe: Path, tag: str) -> None:
    packages = ",".join((recipe / "packages.txt").read_text().split())
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="image-") as scratch:
        overlay, image = Path(scratch, "overlay.tar"), Path(scratch, "image.tar")
        overlay.write_bytes(_rootfs(recipe))
        try:
            done = subprocess.run(
                [
                    "mmdebstrap",
                    "--variant=minbase",
                    f"--include={packages}",
                    f"--customize-hook=tar-in {overlay} /",
                    *_npm_hooks(recipe, Path(scratch, "npm")),
                    f"--customize-hook=copy-in {recipe / 'configure.sh'} /root",
                    f'--customize-hook=chroot "$1" env {shlex.join(_variables(recipe))} /root/configure.sh',
                    '--customize-hook=rm "$1/root/configure.sh"',
                    _codename(),
                    str(image),
                ],
                check=False,
                capture_output=True,
                text=True,
                timeout=_BUILD_TIMEOUT_SECONDS,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError:
            raise SandboxError("mmdebstrap is not installed; install it with: apt-get install mmdebstrap") from None
        except subprocess.TimeoutExpired:
            raise SandboxError(f"building image {tag} took more than {_BUILD_TIMEOUT_SECONDS} s") from None
        if done.returncode:
            raise SandboxError(f"building image {tag} failed:\n" + "\n".join(done.stderr.splitlines()[-20:]))
        docker("import", *_changes(recipe), str(image), tag, timeout=_BUILD_TIMEOUT_SECONDS)


def _npm_hooks(recipe: Path, scratch: Path) -> list[str]:
    hooks = []
    tree = recipe / "rootfs"
    for lock in (path for path in _files(tree) if path.name == "package-lock.json"):
        place = lock.parent.relative_to(tree)
        npm.install(lock.parent, scratch / place)
        hooks.append(f"--customize-hook=copy-in {scratch / place / 'node_modules'} /{place}")
    return hooks


def _changes(recipe: Path) -> list[str]:
    path = recipe / "image.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [f"--change={line}" for line in lines if line]
