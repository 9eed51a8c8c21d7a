"""Paths and templates of a configuration: what is missing is said, and a run's copy means the same files."""

import shutil

import pytest
import yaml
from support import ROOT

from eplb_evolve import config
from eplb_evolve.config_paths import standing_alone
from eplb_evolve.errors import UsageError

SHIPPED = yaml.safe_load((ROOT / "evolve_config.yaml").read_text())


@pytest.fixture
def place(tmp_path):
    """A folder with a configuration in conf/ and templates in prompts/."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "system_message.txt").write_text("The task.")
    (tmp_path / "island.py").write_text("x = 1\n")
    return tmp_path


def written(place, prompt=None, text=None, **sections):
    file = place / "conf" / "config.yaml"
    document = SHIPPED | {"prompt": {"template_dir": "../prompts"} | (prompt or {})}
    for name, values in sections.items():
        document[name] = document.get(name, {}) | values if isinstance(values, dict) else values
    file.write_text(text if text is not None else yaml.safe_dump(document))
    return file


def refused(file):
    with pytest.raises(UsageError) as problem:
        config.read(file)
    assert str(problem.value).startswith(f"{file}: ")
    assert "\n" not in str(problem.value)
    return str(problem.value)


@pytest.mark.parametrize("folder", ["prompts", "../prompt", "/nowhere/prompts", "../conf"])
def test_templates_that_are_not_there(place, folder):
    sentence = refused(written(place, {"template_dir": folder}))
    assert "prompt.template_dir" in sentence
    assert "there is no folder" in sentence or "holds no template that OpenEvolve knows" in sentence


def test_a_file_is_no_folder_of_templates(place):
    assert "system_message.txt is no folder" in refused(
        written(place, {"template_dir": "../prompts/system_message.txt"})
    )


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("diff_user.txt", "{current_program} {curent_metrics}", "OpenEvolve has nothing for {curent_metrics}"),
        ("diff_user.txt", "{current_program} {", "write {{ and }} for braces that are text"),
        ("full_rewrite_user.txt", "{0}", "OpenEvolve has nothing for {0}"),
        ("full_rewrite_user.txt", "# Task\n{metrics}", "full_rewrite_user.txt lacks {current_program}"),
        ("diff_user.txt", "# Program\n{current_program}\n# Task", "the gateway cannot find the program in what"),
        ("top_program.txt", "{current_program}", "OpenEvolve has nothing for {current_program}"),
        ("fragments.json", "[", "fragments.json is no JSON object"),
        ("fragments.json", "[]", "fragments.json is no JSON object"),
        ("evaluation.txt", b"\xff", "evaluation.txt is not text in UTF-8"),
    ],
)
def test_a_template_that_cannot_be_filled(place, name, text, sentence):
    (place / "prompts" / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert sentence in refused(written(place))


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ({"system_message": "sytem_message"}, "prompt.system_message is one word, and no template has that name (did"),
        ({"system_message": ""}, "prompt.system_message is one word"),
        ({"island_system_messages": [None, "explorer"]}, "prompt.island_system_messages[1] is one word"),
        (
            {"template_variations": {"hint": ["be {bold}"]}},
            "template_variations.hint: OpenEvolve has nothing for {bold}",
        ),
    ],
)
def test_a_message_that_says_nothing(place, prompt, sentence):
    assert sentence in refused(written(place, prompt))


def test_own_templates_variations_and_patterns_are_fine(place):
    shows = "{hint} {{}}\n# Current Program\n```{language}\n{current_program}\n```\n\n# Task\n{metrics}"
    (place / "prompts" / "diff_user.txt").write_text(shows)
    (place / "prompts" / "explorer.txt").write_text("Explore {anything}.")
    prompt = {"template_variations": {"hint": ["be bold", "be fast"]}, "island_system_messages": ["explorer", None]}
    config.read(written(place, prompt, diff_pattern="FIND(.*?)PUT(.*?)END"))
    config.read(written(place, {"template_dir": None}))


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"database": {"island_initial_programs": [None, "none.py"]}}, "island_initial_programs[1]: there is no file"),
        (
            {"database": {"island_initial_programs": [None, "../prompts"]}},
            "island_initial_programs[1]: there is no file",
        ),
        ({"log_dir": "{place}/island.py"}, "log_dir must be a folder, but"),
        ({"database": {"db_path": "{place}/island.py"}}, "database.db_path must be a folder, but"),
        ({"evolution_trace": {"output_path": "{place}/prompts"}}, "evolution_trace.output_path must be a file, but"),
    ],
)
def test_other_paths_that_cannot_be_used(place, sections, sentence):
    file = written(place, **sections)
    file.write_text(file.read_text().replace("{place}", str(place)))
    assert sentence in refused(file)


TEXT = """\
# of mine
log_dir: logs            # kept
prompt:
  template_dir: {template}
database:
  num_islands: 3
  island_initial_programs: [null, ../island.py, 'ä "b".py']
  db_path: programs
evolution_trace: {{output_path: traces/t.jsonl, enabled: true}}
"""


@pytest.mark.parametrize(
    "template", ["../prompts", "'../prompts'", '"../prompts"', "|-\n    ../prompts", "!!str ../prompts"]
)
def test_a_copy_means_the_same_files_and_keeps_the_text(place, monkeypatch, template):
    monkeypatch.chdir(place)
    standing = standing_alone(written(place, text=TEXT.format(template=template)))
    read = yaml.safe_load(standing)
    assert read["prompt"]["template_dir"] == str(place / "prompts")
    islands = [None, str(place / "island.py"), str(place / "conf" / 'ä "b".py')]
    assert read["database"] == {
        "num_islands": 3,
        "island_initial_programs": islands,
        "db_path": str(place / "programs"),
    }
    assert (read["log_dir"], read["evolution_trace"]["output_path"]) == (
        str(place / "logs"),
        str(place / "traces/t.jsonl"),
    )
    for comment in ("# of mine\n", "# kept\n", "num_islands: 3\n", "enabled: true"):
        assert comment in standing
    copy = place / "copy.yaml"
    copy.write_text(standing)
    monkeypatch.chdir(place / "conf")
    assert standing_alone(copy) == standing


def test_openevolve_reads_the_same_from_the_copy(place):
    from openevolve.config import Config

    islands = {"database": {"island_initial_programs": [None, "../island.py"]}}
    file = written(place, **islands)
    copy = place / "run" / "config.yaml"
    copy.parent.mkdir()
    copy.write_text(standing_alone(file))
    documents = [Config.from_yaml(each) for each in (file, copy)]
    assert documents[0] == documents[1]
    assert documents[1].prompt.template_dir == str(place / "prompts")


@pytest.mark.parametrize(
    "text",
    [
        "prompt: &p\n  template_dir: ../prompts\n# lost\n",
        "x: &x ../prompts\nprompt:\n  template_dir: *x\n",
        "base: &b {template_dir: ../prompts}\nprompt:\n  <<: *b\n",
        "prompt:\n  template_dir: &x ../prompts\nlog_dir: *x\n",
        "",
    ],
)
def test_anchors_do_not_mislead_the_copy(place, monkeypatch, text):
    monkeypatch.chdir(place)
    file = written(place, text=text + "max_iterations: 3\n")
    read = yaml.safe_load(standing_alone(file))
    if text:
        assert read["prompt"]["template_dir"] == str(place / "prompts")
    assert read["max_iterations"] == 3
    assert read.get("x", "../prompts") == "../prompts"
    assert read.get("log_dir", str(place.parent / "prompts")) == str(place.parent / "prompts")


def test_a_link_to_a_configuration_counts_from_the_file(place):
    """As OpenEvolve does."""
    file, link = written(place), place / "link.yaml"
    link.symlink_to(file)
    config.read(link)
    assert yaml.safe_load(standing_alone(link))["prompt"]["template_dir"] == str(place / "prompts")


def test_a_configuration_that_was_moved_without_its_templates_says_so(place):
    moved = shutil.copy(written(place), place / "moved.yaml")
    assert f"there is no folder {place.parent / 'prompts'}" in refused(moved)
