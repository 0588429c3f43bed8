"""Ways to compute value and gate of a gated convolution: forms.py FORM prints sequences per second of five
repeats. Training steps of six layers, 128 channels, a kernel of 3, batches of 64 × 13, without any softmax.

    one      one convolution with twice the filters, as common/gated_conv.py has it
    two      two convolutions
    beside   one product with x and its two shifted copies side by side (im2col)
    three    three products with shifted copies of x, added up
"""

import sys

import numpy as np
import tensorflow as tf

from benchmarks import clock

FORM, WIDTH = sys.argv[1], 128


def convolve(x, kernel):
    if FORM == "one":
        return tf.nn.convolution(x, kernel, padding="SAME")
    if FORM == "two":
        return tf.concat(
            [tf.nn.convolution(x, part, padding="SAME") for part in tf.split(kernel, 2, axis=-1)], -1
        )
    padded = tf.pad(x, [[0, 0], [1, 1], [0, 0]])
    copies = [padded[:, :-2], x, padded[:, 2:]]
    if FORM == "beside":
        return tf.tensordot(tf.concat(copies, -1), tf.reshape(kernel, (3 * WIDTH, 2 * WIDTH)), 1)
    return sum(tf.tensordot(copy, kernel[i], 1) for i, copy in enumerate(copies))


kernels = [tf.Variable(0.05 * tf.random.normal((3, WIDTH, 2 * WIDTH))) for _ in range(6)]


@tf.function
def step(x):
    with tf.GradientTape() as tape:
        h = x
        for kernel in kernels:
            value, gate = tf.split(convolve(h, kernel), 2, axis=-1)
            h = h * tf.sigmoid(-gate) + value * tf.sigmoid(gate)
        loss = tf.reduce_mean(tf.square(h))
    for kernel, gradient in zip(kernels, tape.gradient(loss, kernels)):
        kernel.assign_sub(1e-3 * gradient)
    return loss


x = tf.constant(np.random.default_rng(0).normal(size=(64, 13, WIDTH)), tf.float32)


def work():
    for _ in range(30):
        step(x).numpy()


clock.report(work, 64 * 30, repeats=5)
