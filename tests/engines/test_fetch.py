"""Files of the engines' wheels: what is pinned, what is taken, and one sentence when they cannot be had."""

import sys
import zipfile

import pytest

from engines import fetch, modules
from engines.fetch import NotFetched, extract, is_fetched, versions


def wheel(folder, *left_out):
    """A wheel of vLLM as far as files.txt goes, and a file more."""
    version = versions()["vllm"]
    names = [line for line in fetch.FILES.read_text().splitlines() if line.startswith("vllm/")]
    names += [f"vllm-{version}.dist-info/METADATA", "vllm/__init__.py"]
    file = folder / f"vllm-{version}-cp38-abi3-manylinux.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name in sorted(set(names) - set(left_out)):
            archive.writestr(name, f"NAME = {name!r}\n")
    return file


def test_only_the_named_files_are_taken(tmp_path):
    extract(wheel(tmp_path), tmp_path / "vllm")
    assert (tmp_path / "vllm/vllm/distributed/eplb/policy/default.py").is_file()
    assert not (tmp_path / "vllm/vllm/__init__.py").exists()


def test_a_release_without_one_of_them_is_named(tmp_path):
    gone = "vllm/distributed/eplb/policy/default.py"
    with pytest.raises(NotFetched, match=rf"^vllm {versions()['vllm']} has no {gone}: mend files.txt$"):
        extract(wheel(tmp_path, gone), tmp_path / "vllm")


def test_without_a_network_one_sentence_says_so_and_what_was_there_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    folder = tmp_path / "engines"
    folder.mkdir()
    (folder / "fetched").write_text("of other lists")
    with pytest.raises(NotFetched, match=r"^pip could not download vllm [\d.]+ and sglang [\d.]+: no connection$"):
        fetch.fetch(folder)
    assert [each.name for each in tmp_path.iterdir()] == ["engines"]
    assert not is_fetched(folder)


def test_nothing_of_an_engine_stays_importable(tmp_path):
    extract(wheel(tmp_path), tmp_path / "vllm")
    before = list(sys.path)
    with modules.importable("vllm", {"vllm.config": {"EPLBConfig": 7}}, tmp_path):
        from vllm.config import EPLBConfig
        from vllm.envs import NAME
    assert (NAME, EPLBConfig) == ("vllm/envs.py", 7)
    assert sys.path == before
    assert not [name for name in sys.modules if name.split(".")[0] == "vllm"]
