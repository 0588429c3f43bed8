"""“让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765, section 保存最优模型

The weights of the best epoch, by a score that is no tensor operation, such as BLEU.

    2018       a callback that computes the score and saves the weights
    Keras 3    a callback that puts the score into `logs`; EarlyStopping(restore_best_weights=True) and
               ModelCheckpoint behind it in the list take it for one of Keras' own

    python more/keras_tricks/best_by_any_metric.py    seconds
"""

import keras
import numpy as np


class Score(keras.callbacks.Callback):
    """logs[name] = function(model) at the end of each epoch; stands in front of those that read it.

    Args:
        function: of the model → a number.
        name: of the score in the logs.

    Example:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        score = Score(lambda model: model.count_params(), "score")
        model.fit(np.ones((8, 3)), np.ones((8, 1)), callbacks=[score], verbose=0)

    Reference: 苏剑林, “让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765
    """

    def __init__(self, function, name="score"):
        super().__init__()
        self.function, self.name = function, name

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.function(self.model)


def check():
    """What holds of a score that is best in the middle: a line."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[0.0]])])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    weights = []

    def closeness(model):
        weights.append(model.get_weights()[0].item())
        return -abs(weights[-1] - 0.5)                     # the loss goes on to 1, past the best score

    keep = keras.callbacks.EarlyStopping("score", mode="max", patience=100, restore_best_weights=True)
    x = np.ones((4, 1))
    log = model.fit(x, x, epochs=20, callbacks=[Score(closeness), keep], verbose=0).history
    best = weights[int(np.argmax(log["score"]))]
    assert np.isclose(model.get_weights()[0].item(), best) and abs(best - weights[-1]) > 0.1
    return [f"of weights up to {weights[-1]:.2f} the model has {best:.2f}, of epoch "
            f"{int(np.argmax(log['score'])) + 1} of 20, whose score is the best"]


if __name__ == "__main__":
    print(*check(), sep="\n")
