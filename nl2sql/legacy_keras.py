"""bert4keras on tf_keras: every script here imports this before anything else that imports Keras.

The framework-free files of common/harness serve nl2sql as they are; the layers in common/ need Keras 3 and do
not. And no process can run nl2sql beside another article.
"""

from common.harness import legacy_keras

legacy_keras.install("nl2sql")

import bert4keras.backend  # puts tf_keras into sys.modules as "keras"
import bert4keras.layers
import bert4keras.models

legacy_keras.speed_up()
layers, models = bert4keras.layers, bert4keras.models
