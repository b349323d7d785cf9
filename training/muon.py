"""Muon for the hidden matrices (Jordan et al. 2024), AdamW for everything else."""

import torch


def orthogonalize(g: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Newton–Schulz iterations: a batch of matrices → nearly the nearest orthogonal ones."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    tall = x.size(-2) > x.size(-1)
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.mT
        x = a * x + (b * s + c * s @ s) @ x
    return (x.mT if tall else x).float()


class Muon:
    """Matrices of one shape are stacked and orthogonalised together."""

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        self.groups = {}
        for p in params:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.momenta = {k: torch.zeros(len(v), *k, device=v[0].device) for k, v in self.groups.items()}
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for shape, params in self.groups.items():
            g = torch.stack([p.grad for p in params])
            m = self.momenta[shape].lerp_(g, 1 - self.momentum)
            u = orthogonalize(g.lerp(m, self.momentum)) * max(1.0, shape[0] / shape[1]) ** 0.5
            torch._foreach_mul_(params, 1 - self.lr * rate * self.weight_decay)
            torch._foreach_add_(params, list(u.unbind()), alpha=-self.lr * rate)

    def state_dict(self):
        return {"momenta": self.momenta}

    def load_state_dict(self, state):
        for k, v in state["momenta"].items():
            self.momenta[k].copy_(v)


class MuonAdamW:
    """Both at once: `hidden(name)` says which parameters are hidden matrices."""

    def __init__(self, model, hidden, muon_lr: float, adam_lr: float, weight_decay: float = 0.0):
        named = list(model.named_parameters())
        rest = [p for n, p in named if not hidden(n)]
        self.muon = Muon([p for n, p in named if hidden(n)], muon_lr, weight_decay=weight_decay)
        self.adam = torch.optim.AdamW(
            [
                {"params": [p for p in rest if p.ndim == 2], "weight_decay": weight_decay},
                {"params": [p for p in rest if p.ndim != 2], "weight_decay": 0.0},
            ],
            lr=adam_lr,
            betas=(0.9, 0.95),
            fused=rest[0].is_cuda,
        )
        self.adam_lr = adam_lr

    def step(self, rate: float) -> None:
        for group in self.adam.param_groups:
            group["lr"] = self.adam_lr * rate
        self.muon.step(rate)
        self.adam.step()

    def state_dict(self):
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state):
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])


def hidden_in_blocks(name: str) -> bool:
    """The attention and MLP matrices of either network."""
    keys = ("qw.", "kw.", "vw.", "attn_out.", "mlp.0.", "mlp.2.", "c_attn.", "c_proj.", "c_fc.")
    return name.endswith("weight") and ("blocks." in name or ".h." in name) and any(k in name for k in keys)
