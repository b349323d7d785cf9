"""Writes what the program bundles: int8 matrices with one scale an output channel, everything else f16.

The small matrices that fuse the two conditions stay f16 as well: they hold ones beside learnt values of a few thousandths, which one scale
a row cannot both keep. (In 8 bits they cost a student a third more perplexity; everything else together costs less than one per cent.)
"""

import argparse
import json
import os
import shutil

import torch
from safetensors.torch import save_file


LEAST_DT = 1 / 16  # what steps of longer budgets are told; of 1/64, 1/32 and 1/16 it gave the best texts at 64 steps
SENSITIVE = ("condition_fuser", "time_embedding", "dt_embedding", "output_layer.adaLN")


def output_dim(name: str) -> int:
    """The dimension of a matrix that counts output channels: GPT-2's Conv1D stores (in, out), everything else (out, in)."""
    return 1 if any(k in name for k in ("c_attn", "c_proj", "c_fc")) else 0


def quantize(w: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Symmetric int8, each channel's scale the best of a few clippings of its largest value, by squared error."""
    w = w.float() if dim == 0 else w.float().t()
    top = w.abs().amax(1, keepdim=True).clamp_min(1e-8)
    best, best_error = None, None
    for clip in torch.linspace(0.7, 1.0, 16):
        scale = (top * clip / 127).half().float().clamp_min(6e-8)  # as stored
        error = ((w / scale).round().clamp(-127, 127) * scale - w).square().sum(1, keepdim=True)
        if best is None:
            best, best_error = scale, error
        else:
            best, best_error = torch.where(error < best_error, scale, best), torch.minimum(error, best_error)
    q = (w / best).round().clamp(-127, 127).to(torch.int8)
    return (q if dim == 0 else q.t()).contiguous(), best.squeeze(1)


def pack(state: dict) -> dict:
    out = {}
    for name, w in state.items():
        if name.endswith(".weight") and w.ndim == 2 and not any(k in name for k in SENSITIVE):
            q, scale = quantize(w, output_dim(name))
            out[name], out[name[: -len("weight")] + "scale"] = q, scale
        elif not name.endswith("inv_freq"):
            exact = w.ndim == 1 and any(k in name for k in SENSITIVE)  # thresholds of switches: large numbers whose differences count
            out[name] = (w.float() if exact else w.half()).contiguous()
    return out


def unpack(packed: dict) -> dict:
    """Weights as the program uses them, in f32."""
    out = {}
    for name, w in packed.items():
        if name.endswith(".scale"):
            continue
        scale = packed.get(name[: -len("weight")] + "scale") if w.dtype == torch.int8 else None
        if scale is None:
            out[name] = w.float()
        else:
            out[name] = w.float() * (scale.float()[:, None] if output_dim(name) == 0 else scale.float()[None])
    return out


def write(folder: str, state: dict, config: dict, tokenizer: str, half: bool = False) -> None:
    os.makedirs(folder, exist_ok=True)
    state = {k: v.detach().cpu() for k, v in state.items()}
    if half:
        tensors, meta = {k: v.half().contiguous() for k, v in state.items() if not k.endswith("inv_freq")}, {"format": "pt"}
    else:
        tensors, meta = pack(state), {"format": "pt", "quantization": "int8-per-output-channel"}
    save_file(tensors, os.path.join(folder, "model.safetensors"), meta)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f, indent=1)
        f.write("\n")
    shutil.copy(tokenizer, os.path.join(folder, "tokenizer.json"))


def student_config(net) -> dict:
    c = net.config
    return {
        "name": "stories-33M",
        "model_type": "fs_dfm",
        "vocab_size": c.vocab_size,
        "hidden_size": c.hidden_size,
        "n_blocks": c.n_blocks,
        "n_heads": c.n_heads,
        "cond_dim": c.cond_dim,
        "mlp_ratio": c.mlp_ratio,
        "length": 1024,
        "source": "uniform",
        "dt_conditioned": c.dt_conditioned,
        **({"least_dt": LEAST_DT} if c.dt_conditioned else {}),
        "scheduler": {"type": "polynomial", "exponent": 1.0},
        "eos_token_id": 0,
    }


def judge_config(c: dict) -> dict:
    return {
        "name": "stories-judge-14M",
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": c["vocab_size"],
        "n_positions": c["n_positions"],
        "n_ctx": c["n_positions"],
        "n_embd": c["n_embd"],
        "n_layer": c["n_layer"],
        "n_head": c["n_head"],
        "n_inner": 4 * c["n_embd"],
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-05,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "tie_word_embeddings": True,
        "torch_dtype": "float16",
    }


if __name__ == "__main__":
    import model

    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--student", help="distilled.pth")
    ap.add_argument("--pretrained", help="pretrained.pth, to keep the baseline too (f16)")
    ap.add_argument("--judge", help="judge.pth")
    ap.add_argument("--tokenizer", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--half", action="store_true", help="f16 throughout, no int8")
    a = ap.parse_args()
    if a.student:
        state = torch.load(a.student, map_location="cpu", weights_only=False)["student_ema_model"]
        write(os.path.join(a.out, "fsdfm"), state, student_config(model.load(state)), a.tokenizer, a.half)
    if a.pretrained:
        state = torch.load(a.pretrained, map_location="cpu", weights_only=False)["model"]
        write(os.path.join(a.out, "baseline"), state, student_config(model.load(state)), a.tokenizer, True)
    if a.judge:
        j = torch.load(a.judge, map_location="cpu", weights_only=False)
        write(os.path.join(a.out, "judge"), j["model"], judge_config(j["config"]), a.tokenizer, a.half)
    for name in ("fsdfm", "baseline", "judge"):
        path = os.path.join(a.out, name, "model.safetensors")
        if os.path.exists(path):
            print(f"{name}: {os.path.getsize(path) / 1e6:.1f} MB")
