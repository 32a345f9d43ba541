"""The rooms of the house, as the import contract in pyproject.toml names them."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {contract["id"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
APPS: list[str] = CONTRACTS["layers"]["layers"]  # highest first


def is_above(app: str, other: str) -> bool:
    """Whether `app` stands above `other`, so that `other` may not know of it."""
    return APPS.index(app) < APPS.index(other)


def sources(*packages: str) -> list[Path]:
    """Every Python file of the packages, migrations left out."""
    files = [file for package in packages for file in sorted((ROOT / package).rglob("*.py"))]
    return [file for file in files if "migrations" not in file.parts]
