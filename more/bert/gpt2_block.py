"""GPT2_ML's block on Keras 3, with a cache: each new token costs one step, where bert4keras' loop computes
the whole text again. See gpt2_ml.py, which trains a model on bert4keras and calls this in a process of its
own:

    python more/bert/gpt2_block.py --run runs/more/gpt2_ml-...       compares both, and prints JSON

Needs common/attention.py beside keras and numpy. Article: https://kexue.fm/archives/7292
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import json
import time
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from common.attention import SelfAttention, decode, empty_cache


@keras.saving.register_keras_serializable(package="kexue")
class GPT2MLBlock(keras.layers.Layer):
    """A block of GPT2_ML: a normalisation on either side of the feed-forward part, none at the attention.

        h = x + Att(x), causal;  y = LN₁(h + FFN(LN₀(h))), FFN(h) = W₂ gelu(W₁ h + b₁) + b₂

    Symbols: Att = attention, LN₀ = norm_0, LN₁ = norm_1, W₁ = intermediate, W₂ = output_dense.

    Args:
        num_heads: of the attention; they divide the channels.
        units: channels between W₁ and W₂.
        epsilon: of both normalisations.

    Call arguments:
        inputs: (batch, time, channels), without padding, or with it at the end: no step sees a later one.

    Output:
        (batch, time, channels). `step` gives the same one step after the other.

    Example:
        block = GPT2MLBlock(num_heads=4, units=64)
        print(block(np.random.normal(size=(2, 7, 16))).shape)        # (2, 7, 16)

    Reference: github.com/imcaspar/gpt2-ml; 苏剑林, https://kexue.fm/archives/7292
    """

    def __init__(self, num_heads, units, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.units, self.epsilon = num_heads, units, epsilon
        policy = self.dtype_policy
        self.attention = SelfAttention(num_heads, causal=True, dtype=policy)
        self.norm_0 = keras.layers.LayerNormalization(epsilon=epsilon, dtype=policy)
        self.norm_1 = keras.layers.LayerNormalization(epsilon=epsilon, dtype=policy)
        self.intermediate = keras.layers.Dense(units, dtype=policy)

    def build(self, input_shape):
        channels = input_shape[-1]
        self.output_dense = keras.layers.Dense(channels, dtype=self.dtype_policy)
        self.attention.build(input_shape)
        self.norm_0.build(input_shape)
        self.norm_1.build(input_shape)
        self.intermediate.build(input_shape)
        self.output_dense.build((*input_shape[:-1], self.units))
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: channels})

    def call(self, inputs):
        return self.feed_forward(inputs + self.attention(inputs))

    def step(self, inputs, cache, index):
        """(the next steps' outputs, the new cache); for the arguments see decode of common/attention.py."""
        y, cache = decode(self.attention, inputs, cache, index)
        return self.feed_forward(inputs + y), cache

    def feed_forward(self, h):
        """LN₁(h + FFN(LN₀(h)))."""
        y = keras.activations.gelu(self.intermediate(self.norm_0(h)), approximate=False)
        return self.norm_1(h + self.output_dense(y))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads, "units": self.units,
                "epsilon": self.epsilon}


class GPT2ML:
    """The whole model: numbers of tokens → logits, all at once or with a cache.

    Args:
        config: the sizes, as bert_config.json names them.
        arrays: weights by their names in GPT2_ML's checkpoints; None for random ones.
    """

    def __init__(self, config, arrays=None):
        width, positions = config["hidden_size"], config["max_position_embeddings"]
        self.layers, self.positions = config["num_hidden_layers"], positions
        self.token = keras.layers.Embedding(config["vocab_size"], width)
        self.position = keras.layers.Embedding(positions, width)
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5)
        self.blocks = [GPT2MLBlock(config["num_attention_heads"], config["intermediate_size"])
                       for _ in range(self.layers)]
        self(np.zeros((1, 1), "int32"))
        if arrays is not None:
            self.load(arrays)
        self.compiled = compiled(self.step)

    def __call__(self, tokens):
        """Logits (batch, time, vocabulary) of numbers (batch, time)."""
        x = self.embed(tokens, ops.arange(ops.shape(tokens)[1]))
        for block in self.blocks:
            x = block(x)
        return self.logits(x)

    def embed(self, tokens, positions):
        return self.norm(self.token(tokens) + self.position(positions)[None])

    def logits(self, x):
        return ops.matmul(x, ops.transpose(self.token.embeddings))

    def step(self, tokens, caches, index):
        """(logits of the last of some new tokens, the new caches); `index` tokens came before."""
        x = self.embed(tokens, index + ops.arange(tokens.shape[1]))
        found = []
        for block, cache in zip(self.blocks, caches):
            x, cache = block.step(x, cache, index)
            found.append(cache)
        return self.logits(x[:, -1]), found

    def caches(self, batch, length):
        """Empty caches for texts of so many tokens."""
        if length > self.positions:
            raise ValueError(f"length expects at most {self.positions} positions. Received: length={length}")
        return [empty_cache(block.attention, batch, length) for block in self.blocks]

    def load(self, arrays):
        """Takes weights by their names in GPT2_ML's checkpoints, where Q, K and V stand apart."""
        self.token.embeddings.assign(arrays["newslm/embeddings/word_embed"])
        self.position.embeddings.assign(arrays["newslm/embeddings/pos_embed"])
        self._load_norm(self.norm, arrays, "newslm/embeddings/LayerNorm_embed_norm")
        for number, block in enumerate(self.blocks):
            name = f"newslm/layer{number:02d}"
            for part, weight in (("kernel", block.attention.kernel), ("bias", block.attention.bias)):
                parts = [arrays[f"{name}/{kind}_layer/{part}"] for kind in ("query", "key", "value")]
                weight.assign(np.concatenate(parts, axis=-1))
            block.attention.output_kernel.assign(arrays[f"{name}/context_projection_layer/kernel"])
            block.attention.output_bias.assign(arrays[f"{name}/context_projection_layer/bias"])
            self._load_norm(block.norm_0, arrays, f"{name}/LayerNorm_mlp_ln0")
            self._load_norm(block.norm_1, arrays, f"{name}/LayerNorm_mlp_ln1")
            for layer, dense in (("intermediate", block.intermediate), ("output", block.output_dense)):
                dense.kernel.assign(arrays[f"{name}/{layer}/kernel"])
                dense.bias.assign(arrays[f"{name}/{layer}/bias"])

    def _load_norm(self, layer, arrays, name):
        layer.gamma.assign(arrays[f"{name}/gamma"])
        layer.beta.assign(arrays[f"{name}/beta"])

    def generate(self, prompt, least, most, end, rng, top_k=None, top_p=None, length=None):
        """A continuation of a prompt, as bert4keras' random_sample draws one.

        Args:
            prompt: numbers, at least one.
            least, most: tokens of the continuation; from `least` on, `end` ends it.
            rng: NumPy generator.
            top_k, top_p: see `filtered`.
            length: of the cache; one length for all prompts compiles once.
        """
        caches = self.caches(1, length or len(prompt) + most)
        logits, caches = self.compiled(np.array([prompt], "int32"), caches, np.int32(0))
        found = []
        while True:
            p = filtered(ops.convert_to_numpy(logits)[0], top_k, top_p)
            found.append(int(rng.choice(len(p), p=p)))
            if len(found) == most or (len(found) >= least and found[-1] == end):
                return found
            index = np.int32(len(prompt) + len(found) - 1)
            logits, caches = self.compiled(np.array([found[-1:]], "int32"), caches, index)


def filtered(logits, top_k=None, top_p=None):
    """Probabilities of the likeliest tokens alone, summing to 1, in float64.

    Args:
        logits: (tokens,).
        top_k: so many tokens; None for all.
        top_p: of those the fewest whose probabilities sum to it, the likeliest first; None for all.
    """
    p = np.exp(logits.astype("float64") - logits.max())
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    if top_k is not None:
        ranked[top_k:] = 0
    ranked /= ranked.sum()
    if top_p is not None:
        before = np.cumsum(ranked) - ranked
        ranked[before >= top_p] = 0
    kept = np.zeros_like(p)
    kept[order] = ranked / ranked.sum()
    return kept


def compiled(function):
    """A function of tensors, compiled by the backend; on PyTorch as it is."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function)              # one graph for the prompt, one for a token
    if backend == "jax":
        import jax

        return jax.jit(function)
    return function


# ------------------------------------------------------------------------------------------------------- demo

@dataclass
class Config:
    run: pathlib.Path
    """Run folder of gpt2_ml.py."""


def compare(config):
    """Both models on the same weights: the largest difference of logits, and tokens a second."""
    from common.harness.archives import read_arrays
    from common.harness.reading import read_text

    folder = pathlib.Path(config.run)
    sizes = json.loads(read_text(folder / "gpt2_ml.json"))
    model = GPT2ML(sizes, read_arrays(folder / "weights.npz", model=True))
    known = read_arrays(folder / "logits.npz", model=True)
    tokens, logits = known["tokens"], known["logits"]
    whole = np.abs(ops.convert_to_numpy(model(tokens)) - logits).max()
    caches, steps = model.caches(*tokens.shape), 0.0
    for t in range(tokens.shape[1]):
        found, caches = model.compiled(tokens[:, t:t + 1], caches, np.int32(t))
        steps = max(steps, np.abs(ops.convert_to_numpy(found) - logits[:, t]).max())
    found = {"whole": float(whole), "step by step": float(steps), "tokens a second": speed(model, tokens)}
    print(json.dumps(found))


def speed(model, tokens, count=100):
    """Tokens a second of one continuation of 7 tokens, after a first one that compiles."""
    rng = np.random.default_rng(0)
    for _ in range(2):
        began = time.perf_counter()
        model.generate(tokens[0, :7].tolist(), count, count, -1, rng, top_k=5)
        seconds = time.perf_counter() - began
    return count / seconds


if __name__ == "__main__":
    from common.harness import cli

    cli.main(compare, Config, __doc__)
