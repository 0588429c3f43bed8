"""The original formulation in Python 3.7, TensorFlow 1.15, Keras 2.2.4: two models, each with a frozen part.

The networks are those of gan/train.py, without the running average of the generator.
"""

import numpy as np
from keras import backend as K
from keras.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Input,
    Lambda,
    LeakyReLU,
    Reshape,
)
from keras.models import Model
from keras.optimizers import Adam

from benchmarks import clock

images = np.random.RandomState(0).rand(20 * 128, 32, 32, 3).astype("float32") * 2 - 1
z = Input((128,))
h = Activation("relu")(BatchNormalization()(Reshape((4, 4, 128))(Dense(2048, use_bias=False)(z))))
for filters in (64, 32):
    h = Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(h)
    h = Activation("relu")(BatchNormalization()(h))
generator = Model(z, Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh")(h))
x = h = Input((32, 32, 3))
for filters in (32, 64, 128):
    h = LeakyReLU(0.2)(Conv2D(filters, 4, strides=2, padding="same")(h))
critic = Model(x, Dense(1, use_bias=False)(Flatten()(h)))


def score_difference(tensors):
    return tensors[0] - tensors[1]


def build(frozen, trained):
    frozen.trainable, trained.trainable = False, True
    real, codes = Input((32, 32, 3)), Input((128,))
    fake = generator(codes)
    d = Lambda(score_difference)([critic(real), critic(fake)])
    model = Model([real, codes], [d, fake])
    if trained is critic:
        distance = K.sqrt(K.mean(K.square(real - fake), axis=[1, 2, 3]))[:, None] + 1e-6
        model.add_loss(K.mean(d ** 2 / (20 * distance) - d))
    else:
        model.add_loss(K.mean(d))
    model.compile(Adam(2e-4, 0.5))
    return model


critic_step, generator_step = build(generator, critic), build(critic, generator)


def work():
    for _ in range(len(images) // 128):
        for _ in range(2):
            real = images[np.random.randint(0, len(images), 64)]
            critic_step.train_on_batch([real, np.random.randn(64, 128)], None)
        generator_step.train_on_batch([real, np.random.randn(64, 128)], None)


clock.report(work, len(images))
