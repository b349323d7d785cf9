"""The judge: a small GPT-2 whose tensors have the names and the layout that Hugging Face gives them."""

from dataclasses import asdict, dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Config:
    vocab_size: int = 4096
    n_positions: int = 1024
    n_embd: int = 384
    n_layer: int = 7
    n_head: int = 6
    dropout: float = 0.1

    def dict(self) -> dict:
        return asdict(self)


class Conv1D(nn.Module):
    """A linear layer whose weight is stored (in, out), as GPT-2's is."""

    def __init__(self, n_in: int, n_out: int, std: float = 0.02):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_in, n_out) * std)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return F.linear(x, self.weight.t(), self.bias)


class Attention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.heads, self.dropout = c.n_head, c.dropout
        self.c_attn = Conv1D(c.n_embd, 3 * c.n_embd)
        self.c_proj = Conv1D(c.n_embd, c.n_embd, 0.02 / (2 * c.n_layer) ** 0.5)

    def forward(self, x):
        B, T, d = x.shape
        q, k, v = (y.view(B, T, self.heads, -1).transpose(1, 2) for y in self.c_attn(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(B, T, d))


class MLP(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c_fc = Conv1D(c.n_embd, 4 * c.n_embd)
        self.c_proj = Conv1D(4 * c.n_embd, c.n_embd, 0.02 / (2 * c.n_layer) ** 0.5)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Layer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(c.n_embd), nn.LayerNorm(c.n_embd)
        self.attn, self.mlp = Attention(c), MLP(c)
        self.drop = nn.Dropout(c.dropout)

    def forward(self, x):
        x = x + self.drop(self.attn(self.ln_1(x)))
        return x + self.drop(self.mlp(self.ln_2(x)))


class GPT2(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.config = c
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(c.vocab_size, c.n_embd),
                wpe=nn.Embedding(c.n_positions, c.n_embd),
                h=nn.ModuleList(Layer(c) for _ in range(c.n_layer)),
                ln_f=nn.LayerNorm(c.n_embd),
            )
        )
        nn.init.normal_(self.transformer.wte.weight, std=0.02)
        nn.init.normal_(self.transformer.wpe.weight, std=0.01)
        self.drop = nn.Dropout(c.dropout)

    def forward(self, ids):
        t = self.transformer
        x = self.drop(t.wte(ids) + t.wpe(torch.arange(ids.shape[1], device=ids.device)))
        for layer in t.h:
            x = layer(x)
        return F.linear(t.ln_f(x), t.wte.weight)

    def nll(self, ids):
        """Negative log-likelihood of tokens 1 … T-1, in nats: (B, T-1)."""
        logits = self(ids)[:, :-1].float()
        return F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")


def load(state: dict, n_head: int) -> GPT2:
    wte = state["transformer.wte.weight"]
    layers = 1 + max(int(k.split(".")[2]) for k in state if k.startswith("transformer.h."))
    net = GPT2(Config(wte.shape[0], state["transformer.wpe.weight"].shape[0], wte.shape[1], layers, n_head, 0.0))
    net.load_state_dict({k: v.float() for k, v in state.items()})
    return net.eval()
