"""The article's formulation in Python 3.7, TensorFlow 1.15, Keras 2.2.4: symbolic add_loss, model.fit."""

import numpy as np
from keras import backend as K
from keras.layers import Dense, Input, Lambda
from keras.models import Model

from benchmarks import clock

x_train = np.random.RandomState(0).rand(60000, 784).astype("float32")
x = Input(shape=(784,))
h = Dense(256, activation="relu")(x)
mean, log_var = Dense(2)(h), Dense(2)(h)
z = Lambda(lambda t: t[0] + K.exp(t[1] / 2) * K.random_normal(K.shape(t[0])))([mean, log_var])
output = Dense(784, activation="sigmoid")(Dense(256, activation="relu")(z))
vae = Model(x, output)
reconstruction = K.sum(K.binary_crossentropy(x, output), axis=-1)
kl = 0.5 * K.sum(K.square(mean) + K.exp(log_var) - log_var - 1, axis=-1)
vae.add_loss(K.mean(reconstruction + kl))
vae.compile("rmsprop")


def work():
    vae.fit(x_train, batch_size=100, epochs=1, shuffle=True, verbose=0)


clock.report(work, len(x_train))
