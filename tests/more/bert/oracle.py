"""GPT2_ML in loops over batch, steps, heads and channels, float64. No Keras in here."""

import math

import numpy as np


def weights(rng, vocab_size=11, width=8, depth=2, positions=9):
    """Random arrays by the names of GPT2_ML's checkpoints."""
    def normal(*shape):
        return 0.4 * rng.normal(size=shape)

    found = {"newslm/embeddings/word_embed": normal(vocab_size, width),
             "newslm/embeddings/pos_embed": normal(positions, width)}
    norms = ["newslm/embeddings/LayerNorm_embed_norm"]
    for layer in range(depth):
        name = f"newslm/layer{layer:02d}"
        for part in ("query_layer", "key_layer", "value_layer", "context_projection_layer"):
            found |= {f"{name}/{part}/kernel": normal(width, width), f"{name}/{part}/bias": normal(width)}
        found |= {f"{name}/intermediate/kernel": normal(width, 4 * width),
                  f"{name}/intermediate/bias": normal(4 * width),
                  f"{name}/output/kernel": normal(4 * width, width), f"{name}/output/bias": normal(width)}
        norms += [f"{name}/LayerNorm_mlp_ln0", f"{name}/LayerNorm_mlp_ln1"]
    for name in norms:
        found |= {f"{name}/gamma": 1 + normal(width), f"{name}/beta": normal(width)}
    return found


def norm(x, w, name):
    mean = sum(x) / len(x)
    variance = sum((value - mean) ** 2 for value in x) / len(x)
    return (x - mean) / math.sqrt(variance + 1e-5) * w[f"{name}/gamma"] + w[f"{name}/beta"]


def dense(x, w, name):
    return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]


def gelu(x):
    return np.array([0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in x])


def block(steps, w, name, heads):
    """One block, step by step: each step sees itself and the ones before it."""
    q = [dense(x, w, f"{name}/query_layer") for x in steps]
    k = [dense(x, w, f"{name}/key_layer") for x in steps]
    v = [dense(x, w, f"{name}/value_layer") for x in steps]
    size, found = len(steps[0]) // heads, []
    for t, x in enumerate(steps):
        context = np.zeros(len(x))
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            powers = [math.exp(q[t][part] @ k[s][part] / math.sqrt(size)) for s in range(t + 1)]
            for s, power in enumerate(powers):
                context[part] += power / sum(powers) * v[s][part]
        h = x + dense(context, w, f"{name}/context_projection_layer")
        hidden = gelu(dense(norm(h, w, f"{name}/LayerNorm_mlp_ln0"), w, f"{name}/intermediate"))
        found.append(norm(h + dense(hidden, w, f"{name}/output"), w, f"{name}/LayerNorm_mlp_ln1"))
    return found


def logits(tokens, w, depth, heads):
    """(batch, time, vocabulary) of numbers (batch, time)."""
    words, positions = w["newslm/embeddings/word_embed"], w["newslm/embeddings/pos_embed"]
    found = []
    for row in tokens:
        steps = [norm(words[token] + positions[t], w, "newslm/embeddings/LayerNorm_embed_norm")
                 for t, token in enumerate(row)]
        for layer in range(depth):
            steps = block(steps, w, f"newslm/layer{layer:02d}", heads)
        found.append([words @ x for x in steps])
    return np.array(found)
