"""The zip that is uploaded."""

import base64
import hashlib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROGRAMS = ("bootstrap",)
WEB_PROGRAMS = ("scf_bootstrap", "bootstrap")

MEGABYTE = 1024 * 1024
LARGEST_NEW = 50 * MEGABYTE  # CreateFunction
X86_64 = 62  # the machine in an ELF file's header
LARGEST_UPDATE = 20 * MEGABYTE  # UpdateFunctionCode


class PackageError(Exception):
    """The zip cannot be deployed; the text says why and what to do."""


@dataclass(frozen=True)
class Package:
    path: Path
    content: bytes
    gateway_toml: str | None = None  # of a web function

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the zip in hex. The same program makes the same zip (scripts/package.sh)."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def base64(self) -> str:
        return base64.b64encode(self.content).decode("ascii")

    def __str__(self) -> str:
        return f"{self.path.name}, {len(self.content):,} bytes, sha256 {self.digest}"


def read(path: Path, web: bool = False) -> Package:
    made_by = "`make package WEB=1`" if web else "`make package`"
    name = "bootstrap"
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            for name in WEB_PROGRAMS if web else PROGRAMS:
                _check_program(path, archive, name, made_by)
            name = "gateway.toml"
            gateway_toml = archive.read(name).decode("utf-8") if web else None
    except OSError as error:
        raise PackageError(f"{path}: {error.strerror}; {made_by} makes it") from error
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise PackageError(f"{path} is not a zip with a file named {name}; {made_by} makes one") from error
    if len(content) > LARGEST_NEW:
        raise PackageError(f"{path} has {len(content):,} bytes; SCF takes {LARGEST_NEW:,} at most in a call")
    return Package(path, content, gateway_toml)


def _check_program(path: Path, archive: zipfile.ZipFile, name: str, made_by: str) -> None:
    entry = archive.getinfo(name)
    with archive.open(entry) as program:
        head = program.read(20)
    if not entry.external_attr >> 16 & 0o111:
        raise PackageError(f"{path}: its {name} is not executable, and SCF would not start it; {made_by} makes one")
    if head.startswith(b"\x7fELF") and int.from_bytes(head[18:20], "little") != X86_64:
        raise PackageError(
            f"{path}: its {name} is for another processor than SCF's; build it for x86-64:"
            " TARGET=x86_64-unknown-linux-musl"
        )
