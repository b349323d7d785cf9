"""Turns the plain network into a step-size conditioned one with a temperature of its own for each budget, exactly and without training.

A student's output layer scales its normed features by a vector that depends on t and h; multiplying that vector (and the shift) by γ
multiplies the logits by γ. Which γ, is told by h; at a budget's last step, told by t = 1 - h, another applies. So a few features of (t, h)
have to be made in the condition network, and the blocks must go on seeing what they saw. All of it is linear algebra on top of
SiLU(x) - SiLU(-x) = x   (passes a number on)   and   SiLU(x) ≈ x or 0 far from 0   (switches it).

    e(t), the time embedding, moves on a curve of few dimensions: its coordinates z(t) pass through the fusers in ± pairs.
    dt_embedding becomes one switch a budget: 1 where h is nearest 1/N, else 0.
    ramps in t, SiLU(k (t - τ)), give the coordinates of the output layer's modulation; ramps that a switch turns off give them times γ.
"""

import argparse

import torch

from model import Transformer, load, student_from

# γ for each budget, and at its last step
TEMPERATURES = {1: (1.0, 1.5), 2: (1.15, 1.5), 4: (1.15, 1.4), 8: (1.12, 1.4), 16: (1.08, 1.3), 32: (1.04, 1.2)}
RANK, OUT_RANK, KNOTS, FAR = 8, 6, 22, 20.0


def curve(values: torch.Tensor, rank: int):
    """Mean, directions (rank, d) and coordinates (n, rank) of points on a curve."""
    mean = values.mean(0)
    _, s, v = torch.linalg.svd(values - mean, full_matrices=False)
    return mean, v[:rank], (values - mean) @ v[:rank].T


def ridge(x: torch.Tensor, y: torch.Tensor, strength: float) -> torch.Tensor:
    """Least squares with a constant (its weight last), kept from using what rounding would drown."""
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    penalty = strength * x.square().sum(0).mean() * torch.eye(x.shape[1], dtype=x.dtype)
    return torch.linalg.solve(x.T @ x + penalty, x.T @ y)


@torch.no_grad()
def calibrate(plain: Transformer, temperatures: dict) -> Transformer:
    student, out = student_from(plain).double(), plain.double().output_layer
    t = torch.linspace(0, 1, 4001, dtype=torch.float64)
    e = plain.time_embedding.mlp.double()(sinusoids(t))
    mean, axes, z = curve(e, RANK)
    mod = out.adaLN_modulation(torch.nn.functional.silu(e))
    d = mod.shape[1] // 2
    mod[:, d:] += 1  # (shift, 1 + scale): what γ multiplies
    mod_mean, mod_axes, zo = curve(mod, OUT_RANK)
    size = zo.abs().amax(0)
    zo, mod_axes = zo / size, mod_axes * size[:, None]  # coordinates within ±1
    clock = ridge(z, t[:, None], 1e-9)[:, 0]  # t itself, from z
    knots = torch.linspace(-0.2, 1, KNOTS, dtype=torch.float64)
    steepness = 1.5 * KNOTS
    ramps = torch.nn.functional.silu(steepness * (t[:, None] - knots))
    fit = ridge(ramps, zo, 1e-9)  # z' from ramps
    budgets = sorted(temperatures)

    # dt_embedding: steps at the geometric middles between budgets, differences of steps
    first, second = student.dt_embedding.mlp[0], student.dt_embedding.mlp[2]
    for p in (first.weight, first.bias, second.weight, second.bias):
        p.zero_()
    edges = [(n * 2**0.5) ** -1 for n in budgets]  # below edge k: a larger budget
    for k, edge in enumerate(edges):
        slope = 16 / (edge * (2**0.5 - 1) * 0.7)
        for j, lift in ((2 * k, 1.0), (2 * k + 1, 0.0)):
            first.weight[j, 128] = slope  # sin(h · 1)
            first.bias[j] = -slope * torch.sin(torch.tensor(edge, dtype=torch.float64)) + lift
        second.weight[k, 2 * k], second.weight[k, 2 * k + 1] = 1, -1
        if k:  # switch k is step k less step k-1
            second.weight[k, 2 * k - 2], second.weight[k, 2 * k - 1] = -1, 1

    # fuser: ± z(t); then for each budget the switch alone, each z'(t) switched, and the rise to the last step
    fuse, at = student.time_condition_fuser, 0
    fuse.weight.zero_(), fuse.bias.zero_()
    c = e.shape[1]

    def unit(from_t, from_switch, bias):
        nonlocal at
        if from_t is not None:
            fuse.weight[at, :c] = from_t
            bias = bias - from_t @ mean
        for k, w in from_switch.items():
            fuse.weight[at, c + k] = w
        fuse.bias[at] = bias
        at += 1
        return at - 1

    plus = [unit(axes[r], {}, 0.0) for r in range(RANK)]
    minus = [unit(-axes[r], {}, 0.0) for r in range(RANK)]
    read = {r: (plus[r], minus[r]) for r in range(RANK)}
    switch, gated, rise = {}, {}, {}
    hand, zero = clock[:RANK] @ axes, clock[RANK]  # t = hand · (e - mean) + zero
    free = [unit(steepness * hand, {}, steepness * (zero - knot)) for knot in knots]
    for k, n in enumerate(budgets):
        switch[n] = unit(None, {k: 2 * FAR}, -FAR)
        off = 2 * steepness + FAR
        gated[n] = [unit(steepness * hand, {k: off}, steepness * (zero - knot) - off) for knot in knots]
        steep = 4 * FAR * n  # from the middle of the last two steps to the last: far to far
        edge = 1 - 1.5 / n
        rise[n] = [unit(steep * hand, {k: 2 * steep}, steep * (zero - edge) - 2 * steep + lift) for lift in (1.0, 0.0)]
    print(f"{at} of {fuse.weight.shape[0]} units; ramps miss the modulation by {((torch.cat([ramps, torch.ones(len(t), 1)], 1) @ fit) - zo).abs().max():.1e}, "
          f"the clock by {((torch.cat([z, torch.ones(len(t), 1)], 1) @ clock) - t).abs().max():.1e}")
    assert at <= fuse.weight.shape[0], at

    # blocks: e(t) back from its coordinates
    for block in student.blocks:
        f = block.condition_fuser
        f.weight.zero_()
        f.bias.copy_(mean)
        for r, (p, m) in read.items():
            f.weight[:, p], f.weight[:, m] = axes[r], -axes[r]

    # output layer: q_0 = γ, q_r = γ · z'_r, each in a ± pair
    f, m = student.output_layer.condition_fuser, student.output_layer.adaLN_modulation
    for p in (f.weight, f.bias, m.weight, m.bias):
        p.zero_()
    m.bias[d:] = -1
    for q in range(OUT_RANK + 1):
        row, bias = torch.zeros(fuse.weight.shape[0], dtype=torch.float64), 0.0
        if q == 0:
            bias = 1.0
        else:
            row[free], bias = fit[:KNOTS, q - 1], fit[KNOTS, q - 1]
        for n in budgets:
            g, last = temperatures[n]
            end = zo[round((1 - 1 / n) * 4000)]
            value = 1.0 if q == 0 else end[q - 1]
            row[rise[n][0]] += (last - g) * value
            row[rise[n][1]] -= (last - g) * value
            if q == 0:
                row[switch[n]] += (g - 1) / FAR
            else:
                row[gated[n]] += (g - 1) * fit[:KNOTS, q - 1]
                row[switch[n]] += (g - 1) * fit[KNOTS, q - 1] / FAR
        direction = mod_mean if q == 0 else mod_axes[q - 1]
        f.weight[2 * q], f.weight[2 * q + 1], f.bias[2 * q], f.bias[2 * q + 1] = row, -row, bias, -bias
        m.weight[:, 2 * q], m.weight[:, 2 * q + 1] = direction, -direction
    plain.float()
    return student.float()


def sinusoids(s):
    f = torch.exp(-torch.log(torch.tensor(10000.0, dtype=torch.float64)) / 128 * torch.arange(128, dtype=torch.float64))
    return torch.cat([(s[:, None] * f).cos(), (s[:, None] * f).sin()], -1)


def check(plain, student, temperatures) -> None:
    """Compares with the plain network's logits (less the head's bias) times γ, over budgets and times."""
    x = torch.randint(plain.config.vocab_size, (1, 32), generator=torch.Generator().manual_seed(0))
    bias = plain.output_layer.linear.bias
    for n in [1, 2, 4, 8, 16, 32, 64, 256, 1024]:
        for i in sorted({0, n // 2, max(0, n - 2), n - 1}):
            g, last = temperatures.get(n, (1.0, 1.0))
            want = (plain(x, torch.tensor([i / n])) - bias) * (last if i == n - 1 else g)
            got = student(x, torch.tensor([i / n]), torch.tensor([1 / n])) - bias
            print(f"N={n} step {i + 1}: relative error {((got - want).norm() / want.norm()).item():.1e}")


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pretrained", required=True, help="pretrained.pth, or a folder with the plain network's model.safetensors")
    ap.add_argument("--out", required=True, help="a .pth with student_ema_model")
    ap.add_argument("--heads", type=int, default=8)
    a = ap.parse_args()
    if a.pretrained.endswith(".pth"):
        state = torch.load(a.pretrained, map_location="cpu", weights_only=False)["model"]
    else:
        from safetensors.torch import load_file

        state = load_file(a.pretrained + "/model.safetensors")
    plain = load(state, a.heads)
    student = calibrate(plain, TEMPERATURES)
    torch.save({"student_ema_model": student.state_dict(), "teacher_model": plain.state_dict(), "step": 0}, a.out)
    with torch.no_grad():
        check(plain, student, TEMPERATURES)
