"""Proposals as a whole."""

import ast
import os
import subprocess
import sys

import pytest
from proposer.programs import ALL
from support import SEED

from eplb_evolve.proposer import NothingToPropose, UnreadableProgram, propose
from eplb_evolve.proposer import engine as engine_module
from eplb_evolve.proposer.canonical import fingerprint
from eplb_evolve.proposer.engine import Base, Style
from eplb_evolve.proposer.header import made_by
from eplb_evolve.proposer.operators.registry import OPERATORS
from eplb_evolve.proposer.program import Program

PRINT_DIGEST = """
import hashlib, sys
from eplb_evolve.proposer import propose
source, other = sys.stdin.read().split("#####")
proposals = [propose(source, [other], seed).source for seed in range(12)]
print(hashlib.sha256("".join(proposals).encode()).hexdigest())
"""


def test_the_same_arguments_give_the_same_proposal_in_any_process():
    source = SEED.read_text()
    other = propose(source, seed=5).source
    digests = {
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST],
            input=f"{source}#####{other}",
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "77")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("seed", range(30))
def test_a_proposal_is_a_different_sound_program_that_tells_where_it_comes_from(seed):
    source = list(ALL.values())[seed % len(ALL)]
    proposal = propose(source, [ALL["grid"]], seed)
    compile(proposal.source, "<child>", "exec")
    assert ast.dump(ast.parse(proposal.source)) != ast.dump(ast.parse(source))
    header = made_by(proposal.source)
    assert (header.tier, header.operators) == (proposal.tier, proposal.operators)
    assert len(proposal.source) <= engine_module.MAX_CHARACTERS


def test_t0_means_that_every_operator_is_t0():
    tiers = {operator.name: operator.tier for operator in OPERATORS} | {
        "crossover": "T1",
        "restart": "T1",
    }
    for seed in range(40):
        proposal = propose(ALL["assignment"], [ALL["grid"]], seed)
        assert proposal.tier == max(tiers[name] for name in proposal.operators)


def test_known_programs_are_not_proposed_again():
    source, known = ALL["assignment"], set()
    for seed in range(15):
        proposal = propose(source, seed=seed, known=known)
        assert proposal.fingerprint not in known
        known.add(proposal.fingerprint)


def test_another_base_is_changed_inside_the_prompts_own_frame():
    block = "# EVOLVE-BLOCK-START\n{}# EVOLVE-BLOCK-END\n"
    source, base = block.format(ALL["grid"]) + "LAST = 1\n", block.format(ALL["assignment"]) + "LAST = 2\n"
    proposal = propose(source, seed=1, base=Base(base, "abc123"))
    header = made_by(proposal.source)
    assert header.operators[0] == "restart"
    assert header.origin == "abc123"
    assert proposal.source.endswith("LAST = 1\n")
    assert "hotels" in proposal.source


def test_weights_decide_which_operators_are_drawn():
    favoured = {operator.name: 0.001 for operator in OPERATORS} | {"change_constant": 1000.0}
    drawn = [propose(ALL["assignment"], seed=seed, weights=favoured).operators[0] for seed in range(20)]
    assert drawn.count("change_constant") > 15


def test_the_steps_from_the_seed_are_kept():
    first = propose(ALL["assignment"], seed=1)
    second = propose(first.source, seed=2)
    chain = made_by(second.source).steps
    assert chain == ("+".join(first.operators), "+".join(second.operators))


def test_renamed_locals_are_no_new_program():
    renamed = ALL["assignment"].replace("hotels", "inns")
    assert fingerprint(ast.parse(renamed)) == fingerprint(ast.parse(ALL["assignment"]))
    other = ALL["assignment"].replace("costs.shape", "costs.T.shape")
    assert fingerprint(ast.parse(other)) != fingerprint(ast.parse(ALL["assignment"]))


def test_unreadable_inspirations_are_passed_over():
    assert propose(ALL["grid"], ["def f(:", "not a program"], 1).source


def test_a_program_that_does_not_parse_is_refused():
    with pytest.raises(UnreadableProgram):
        propose("def f(:\n", seed=1)


def test_a_program_without_a_place_for_any_operator_is_refused():
    with pytest.raises(NothingToPropose, match="no operator"):
        propose("pass\n", seed=1)


def test_programs_do_not_outgrow_the_limit(monkeypatch):
    monkeypatch.setattr(engine_module, "MAX_CHARACTERS", len(ALL["election"]) + 200)
    for seed in range(4):
        assert len(propose(ALL["election"], seed=seed).source) <= engine_module.MAX_CHARACTERS


def test_a_chain_of_proposals_stays_small():
    source = SEED.read_text()
    for seed in range(8):
        source = propose(source, seed=seed).source
    assert len(source) < 3 * len(SEED.read_text())
    assert "# EVOLVE-BLOCK-START" in source
    assert "# EVOLVE-BLOCK-END" in source
    used = {name.id for name in ast.walk(ast.parse(source)) if isinstance(name, ast.Name)}
    helpers = {helper.name for helper in Program.parse(source).helpers()}
    assert helpers
    assert helpers <= used


def test_what_everything_began_with_is_changed_by_long_chains_that_keep_its_meaning():
    tiers = {operator.name: operator.tier for operator in OPERATORS}
    for number in (2, 5):
        assert number in Style().afresh().lengths
    assert 1 not in Style().afresh().lengths
    for seed in range(10):
        proposal = propose(ALL["assignment"], [ALL["grid"]], seed, style=Style().afresh())
        assert proposal.tier == "T0"
        assert {tiers[name] for name in proposal.operators} == {"T0"}


def test_a_style_can_be_narrowed_to_a_few_operators():
    proposal = propose(ALL["assignment"], seed=1, style=Style().only(["change_constant"]))
    assert proposal.operators == ("change_constant",)
