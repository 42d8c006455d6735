"""Small packages for tests, as wheels: no index is asked for them."""

import zipfile
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
NOT_OF_A_WHEEL = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "..", "__pycache__", "tests"}


def wheel(folder: Path, name: str = "tiny", version: str = "1.0", *, module: str = "") -> str:
    """Puts a wheel of one module there; returns its file's name."""
    folder.mkdir(parents=True, exist_ok=True)
    info, file = f"{name}-{version}.dist-info", f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(folder / file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{name}.py"), module or f"VERSION = {version!r}\n")
        archive.writestr(
            zipfile.ZipInfo(f"{info}/METADATA"), f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(zipfile.ZipInfo(f"{info}/WHEEL"), WHEEL)
        archive.writestr(
            zipfile.ZipInfo(f"{info}/RECORD"), f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    return file


def installed(folder: Path, name: str) -> None:
    """Puts wheels there of a package that is installed here and of what it needs, without their tests: no index is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    found = distribution(name)
    tags = [
        line.removeprefix("Tag: ").split("-")
        for line in (found.read_text("WHEEL") or "").splitlines()
        if line.startswith("Tag: ")
    ]
    tag = "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*tags, strict=True))
    file = folder / f"{name.replace('-', '_')}-{found.version}-{tag}.whl"
    if file.exists():
        return
    with zipfile.ZipFile(file, "w") as archive:
        for path in found.files or ():
            if not NOT_OF_A_WHEEL.intersection(path.parts):
                archive.write(path.locate(), path)
        info = next(path.parts[0] for path in found.files or () if path.parts[0].endswith(".dist-info"))
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in archive.namelist()))
    for wanted in map(Requirement, found.requires or ()):
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            installed(folder, wanted.name)
