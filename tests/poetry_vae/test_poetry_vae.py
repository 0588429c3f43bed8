"""The article's model by its parameter count, the bounds by loops, both data formats, and what a user may
type."""

import dataclasses
import json
import math

import keras
import numpy as np
import pytest
import scipy.linalg

from common.harness import cli
from common.harness.models import save_model
from common.harness.reading import InputError
from common.harness.vocab import FIRST, Vocab
from common.harness.writing import ROOT
from poetry_vae import convert, data, generate, report, train
from poetry_vae.bound import bound
from poetry_vae.deep import build_deep_poetry_vae
from poetry_vae.poet import Poet, around, choose
from poetry_vae.train import build_poetry_vae, couplet_loss
from tests.recipes import configured

COUPLETS = ["秦川雄帝宅函谷壮皇居", "绮殿千寻起离宫百雉余", "连甍遥接汉飞观迥凌虚", "云日隐层阙风烟出绮疏"]
VOCAB = Vocab.from_texts(COUPLETS)


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def small_model(vocab=VOCAB, **options):
    keras.utils.set_random_seed(0)
    return build_poetry_vae(len(vocab), width=8, latent_dim=3, **options)


# ------------------------------------------------------------------------------------------------------ model

def test_parameter_count():
    convolution = 3 * 64 * 128                                        # no bias
    expected = (6000 * 64 + 2 * convolution + 2 * (64 * 64 + 64)
                + 64 * 640 + 640 + convolution + 64 * 6000 + 6000)
    assert build_poetry_vae(6000).count_params() == expected
    plain = build_poetry_vae(6000, convolution="relu").count_params()
    assert plain == expected - 3 * convolution // 2                   # no gates


def test_the_plain_convolution_is_a_loop():
    """relu of three characters, plus the one in the middle; and the gated one the article's, for contrast."""
    rng = np.random.default_rng(0)
    for convolution, name in (("relu", "conv1d"), ("gated", "gated_conv1d")):
        decoder = small_model(convolution=convolution).get_layer("decoder")
        [layer] = [layer for layer in decoder.layers if layer.name.startswith(name)]
        layer.set_weights([rng.normal(size=layer.weights[0].shape)])
        x = rng.normal(size=(1, 10, 8)).astype("float32")
        [kernel], padded = map(numpy, layer.weights), np.pad(x[0], [(1, 1), (0, 0)])
        for t, row in enumerate(numpy(keras.Model(layer.input, decoder.layers[-2].output)(x))[0]):
            a = sum(padded[t + i] @ kernel[i] for i in range(3))
            made = np.maximum(a, 0) if convolution == "relu" else a[:8] / (1 + np.exp(-a[8:]))
            np.testing.assert_allclose(row, x[0, t] + made, rtol=1e-4, atol=1e-5)


def test_the_deep_network_by_its_parameter_count():
    convolution = 3 * 64 * 128
    encoder = 6000 * 64 + 2 * convolution + 640 * 256 + 256 + 2 * ((640 + 256) * 64 + 64)
    decoder = 64 * 256 + 256 + (64 + 256) * 640 + 640 + 2 * convolution + 64 * 6000 + 6000
    assert build_deep_poetry_vae(6000).count_params() == encoder + decoder


def test_the_deep_encoder_knows_who_stands_where_and_the_articles_does_not():
    """Far from the ends, an exchange of two runs of characters leaves the mean over positions as it is, but
    for the neighbours; with a kernel that sees one character alone, exactly."""
    x = np.array([[2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]])
    for build, knows in ((build_poetry_vae, False), (build_deep_poetry_vae, True)):
        keras.utils.set_random_seed(0)
        model = build(len(VOCAB), width=8, latent_dim=3)
        for layer in model.layers:
            if layer.name.startswith("gated_conv1d"):
                kernel = numpy(layer.kernel).copy()
                kernel[[0, 2]] = 0
                layer.set_weights([kernel])
        mean, _ = Poet(model, VOCAB).encode(x)
        assert (np.abs(mean[0] - mean[1]).max() > 0.01) == knows


def test_the_deep_network_is_saved_and_loaded(tmp_path):
    keras.utils.set_random_seed(0)
    model = build_deep_poetry_vae(len(VOCAB), width=8, latent_dim=3, hidden=16, warmup_steps=5)
    save_model(model, tmp_path / "model.keras")
    VOCAB.save(tmp_path / "vocab.json")
    codes = np.random.default_rng(0).normal(size=(3, 3))
    np.testing.assert_allclose(Poet.load(tmp_path).log_probs(codes), Poet(model, VOCAB).log_probs(codes),
                               rtol=1e-5, atol=1e-6)


def test_the_loss_is_a_sum_over_characters():
    x = VOCAB.pad(COUPLETS)
    logits = np.random.default_rng(0).normal(size=(4, 10, len(VOCAB))).astype("float32")
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    found = numpy(couplet_loss(x, keras.ops.convert_to_tensor(logits)))
    for row, numbers, loss in zip(log_p, x, found, strict=True):
        assert loss == pytest.approx(-sum(row[t, numbers[t]] for t in range(10)), rel=1e-5)
    uniform = couplet_loss(x, keras.ops.zeros((4, 10, len(VOCAB))))
    np.testing.assert_allclose(numpy(uniform), 10 * math.log(len(VOCAB)), rtol=1e-5)


def test_the_bounds_are_those_of_their_definitions():
    model, x = small_model(), VOCAB.pad(COUPLETS)
    mean, log_var = Poet(model, VOCAB).encode(x)
    reconstruction, kl, many = bound(model, 2000).predict(x, batch_size=2, verbose=0)
    exact_kl = 0.5 * (mean ** 2 + np.exp(log_var) - log_var - 1).sum(axis=-1)
    np.testing.assert_allclose(kl, exact_kl, rtol=1e-4, atol=1e-6)
    # log p(x) by brute force: the mean of p(x|z) over codes of the prior
    z = np.random.default_rng(0).normal(size=(20_000, 3)).astype("float32")
    logits = numpy(model.get_layer("decoder")(z)).astype("float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    exact = [np.logaddexp.reduce(log_p[:, np.arange(10), row].sum(axis=-1)) - math.log(20_000) for row in x]
    np.testing.assert_allclose(many, exact, atol=0.15)
    np.testing.assert_allclose(reconstruction + kl, -np.array(exact), atol=1.5)


def test_couplets_by_the_frequency_of_their_characters():
    train, test = np.array([[2, 3], [2, 2], [3, 2]]), np.array([[2, 2], [4, 3]])
    p = [{2: 2.1, 3: 1.1, 4: 0.1}, {2: 2.1, 3: 1.1, 4: 0.1}]
    expected = -sum(math.log(p[t][c] / 3.5) for row in test for t, c in enumerate(row)) / len(test)
    assert report.without_code(train, test, 5) == pytest.approx(expected)


def test_measures_of_samples():
    train = ["一二三四五六七八九十"]
    samples = [train[0], "一二三四五一二三四五", "一二三四五一二三四五", "六七八九十一二三四五"]
    assert report.novel(samples, train) == 0.5                 # the copy and the repeated sample do not count
    assert report.without_repetition(samples) == 0.5
    assert report.distinct_2(samples) == pytest.approx(8 / 32)


def test_tones_and_words_of_samples_stand_beside_those_of_people():
    found = report.regularity([COUPLETS[0]] * 2, COUPLETS, COUPLETS)
    assert set(found) == {f"{name}_{measure}" for name in ("samples", "test", "strangers") for measure in
                          ("alternating", "opposed", "ends", "known", "gain", "kinds")}
    # 秦川雄帝宅，函谷壮皇居: 平平平仄仄，平仄仄平平
    assert found["samples_alternating"] == found["samples_opposed"] == 1
    assert found["test_gain"] > found["strangers_gain"]


def test_the_plane_of_the_picture_is_fishers():
    """By SciPy's generalized eigenproblem: the directions w of the largest wᵀBw / wᵀSw."""
    rng = np.random.default_rng(0)
    themes = np.repeat(["a", "b", "c", "d"], 50)
    means = rng.normal(size=(4, 6)) * [1, 1, 3, 1, 0, 0]
    codes = means.repeat(50, axis=0) + rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6))
    centre, axes = report.discriminant_plane(codes, themes)
    groups = [codes[themes == name] for name in "abcd"]
    within = 0.01 * np.eye(6) + sum(np.cov(group.T) for group in groups) / 4
    means = np.array([group.mean(axis=0) for group in groups])
    _, vectors = scipy.linalg.eigh(np.cov(means.T), within)
    np.testing.assert_allclose(centre, means.mean(axis=0))
    np.testing.assert_allclose(np.abs(axes), np.abs(vectors[:, ::-1][:, :2]), rtol=1e-6, atol=1e-9)


def test_themes_of_couplets():
    assert report.theme_of("春眠不觉晓处处闻啼鸟") == "spring" and report.theme_of(COUPLETS[1]) == "court"
    assert report.theme_of("春风吹酒熟处处闻啼鸟") == "" and report.theme_of("白日依山尽黄河入海流") == ""


@pytest.mark.parametrize("couplets", [COUPLETS, ["白日依山尽黄河入海流"], ["春眠不觉晓处处闻啼鸟"] * 3])
def test_the_picture_of_few_couplets(tmp_path, couplets):
    vocab = Vocab.from_texts(couplets)
    poet = Poet(small_model(vocab), vocab)
    report.save_latent_picture(poet, couplets, couplets, tmp_path)
    assert (tmp_path / "latent.png").stat().st_size > 1000
    lines = (tmp_path / "latent.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == min(2, sum(report.theme_of(text) != "" for text in couplets))


def test_choosing_characters():
    log_p = np.log(np.tile([0.0, 0.0, 0.5, 0.3, 0.2], (40_000, 1, 1)) + 1e-30)
    assert (choose(log_p) == 2).all()
    for temperature in (1.0, 0.5):
        expected = np.array([0.5, 0.3, 0.2]) ** (1 / temperature)
        drawn = choose(log_p, temperature, np.random.default_rng(0))
        shares = np.bincount(drawn[:, 0], minlength=5)[2:] / len(drawn)
        np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.01)
    poet = Poet(small_model(), VOCAB)
    assert not np.isfinite(poet.log_probs(np.zeros((1, 3)))[..., :FIRST]).any()


# ------------------------------------------------------------------------------------------------------- data

def test_text_files_of_either_comma(tmp_path, capsys):
    path = tmp_path / "poems.txt"
    lines = [f"{c[:5]}{comma}{c[5:]}{stop}\n\n" for c in COUPLETS for comma in "，," for stop in ("。", "")]
    path.write_text("".join(lines), encoding="utf-8-sig")
    poems = data.load_poems(str(path))
    assert sorted(poems.train + poems.test) == sorted(COUPLETS) and len(poems.sha256) == 64    # each once
    path.write_text("春水滿四澤，夏雲多奇峯\n" * 3, encoding="utf-8")
    assert data.load_poems(str(path)).train == ["春水满四泽夏云多奇峰"]
    assert "3 couplets had traditional characters" in capsys.readouterr().out


def test_simplified_corpora_stay_as_they_are_whatever_opencc_makes_of_them(capsys):
    """So the test couplets are the same ones with every version of OpenCC."""
    lines = [*COUPLETS, "月冷天风吹叶叶乾红飞"]
    assert data.to_simplified(lines[-1]) != lines[-1]
    assert data.simplified(lines * 1000) != lines * 1000                           # every fifth
    assert data.simplified(COUPLETS * 100 + lines) == COUPLETS * 100 + lines       # one in 405
    assert capsys.readouterr().out.count("note") == 1


POEMS = [
    {"author": "太宗皇帝", "title": "帝京篇十首 一", "paragraphs": [
        "秦川雄帝宅，函谷壯皇居。", "綺殿千尋起，離宮百雉餘。",
        "連薨遙接漢，飛觀迥凌虛。", "雲日隱層闕，風煙出綺疏。"]},
    {"paragraphs": ["雲峰衣結千重葉，雪岫花開幾樹妝。深悲黃鶴孤舟遠，獨歎青山別路長。"]},
    {"paragraphs": ["□川雄帝宅，函谷壯皇居。", "白日（一作月）依山盡，黃河入海流！", "短，句。"]},
    {"name": "太宗皇帝", "desc": "帝姓李氏"},
]


@pytest.fixture
def chinese_poetry(tmp_path):
    folder = tmp_path / "全唐诗"
    folder.mkdir()
    (folder / "poet.tang.0.json").write_text(json.dumps(POEMS, ensure_ascii=False), encoding="utf-8")
    (folder / "poet.song.0.json").write_text(json.dumps(POEMS[1:2]), encoding="utf-8")
    (folder / "authors.tang.json").write_text(json.dumps(POEMS[3:]), encoding="utf-8")
    return folder


def test_chinese_poetry_folders(chinese_poetry):
    poems = data.load_poems(str(chinese_poetry.parent))
    assert sorted(poems.train + poems.test) == sorted([
        "秦川雄帝宅函谷壮皇居", "绮殿千寻起离宫百雉余", "连薨遥接汉飞观迥凌虚", "云日隐层阙风烟出绮疏"])


def test_the_converter(chinese_poetry, tmp_path):
    config = convert.Config(chinese_poetry, tmp_path / "all.txt")
    assert convert.convert(config)[0] == "秦川雄帝宅,函谷壮皇居"
    assert len((tmp_path / "all.txt").read_text(encoding="utf-8").splitlines()) == 4
    assert data.read_couplets(tmp_path / "all.txt")[1] == "绮殿千寻起离宫百雉余"
    five = convert.convert(dataclasses.replace(config, couplets=5, out=tmp_path / "5.tsv"))
    assert five == ["绮殿千寻起\t离宫百雉余", "连薨遥接汉\t飞观迥凌虚"]
    kept = convert.convert(dataclasses.replace(config, traditional=True, out=tmp_path / "t.txt"))
    assert kept[0] == "秦川雄帝宅,函谷壯皇居"
    for wrong, message in [
        (config, "--out expects a file that is not there yet"),
        (dataclasses.replace(config, folder=tmp_path / "nowhere"), "expected a folder of JSON files"),
        (dataclasses.replace(config, couplets=7, out=tmp_path / "7.tsv"),
         "poems of 7 characters a line. Received: none"),
    ]:
        with pytest.raises(InputError, match=message):
            convert.convert(wrong)
    (chinese_poetry / "poet.tang.1.json").write_text("[1, 2]")
    with pytest.raises(InputError, match="poet.tang.1.json should be a JSON file of chinese-poetry"):
        convert.convert(dataclasses.replace(config, out=tmp_path / "new.txt"))


@pytest.mark.parametrize("text, message", [
    ("", "Received: no line"), ("\n \n", "Received: no line"), ("秦川雄帝宅", "line 1: 秦川雄帝宅"),
    ("，。", "line 1: ，。"), ("秦川雄帝宅，函谷壮皇", "line 1"),
    ("😀" * 5 + "，" + "😀" * 5, "line 1"), ("秦" * 10_000, "line 1: 秦{30}$"),
    ("秦川雄帝宅，函谷壮皇居\n云\n日\n", "line 2: 云, and 1 more such lines"),
])
def test_files_that_hold_no_couplets(tmp_path, text, message):
    (tmp_path / "x.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        data.load_poems(str(tmp_path / "x.txt"))


def test_the_built_in_sample():
    poems = data.load_poems("sample")
    assert poems.builtin and len(poems.train) + len(poems.test) >= 200 and len(poems.test) >= 20


def test_other_wrong_data_and_where_data_are_looked_for(tmp_path, monkeypatch, capsys):
    for path, message in [("/nowhere", "a path that exists"), (str(tmp_path), "an empty folder")]:
        with pytest.raises(InputError, match=message):
            data.load_poems(path)
    monkeypatch.delenv("KEXUE_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert data.load_poems().builtin and "too few to learn from" in capsys.readouterr().out
    (tmp_path / "poetry").mkdir()
    (tmp_path / "poetry/couplets.txt").write_text("秦川雄帝宅，函谷壮皇居\n", encoding="utf-8")
    monkeypatch.setenv("KEXUE_DATA", str(tmp_path))
    assert data.load_poems().train == COUPLETS[:1]


# --------------------------------------------------------------------------------------------------- generate

@pytest.fixture
def trained(tmp_path):
    """A run folder as generate.py takes it, with untrained weights."""
    save_model(small_model(), tmp_path / "model.keras")
    VOCAB.save(tmp_path / "vocab.json")
    return generate.Config(run=tmp_path, count=4)


def test_every_way_to_generate(trained, capsys):
    plain = generate.generate(trained)
    assert len(plain) == 4 and all(len(text) == 12 and text[5] == "，" and text[-1] == "。" for text in plain)
    assert capsys.readouterr().out.splitlines() == plain == generate.generate(trained)
    assert generate.generate(dataclasses.replace(trained, temperature=1.0)) != plain
    assert generate.generate(dataclasses.replace(trained, seed=1)) != plain
    ends = ("秦川雄帝宅，函谷壮皇居。", "云日隐层阙")
    assert len(generate.generate(dataclasses.replace(trained, between=ends))) == 4
    traditional = dataclasses.replace(trained, like="連甍遙接漢 飛觀迥凌虛")
    assert len(generate.generate(traditional)) == 4
    found = generate.generate(dataclasses.replace(trained, fill="云□□□□，□□□日□"))
    assert found and len(set(found)) == len(found)
    assert all(text[0] == "云" and text[9] == "日" for text in found)
    assert generate.generate(dataclasses.replace(trained, fill=COUPLETS[0])) == ["秦川雄帝宅，函谷壮皇居。"]


def test_no_character_stands_in_both_lines_unless_it_is_asked_for(trained):
    for text in generate.generate(dataclasses.replace(trained, count=50)):
        assert set(text[:5]).isdisjoint(text[6:11])
    loose = generate.generate(dataclasses.replace(trained, count=50, repeats="any"))
    assert any(not set(text[:5]).isdisjoint(text[6:11]) for text in loose)
    given = generate.generate(dataclasses.replace(trained, fill="云□□□□，□□□云□"))
    assert all(text[0] == text[9] == "云" for text in given)


def test_the_best_of_several_is_the_likeliest_of_its_group(trained):
    found = generate.generate(dataclasses.replace(trained, count=2, best_of=6))
    poet, rng = Poet.load(trained.run), np.random.default_rng(0)
    rows = choose(poet.log_probs(poet.sample_codes(12, rng)), repeats="within")
    scores = poet.scores(rows).reshape(2, 6)
    assert found == poet.verse(rows.reshape(2, 6, 10)[[0, 1], scores.argmax(axis=1)])
    _, _, bounds = bound(poet.model, 2000).predict(rows, batch_size=4, verbose=0)
    np.testing.assert_allclose(poet.scores(rows), bounds, atol=3)         # of 20 codes and of 2000
    assert poet.scores(rows).mean() == pytest.approx(bounds.mean(), abs=0.7)


@pytest.mark.parametrize("lines", [4, 8])
def test_whole_poems(trained, lines):
    poems = generate.generate(dataclasses.replace(trained, count=2, lines=lines, rules="none"))
    for poem in poems:
        couplets = poem.strip().split("\n")
        assert len(couplets) == lines // 2 and all(len(couplet) == 12 for couplet in couplets)
    assert generate.generate(dataclasses.replace(trained, count=2, lines=lines)) != poems


def test_programs_get_json(trained, capsys):
    generate.generate(dataclasses.replace(trained, count=2, lines=4, json=True))
    for line in capsys.readouterr().out.splitlines():
        poem = json.loads(line)
        assert [len(text) for text in poem["lines"]] == [5] * 4 and len(poem["log_p_bounds"]) == 2


def test_codes_around_a_code_are_of_the_prior_and_share_a_theme():
    rng = np.random.default_rng(0)
    many = np.array([around(rng.normal(size=8), 2, 0.6, rng) for _ in range(5000)])
    np.testing.assert_allclose(many.std(axis=0), 1, atol=0.05)
    correlation = (many[:, 0] * many[:, 1]).mean()
    assert correlation == pytest.approx(1 - 0.6 ** 2, abs=0.03)
    code = rng.normal(size=8)
    np.testing.assert_allclose(around(code, 3, 0.0, rng), np.tile(code, (3, 1)))


def test_messages_are_in_the_users_language(trained, monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    for options, message in (({"like": "秦川"}, "需要两句五言，或只有一句。收到：2 个字"),
                             ({"like": "龘龘龘龘龘"}, "模型不认识 龘：请换成别的字"),
                             ({"like": "秦川雄帝宅", "fill": "□" * 10}, "只能用一个")):
        with pytest.raises(InputError, match=message):
            generate.generate(dataclasses.replace(trained, **options))


@pytest.mark.parametrize("options, message", [
    ({"like": "秦川"}, "two lines of five Chinese characters, or one. Received: 2 characters"),
    ({"like": ""}, "Received: 0 characters"), ({"like": "，。"}, "Received: 0 characters"),
    ({"like": "😀" * 5}, "Received: 0 characters"), ({"like": "秦川雄帝宅abc"}, "Received: 5 characters"),
    ({"like": "秦" * 10_000}, "Received: 10000 characters"), ({"like": "□川雄帝宅"}, "two lines of five"),
    ({"like": "龘龘龘龘龘"}, "the model does not know 龘: write another character"),
    ({"fill": "龘□□□□□□□□□"}, "does not know 龘: write □ or another"),
    ({"fill": "春□□"}, "with □ where the model writes"),
    ({"between": ("秦川雄帝宅", "秦")}, "Received: 1 characters"),
    ({"like": "秦川雄帝宅", "fill": "□" * 10}, "only one of"),
    ({"count": 0}, "--count expects 1 to 1,000. Received: 0"),
    ({"count": 101, "fill": "□" * 10}, "--count expects at most 100 with --fill. Received: 101"),
    ({"temperature": -1}, "--temperature expects"),
    ({"best_of": 0}, "--best-of expects 1 to 100. Received: 0"),
    ({"lines": 4, "fill": "□" * 10}, "--lines and --best-of draw codes"),
    ({"best_of": 2, "between": ("秦川雄帝宅", "秦川雄帝宅")}, "--lines and --best-of draw codes"),
])
def test_what_cannot_be_generated(trained, options, message):
    with pytest.raises(InputError, match=message):
        generate.generate(cli.settle(dataclasses.replace(trained, **options)))


def test_a_vocabulary_that_does_not_fit(trained, tmp_path):
    Vocab("山水").save(tmp_path / "vocab.json")
    with pytest.raises(InputError, match="does not belong to this model"):
        generate.generate(trained)
    (tmp_path / "vocab.json").unlink()
    with pytest.raises(InputError, match="needs its vocabulary beside it"):
        generate.generate(trained)
    with pytest.raises(InputError, match="trained by poetry_vae/train.py|is not a model"):
        Poet.load(ROOT / "vae/weights/vae.keras")


# ---------------------------------------------------------------------------------------------------- recipes

def test_the_recipe_of_the_article_is_what_its_script_has(monkeypatch, tmp_path):
    """Adam at 1e-3, 64 couplets a step, 100 epochs on all couplets and characters; the KL weighs 1."""
    model, batches, options = configured(monkeypatch, train, tmp_path, recipe="article")
    poems = data.load_poems("sample")
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert numpy(model.optimizer.learning_rate) == pytest.approx(1e-3)           # a number, no schedule
    assert options["epochs"] == 100 and options["validation_data"] is None
    assert batches.batch_size == 64 and batches.samples == len(poems.train)
    assert model.output.shape[-1] == FIRST + len(set("".join(poems.train)))      # no character is unknown
    z = model.get_layer("z")
    assert (z.free_bits, z.warmup_steps) == (0, 0)
    assert model.count_params() == build_poetry_vae(model.output.shape[-1]).count_params()


def test_our_recipe_and_what_is_typed(monkeypatch, tmp_path):
    _, batches, options = configured(monkeypatch, train, tmp_path)
    held_out, _ = options["validation_data"]
    assert options["epochs"] == 10 and len(held_out) + batches.samples == len(data.load_poems("sample").train)
    _, _, options = configured(monkeypatch, train, tmp_path, recipe="article", epochs=3, validation=20)
    assert options["epochs"] == 3 and len(options["validation_data"][0]) == 20
