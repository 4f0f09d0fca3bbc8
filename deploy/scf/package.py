"""The zip that is uploaded."""

import base64
import hashlib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

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

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the zip in hex. The same program makes the same zip (scripts/package.sh)."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def base64(self) -> str:
        return base64.b64encode(self.content).decode("ascii")

    def __str__(self) -> str:
        return f"{self.path.name}, {len(self.content):,} bytes, sha256 {self.digest}"


def read(path: Path) -> Package:
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo("bootstrap")
            with archive.open(entry) as program:
                head = program.read(20)
    except OSError as error:
        raise PackageError(f"{path}: {error.strerror}; `make package` makes it") from error
    except (zipfile.BadZipFile, KeyError) as error:
        raise PackageError(f"{path} is not a zip with a file named bootstrap; `make package` makes one") from error
    if not entry.external_attr >> 16 & 0o111:
        raise PackageError(
            f"{path}: its bootstrap is not executable, and SCF would not start it; `make package` makes one"
        )
    if head.startswith(b"\x7fELF") and int.from_bytes(head[18:20], "little") != X86_64:
        raise PackageError(
            f"{path}: its bootstrap is for another processor than SCF's; build it for x86-64:"
            " TARGET=x86_64-unknown-linux-musl"
        )
    if len(content) > LARGEST_NEW:
        raise PackageError(f"{path} has {len(content):,} bytes; SCF takes {LARGEST_NEW:,} at most in a call")
    return Package(path, content)
