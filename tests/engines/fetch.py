"""Files of the released vLLM and SGLang, out of their wheels:  python tests/engines/fetch.py

wheels.txt pins the releases, files.txt names the files: 375 MB come over the network, 1.3 MB stay. Every machine gets
the wheels of one platform, as only Python files are taken. These lie in .venv/engines/ENGINE, a folder to put on
sys.path (modules.py does), until one of the two lists changes. Exit code 3, and a sentence, when they cannot be had.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
WHEELS, FILES = HERE / "wheels.txt", HERE / "files.txt"
FOLDER = HERE.parents[1] / ".venv" / "engines"
PLATFORM = ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3"]
PLATFORM += ["--platform", "manylinux_2_34_x86_64", "--platform", "manylinux_2_28_x86_64"]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "20"]
PIP += ["download", "--no-deps", "--only-binary", ":all:", "--require-hashes", *PLATFORM]


class NotFetched(Exception):
    """One sentence: what is not there, and why."""


def versions() -> dict[str, str]:
    """The pinned version of each engine."""
    pins = [line.split()[0] for line in _lines(WHEELS)]
    return dict(pin.split("==") for pin in pins)


def is_fetched(folder: Path = FOLDER) -> bool:
    """Whether the files of the present lists are there."""
    mark = folder / "fetched"
    return mark.is_file() and mark.read_text() == _lists()


def fetch(folder: Path = FOLDER) -> None:
    """Download and extract; NotFetched when the wheels cannot be had, or lack a file."""
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        wheels, new = Path(temporary) / "wheels", Path(temporary) / "engines"
        _download(wheels)
        for engine, version in versions().items():
            extract(next(wheels.glob(f"{engine}-{version}-*.whl")), new / engine)
        (new / "fetched").write_text(_lists())
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)


def _download(wheels: Path) -> None:
    command = [*PIP, "--dest", str(wheels), "--requirement", str(WHEELS)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        why = "no connection" if "connection broken" in done.stderr else errors[-1] if errors else done.stderr.strip()
        names = " and ".join(f"{engine} {version}" for engine, version in versions().items())
        raise NotFetched(f"pip could not download {names}: {why}")


def extract(wheel: Path, folder: Path) -> None:
    """The files of files.txt that are the wheel's, and its version, which importlib.metadata reads."""
    engine, version = wheel.name.split("-")[:2]
    wanted = [name for name in _lines(FILES) if name.startswith(f"{engine}/")]
    wanted += [f"{engine}-{version}.dist-info/METADATA"]
    with zipfile.ZipFile(wheel) as archive:
        lacking = sorted(set(wanted) - set(archive.namelist()))
        if lacking:
            raise NotFetched(f"{engine} {version} has no {', '.join(lacking)}: mend {FILES.name}")
        archive.extractall(folder, wanted)


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]


def _lists() -> str:
    """One sha256 of both lists."""
    return hashlib.sha256(WHEELS.read_bytes() + FILES.read_bytes()).hexdigest()


if __name__ == "__main__":
    try:
        if not is_fetched():
            fetch()
    except NotFetched as reason:
        print(f"{reason}. The tests of tests/engines will skip.", file=sys.stderr)
        sys.exit(3)
