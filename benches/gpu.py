"""A step on an NVIDIA GPU, ids to next ids, beside PyTorch on the same machine; and how far the logits are apart.

Usage: gpu.py FEWSTEP MODEL_FOLDER [--seconds N] [--toy]
FEWSTEP is a binary built with the feature `cuda`; MODEL_FOLDER may be `none`, for made-up weights alone. The last lines are the table: medians in ms at 1,024 tokens in bf16.
PyTorch runs eagerly with its fused attention, and compiled as a whole step. `--toy` tries the script on a CPU.
"""

import argparse
import array
import json
import os
import re
import signal
import struct
import subprocess
import tempfile
import threading
import time

# Folding constants would only copy the weights.
os.environ["TORCHINDUCTOR_FREEZING"] = "0"

import torch
import torch_step

torch.set_grad_enabled(False)
HERE = os.path.dirname(os.path.abspath(__file__))
BEGAN = time.monotonic()


def say(*words):
    print(f"[{time.monotonic() - BEGAN:5.1f} s]", *words, flush=True)


def left(options):
    return options.seconds - (time.monotonic() - BEGAN)


class Late(BaseException):
    pass


def late(*_):
    raise Late("took too long")


def median(values):
    return sorted(values)[len(values) // 2]


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def time_steps(step, rounds, device):
    times = []
    for _ in range(rounds):
        wait(device)
        began = time.perf_counter()
        step()
        wait(device)
        times.append((time.perf_counter() - began) * 1e3)
    return times


def run(options, *args, timeout=60):
    """Output of fewstep, or None."""
    try:
        done = subprocess.run([options.fewstep, *args], capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        say("timed out: fewstep", *args)
        return None
    if done.returncode:
        say("fewstep", *args, "failed:", done.stderr.strip()[-400:])
        return None
    return done.stdout


def ours(options, device, precision, tokens, model):
    """Median and best of a step, from `fewstep bench`."""
    rounds = "3" if options.toy or device == "cpu" else "60"
    args = ["bench", "--device", device, "--precision", precision, "--tokens", str(tokens), "--rounds", rounds, *model]
    out = run(options, *args)
    if out is None:
        return None
    print(out.strip(), flush=True)
    row = re.search(rf"^ *{tokens} +([\d.]+) +([\d.]+)", out, re.M)
    return float(row[2]), float(row[1])


def torches(options, shape, device):
    """Steps of PyTorch in each mode that works here, warmed up."""
    hidden, blocks, heads, vocab, tokens = shape
    torch.manual_seed(0)
    with torch.device(device):
        net = torch_step.Net(hidden, blocks, heads, vocab, tokens).eval().bfloat16()
    net.cos, net.sin, net.freq = net.cos.float(), net.sin.float(), net.freq.float()
    ids = torch.randint(vocab, (tokens,), device=device)
    t, dt = torch.tensor(0.375, device=device), torch.tensor(0.125, device=device)

    def step():
        return torch_step.draw(net(ids, t, dt), ids, 0.22)

    modes = {"eager": step}
    for name, kwargs in {"compiled": {}, "compiled, CUDA graphs": {"mode": "reduce-overhead"}}.items():
        # Compiling is the slow part: leave room for the measurements.
        seconds = int(min(left(options) - 30, 60))
        if options.toy or seconds < 10 or (kwargs and hidden > 1024):
            continue
        signal.alarm(seconds)
        try:
            began = time.monotonic()
            fast = torch.compile(step, **kwargs)
            for _ in range(3):
                fast()
            wait(device)
            say(f"torch {name}: {time.monotonic() - began:.0f} s to compile")
            modes[name] = fast
        except (Exception, Late) as error:
            say("torch cannot run", name, "-", (str(error).splitlines() or [repr(error)])[0][:200])
        finally:
            signal.alarm(0)
    for step in modes.values():
        for _ in range(5):
            step()
    wait(device)
    return modes


def write_inputs(path, states):
    """safetensors with x, t, dt."""
    ids = array.array("q", [i for state in states for i in state[0]])
    parts = {
        "x": ("I64", [len(states), len(states[0][0])], ids.tobytes()),
        "t": ("F32", [len(states)], array.array("f", [s[1] for s in states]).tobytes()),
        "dt": ("F32", [len(states)], array.array("f", [s[2] for s in states]).tobytes()),
    }
    header, at = {}, 0
    for name, (dtype, dims, data) in parts.items():
        header[name] = {"dtype": dtype, "shape": dims, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(part[2] for part in parts.values()))


def read_logits(path):
    data = open(path, "rb").read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    dims = json.loads(data[8:start])["logits"]["shape"]
    return torch.frombuffer(bytearray(data[start:]), dtype=torch.float32).view(dims)


def compare(options):
    with tempfile.TemporaryDirectory() as folder:
        return compare_in(options, folder)


def compare_in(options, folder):
    """Logits of the GPU beside those of the f32 reference on the CPU, at states of a real run."""
    tokens, gpu = (64, "cpu") if options.toy else (1024, "gpu")
    common = ["--model", options.model]
    trace = run(options, "sample", *common, "--device", "cpu", "--tokens", str(tokens), "--json", "--score", "none", "--judge", "none")
    if trace is None:
        return []
    frames = [f for f in map(json.loads, trace.splitlines()) if f["type"] == "frame"]
    write_inputs(folder + "/in", [(f["ids"], f["t"], 0.125) for f in frames if f["step"] in (0, 3, 7)])
    lines, logits = [], {}
    for device, precision in [("cpu", "f32"), (gpu, "f32"), (gpu, "bf16")]:
        out = folder + f"/{device}-{precision}"
        done = run(options, "probe", *common, "--device", device, "--precision", precision, "--input", folder + "/in", "--output", out)
        say(done.strip() if done else "probe failed")
        if done is None:
            continue
        logits[device, precision] = read_logits(out).double()
        reference = logits.get(("cpu", "f32"))
        if reference is None or len(logits) == 1:
            continue
        other = logits[device, precision]
        delta = (other - reference).abs()
        p, q = reference.log_softmax(-1), other.log_softmax(-1)
        kl = (p.exp() * (p - q)).sum(-1)
        agree = (reference.argmax(-1) == other.argmax(-1)).double().mean()
        lines.append(
            f"  {gpu} {precision}: logits differ by at most {delta.max():.2g}, {delta.mean():.2g} on average (they span"
            f" {reference.min():.1f} to {reference.max():.1f}); KL of posteriors {kl.mean():.2g} nats on average,"
            f" {kl.max():.2g} at most; {100 * agree:.2f} % of the most likely tokens the same"
        )
    texts = {}
    for device, precision in [("cpu", "f32"), (gpu, "f32"), (gpu, "bf16")]:
        args = ["--device", device, "--precision", precision, "--tokens", "256" if not options.toy else "64"]
        out = run(options, "sample", *common, *args, "--json", "--score", "none", "--judge", "none")
        if out:
            texts[device, precision] = [f["ids"] for f in map(json.loads, out.splitlines()) if f["type"] == "frame"]
    reference = texts.get(("cpu", "f32"))
    for key, ids in texts.items():
        if reference and key != ("cpu", "f32"):
            same = [sum(a == b for a, b in zip(x, y)) for x, y in zip(reference, ids)]
            lines.append(f"  {' '.join(key)}: ids equal to the reference's after steps 0 to 8: {same} of {len(ids[0])}")
    out = run(options, "sample", *common, "--device", gpu, "--precision", "bf16", "--tokens", "128", "--plain", "--judge", "none")
    if out:
        lines.append("  it writes: " + " ".join(out.split())[:300])
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fewstep")
    parser.add_argument("model")
    parser.add_argument("--seconds", type=float, default=140)
    parser.add_argument("--toy", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, late)
    device = "cpu" if options.toy else "cuda"
    place = "cpu" if options.toy else "gpu"
    say("torch", torch.__version__, torch.cuda.get_device_name() if device == "cuda" else "")
    tokens = 64 if options.toy else 1024
    made_up = options.model == "none"
    small = ["--shape", "512/8/8/4096"] if made_up else ["--model", options.model, "--judge", "none"]
    shapes = {
        "1.3 B, 2048/21/32/50257": ((2048, 21, 32, 50257, tokens), ["--shape", "2048/21/32/50257"]),
        "default model, 512/8/8/4096": ((512, 8, 8, 4096, tokens), small),
    }
    if options.toy:
        shapes = {"toy 64/2/2/300": ((64, 2, 2, 300, tokens), ["--shape", "64/2/2/300"])}
    lines = ["against the f32 reference on the CPU:"]
    # Beside PyTorch's compilation, and done before anything is timed.
    comparison = threading.Thread(target=lambda: lines.extend([] if made_up else compare(options)))
    comparison.start()
    table = ["", f"median (best) ms a step of {tokens} tokens in bf16, ids to next ids"]
    for name, (shape, model) in shapes.items():
        modes = torches(options, shape, device)
        comparison.join()
        times = {mode: [] for mode in modes}
        own = []
        # Turns, so that what else uses the GPU falls on all alike.
        for turn in range(2):
            for mode, step in modes.items():
                times[mode] += time_steps(step, 3 if options.toy else 30, device)
            if turn == 0 or left(options) > 25:
                own += [found for found in [ours(options, place, "bf16", tokens, model)] if found]
        del modes
        if device == "cuda":
            torch.cuda.empty_cache()
        eager = median(times["eager"])
        table.append(name)
        for i, (mid, best) in enumerate(own):
            table.append(f"  fewstep, run {i + 1:<22}{mid:>8.2f} ({best:.2f})   {mid / eager:.2f}x eager")
        for mode, values in times.items():
            table.append(f"  torch {mode:<29}{median(values):>8.2f} ({min(values):.2f})   {median(values) / eager:.2f}x eager")
        print("\n".join(table), flush=True)
    if not options.toy and left(options) > 20:
        own = ours(options, "gpu", "f32", tokens, small)
        if own:
            table.append(f"default model in f32 on the GPU (candle): {own[0]:.2f} ({own[1]:.2f})")
    print("\n".join([*lines, *table]), flush=True)


if __name__ == "__main__":
    main()
