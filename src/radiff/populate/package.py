"""The folder of a truth package: who works in it, what is done already, and how it is finished. Knows no pixels.

Everything is made in a folder ``.work`` within the package's. At the end the files are moved to their final names, and
the manifest is written last: a folder with a manifest is complete. A run that was killed finds its parts in ``.work``.
"""

import fcntl
import hashlib
import platform
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from radiff.errors import InputError
from radiff.files import make_folder, read_json, write_json
from radiff.populate.maps import Background

FORMAT = "radiff truth package 1"
MANIFEST, WORK = "manifest.json", ".work"
FRESH = 5.0
"""Seconds; a map that was changed so lately may still be written: it is looked at twice."""
PACKAGES = ("radiff", "numpy", "scipy", "astropy", "sep", "regions")


@dataclass(frozen=True)
class Package:
    """A truth package that is being made.

    Attributes
    ----------
    folder : Path
        Its final place.
    settings : dict
        All that decides what comes out.
    finished : bool
        Whether it is there already, made with the same settings.
    """

    folder: Path
    settings: dict[str, Any]
    finished: bool = False

    @property
    def state(self) -> Path:
        """Where the run keeps its parts."""
        return self.folder / WORK

    @property
    def files(self) -> Path:
        """Where the files of the package are made."""
        return self.state / "package"

    def manifest(self) -> dict[str, Any]:
        """What the manifest says."""
        found: dict[str, Any] = read_json(self.folder / MANIFEST)
        return found

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Move the files to their final names, and write the manifest."""
        write_json(self.state / MANIFEST, dict(manifest))  # from here on, a killed run only has to move files
        _publish(self)


@contextmanager
def open_package(folder: Path, settings: dict[str, Any], overwrite: bool) -> Iterator[Package]:
    """Take a folder for a run; nobody else can, until it ends.

    Raises
    ------
    InputError
        Where it cannot be written, another run works in it, or it holds a package of other settings.
    """
    make_folder(folder)
    package = Package(folder, settings)
    package.state.mkdir(exist_ok=True)
    with (package.state.with_name(f"{WORK}.lock")).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                "another run is writing into this folder; wait for it or choose another -o", folder
            ) from error
        try:
            yield _opened(package, overwrite)
        finally:
            if package.state.is_dir() and not any(package.state.iterdir()):
                package.state.rmdir()
            Path(lock.name).unlink(missing_ok=True)


def _opened(package: Package, overwrite: bool) -> Package:
    complete, begun = package.folder / MANIFEST, package.state / "settings.json"
    if begun.exists() and (overwrite or read_json(begun) != package.settings):
        if not overwrite and any(package.files.iterdir()):  # before that, there is nothing to be sorry for
            text = "holds an unfinished run with other settings; give the same ones, or start anew with --overwrite"
            raise InputError(text, package.folder)
        shutil.rmtree(package.state)
    elif begun.exists() and (package.state / MANIFEST).exists():
        _publish(package)
        return Package(package.folder, package.settings, True)
    elif complete.exists() and not overwrite:
        if read_json(complete).get("settings") == package.settings:
            return Package(package.folder, package.settings, True)
        text = "holds a truth package with other settings; choose another -o, or replace it with --overwrite"
        raise InputError(text, package.folder)
    package.files.mkdir(parents=True, exist_ok=True)
    write_json(package.state / "settings.json", package.settings)
    return package


def _publish(package: Package) -> None:
    manifest = read_json(package.state / MANIFEST)
    old = read_json(package.folder / MANIFEST)["files"] if (package.folder / MANIFEST).exists() else {}
    (package.folder / MANIFEST).unlink(missing_ok=True)
    for name in old:
        if name not in manifest["files"]:
            (package.folder / name).unlink(missing_ok=True)
    for path in sorted(package.files.rglob("*")):
        if not path.is_dir() or path.is_symlink():
            final = package.folder / path.relative_to(package.files)
            final.parent.mkdir(parents=True, exist_ok=True)
            path.replace(final)
    write_json(package.folder / MANIFEST, manifest)
    shutil.rmtree(package.state)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(folder: Path) -> list[Path]:
    """The files below a folder, links left out, in order."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]


def describe(package: Package, digests: Sequence[str], command: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a package whose files (`listed`) have these digests."""
    paths = listed(package.files)
    return {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "settings": package.settings,
        **more,
        "files": {
            path.relative_to(package.files).as_posix(): {"bytes": path.stat().st_size, "sha256": one}
            for path, one in zip(paths, digests, strict=True)
        },
    }


def check_quiet(background: Background) -> dict[str, Any]:
    """Fingerprint of a map that nobody is writing.

    Raises
    ------
    InputError
        Where it changes while it is looked at.
    """
    before = background.fingerprint()
    if time.time() - before["changed"] / 1e9 < FRESH:
        time.sleep(1.0)
        check_same(background, before)
    return before


def check_same(background: Background, before: Mapping[str, Any]) -> None:
    """Refuse to go on where the map is no longer what it was."""
    if background.fingerprint() != before:
        raise InputError("is being written by another program; run this again when it is complete", background.path)
