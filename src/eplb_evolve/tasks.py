"""From names and options to the tasks that they ask for, by the configuration of the project."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from eplb_evolve import config as configuration
from eplb_evolve.errors import UsageError, suggestion
from eplb_evolve.evaluation.objectives import refuse_several
from eplb_evolve.evaluation.settings import Device
from eplb_evolve.evaluation.task import SEPARATOR, Split, Task, build_task
from eplb_evolve.evaluation.task import workload_names as names_in
from eplb_evolve.paths import project
from eplb_evolve.topology import FIELDS, Topology, topology_for
from eplb_evolve.workload import catalog


def tasks(
    config_file: Path | None,
    workload_names: Sequence[str] | None,
    split: str,
    device: str | None = None,
    override: Mapping[str, int | None] | None = None,
) -> list[Task]:
    """One Task per workload asked for, or for the configuration's own. UsageError for what is not known.

    A name such as `A+B` is one Task that times on both, as a configuration with a list of workloads does.

    config_file: the project's own by default. override: of the topology, by its fields' names.
    """
    if split not in ("search", "holdout"):
        raise UsageError(f"split is search or holdout, not '{split}'")
    if device not in (None, "cpu", "cuda"):
        raise UsageError(f"device is cpu or cuda, not '{device}'")
    place = project()
    section = configuration.read_eplb(config_file or place.config)
    settings = section.settings()
    if device is not None:
        settings = dataclasses.replace(settings, device=cast(Device, device))
    chosen: Split = "holdout" if split == "holdout" else "search"
    built = []
    own = names_in(section.workload)
    given = {key: value for key, value in (override or {}).items() if value is not None}
    for name in workload_names or [SEPARATOR.join(own)]:
        topology = section.topology if [name] == own else None
        if given:
            if SEPARATOR in name:
                raise UsageError(
                    f"a topology is of one workload, and '{name}' names several; leave it out, or name one"
                )
            card = catalog.read_card(name, *place.workloads)
            topology = _overridden(topology or card.topology, given, card.shape[2])
        built.append(refuse_several(build_task(place.workloads, name, section.checks, settings, chosen, topology)))
    return built


def _overridden(topology: Topology, given: dict[str, int], experts: int) -> Topology:
    for name in given:
        if name not in FIELDS:
            raise UsageError(f"a topology has no '{name}'{suggestion(name, FIELDS)}; it has {', '.join(FIELDS)}")
    values = dict(zip(FIELDS, topology.as_arguments(), strict=True)) | given
    return topology_for(experts, **values, form="--{name} {value}")
