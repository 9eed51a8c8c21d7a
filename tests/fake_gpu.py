"""A GPU for tests on machines without one: what nvidia-smi says of it, and a stand-in for it in the sandbox."""

import os
import sys

from support import ROOT

STAND_IN = (sys.executable, str(ROOT / "tests" / "sandbox" / "stand_in_zygote.py"))
"""A Zygote.command."""

NVIDIA_SMI = """#!/bin/sh
echo "$@" >> $(dirname $0)/asked
for argument; do case $argument in --query-gpu=*) fields=${argument#--query-gpu=} ;; esac; done
answer() {
    case $1 in
        name) echo 'NVIDIA H100 80GB HBM3' ;;
        driver_version) echo 580.159.04 ;;
        clocks.max.sm) echo 1980 ;;
        clocks.max.mem) echo 2619 ;;
        clocks.sm) echo 1755 ;;
        clocks.mem) echo 2618 ;;
    esac
}
line=
for field in $(echo $fields | tr , ' '); do line="$line, $(answer $field)"; done
echo "${line#, }"
"""


def install_nvidia_smi(folder, monkeypatch, text=NVIDIA_SMI):
    """Put a program called nvidia-smi on PATH; returns the file with the arguments that it was called with."""
    folder.mkdir(exist_ok=True)
    script = folder / "nvidia-smi"
    script.write_text(text)
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "asked"
