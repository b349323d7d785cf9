"""The network: a diffusion transformer over tokens. Parameter names are those of the paper's public implementation."""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Config:
    vocab_size: int = 4096
    hidden_size: int = 512
    n_blocks: int = 8
    n_heads: int = 8
    cond_dim: int = 128
    mlp_ratio: int = 4
    dt_conditioned: bool = False

    def dict(self) -> dict:
        return asdict(self)


class ScalarEmbedding(nn.Module):
    """256 sinusoids of a number in [0, 1], cosines first, through a small MLP."""

    def __init__(self, dim: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, s):
        f = torch.exp(-math.log(10000) / 128 * torch.arange(128, device=s.device, dtype=torch.float32))
        angle = s.float()[:, None] * f
        return self.mlp(torch.cat([angle.cos(), angle.sin()], -1))


class Rotary(nn.Module):
    """Half-split rotary angles, in f32."""

    def __init__(self, head_dim: int):
        super().__init__()
        self.register_buffer("inv_freq", 10000.0 ** (-torch.arange(0, head_dim, 2).float() / head_dim))

    def forward(self, length: int):
        angle = torch.arange(length, device=self.inv_freq.device).float()[:, None] * self.inv_freq
        angle = torch.cat([angle, angle], -1)
        return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    a, b = x.float().chunk(2, -1)
    return (x.float() * cos + torch.cat([-b, a], -1) * sin).to(x.dtype)


class Norm(nn.Module):
    """Layer norm in f32, times a weight, no bias."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return F.layer_norm(x.float(), (x.shape[-1],)) * self.weight


class Modulation(nn.Module):
    """Mixin: condition vector → `n` chunks; the student first fuses its two conditions."""

    def make(self, c: Config, chunks: int):
        if c.dt_conditioned:
            self.condition_fuser = nn.Linear(2 * c.cond_dim, c.cond_dim)
        self.adaLN_modulation = nn.Linear(c.cond_dim, chunks * c.hidden_size)
        self.chunks = chunks

    def modulation(self, cond):
        with torch.autocast(cond.device.type, enabled=False):  # small, and t and h are told apart by small differences
            if hasattr(self, "condition_fuser"):
                cond = F.silu(self.condition_fuser(cond))
            return self.adaLN_modulation(cond)[:, None].chunk(self.chunks, -1)


class Block(Modulation):
    def __init__(self, c: Config):
        super().__init__()
        d = c.hidden_size
        self.heads = c.n_heads
        self.norm1, self.norm2 = Norm(d), Norm(d)
        self.qw, self.kw, self.vw, self.attn_out = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(d, c.mlp_ratio * d), nn.GELU(approximate="tanh"), nn.Linear(c.mlp_ratio * d, d))
        self.make(c, 6)

    def attention(self, x, cos, sin):
        B, T, d = x.shape
        q, k, v = (w(x).view(B, T, self.heads, -1).transpose(1, 2) for w in (self.qw, self.kw, self.vw))
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v)
        return self.attn_out(y.transpose(1, 2).reshape(B, T, d))

    def forward(self, x, cos, sin, cond):
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(cond)
        x = x + gate_a * self.attention(self.norm1(x) * (1 + scale_a) + shift_a, cos, sin)
        return x + gate_m * self.mlp(self.norm2(x) * (1 + scale_m) + shift_m)


class Output(Modulation):
    def __init__(self, c: Config):
        super().__init__()
        self.norm_final = Norm(c.hidden_size)
        self.linear = nn.Linear(c.hidden_size, c.vocab_size)
        self.make(c, 2)

    def forward(self, x, cond):
        shift, scale = self.modulation(cond)
        return self.linear(self.norm_final(x) * (1 + scale) + shift)


class Transformer(nn.Module):
    """Logits of the posterior p(x_1 | x_t); `dt` is given when, and only when, the network is step-size conditioned."""

    def __init__(self, c: Config):
        super().__init__()
        self.config = c
        self.vocab_embed = nn.Embedding(c.vocab_size, c.hidden_size)
        self.time_embedding = ScalarEmbedding(c.cond_dim)
        if c.dt_conditioned:
            self.dt_embedding = ScalarEmbedding(c.cond_dim)
            self.time_condition_fuser = nn.Linear(2 * c.cond_dim, 2 * c.cond_dim)
        self.rotary_emb = Rotary(c.hidden_size // c.n_heads)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.n_blocks))
        self.output_layer = Output(c)
        self.init()

    def init(self):
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
        nn.init.normal_(self.vocab_embed.weight, std=0.5)
        for b in self.blocks:
            nn.init.zeros_(b.adaLN_modulation.weight)
        nn.init.zeros_(self.output_layer.adaLN_modulation.weight)
        nn.init.zeros_(self.output_layer.linear.weight)

    def condition(self, t, dt):
        with torch.autocast(t.device.type, enabled=False):
            c = self.time_embedding(t)
            if self.config.dt_conditioned:
                c = self.time_condition_fuser(torch.cat([c, self.dt_embedding(dt)], -1))
            return F.silu(c)

    def forward(self, ids, t, dt=None):
        cond = self.condition(t, dt)
        cos, sin = self.rotary_emb(ids.shape[1])
        x = self.vocab_embed(ids)
        for block in self.blocks:
            x = block(x, cos, sin, cond)
        return self.output_layer(x, cond)


def student_from(plain: Transformer) -> Transformer:
    """A step-size conditioned network that starts as exactly the plain one.

    SiLU(x) - SiLU(-x) = x, so a first layer that gives (x, -x) and a second that subtracts pass x on unharmed;
    the columns that read dt start at zero and are learnt.
    """
    c = plain.config
    student = Transformer(Config(**{**c.dict(), "dt_conditioned": True})).to(next(plain.parameters()).device)
    student.load_state_dict(plain.state_dict(), strict=False)
    eye = torch.eye(c.cond_dim)
    with torch.no_grad():
        fuser = student.time_condition_fuser
        fuser.weight.copy_(torch.cat([torch.cat([eye, -eye]), torch.zeros(2 * c.cond_dim, c.cond_dim)], 1))
        fuser.bias.zero_()
        for layer in [*student.blocks, student.output_layer]:
            layer.condition_fuser.weight.copy_(torch.cat([eye, -eye], 1))
            layer.condition_fuser.bias.zero_()
    return student


def load(state: dict, n_heads: int | None = None) -> Transformer:
    """A network from its tensors alone: every size is in their shapes."""
    d, cond = state["vocab_embed.weight"].shape[1], state["time_embedding.mlp.2.weight"].shape[0]
    net = Transformer(
        Config(
            vocab_size=state["vocab_embed.weight"].shape[0],
            hidden_size=d,
            n_blocks=1 + max(int(k.split(".")[1]) for k in state if k.startswith("blocks.")),
            n_heads=n_heads or d // (2 * len(state["rotary_emb.inv_freq"])),
            cond_dim=cond,
            mlp_ratio=state["blocks.0.mlp.0.weight"].shape[0] // d,
            dt_conditioned="time_condition_fuser.weight" in state,
        )
    )
    net.load_state_dict({k: v.float() for k, v in state.items()}, strict="rotary_emb.inv_freq" in state)
    return net
