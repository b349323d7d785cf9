"""Byte-level BPE of 4,096 entries; id 0 is `<|endoftext|>`. No normaliser, no post-processor: text in, the same text out."""

import argparse
import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus import documents

END = "<|endoftext|>"


def train(texts, vocab_size: int) -> Tokenizer:
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=[END],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    return tok


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("corpus", nargs="+", help="text files, .xz or plain, documents separated by <|endoftext|> lines")
    ap.add_argument("--out", required=True)
    ap.add_argument("--vocab", type=int, default=4096)
    ap.add_argument("--sample", type=int, default=12000, help="documents taken from each file")
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    texts = []
    for path in a.corpus:
        docs = documents(path)
        random.Random(a.seed).shuffle(docs)
        texts += docs[: a.sample]
    tok = train(texts, a.vocab)
    tok.save(a.out)
    probe = "Once upon a time, “Lily” said: café!\n\n" + END
    assert tok.decode(tok.encode(probe).ids, skip_special_tokens=False) == probe
    assert tok.token_to_id(END) == 0
    print(f"{tok.get_vocab_size()} entries from {len(texts)} documents")
