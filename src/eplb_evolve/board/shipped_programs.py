"""The programs that every board holds: the balancers in seeds/, the reference, and the recorded evolved ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eplb_evolve import reference
from eplb_evolve.board.records import read_records
from eplb_evolve.board.rows import Row
from eplb_evolve.evaluation.bench import Bench
from eplb_evolve.evaluation.measured import DEEPSEEK_FORM_SHA256, with_speedup
from eplb_evolve.evaluation.result import Evaluation
from eplb_evolve.evaluation.task import Task
from eplb_evolve.evaluation.together import Say, evaluate_together
from eplb_evolve.paths import Project
from eplb_evolve.runs.origin import Provenance, declared_device, declared_provenance

UNGROUPED = ("global_snake", "deepseek", "torch_rounds", "cpp_simd", reference.NAME)
"""What a table without the group rule holds: a form that ignores groups beside others that keep them where there are
any."""


@dataclass(frozen=True)
class Program:
    """A program, and what a row says of it beside its figures; see Row."""

    name: str
    file: Path
    provenance: Provenance
    link: str
    how: str = ""

    def row(self, evaluation: Evaluation) -> Row:
        """A row of the board."""
        return Row(self.name, self.provenance, evaluation, self.how, link=self.link)


def seeds_and_reference(project: Project) -> list[Program]:
    """The balancers in seeds/ by their stems, then the reference."""
    found = [
        Program(name, file, declared_provenance(file), f"../seeds/{file.name}")
        for name, file in project.seed_files().items()
    ]
    own = Path(reference.__file__)
    return [*found, Program(reference.NAME, own, "reference", "../src/eplb_evolve/reference.py")]


def recorded(project: Project) -> list[Program]:
    """The recorded programs that a search found."""
    folder = project.results / "records"
    return [
        Program(each.name, folder / each.name / "program.py", "evolved", f"records/{each.name}/", each.how)
        for each in read_records(folder)
        if each.provenance == "evolved"
    ]


def measure_all(project: Project, tasks: Sequence[Task], bench: Bench, say: Say) -> list[Row]:
    """Every one of them that runs on the tasks' device, together on each task."""
    devices = ("cpu", tasks[0].settings.device)
    known = [each for each in seeds_and_reference(project) if declared_device(each.file) in devices]
    return _measured([*known, *recorded(project)], tasks, bench, say)


def measure_ungrouped(project: Project, tasks: Sequence[Task], bench: Bench, say: Say) -> list[Row]:
    """Some of them, together on each of these tasks without the group rule."""
    return _measured([each for each in seeds_and_reference(project) if each.name in UNGROUPED], tasks, bench, say)


def _measured(known: Sequence[Program], tasks: Sequence[Task], bench: Bench, say: Say) -> list[Row]:
    programs = {each.name: each for each in known}
    files = {name: each.file for name, each in programs.items()}
    found = evaluate_together(files, tasks, bench, say)
    form = next((runs for runs in found.values() if runs[0].sha256 == DEEPSEEK_FORM_SHA256), None)
    rows = []
    for at in range(len(tasks)):
        seed = form[at].figure("ratio_to_reference") if form is not None else None
        rows += [programs[name].row(with_speedup(runs[at], seed)) for name, runs in found.items()]
    return rows
