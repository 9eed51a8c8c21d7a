"""The package as a library. Run it in the project's folder: python docs/example.py [PROGRAM]."""

import sys

import eplb_evolve

program = sys.argv[1] if len(sys.argv) > 1 else "seeds/vllm_batched.py"
workload = "gptoss20b-phased"

trace = eplb_evolve.load_workload(workload)
windows, layers, experts = trace.windows.shape
print(f"{workload}: {windows} windows of {layers} layers x {experts} experts; all: {eplb_evolve.workload_names()}")

found = eplb_evolve.evaluate(program, workload, split="holdout")
if not found.feasible:
    sys.exit(f"{program}: {found.reason}")
print(
    f"{program}: {found.timing.time_ms:.3g} ms, {found.balance.balancedness_ratio:.3f} x the reference's balancedness, "
    f"{100 * found.serving.net_gain:+.2f} % of throughput gained on it"
)

both = eplb_evolve.compare(program, "seeds/sglang_vec.py", workload)
print(f"{both.time.value:.3f} times the time of sglang_vec, 95 % interval {both.time.low:.3f} to {both.time.high:.3f}")

for table in eplb_evolve.leaderboard(workload=workload):
    for row in table.rows:
        print(row.rank, row.name, row.provenance, row.evaluation.figure("ratio_to_reference"))
