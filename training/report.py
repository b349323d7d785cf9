"""Turns the rows that evaluate.py measured into table.json and table.md, each goal beside what was reached."""

import argparse
import glob
import json
import math
import os


def ratio(a: dict, b: dict) -> tuple[float, float]:
    """Quotient of two means and half of its 95 % interval (delta method)."""
    (x, dx), (y, dy) = a["perplexity"], b["perplexity"]
    return x / y, x / y * math.hypot(dx / x, dy / y)


def main(a) -> None:
    rows = {}
    for path in glob.glob(os.path.join(a.rows, "*.json")):
        with open(path) as f:
            r = json.load(f)
        if "key" in r:
            rows[r["key"]] = r
    with open(os.path.join(a.rows, "judge_nll.json")) as f:
        nll = json.load(f)
    lengths = sorted({r["length"] for r in rows.values()})
    short, long = lengths[0], lengths[-1]
    held = rows[f"heldout_{short}"]
    bits = nll["int8"] / math.log(2) / nll["bytes_per_token"]

    lines = ["| network | solver | steps | tokens | samples | perplexity | ÷ baseline | entropy, bits | − held-out | seen 8-grams | distinct 4-grams |",
             "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    order = {"held-out text": 0, "baseline": 1, "student": 2, "student-f32": 3}
    for r in sorted(rows.values(), key=lambda r: (r["length"], order[r["net"]], r["solver"], r["steps"])):
        base, text = rows[f"baseline_dfm_euler_1024_{r['length']}"], rows[f"heldout_{r['length']}"]
        lines.append(
            f"| {r['net']} | {r['solver'].replace('_', ' ')} | {r['steps'] or ''} | {r['length']} | {r['samples']} "
            f"| {r['perplexity'][0]:.2f} ± {r['perplexity'][1]:.2f} | {ratio(r, base)[0]:.3f} | {r['entropy'][0]:.3f} ± {r['entropy'][1]:.3f} "
            f"| {r['entropy'][0] - text['entropy'][0]:+.3f} | {100 * r['seen_8grams']:.1f} % | {100 * r['distinct_4grams']:.1f} % |"
        )

    def cs(n, length=short, net="student"):
        return rows[f"{net}_cumulative_scalar_{n}_{length}"]

    base, base_long = rows[f"baseline_dfm_euler_1024_{short}"], rows[f"baseline_dfm_euler_1024_{long}"]
    gaps = {r["key"]: r["entropy"][0] - rows[f"heldout_{r['length']}"]["entropy"][0] for r in rows.values()
            if r["net"] == "student" and r["solver"] == "cumulative_scalar" and r["steps"] >= 4}
    worst = max(gaps, key=lambda k: abs(gaps[k]))
    goals = [("judge, held-out NLL a token (nats)", (nll["int8"], 0), "aim 1.75", nll["int8"] <= 1.75)]
    for what, pair, limit in (
        ("1,024-step dfm-euler baseline ÷ held-out text", (base, held), 1.10),
        ("8-step student ÷ baseline", (cs(8), base), 1.15),
        ("4-step student ÷ baseline", (cs(4), base), 1.7),
        ("16-step student ÷ baseline", (cs(16), base), 1.05),
        (f"8-step student ÷ baseline, {long:,} tokens", (cs(8, long), base_long), 1.30),
        ("8 steps: cumulative scalar ÷ euler", (cs(8), rows[f"student_euler_8_{short}"]), 1.0),
        ("8 steps: cumulative scalar ÷ dfm-euler", (cs(8), rows[f"student_dfm_euler_8_{short}"]), 1.0),
        ("8 bits ÷ f32, 8-step student", (cs(8), cs(8, net="student-f32")), 1.01),
        ("8 bits ÷ f32, judge on held-out text", None, 1.01),
    ):
        value = ratio(*pair) if pair else (math.exp(nll["int8"] - nll["f32"]), 0)
        goals.append((what, value, f"{'<' if limit == 1 else '≤'} {limit:.2f}", value[0] <= limit))
    goals.append((f"largest distance of entropy from held-out, budgets ≥ 4 ({worst.split('scalar_')[1].replace('_', ' steps, ')} tokens)",
                  (abs(gaps[worst]), 0), "≤ 0.15", abs(gaps[worst]) <= 0.15))
    goals.append(("8-grams seen in training, 8-step student − held-out text", (cs(8)["seen_8grams"] - held["seen_8grams"], 0), "≤ 0", cs(8)["seen_8grams"] <= held["seen_8grams"]))
    head = ["| | measured | goal | |", "|---|--:|--:|---|"]
    head += [f"| {w} | {v:.3f}{f' ± {d:.3f}' if d else ''} | {g} | {'reached' if ok else '**missed**'} |" for w, (v, d), g, ok in goals]
    text = "\n".join(head) + f"\n\nJudge on held-out text: {nll['int8']:.4f} nats a token as bundled (f32: {nll['f32']:.4f}), {bits:.3f} bits a byte.\n\n" + "\n".join(lines) + "\n"
    with open(os.path.join(a.out, "table.md"), "w") as f:
        f.write(text)
    with open(os.path.join(a.out, "table.json"), "w") as f:
        json.dump({"judge": nll | {"bits_per_byte": bits}, "goals": [{"what": w, "value": v, "goal": g, "reached": bool(ok)} for w, (v, _), g, ok in goals],
                   "rows": rows}, f, indent=1, sort_keys=True)
        f.write("\n")
    print(text)


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--rows", required=True, help="what evaluate.py wrote")
    ap.add_argument("--out", required=True)
    main(ap.parse_args())
