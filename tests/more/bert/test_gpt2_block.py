"""more/bert/gpt2_block.py on Keras 3 against loops in float64; and the verse that gpt2_ml.py trains on."""

import keras
import numpy as np
import pytest
from keras import ops

from common.harness.reading import InputError
from more.bert import triples, verse
from more.bert.gpt2_block import GPT2ML, GPT2MLBlock, filtered
from tests.more.bert import oracle

CONFIG = {"vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
          "intermediate_size": 32, "max_position_embeddings": 9}
TOKENS = np.array([[3, 1, 4, 1, 5, 9, 2], [2, 7, 1, 8, 2, 8, 1]], "int32")


@pytest.fixture(scope="module")
def weights():
    return oracle.weights(np.random.default_rng(0))


@pytest.fixture(scope="module")
def model(weights):
    return GPT2ML(CONFIG, weights)


def test_logits_are_those_of_the_loops(model, weights):
    expected = oracle.logits(TOKENS, weights, 2, 2)
    np.testing.assert_allclose(ops.convert_to_numpy(model(TOKENS)), expected, atol=1e-4)


@pytest.mark.parametrize("sizes", [[1] * 7, [4, 1, 1, 1], [7]])
def test_with_a_cache_the_logits_are_the_same(model, weights, sizes):
    expected, start = oracle.logits(TOKENS, weights, 2, 2), 0
    caches = model.caches(2, 9)
    for size in sizes:
        logits, caches = model.compiled(TOKENS[:, start:start + size], caches, np.int32(start))
        start += size
        np.testing.assert_allclose(ops.convert_to_numpy(logits), expected[:, start - 1], atol=1e-4)


def test_a_later_token_changes_no_earlier_logits(model):
    before = ops.convert_to_numpy(model(TOKENS))
    for t in range(1, TOKENS.shape[1]):
        other = TOKENS.copy()
        other[:, t] = 10 - other[:, t]
        after = ops.convert_to_numpy(model(other))
        np.testing.assert_allclose(after[:, :t], before[:, :t], atol=1e-6)
        assert np.abs(after[:, t] - before[:, t]).max() > 1e-2


def test_more_tokens_than_positions_are_refused(model):
    with pytest.raises(ValueError, match="length expects at most 9 positions. Received: length=10"):
        model.caches(1, 10)


def test_the_block_is_saved_with_a_model(tmp_path):
    x = keras.Input((None, 8))
    model = keras.Model(x, GPT2MLBlock(2, 32)(x))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    values = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    np.testing.assert_allclose(model(values), again(values), atol=1e-6)


def test_greedy_continuations_are_the_likeliest_tokens(model, weights):
    """With top-k 1 each token is the argmax of the loops' logits of the text before it."""
    found = model.generate([3, 1], 6, 6, -1, np.random.default_rng(0), top_k=1)
    text = [3, 1]
    for token in found:
        assert token == oracle.logits([text], weights, 2, 2)[0, -1].argmax()
        text.append(token)


def test_the_end_ends_a_text_that_is_long_enough(model):
    rng = np.random.default_rng(0)
    likeliest = model.generate([3, 1], 6, 6, -1, rng, top_k=1)
    for least in (1, 4):
        found = model.generate([3, 1], least, 6, likeliest[0], rng, top_k=1)
        expected = next((n for n in range(least, 7) if likeliest[n - 1] == likeliest[0]), 6)
        assert found == likeliest[:expected]


@pytest.mark.parametrize("top_k, top_p", [(None, None), (3, None), (None, 0.6), (4, 0.7), (1, 0.9), (9, 1.0)])
def test_filtered_is_the_definition(top_k, top_p):
    logits = np.random.default_rng(1).normal(size=9).astype("float32") * 2
    p = {i: float(np.exp(np.float64(value))) for i, value in enumerate(logits)}
    kept = sorted(p, key=p.get, reverse=True)[:top_k]
    share, chosen = 0.0, []
    for i in kept:
        if top_p is None or share < top_p:
            chosen.append(i)
        share += p[i] / sum(p[j] for j in kept)
    expected = np.zeros(9)
    expected[chosen] = [p[i] for i in chosen]
    expected /= expected.sum()
    np.testing.assert_allclose(filtered(logits, top_k, top_p), expected, atol=1e-12)


# ------------------------------------------------------------------------------------------------------ verse

def test_windows_begin_at_texts_and_lose_only_ends():
    stop, texts = 9, [np.array([n, n, n + 10, 9]) for n in range(1, 6)]
    rows = verse.windows_of(texts, np.random.default_rng(0), 10)
    whole = {tuple(text) for text in texts}
    for row in rows:
        assert row[0] == stop and len(row) == 10
        assert {tuple(row[1:5]), tuple(row[5:9])} <= whole
    with pytest.raises(InputError, match="expected texts of 60 tokens in all. Received: 21"):
        verse.windows_of(texts, np.random.default_rng(0), 30)


def test_a_text_longer_than_a_window_does_not_stop_them():
    rows = verse.windows_of([np.array([1] * 30 + [9]), np.array([2, 9])], np.random.default_rng(0), 5)
    assert len(rows) == 8 and [5] * 8 == [len(row) for row in rows]


def test_lines_of_poems_and_couplets():
    assert verse.poem_in("秦川雄帝宅,函谷壮皇居") == "秦川雄帝宅，函谷壮皇居。"
    assert verse.poem_in("秦川雄帝,函谷壮皇居") is None and verse.poem_in("") is None
    assert verse.couplet_in("x\t春 风\t秋雨") == "春风；秋雨。"
    assert verse.couplet_in("春风") is None and verse.couplet_in("春风\t雨") is None
    assert verse.lines_of("春，风；秋，雨。") == ["春风", "秋雨"]
    assert verse.lines_of("秦川雄帝宅，函谷壮皇居。") == ["秦川雄帝宅", "函谷壮皇居"]


def test_the_test_texts_are_those_of_the_two_articles(tmp_path, monkeypatch):
    from poetry_vae.data import load_poems

    poems = [f"{chr(0x4e00 + i)}川雄帝宅,{chr(0x4e00 + 7 * i)}谷壮皇居" for i in range(60)] * 2
    (tmp_path / "poetry").mkdir()
    (tmp_path / "couplets").mkdir()
    (tmp_path / "poetry/wuyan_tang_simp.txt").write_text("\n".join(poems), "utf-8")
    (tmp_path / "couplets/couplets_train.tsv").write_text("春风\t秋雨\n白云\t碧海\n红花\t绿叶\n", "utf-8")
    (tmp_path / "couplets/couplets_test.tsv").write_text("白云\t青山\n", "utf-8")
    monkeypatch.setenv("KEXUE_DATA", str(tmp_path))
    train, tests, paths, builtin = verse.load_verse()
    assert [text.replace("，", "")[:-1] for text in tests["poems"]] == load_poems().test
    assert tests["couplets"] == ["白云；青山。"] and not builtin and len(paths) == 3
    # 白云 is a line of the test
    assert [text for text in train if "；" in text] == ["春风；秋雨。", "红花；绿叶。"]
    assert len(train) == 54 + 2


# ---------------------------------------------------------------------------------------------------- triples

def test_questions_are_split_as_dgcnn_splits_them(tmp_path):
    """With shared passages, shared wordings, a file for testing, traditional characters and full width."""
    import json

    from dgcnn.data import load_questions

    rng = np.random.default_rng(0)
    passages = [f"第{i}座山叫雲{chr(0x4e00 + 3 * i)}山，高{i + 100}米。" for i in range(400)]
    records = []
    for i, row in enumerate(rng.integers(0, 400, 150)):
        text = f"{'Ｔhe' if i % 7 else 'the'} 第{rng.integers(0, 900)}座叫什麼?"
        records.append({"id": str(i), "question": text,
                        "passages": [{"answer": f"{row + 100}米", "passage": passages[row]}]})
    (tmp_path / "a.json").write_text(json.dumps(records[:100]), "utf-8")
    (tmp_path / "b_ir_c.json").write_text(json.dumps(records[100:110]), "utf-8")
    squad = [{"context": r["passages"][0]["passage"],
              "qas": [{"id": "x" + r["id"], "question": r["question"],
                       "answers": [{"text": r["passages"][0]["answer"]}]}]} for r in records[110:]]
    (tmp_path / "d.json").write_text(json.dumps({"data": [{"paragraphs": squad}]}), "utf-8")
    theirs = load_questions(str(tmp_path))
    files = sorted(tmp_path.glob("*.json"))
    asked = [question for path in files for question in triples.read_questions(path)]
    parts = triples.parts_of(asked)
    for name, expected in (("train", theirs.train), ("validation", theirs.validation), ("test", theirs.test)):
        ours = sorted((q.question, q.pairs[0][0]) for q, part in zip(asked, parts) if part == name)
        assert ours == sorted((q.text, q.passages[0].text) for q in expected), name
    assert len(set(parts)) == 3
