"""One stack of the platform: load its configuration, build it, export what people and auditors need."""

import pulumi

from infra.config import load
from infra.stack import build

for name, value in build(load()).items():
    pulumi.export(name, value)
