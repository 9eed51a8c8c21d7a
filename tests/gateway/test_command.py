"""`eplb gateway`: the endpoint in the foreground."""

import signal
import subprocess
import sys
from pathlib import Path

import openai
import pytest
import yaml
from gateway.scripted_upstream import answer, upstream
from support import ROOT

EPLB = Path(sys.executable).with_name("eplb")


@pytest.fixture
def configured(tmp_path):
    def write(api_base):
        document = yaml.safe_load((ROOT / "evolve_config.yaml").read_text())
        document["llm"] |= {"models": [{"name": "m"}], "timeout": 1200}
        document["eplb"]["gateway"] = {"record": True, "models": {"m": {"api_base": api_base}}}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
        return tmp_path / "config.yaml"

    return write


def test_it_serves_any_program_until_interrupted(configured, tmp_path):
    with upstream(answer("hello")) as endpoint:
        command = [EPLB, "gateway", "--config", configured(endpoint.api_base), "--run", tmp_path / "run", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as gateway:
            base_url = gateway.stdout.readline().split()[4].rstrip(",")
            client = openai.OpenAI(api_key="none", base_url=base_url)
            reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            gateway.send_signal(signal.SIGINT)
            _, err = gateway.communicate(timeout=10)
    assert reply.choices[0].message.content == "hello"
    assert (gateway.returncode, err) == (0, "Ctrl-C ends it.\n")
    assert (tmp_path / "run" / "exchanges.jsonl").read_text().count("\n") == 1


def test_a_record_needs_a_folder(configured):
    command = [EPLB, "gateway", "--config", configured("http://127.0.0.1:9/v1")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "add --run DIR" in done.stderr
