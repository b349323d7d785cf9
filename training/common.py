"""What every stage shares: one process a GPU, seeds, mixed precision, a log, checkpoints."""

import json
import os
import time

# One process sees one GPU, always as cuda:0, so that compiled code can be reused between processes.
if "LOCAL_RANK" in os.environ and "CUDA_VISIBLE_DEVICES" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ["LOCAL_RANK"]

import torch
import torch.distributed as dist

RANK = int(os.environ.get("RANK", 0))
WORLD = int(os.environ.get("WORLD_SIZE", 1))
DEVICE = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def setup(seed: int) -> None:
    """Starts the process group (when there is one) and seeds this rank."""
    torch.manual_seed(seed * 1000 + RANK)
    if DEVICE.type == "cuda":
        torch.cuda.set_device(0)
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    if WORLD > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if DEVICE.type == "cuda" else "gloo")


def teardown() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def autocast(dtype=torch.bfloat16):
    """Mixed precision on a GPU, full precision on a CPU."""
    return torch.autocast(DEVICE.type, dtype=dtype, enabled=DEVICE.type == "cuda")


def compiled(fn):
    """`torch.compile` on a GPU; on a CPU the function itself, since toy runs end before a compiler would."""
    return torch.compile(fn, dynamic=False) if DEVICE.type == "cuda" else fn


def compile_blocks(net):
    """Compiles one block and reuses it for all of them: seconds of waiting where the whole network takes a minute."""
    if DEVICE.type == "cuda":
        torch._dynamo.config.recompile_limit = 64
        for block in net.blocks:
            block.compile(dynamic=False)
    return net


class Gradients:
    """Every gradient as a view into one flat buffer, so that one all-reduce sums them all."""

    def __init__(self, params):
        self.params = [p for p in params if p.requires_grad]
        self.flat = torch.zeros(sum(p.numel() for p in self.params), device=DEVICE)
        at = 0
        for p in self.params:
            p.grad = self.flat[at : at + p.numel()].view_as(p)
            at += p.numel()

    def reduce(self, clip: float = 1.0) -> torch.Tensor:
        """Averages over the ranks, clips the global norm, and returns that norm as it was."""
        if WORLD > 1:
            dist.all_reduce(self.flat)
            self.flat /= WORLD
        norm = self.flat.norm()
        self.flat *= (clip / (norm + 1e-6)).clamp(max=1.0)
        return norm

    def zero(self) -> None:
        self.flat.zero_()


class Schedule:
    """Learning-rate multiplier: a short warm-up, a plateau, a linear cool-down.

    Its clock is either a number of steps (exactly reproducible) or of seconds (for rented time).
    """

    def __init__(self, steps: int, seconds: float, warmup: float = 0.03, cooldown: float = 0.5, floor: float = 0.0):
        self.steps, self.seconds = steps, seconds
        self.warmup, self.cooldown, self.floor = warmup, cooldown, floor
        self.step, self.before, self.start = 0, 0.0, time.time()

    def restore(self, step: int, elapsed: float) -> None:
        self.step, self.before, self.start = step, elapsed, time.time()

    @property
    def elapsed(self) -> float:
        return self.before + time.time() - self.start

    def progress(self) -> float:
        """In [0, 1]; the same on every rank."""
        at = self.step / self.steps if self.steps else self.elapsed / self.seconds
        if WORLD > 1 and not self.steps:
            shared = torch.tensor([at], device=DEVICE)
            dist.broadcast(shared, 0)
            at = shared.item()
        return min(at, 1.0)

    def rate(self, progress: float) -> float:
        if progress < self.warmup:
            return progress / self.warmup + 1e-3
        if progress > 1 - self.cooldown:
            return self.floor + (1 - self.floor) * (1 - progress) / self.cooldown
        return 1.0


class Log:
    """JSON Lines, one record a call; only rank 0 writes."""

    def __init__(self, path: str):
        self.path = path

    def __call__(self, **record) -> None:
        if RANK == 0:
            line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in record.items()})
            with open(self.path, "a") as f:
                f.write(line + "\n")
            print(line, flush=True)


def save(path: str, state: dict) -> None:
    """Writes whole or not at all, so that an interruption never leaves half a checkpoint."""
    if RANK == 0:
        torch.save(state, path + ".part")
        os.replace(path + ".part", path)


@torch.no_grad()
def ema_update(average: dict, model: torch.nn.Module, decay: float) -> None:
    live = dict(model.named_parameters())
    names = [k for k in average if k in live]
    torch._foreach_lerp_([average[k] for k in names], [live[k].detach() for k in names], 1 - decay)


def wait_for(path: str) -> None:
    """Lets a stage compile while the one before it still trains."""
    while path and not os.path.exists(path):
        time.sleep(0.2)
