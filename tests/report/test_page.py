"""The report's text: what it says, and that nothing hostile in it becomes markup. No browser."""

import dataclasses
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from evaluations import changed
from report.synthetic import HARM, MACHINE, entry, make_run, material, source
from support import ROOT

from eplb_evolve import reference
from eplb_evolve.board.metrics import BY_NAME
from eplb_evolve.errors import UsageError
from eplb_evolve.gateway.parsing import sha256
from eplb_evolve.report.gather import gather
from eplb_evolve.report.page import render
from eplb_evolve.runs.ledger import FILE_NAME, Ledger


class Elements(HTMLParser):
    """Which elements a page has, with what, and its text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def count(self, tag):
        return sum(each == tag for each, _ in self.found)


def text_of(page):
    return " ".join(" ".join(Elements(page).text).split())


def without_scripts(page):
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


@pytest.fixture(scope="module")
def page(page_file):
    return page_file.read_text(encoding="utf-8")


def test_hostile_texts_make_no_elements(page):
    elements = Elements(page)
    assert elements.count("img") == 0
    assert elements.count("script") == 3
    links = [attributes["href"] for tag, attributes in elements.found if tag == "a"]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]


def test_hostile_texts_are_shown_as_text(page):
    assert HARM in text_of(page)


def test_the_data_of_the_plots_cannot_end_their_element(page):
    data = page.split('id="figures">', 1)[1].split("</script>", 1)[0]
    assert not set("<>&\u2028\u2029") & set(data)
    assert "\\u003c" in data  # it does hold hostile texts


def test_the_page_forbids_the_network_and_other_scripts(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    scripts = policy.split("script-src ")[1].split(";")[0]
    assert "unsafe" not in scripts
    assert "http" not in policy


def test_folders_and_keys_of_the_machine_are_left_out(page):
    rest = without_scripts(page)
    assert "someone" not in rest
    assert "someone" not in page.split('id="figures">', 1)[1].split("</script>", 1)[0]
    assert "sk-secret" not in rest
    assert "http://127.0.0.1:1/v1" in rest


def test_invisible_and_turning_characters_are_spelled_out(page):
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "\\u202e" in page


def test_the_file_is_small(page_file):
    assert page_file.stat().st_size < 8_000_000


def test_the_verdict_says_what_how_sure_where_and_on_which_machine(page):
    verdict = text_of(page).split("Verdict", 2)[2].split("Leaderboard")[0]
    assert "95 % interval" in verdict
    assert "on holdout windows, it is" in verdict
    assert "The interval lies above 1: it is slower than the reference." in verdict
    assert MACHINE in verdict


def test_headings_come_from_the_one_list_of_metrics(page):
    table = page.split('<table class="sortable">')[1].split("</thead>")[0]
    metric = BY_NAME["ratio_to_reference"]
    assert f'title="{metric.description}"' in table.replace("&#39;", "'")
    assert metric.heading in table


def test_infeasible_and_invalid_programs_are_visible_without_a_rank(page):
    unranked = page.split('<tbody class="unranked"', 1)[1].split("</table>")[0]
    assert "infeasible: " in unranked
    assert "invalid: " in unranked
    ranks = [re.search("<td[^>]*>([^<]*)", row)[1] for row in unranked.split("<tr>")[1:]]
    assert len(ranks) > 5
    assert set(ranks) == {"\u2013"}


def test_headings_go_down_one_level_at_a_time(page):
    levels = [int(tag[1]) for tag, _ in Elements(page).found if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_plot_has_a_name_and_a_summary(page):
    found = Elements(page).found
    ids = {attributes.get("id") for _, attributes in found}
    plots = [attributes for _, attributes in found if attributes.get("class") == "plot"]
    assert len(plots) == 10
    assert all({plot["aria-labelledby"], plot["aria-describedby"]} <= ids for plot in plots)


def test_changes_have_signs_and_line_numbers_beside_colours(page):
    diff = page.split('<table class="diff">')[1].split("</table>")[0]
    assert re.search(r'<tr class="removed"><td>\d+</td><td></td><td>\u2212</td>', diff)
    assert re.search(r'<tr class="added"><td></td><td>\d+</td><td>\+</td>', diff)
    assert '<span class="k">return</span>' in diff


def test_the_steps_lead_from_the_start_to_the_best(page):
    steps = page.split("Steps to the best program", 2)[2].split("</table>")[0]
    best = max((entry(number) for number in range(30)), key=lambda each: each.evaluation.combined_score)
    assert sha256(source(0))[:10] in steps
    assert best.evaluation.sha256[:10] in steps


def test_an_empty_ledger_gives_a_page(tmp_path):
    (tmp_path / FILE_NAME).write_text("")
    text = text_of(render(material(tmp_path)))
    assert "No program has been evaluated in this run yet." in text
    assert "The run kept no evolution trace" in text
    assert "no run.json" in text


def test_without_plots_no_plotting_library_is_in_the_page(tmp_path):
    (tmp_path / FILE_NAME).write_text("")
    assert len(render(material(tmp_path))) < 100_000


def test_nothing_feasible_gives_a_page(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append(entry(3))
    ledger.append(entry(4))
    text = text_of(without_scripts(render(material(tmp_path))))
    assert "Nothing feasible was found in 2 evaluations" in text
    assert "There is no feasible program yet." in text


def test_an_old_run_without_start_trace_and_texts_gives_a_page(tmp_path):
    folder = make_run(tmp_path / "old", trace=False, start=False, texts=False)
    for file in (folder / "programs").iterdir():
        file.unlink()
    text = text_of(without_scripts(render(material(folder))))
    assert "The best program's text is no longer in the run's folder." in text
    assert "The run kept no evolution trace" in text


def test_a_text_that_is_not_the_measured_program_is_not_shown(tmp_path):
    folder = make_run(tmp_path / "run")
    for file in (folder / "programs").iterdir():
        file.write_text("print('something else')")
    run = gather(folder)
    assert run.source(run.winner.evaluation.sha256) == ""


def test_a_trace_without_programs_is_said(tmp_path):
    folder = make_run(tmp_path / "run", trace=False)
    (folder / "evolution_trace.jsonl").write_text('{"iteration": 1}\n')
    assert "The trace holds no programs" in text_of(without_scripts(render(material(folder))))


def test_large_runs_are_thinned_and_it_is_said(tmp_path):
    folder = make_run(tmp_path / "large", count=2200)
    page = render(material(folder))
    text = text_of(without_scripts(page))
    assert len(page.encode()) < 8_000_000
    assert "evenly spread" in text
    assert "other programs are left out" in text
    assert re.search(r"Left out: [\d,]+ more feasible programs", text)


def test_a_folder_without_a_ledger_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no ledger"):
        gather(tmp_path)


def test_the_winner_needs_more_than_a_tie_to_replace_the_searchs_own_best(tmp_path):
    folder = make_run(tmp_path / "run")
    champion = gather(folder).winner.evaluation.sha256
    near = entry(26, "holdout").evaluation
    ledger = Ledger(folder)
    own = gather(folder).confirmed
    for share, replaced in ((0.99, False), (0.5, True)):
        ratio = own.timing.ratio_to_reference * share
        better = changed(
            near,
            feasible=True,
            valid=True,
            ratio_to_reference=ratio,
            ratio_low=0.98 * ratio,
            ratio_high=1.02 * ratio,
            combined_score=1000.0 + 1 / ratio,
        )
        ledger.append(dataclasses.replace(entry(26), evaluation=better))
        assert (gather(folder).winner.evaluation.sha256 != champion) is replaced


def test_the_command_runs_the_best_program_in_the_sandbox(eplb, tmp_path):
    """One whole run: the numpy reference as the only program of a search."""
    folder = tmp_path / "run"
    text = Path(reference.__file__).read_text()
    ledger = Ledger(folder)
    ledger.keep_program(text.encode(), sha256(text))
    ledger.append(entry(0, text=text))
    code, _, err = eplb("report", "--run", folder, "--config", ROOT / "evolve_config.yaml")
    assert code == 0, err
    text = text_of(without_scripts((folder / "report.html").read_text()))
    assert "planned on window" in text
    assert "times the throughput of never rebalancing" in text


def test_no_run_leaves_out_what_needs_a_program_to_run(eplb, tmp_path):
    folder = make_run(tmp_path / "run")
    code, _, err = eplb("report", "--run", folder, "--no-run", "--output", tmp_path / "some" / "page.html")
    assert code == 0, err
    assert "Nothing was run for this page (--no-run)." in text_of((tmp_path / "some" / "page.html").read_text())
