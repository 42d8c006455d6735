"""Small packages for tests, as wheels: no index is asked for them."""

import zipfile
from pathlib import Path

WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


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
