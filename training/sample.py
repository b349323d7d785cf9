"""The three solvers, for many rows at once: every row has its own time, step size and 'is this the last step'."""

import torch
import torch.nn.functional as F

SOLVERS = ("cumulative_scalar", "euler", "dfm_euler")


def draw(weights: torch.Tensor) -> torch.Tensor:
    """One index a row from unnormalised weights: the winner of an exponential race."""
    return (weights / -torch.log(torch.rand_like(weights).clamp_min(1e-38))).argmax(-1)


def advance(logits, x, t, h, last, solver: str = "cumulative_scalar"):
    """The state after a step of size `h` from `x` at `t`, all of one shape, logits with the vocabulary behind; κ_t = t."""
    p = F.softmax(logits.float(), -1)
    here = torch.arange(p.shape[-1], device=p.device) == x[..., None]
    off = p.masked_fill(here, 0)
    leave = ((1 - t).clamp(1e-8, 1).log() - (1 - t - h).clamp(1e-8, 1).log()) * off.sum(-1)
    if solver == "cumulative_scalar":
        jump, new = 1 - torch.exp(-leave), draw(off)
    elif solver == "euler":
        rates = (off / h[..., None]).clamp_min(1e-9)
        jump, new = 1 - torch.exp(-(h * rates.sum(-1)).clamp_max(50)), draw(rates)
    elif solver == "dfm_euler":
        jump, new = 1 - torch.exp(-h / (1 - t).clamp_min(1e-8)), draw(p)
    else:
        raise ValueError(solver)
    moved = torch.where(torch.rand_like(jump) < jump, new, x)
    return torch.where(last, draw(p), moved)


def flat(fn):
    """`fn` over positions in one row: arguments of a row are repeated, so that one compiled shape serves every length."""

    def call(logits, x, *others, **more):
        B, T = x.shape
        spread = [(s if s.ndim == 2 else s[:, None].expand(B, T)).reshape(-1) for s in others]
        result = fn(logits.reshape(B * T, -1), x.reshape(-1), *spread, **more)
        return result.view(B, T) if result.numel() == B * T else result

    return call


@torch.no_grad()
def sample(net_step, x, steps: int, solver: str = "cumulative_scalar"):
    """`net_step(x, t, h, last, solver)` → the next state. Returns the final ids."""
    rows = x.shape[0]
    for i in range(steps):
        at = torch.full((rows,), i / steps, device=x.device)
        h = torch.full((rows,), 1 / steps, device=x.device)
        x = net_step(x, at, h, torch.full((rows,), i == steps - 1, device=x.device), solver)
    return x


def noise(rows: int, length: int, vocab: int, device) -> torch.Tensor:
    return torch.randint(vocab, (rows, length), device=device)


def entropy(ids: torch.Tensor) -> torch.Tensor:
    """Bits, of each row's own histogram of ids."""
    counts = torch.zeros(ids.shape[0], int(ids.max()) + 1, device=ids.device)
    counts.scatter_add_(1, ids, torch.ones_like(ids, dtype=counts.dtype))
    p = counts / ids.shape[1]
    return -(p * p.clamp_min(1e-12).log2()).sum(1)


@torch.no_grad()
def perplexity(judge, ids: torch.Tensor, rows: int = 64) -> torch.Tensor:
    """Of each row, by the judge: exp of the mean NLL over positions 1 … T-1."""
    return torch.cat([judge.nll(part).mean(1).exp() for part in ids.split(rows)])
