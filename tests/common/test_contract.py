"""What every layer and loss of common/*.py keeps, for those who copy a file: one table, one row each.

A row says how to make the layer and what it takes. The tests hold it to the contract: it refuses what it
cannot compute, new and built, with arrays, with symbols and in a compiled graph; its symbolic outputs are
those that come; it has a configuration, saves and loads; batches of 0 and 1, one time step and other sizes
than at build time work, under every dtype policy. A layer or a loss without a row fails a test.
"""

import ast
import dataclasses
import importlib
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

from common.attention import AttentionPooling1D, CrossAttention, SelfAttention
from common.capsule import Capsule, CapsuleLength, MarginLoss, Mask, margin_loss
from common.crf import CRF, CRFLoss, KBest, TagAccuracy, crf_loss, partial_crf_loss
from common.flow import AdditiveCoupling, AffineCoupling, Flow, Permutation, Reverse, Scale
from common.gated_conv import GatedConv1D
from common.latent import ClusterPrior, GaussianSampling
from common.losses import (
    CategoricalFocalLoss,
    CategoricalSoftTruncatedLoss,
    FocalLoss,
    HardTruncatedLoss,
    ProductLogits,
    SoftTruncatedLoss,
    categorical_focal_loss,
    categorical_soft_truncated_loss,
    focal_loss,
    hard_truncated_loss,
    soft_truncated_loss,
)
from common.matrix_capsule import ClassCapsules, ConvCapsules, PrimaryCapsules, SpreadLoss, spread_loss
from common.spectral import SpectralNorm
from tests.common.helpers import numpy

BACKEND = keras.backend.backend()
COMMON = pathlib.Path(__file__).resolve().parents[2] / "common"
SAYS_WHAT_CAME = "[Rr]eceived|found"            # the second word is that of Keras' own input_spec


@dataclasses.dataclass
class Row:
    """A layer. Shapes are without the batch, one for each input."""
    make: Callable              # of options such as dtype=
    shapes: list                # what it is built for
    never: list                 # shapes that it can never take
    not_built: list = dataclasses.field(default_factory=list)     # ... that the built layer cannot take
    others: list = dataclasses.field(default_factory=list)        # ... that it takes all the same
    apart: bool = False         # inputs are arguments of their own, not a list
    alone: bool = False         # takes the first input by itself, too
    random: bool = False        # other outputs in each call
    given: bool = False         # holds layers that the user made, which have policies of their own
    empty: bool = True          # takes batches without rows
    prepare: Callable = lambda x: x        # of a tensor that is right but for its numbers


def pose_and_activation(*sizes, pose=2):
    return [(*sizes, pose, pose), sizes]


def coupled(kind, outputs, **more):
    return lambda **options: kind(layers.Dense(outputs, dtype=options.get("dtype")), **more, **options)


def flow(**options):
    parts = [coupled(AffineCoupling, 4)(**options), Reverse(**options), Permutation(0, **options)]
    return Flow([*parts, Scale("random_normal", **options)], **options)


def normed(layer, *arguments):
    return lambda **options: SpectralNorm(layer(*arguments, dtype=options.get("dtype")), **options)


def without_padding(potentials):
    """Potentials whose last column is a mask: 1 at the steps and 0 beside the transitions of K tags."""
    rows, width = potentials.shape[-2:]
    mask = np.arange(rows)[:, None] < rows - (width - 1)
    return ops.where(np.arange(width) == width - 1, ops.cast(mask, potentials.dtype), potentials)


SEQUENCES = {
    "shapes": [(5, 8)], "never": [[(8,)], [(5, 8, 2)]], "not_built": [[(5, 16)], [(5, 4)], [(5, 1)]],
    "others": [[(9, 8)], [(1, 8)]],
}
VECTORS = {
    "shapes": [(4,)], "never": [[()], [(2, 4)], [(4, 4, 1)]], "not_built": [[(6,)], [(3,)], [(2,)], [(1,)]],
}
ROWS = {
    "SelfAttention": Row(lambda **o: SelfAttention(2, rotary=True, dropout=0.1, seed=0, **o), **SEQUENCES),
    "SelfAttention by chunks": Row(
        lambda **o: SelfAttention(2, causal=True, plain_length=0, **o), **SEQUENCES),
    "CrossAttention": Row(
        lambda **o: CrossAttention(2, **o), [(5, 8), (6, 4)], [[(8,), (6, 4)], [(5, 8), (4,)]],
        [[(5, 16), (6, 4)], [(5, 8), (6, 8)], [(5, 8), (6, 2)]], [[(9, 8), (3, 4)], [(1, 8), (1, 4)]],
        apart=True),
    "AttentionPooling1D": Row(lambda **o: AttentionPooling1D(3, **o), **SEQUENCES),
    "Capsule": Row(lambda **o: Capsule(3, 4, **o), **SEQUENCES),
    "CapsuleLength": Row(lambda **o: CapsuleLength(**o), [(3, 4)], [], others=[[(5, 6)], [(1, 4)]]),
    "Mask": Row(
        lambda **o: Mask(2, **o), [(3, 4)], [[(4,)], [(5, 3, 4)], [(1, 4)]], others=[[(5, 6)], [(2, 1)]]),
    "Mask of known classes": Row(
        lambda **o: Mask(**o), [(3, 4), (3,)],
        [[(3, 4), (2,)], [(3, 4), (4,)], [(3, 4), (3, 1)], [(4,), (4,)], [(3, 4), (3,), (3,)]],
        others=[[(5, 6), (5,)], [(1, 4), (1,)]], alone=True),
    "PrimaryCapsules": Row(
        lambda **o: PrimaryCapsules(3, 2, **o), [(5, 6, 4)], [[(5, 4)], [(5, 6, 2, 4)]],
        [[(5, 6, 8)], [(5, 6, 2)], [(5, 6, 1)]], [[(1, 1, 4)], [(7, 3, 4)]]),
    "ConvCapsules": Row(
        lambda **o: ConvCapsules(2, **o), pose_and_activation(5, 6, 3),
        [pose_and_activation(2, 2, 3), [(5, 6, 3, 2, 2), (5, 6, 1)], [(5, 6, 3, 2, 2)]],
        [pose_and_activation(5, 6, 4), pose_and_activation(5, 6, 3, pose=3), pose_and_activation(5, 2, 3)],
        [pose_and_activation(3, 3, 3), pose_and_activation(7, 4, 3)]),
    "ClassCapsules": Row(
        lambda **o: ClassCapsules(3, **o), pose_and_activation(2, 3, 4),
        [[(2, 3, 4, 2, 2), (2, 3, 1)], [(2, 3, 4, 2, 2)], [(2, 3, 4, 1, 1), (2, 3, 4)]],
        [pose_and_activation(2, 3, 5), pose_and_activation(2, 3, 4, pose=3)], [pose_and_activation(1, 1, 4)]),
    "CRF": Row(
        lambda **o: CRF(4, **o), [(5, 4)], [[(5, 3)], [(5, 1)], [(5, 8)], [(4,)], [(5, 4, 1)]],
        others=[[(9, 4)], [(1, 4)]]),
    "KBest": Row(
        lambda **o: KBest(2, **o), [(9, 5)], [[(5,)], [(9, 5, 1)], [(3, 5)], [(9, 1)]], [[(9, 4)], [(9, 6)]],
        [[(13, 5)], [(5, 5)]], prepare=without_padding),
    "AdditiveCoupling": Row(coupled(AdditiveCoupling, 2), given=True, **VECTORS),
    "AffineCoupling": Row(coupled(AffineCoupling, 4, split="half", swap=True), given=True, **VECTORS),
    "AdditiveCoupling of an odd number": Row(
        coupled(AdditiveCoupling, 2), [(5,)], [[()], [(1,)], [(2, 5)]], [[(6,)], [(4,)], [(3,)]], given=True),
    "Reverse": Row(lambda **o: Reverse(**o), **VECTORS),
    "Permutation": Row(lambda **o: Permutation(0, **o), **VECTORS),
    "Scale": Row(lambda **o: Scale("random_normal", **o), **VECTORS),
    "Flow": Row(flow, given=True, **VECTORS),
    "GatedConv1D": Row(lambda **o: GatedConv1D(3, 5, causal=True, gate_dropout=0.1, **o), **SEQUENCES),
    "GatedConv1D highway": Row(
        lambda **o: GatedConv1D(combination="highway", dilation_rate=2, **o), **SEQUENCES),
    "GaussianSampling": Row(
        lambda **o: GaussianSampling(free_bits=0.1, warmup_steps=3, **o), [(4,), (4,)],
        [[(4,)], [(4,), (3,)], [(4,), (1,)], [(4,)] * 4, [(2, 4), (4,)], [(), ()]],
        others=[[(3,), (3,)], [(4,)] * 3, [(5, 4), (5, 4)], [(1, 4), (1, 4)], [(2, 3, 4), (2, 3, 4)]],
        random=True),
    "GaussianSampling bottleneck": Row(
        lambda **o: GaussianSampling(noise_in_inference=False, **o), [(4,), (4,)],
        [[(4,)], [(4,), (3,)], [(4,), (1,)]], others=[[(3,), (3,)], [(5, 4), (5, 4)]]),
    "ClusterPrior": Row(
        lambda **o: ClusterPrior(3, **o), [(4,), (4,), (3,)],
        [[(4,), (4,)], [(4,), (4,), (2,)], [(4,), (4,), (1,)], [(4,), (1,), (3,)], [(5, 4), (5, 4), (5, 3)]],
        [[(6,), (6,), (3,)], [(1,), (1,), (3,)]]),
    "ProductLogits": Row(
        lambda **o: ProductLogits(**o), [(5, 2), (1,)],
        [[(5, 2)], [(5, 2), (2,)], [(5, 2), (5, 1)], [(2,), (1,)], [(5, 2, 1), (1,)]],
        others=[[(7, 3), (1,)], [(1, 1), (1,)]]),
    "SpectralNorm": Row(
        normed(layers.Dense, 3), [(4,)], [[()]], [[(8,)], [(2,)], [(1,)]], [[(5, 4)]], given=True),
    "SpectralNorm of a convolution": Row(
        normed(layers.Conv2D, 3, 2), [(5, 6, 4)], [[(5, 4)]], [[(5, 6, 8)], [(5, 6, 2)], [(5, 6, 1)]],
        [[(2, 2, 4)], [(7, 3, 4)]], given=True, empty=BACKEND != "tensorflow"),    # no convolution there does
}


SEVERAL = [name for name, row in ROWS.items() if len(row.shapes) > 1]
LISTS = [name for name in SEVERAL if not (ROWS[name].apart or ROWS[name].alone)]


@dataclasses.dataclass
class LossRow:
    """A loss: its class, its function, and what both take for outputs of a shape."""
    make: Callable
    function: Callable
    outputs: tuple              # the shape of y_pred, without the batch
    targets: list               # shapes of y_true that are right
    never: list                 # shapes of y_true that are wrong
    classes: int = 2            # targets are integers below this


BINARY = {"outputs": (5,), "targets": [(5,)], "never": [(4,), (1,), (5, 2), (6,)]}
CLASSES = {"outputs": (5,), "targets": [(), (1,)], "never": [(4,), (6,), (2,)], "classes": 5}
PATHS = {
    "outputs": (9, 5), "targets": [(5,), (5, 1)], "classes": 4,
    "never": [(1,), (4,), (6,), (), (5, 3), (5, 5)],
}
LOSSES = {
    "HardTruncatedLoss": LossRow(HardTruncatedLoss, hard_truncated_loss, **BINARY),
    "SoftTruncatedLoss": LossRow(SoftTruncatedLoss, soft_truncated_loss, **BINARY),
    "FocalLoss": LossRow(FocalLoss, focal_loss, **BINARY),
    "CategoricalFocalLoss": LossRow(CategoricalFocalLoss, categorical_focal_loss, **CLASSES),
    "CategoricalSoftTruncatedLoss": LossRow(
        CategoricalSoftTruncatedLoss, categorical_soft_truncated_loss, **CLASSES),
    "MarginLoss": LossRow(MarginLoss, margin_loss, **{**CLASSES, "never": [(4,), (6,), (5, 1)]}),
    "SpreadLoss": LossRow(
        lambda: SpreadLoss(0.5), lambda y, a: spread_loss(y, a, margin=0.5),
        **{**CLASSES, "never": [(4,), (7,), (5, 1)]}),
    "CRFLoss": LossRow(CRFLoss, crf_loss, **PATHS),
    "CRFLoss of sets": LossRow(lambda: CRFLoss(partial=True), partial_crf_loss, **PATHS),
}


# ---------------------------------------------------------------------------------- the table is whole

def defined():
    """Names of the layers and losses of common/*.py, by file."""
    for path in sorted(COMMON.glob("*.py")):
        module = importlib.import_module(f"common.{path.stem}" if path.stem != "__init__" else "common")
        for node in ast.parse(path.read_text()).body:
            public = isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_")
            if public:
                yield getattr(module, node.name)


def test_every_layer_and_loss_has_a_row():
    rows = {name.split()[0] for name in ROWS}
    losses = {name.split()[0] for name in LOSSES}
    functions = {row.function.__name__ for row in LOSSES.values()} | {"spread_loss"}
    found = list(defined())
    classes = [thing for thing in found if isinstance(thing, type)]
    missing = {c.__name__ for c in classes if issubclass(c, keras.layers.Layer)} - rows - {"Bijection"}
    missing |= {c.__name__ for c in classes if issubclass(c, keras.losses.Loss)} - losses
    missing |= {f.__name__ for f in found if f.__name__.endswith("_loss")} - functions
    assert len(classes) >= 20 and not missing, "rows are missing in tests/common/test_contract.py"


def test_every_layer_and_loss_is_registered():
    for thing in defined():
        if isinstance(thing, type) and issubclass(thing, (keras.layers.Layer, keras.losses.Loss)):
            if thing.__name__ != "Bijection":
                assert keras.saving.get_registered_name(thing) == f"kexue>{thing.__name__}"


# --------------------------------------------------------------------------------------------- layers

def arrays(shapes, batch=3, seed=0):
    """Numbers between 0 and 1, so that probabilities are among them."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.1, 0.9, (batch, *shape)).astype("float32") for shape in shapes]


def symbols(shapes):
    return [keras.KerasTensor((None, *shape)) for shape in shapes]


def use(row, layer, inputs, **options):
    if not any(isinstance(x, keras.KerasTensor) for x in inputs):
        inputs = list(map(row.prepare, inputs))
    if row.apart:
        return layer(*inputs, **options)
    many = len(row.shapes) > 1
    return layer(inputs if many else inputs[0], **options)


def in_a_graph(row, layer, inputs):
    """The layer in a compiled function."""
    inputs = [ops.convert_to_tensor(x) for x in inputs]
    if BACKEND == "tensorflow":
        import tensorflow as tf
        return tf.function(lambda *x: use(row, layer, list(x)))(*inputs)
    if BACKEND == "jax":
        import jax
        return jax.eval_shape(lambda *x: use(row, layer, list(x)), *inputs)
    return use(row, layer, inputs)


def built(row, **options):
    layer = row.make(**options)
    use(row, layer, arrays(row.shapes))
    return layer


def flat(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def sizes(outputs):
    return [tuple(y.shape) for y in flat(outputs)]


@pytest.mark.parametrize("name", ROWS)
def test_what_it_can_never_take_is_refused(name):
    row = ROWS[name]
    layer = built(row)
    for shapes in row.never:
        for inputs in (arrays(shapes), symbols(shapes)):
            for candidate in (row.make(), layer):
                with pytest.raises(ValueError, match=SAYS_WHAT_CAME):
                    use(row, candidate, inputs)
                    pytest.fail(f"took {shapes}, built={candidate.built}, {type(inputs[0])}")
        with pytest.raises(ValueError, match=SAYS_WHAT_CAME):
            in_a_graph(row, layer, arrays(shapes))


@pytest.mark.parametrize("name", [name for name in ROWS if ROWS[name].not_built])
def test_what_it_was_not_built_for_is_refused(name):
    row = ROWS[name]
    layer = built(row)
    for shapes in row.not_built:
        for inputs in (arrays(shapes), symbols(shapes)):
            with pytest.raises(ValueError, match=SAYS_WHAT_CAME):
                use(row, layer, inputs)
                pytest.fail(f"took {shapes}, {type(inputs[0])}")
        with pytest.raises(ValueError, match=SAYS_WHAT_CAME):
            in_a_graph(row, layer, arrays(shapes))


@pytest.mark.parametrize("name", SEVERAL)
def test_inputs_of_other_batches_are_not_broadcast(name):
    row = ROWS[name]
    layer = built(row)
    for number in range(1, len(row.shapes)):
        for rows in (1, 2):
            inputs = arrays(row.shapes)
            inputs[number] = inputs[number][:rows]
            with pytest.raises(ValueError, match=SAYS_WHAT_CAME):
                use(row, layer, inputs)


@pytest.mark.parametrize("name", LISTS)
def test_an_array_is_no_list_of_inputs(name):
    row = ROWS[name]
    for layer in (row.make(), built(row)):
        with pytest.raises(ValueError, match=SAYS_WHAT_CAME):
            layer(arrays(row.shapes)[0])


@pytest.mark.parametrize("name", ROWS)
def test_other_sizes_and_batches_and_their_symbols(name):
    row = ROWS[name]
    layer = built(row)
    for shapes in [row.shapes, *row.others]:
        expected = sizes(use(row, layer, symbols(shapes)))
        for batch in [1, 0, 2] if row.empty else [1, 2]:
            outputs = use(row, layer, arrays(shapes, batch))
            assert sizes(outputs) == [(batch, *shape[1:]) for shape in expected], (shapes, batch)
            assert all(np.isfinite(numpy(ops.cast(y, "float32"))).all() for y in flat(outputs))
        batch_shapes = [(3, *shape) for shape in shapes]
        if row.apart:
            computed = layer.compute_output_shape(*batch_shapes)
        else:
            computed = layer.compute_output_shape(batch_shapes if len(row.shapes) > 1 else batch_shapes[0])
        computed = [computed] if isinstance(computed[0], int) else list(computed)
        assert [tuple(shape) for shape in computed] == [(3, *shape[1:]) for shape in expected]


POLICIES = ["float32", "mixed_bfloat16", "mixed_float16", "float16"]
if BACKEND != "jax":                            # which has no float64 unless asked for at its start
    POLICIES.append("float64")


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("policy", POLICIES)
def test_outputs_under_a_policy_are_near_and_of_the_dtype_of_the_symbols(name, policy):
    row = ROWS[name]
    exact, layer = built(row), built(row, dtype=policy)
    assert layer.dtype_policy.name == policy
    layer.set_weights(exact.get_weights())
    inputs = arrays(row.shapes, seed=1)
    outputs = flat(use(row, layer, inputs))
    spec = flat(use(row, layer, symbols(row.shapes)))
    assert [keras.backend.standardize_dtype(y.dtype) for y in outputs] == [s.dtype for s in spec]
    if row.random:
        return
    for found, expected in zip(outputs, flat(use(row, exact, inputs))):
        if "float" in keras.backend.standardize_dtype(found.dtype):
            found, expected = numpy(ops.cast(found, "float32")), numpy(expected)
            np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.05 * np.abs(expected).max())


@pytest.mark.parametrize("name", [name for name in ROWS if not ROWS[name].given])
def test_the_policy_goes_to_layers_inside(name):
    layer = built(ROWS[name], dtype="mixed_bfloat16")
    inside = [part for part in layer._flatten_layers(include_self=False)]
    assert {part.dtype_policy.name for part in inside} <= {"mixed_bfloat16"}


@pytest.mark.parametrize("name", ROWS)
def test_it_has_a_configuration_and_saves_and_loads(name, tmp_path):
    row = ROWS[name]
    plain = row.make(name="one")
    config = plain.get_config()
    again = type(plain).from_config(config)
    assert again.get_config() == config and again.name == "one"
    inputs = [keras.Input(shape) for shape in row.shapes]
    model = keras.Model(inputs, use(row, row.make(), inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    for a, b in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(numpy(a), numpy(b))
    x = list(map(row.prepare, arrays(row.shapes)))
    for a, b in zip(flat(model(x)), flat(loaded(x)), strict=True):
        if not row.random:
            np.testing.assert_allclose(numpy(a), numpy(b), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ROWS)
def test_a_second_call_in_a_graph_is_that_of_the_eager_layer(name):
    row = ROWS[name]
    if row.random or BACKEND != "tensorflow":
        pytest.skip("compares a compiled graph of TensorFlow")
    layer, inputs = built(row), arrays(row.shapes, seed=2)
    for a, b in zip(flat(in_a_graph(row, layer, inputs)), flat(use(row, layer, inputs)), strict=True):
        np.testing.assert_allclose(numpy(a), numpy(b), rtol=1e-4, atol=1e-5)


# --------------------------------------------------------------------------------------------- losses

def predictions(name, batch=3):
    row = LOSSES[name]
    if name.startswith("CRFLoss"):
        _, potentials = CRF(4)(arrays([(5, 4)], batch)[0])
        return potentials
    return ops.convert_to_tensor(arrays([row.outputs], batch)[0])


def targets(row, shape, batch=3):
    return np.random.default_rng(3).integers(0, row.classes, (batch, *shape)).astype("int32")


def loss_in_a_graph(loss, y, outputs):
    if BACKEND == "tensorflow":
        import tensorflow as tf
        return tf.function(lambda y, x: loss(y, x))(y, outputs)
    if BACKEND == "jax":
        import jax
        return jax.jit(lambda y, x: loss(y, x))(y, outputs)
    return loss(y, outputs)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_a_number_for_each_row_and_its_class_the_mean(name):
    row = LOSSES[name]
    for shape in row.targets:
        for batch in (3, 1):
            y, outputs = targets(row, shape, batch), predictions(name, batch)
            values = numpy(row.function(y, outputs))
            assert values.shape == (batch,) and np.isfinite(values).all()
            assert float(row.make()(y, outputs)) == pytest.approx(values.mean(), rel=1e-5)
            assert float(loss_in_a_graph(row.make(), y, outputs)) == pytest.approx(values.mean(), rel=1e-5)
        empty = row.function(targets(row, shape, 0), predictions(name, 0))
        assert tuple(empty.shape) == (0,)


@pytest.mark.parametrize("name", LOSSES)
def test_sample_weights_weigh_rows(name):
    row = LOSSES[name]
    y, outputs = targets(row, row.targets[0]), predictions(name)
    weights = np.array([1.0, 0.0, 3.0], "float32")
    expected = (numpy(row.function(y, outputs)) * weights).sum() / 3
    assert float(row.make()(y, outputs, sample_weight=weights)) == pytest.approx(expected, rel=1e-5)


def test_a_sentence_has_one_weight_in_a_crf():
    y, outputs = targets(LOSSES["CRFLoss"], (5,)), predictions("CRFLoss")
    weights = np.array([1.0, 0.0, 3.0], "float32")
    for loss in (CRFLoss(), CRFLoss(partial=True), CRFLoss(reduction="token_mean")):
        same = float(loss(y, outputs, weights[:, None])), float(loss(y, outputs, weights))
        assert same[0] == same[1]
        with pytest.raises(ValueError, match=SAYS_WHAT_CAME):
            loss(y, outputs, np.ones((3, 5)))


@pytest.mark.parametrize("mask", [(3, 5, 1), (3, 1), (3, 6), (3,), (2, 5)])
def test_masks_of_another_shape_are_refused_by_a_crf(mask):
    emissions = arrays([(5, 4)])[0]
    for layer in (CRF(4), built(ROWS["CRF"])):
        with pytest.raises(ValueError, match=SAYS_WHAT_CAME):
            layer(emissions, mask=np.ones(mask, bool))


def test_accuracy_takes_tags_alone():
    for shape in [(5,), (5, 1), (5, 4)]:
        metric, y = TagAccuracy(), targets(LOSSES["CRFLoss"], shape)
        if shape == (5, 4):
            y = np.eye(4)[y.argmax(axis=-1)]
        metric.update_state(y, np.zeros((3, 5), "int32"))
        assert 0 <= float(metric.result()) <= 1
    for shape, decoded in [((1,), (5,)), ((6,), (5,)), ((5,), (9, 5)), ((5,), ())]:
        with pytest.raises(ValueError, match=SAYS_WHAT_CAME):
            TagAccuracy().update_state(np.zeros((3, *shape), "int32"), np.zeros((3, *decoded), "int32"))


@pytest.mark.parametrize("name", LOSSES)
def test_targets_of_another_shape_are_refused(name):
    row = LOSSES[name]
    outputs = predictions(name)
    for shape in row.never:
        y = targets(row, shape)
        for loss in (row.function, row.make()):
            with pytest.raises(ValueError, match=SAYS_WHAT_CAME):
                loss(y, outputs)
                pytest.fail(f"took {shape}")
            with pytest.raises(ValueError, match=SAYS_WHAT_CAME):
                loss_in_a_graph(loss, y, outputs)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_has_a_configuration_and_loads_with_a_model(name, tmp_path):
    loss = LOSSES[name].make()
    again = type(loss).from_config(loss.get_config())
    assert again.get_config() == loss.get_config()
    model = keras.Sequential([keras.Input((5, 4)), layers.Dense(5)])
    model.compile("sgd", loss)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.loss) is type(loss) and loaded.loss.get_config() == loss.get_config()
