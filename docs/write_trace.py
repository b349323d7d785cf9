"""Write a trace that fewstep shows while it grows: `python write_trace.py > a.fstrace & fewstep follow a.fstrace`."""
import json
import sys


class TraceWriter:
    """One run of a sampler: `write` the ids once before the first step, then once after each step."""

    def __init__(self, out, steps, tokens, texts, vocab_size, mask=None, solver="my sampler", model="my model"):
        self.out, self.steps, self.step = out, steps, 0
        source = {"source": "uniform"} if mask is None else {"source": "mask", "mask": mask}
        self.line(type="header", format="fewstep-trace", version=1, tool="write_trace.py", tokens=tokens,
                  model={"name": model, "vocab_size": vocab_size, **source}, vocab=texts)
        self.line(type="run", run=0, steps=steps, solver=solver)

    def line(self, **fields):
        self.out.write(json.dumps(fields, allow_nan=False) + "\n")
        self.out.flush()  # a line has to appear whole

    def write(self, ids, **more):  # more: perplexity=…, ms=…, detail={…}
        self.line(type="frame", run=0, step=self.step, t=self.step / self.steps, ids=ids, **more)
        self.step += 1


if __name__ == "__main__":  # a toy: masks that turn into words, two a step
    words = ["Once", " upon", " a", " time", ",", " a", " trace", " grew"]
    mask = len(words)
    trace = TraceWriter(sys.stdout, 4, len(words), dict(enumerate(words)), len(words), mask)
    for shown in range(0, len(words) + 1, 2):
        trace.write([i if i * 5 % 8 < shown else mask for i in range(len(words))], perplexity=40.0 - 4 * shown)
