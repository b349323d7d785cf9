"""One FS-DFM step in PyTorch, timed on request, so that another program can interleave it with its own.

Usage: torch_step.py HIDDEN BLOCKS HEADS VOCAB TOKENS [MODE ...]
Modes: f32, bf16, autocast, compiled (bf16, compiled and frozen), compiled-f32.
Prints "ready MODE" for each mode that works here, then "go"; after that, each mode name read from standard input is
answered with the milliseconds of one step (ids to next ids) and those of its network alone. Weights are random.
OMP_NUM_THREADS sets the threads; STEP_COMPILE_SECONDS bounds the time for compiling.
"""

import math
import os
import signal
import sys
import time

os.environ.setdefault("TORCHINDUCTOR_FREEZING", "1")

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_grad_enabled(False)


class Block(nn.Module):
    def __init__(self, d, heads, cond):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.Parameter(torch.ones(d))
        self.norm2 = nn.Parameter(torch.ones(d))
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.up = nn.Linear(d, 4 * d)
        self.down = nn.Linear(4 * d, d)
        self.fuser = nn.Linear(2 * cond, cond)
        self.mod = nn.Linear(cond, 6 * d)

    def forward(self, x, c, cos, sin):
        t, d = x.shape
        sa, ca, ga, sm, cm, gm = self.mod(F.silu(self.fuser(c))).chunk(6, dim=-1)
        h = F.layer_norm(x, (d,)) * self.norm1 * (1 + ca) + sa
        q, k, v = self.qkv(h).view(t, 3, self.heads, d // self.heads).permute(1, 2, 0, 3)

        def rotate(a):
            x1, x2 = a.chunk(2, dim=-1)
            return torch.cat((x1 * cos - x2 * sin, x2 * cos + x1 * sin), dim=-1).to(a.dtype)

        o = F.scaled_dot_product_attention(rotate(q)[None], rotate(k)[None], v[None])[0]
        x = x + ga * self.out(o.transpose(0, 1).reshape(t, d))
        h = F.layer_norm(x, (d,)) * self.norm2 * (1 + cm) + sm
        return x + gm * self.down(F.gelu(self.up(h), approximate="tanh"))


class Net(nn.Module):
    def __init__(self, d, blocks, heads, vocab, tokens, cond=128):
        super().__init__()
        self.embed = nn.Embedding(vocab, d)
        self.time = nn.Sequential(nn.Linear(256, cond), nn.SiLU(), nn.Linear(cond, cond))
        self.step = nn.Sequential(nn.Linear(256, cond), nn.SiLU(), nn.Linear(cond, cond))
        self.fuse = nn.Linear(2 * cond, 2 * cond)
        self.blocks = nn.ModuleList(Block(d, heads, cond) for _ in range(blocks))
        self.norm = nn.Parameter(torch.ones(d))
        self.fuser = nn.Linear(2 * cond, cond)
        self.mod = nn.Linear(cond, 2 * d)
        self.head = nn.Linear(d, vocab)
        half = d // heads // 2
        angle = torch.arange(tokens)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        self.register_buffer("freq", torch.exp(-math.log(10000.0) * torch.arange(128) / 128))

    def forward(self, ids, t, dt):
        def waves(s):
            a = s * self.freq
            return torch.cat((a.cos(), a.sin()))[None].to(self.norm.dtype)

        c = F.silu(self.fuse(torch.cat((self.time(waves(t)), self.step(waves(dt))), dim=-1)))
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, c, self.cos, self.sin)
        shift, scale = self.mod(F.silu(self.fuser(c))).chunk(2, dim=-1)
        return self.head(F.layer_norm(x, (x.shape[-1],)) * self.norm * (1 + scale) + shift)


def draw(logits, ids, a):
    """The cumulative-scalar rule: jump with probability 1 - exp(-a (1 - p_z)) to a draw without z."""
    p = torch.softmax(logits.float(), dim=-1)
    here = p.gather(1, ids[:, None])
    jump = torch.rand_like(here) < 1 - torch.exp(-a * (1 - here))
    fresh = torch.multinomial(p.scatter(1, ids[:, None], 0.0), 1)
    return torch.where(jump, fresh, ids[:, None])[:, 0]


class Late(BaseException):
    """Compiling took longer than STEP_COMPILE_SECONDS."""


def late(*_):
    raise Late("took too long to compile")


def main():
    d, blocks, heads, vocab, tokens = (int(a) for a in sys.argv[1:6])
    modes = sys.argv[6:] or ["f32", "bf16", "autocast", "compiled"]
    signal.signal(signal.SIGALRM, late)
    torch.manual_seed(0)
    threads = int(os.environ.get("OMP_NUM_THREADS", "2"))
    torch.set_num_threads(threads)
    print("torch", torch.__version__, flush=True)
    ids = torch.randint(vocab, (tokens,))
    t, dt = torch.tensor(0.375), torch.tensor(0.125)
    nets = {}
    for mode in modes:
        try:
            net = Net(d, blocks, heads, vocab, tokens).eval()
            if mode in ("bf16", "compiled"):
                net = net.bfloat16()
                net.cos, net.sin, net.freq = net.cos.float(), net.sin.float(), net.freq.float()
            if mode.startswith("compiled"):
                net = torch.compile(net)
            began = time.time()
            signal.alarm(int(os.environ.get("STEP_COMPILE_SECONDS", "600")))
            with torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"):
                for _ in range(2):
                    net(ids, t, dt)
            signal.alarm(0)
            nets[mode] = net
            print("ready", mode, f"{time.time() - began:.1f} s to warm up", flush=True)
        except (Exception, Late) as error:  # a mode that this machine cannot run is left out, not fatal
            print("cannot", mode, (str(error).splitlines() or [""])[0][:120], flush=True)
    print("go", flush=True)
    for line in sys.stdin:
        net = nets.get(line.strip())
        if net is None:
            print("nan nan", flush=True)
            continue
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=line.strip() == "autocast"):
            logits = net(ids, t, dt)
        network = time.perf_counter()
        draw(logits, ids, 0.22)
        print((time.perf_counter() - began) * 1e3, (network - began) * 1e3, flush=True)


if __name__ == "__main__":
    main()
