"""Samples every row of the table, scores it with the bundled judge, and writes the table beside its goals.

Networks run in f16 mixed precision, the judge in f32. The student and the judge are the bundled 8-bit weights unless a row says f32.
"""

import argparse
import json
import os

from common import DEVICE, RANK, WORLD, autocast, compile_blocks, compiled, setup, wait_for
import numpy as np
import torch

import gpt2
import model
from data import Stream, heldout_windows
from export import LEAST_DT, unpack
from sample import advance, entropy, flat, noise, perplexity, sample


def rows(scale: float, lengths: tuple[int, int]) -> list[dict]:
    """Every row: which network, which solver, how many steps, how long, how many samples."""
    short, long = lengths
    table = [("baseline", "dfm_euler", n, short, k) for n, k in ((8, 1024), (64, 1024), (256, 256), (1024, 256))]
    table += [("baseline", "dfm_euler", 1024, long, 256)]
    table += [("student", "cumulative_scalar", n, short, 1024) for n in (1, 2, 4, 16, 32, 64)]
    table += [("student", "cumulative_scalar", 8, short, 4096), ("student-f32", "cumulative_scalar", 8, short, 4096)]
    table += [("student", "cumulative_scalar", n, short, 256) for n in (256, 1024)]
    table += [("student", s, 8, short, 1024) for s in ("euler", "dfm_euler")]
    table += [("student", "cumulative_scalar", n, long, 512) for n in (4, 8, 16)]
    table += [("baseline", "cumulative_scalar", n, short, 512) for n in (4, 8, 16)]
    keys = ("net", "solver", "steps", "length", "samples")
    return [dict(zip(keys, r), key=f"{r[0]}_{r[1]}_{r[2]}_{r[3]}") | {"samples": max(4, int(r[4] * scale))} for r in table]


def mean_ci(v: torch.Tensor) -> list[float]:
    """Mean and half-width of its normal 95 % interval."""
    return [v.mean().item(), 1.96 * v.std().item() / len(v) ** 0.5]


def distinct(ids, n: int = 4) -> float:
    """Share of different n-grams among all n-grams of 256 samples: diversity between samples."""
    grams = ids[:256].unfold(1, n, 1).reshape(-1, n)
    return len(grams.unique(dim=0)) / len(grams)


def load_packed(folder: str) -> dict:
    from safetensors.torch import load_file

    return unpack(load_file(os.path.join(folder, "model.safetensors")))


def measure(a) -> None:
    setup(a.seed)
    os.makedirs(a.out, exist_ok=True)
    todo = [r for r in rows(a.scale, (a.short, a.long)) if r["net"].startswith(a.only) and not os.path.exists(os.path.join(a.out, r["key"] + ".json"))]
    loads = [0.0] * WORLD
    mine = []
    for r in sorted(todo, key=lambda r: -r["steps"] * r["length"] * r["samples"]):
        k = loads.index(min(loads))
        loads[k] += r["steps"] * r["length"] * r["samples"] * (1 + r["length"] / 4096)
        mine += [r] if k == RANK else []

    c = model.Config(hidden_size=a.hidden, n_blocks=a.blocks, n_heads=a.heads, cond_dim=a.cond)
    told = model.Config(**{**c.dict(), "dt_conditioned": True})
    nets = {n: compile_blocks(model.Transformer(k).to(DEVICE).eval().requires_grad_(False)) for n, k in (("baseline", c), ("student", told))}
    forward = {"baseline": lambda x, t, h: nets["baseline"](x, t), "student": lambda x, t, h: nets["student"](x, t, h.clamp_min(LEAST_DT))}
    move = flat(compiled(advance))

    def step(name):
        def go(x, t, h, last, solver):
            with autocast(torch.float16):
                return move(forward[name](x, t, h), x, t, h, last, solver=solver)
        return go

    batch = {n: max(1, a.tokens // n) for n in (a.short, a.long)}
    with torch.no_grad():
        for name, solver, length in sorted({(r["net"].split("-")[0], r["solver"], r["length"]) for r in mine}):
            sample(step(name), noise(batch[length], length, c.vocab_size, DEVICE), 2, solver)  # compiles
    wait_for(a.wait)

    nets["baseline"].load_state_dict(torch.load(a.pretrained, map_location=DEVICE, weights_only=False)["model"])
    if a.only != "baseline":
        exact = torch.load(a.distilled, map_location=DEVICE, weights_only=False)["student_ema_model"]
        packed = load_packed(os.path.join(a.assets, "fsdfm"))
    torch.backends.cuda.matmul.allow_tf32 = False
    judge = gpt2.load(load_packed(os.path.join(a.assets, "judge")), a.judge_heads).to(DEVICE)

    def record(row, ids):
        values = perplexity(judge, ids)
        result = row | {"samples": len(ids), "perplexity": mean_ci(values), "median": values.median().item(), "entropy": mean_ci(entropy(ids)),
                        "distinct_4grams": distinct(ids)}
        np.save(os.path.join(a.out, row["key"] + ".npy"), ids[: a.keep].cpu().numpy().astype(np.uint16))
        with open(os.path.join(a.out, row["key"] + ".json"), "w") as f:
            json.dump(result, f)
        print(json.dumps(result), flush=True)

    if RANK == 0:
        for length in (a.short, a.long):
            record({"key": f"heldout_{length}", "net": "held-out text", "solver": "", "steps": 0, "length": length}, heldout_windows(a.data, length))
        j = torch.load(a.judge, map_location=DEVICE, weights_only=False)
        full = gpt2.load(j["model"], a.judge_heads).to(DEVICE)
        stream, w = Stream(os.path.join(a.data, "heldout.npz")), heldout_windows(a.data, a.short)
        with torch.no_grad():
            nll = {n: torch.cat([g.nll(p).mean(1) for p in w.split(64)]).mean().item() for n, g in (("int8", judge), ("f32", full))}
        nll["bytes_per_token"] = stream.bytes / (len(stream.ids) - len(stream.starts))
        with open(os.path.join(a.out, "judge_nll.json"), "w") as f:
            json.dump(nll, f)
        print(json.dumps(nll), flush=True)
    for r in sorted(mine, key=lambda r: r["steps"] * r["length"] * r["samples"]):
        name = r["net"].split("-")[0]
        if name == "student":
            nets["student"].load_state_dict(exact if r["net"] == "student-f32" else exact | packed)
        torch.manual_seed(a.seed * 1000 + r["steps"] + r["length"])
        ids = torch.cat([sample(step(name), noise(batch[r["length"]], r["length"], c.vocab_size, DEVICE), r["steps"], r["solver"])
                         for _ in range(-(-r["samples"] // batch[r["length"]]))])
        record(r, ids[: r["samples"]])


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--data", required=True)
    ap.add_argument("--pretrained", required=True)
    ap.add_argument("--distilled", required=True)
    ap.add_argument("--judge", required=True)
    ap.add_argument("--assets", required=True, help="what export.py wrote")
    ap.add_argument("--out", required=True)
    ap.add_argument("--wait", default="", help="compile, then wait until this file exists")
    ap.add_argument("--only", default="", help="rows of one network: baseline or student")
    ap.add_argument("--scale", type=float, default=1.0, help="of the numbers of samples")
    ap.add_argument("--tokens", type=int, default=65536, help="a batch")
    ap.add_argument("--short", type=int, default=256)
    ap.add_argument("--long", type=int, default=1024)
    ap.add_argument("--keep", type=int, default=512, help="samples a row whose ids are kept")
    ap.add_argument("--hidden", type=int, default=512)
    ap.add_argument("--blocks", type=int, default=8)
    ap.add_argument("--heads", type=int, default=8)
    ap.add_argument("--cond", type=int, default=128)
    ap.add_argument("--judge-heads", type=int, default=6)
    ap.add_argument("--seed", type=int, default=1)
    measure(ap.parse_args())
