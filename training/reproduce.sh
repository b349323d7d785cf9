#!/usr/bin/env bash
# Measures the bundled model through the program itself: perplexity and entropy for a few budgets, means with 95 % intervals.
#   FEWSTEP=path of the program   SEEDS=256   BUDGETS="1 2 4 8 16"   TOKENS=256   FLAGS=more flags for `fewstep sample`
set -euo pipefail
for n in ${BUDGETS:-1 2 4 8 16}; do
  "${FEWSTEP:-fewstep}" sample --json --final --steps "$n" --tokens "${TOKENS:-256}" --seed 0 --samples "${SEEDS:-256}" ${FLAGS:-} |
    python3 -c '
import json, math, sys
rows = [r for r in map(json.loads, sys.stdin) if r.get("type") in ("frame", "score")]
values = {k: [r[k] for r in rows if r.get(k) is not None] for k in ("perplexity", "entropy")}
def mean(v):
    m = sum(v) / len(v)
    return f"{m:.3f} ± {1.96 * math.sqrt(sum((x - m) ** 2 for x in v) / (len(v) - 1) / len(v)):.3f}"
ppl, bits = values["perplexity"], values["entropy"]
print(f"{sys.argv[1]} steps, {len(ppl)} samples: perplexity {mean(ppl)}, entropy {mean(bits)}", flush=True)
' "$n"
done
