"""学会提问的BERT：端到端地从篇章中构建问答对, https://kexue.fm/archives/7630

Reading comprehension is p(answer | passage, question). The other way round, one network writes an answer and
a question to a passage. BERT can do that with UniLM's mask: the passage sees itself, each token after it sees
the passage and what is already written. The answer comes first, which should be easier, and is drawn at
random, since a passage has many; the question to it is the likeliest that a beam search finds.

    article                                       here
    [CLS] p [SEP] a [SEP] q [SEP], segments 0 1   encode; --order qa has the question first
    UniLM's mask                                  unilm_mask; application="unilm" of bert4keras
    p(a, q | p) beats p(q, a | p)                 nats of both, from two networks
    answer by random sampling, question by beam   Pairs; 5 likeliest tokens, 5 beams
    "answer not limited to spans of p"            --spans limits it: allowed_next

    python more/bert/question_answer.py
        ten minutes on one core: two small networks, pairs for 40 test passages, which dgcnn's reader answers
    python more/bert/question_answer.py --weights FOLDER --learning-rate 1e-5 --epochs 3
        a BERT: bert_config.json, vocab.txt and bert_model.ckpt.*
    python more/bert/question_answer.py --passage 白云山坐落在广州，主峰海拔382米
        pairs for a passage of yours, after the training

The article's examples are of BERT-base, WebQA and SogouQA. A network that begins with random weights and has
10,000 questions writes worse ones.
"""

import collections
import dataclasses
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from more.bert import legacy_keras  # first: from here on `import keras` means tf_keras

# isort: split

import keras
import numpy as np
import tensorflow as tf
from bert4keras.snippets import AutoRegressiveDecoder

from common.harness import cli, datasets, further
from common.harness.order import by_length
from common.harness.reading import read_text, sha256_of_all
from common.harness.writing import write_json, write_lines
from more.bert.triples import ANSWER, QUESTION, SAMPLE, STOPS, key, load_triples, normalise

POSITIONS = 256
PASSAGES = ("乔戈里峰是世界第二高峰，坐落在中国境内。", "七月二十八日，泰国将迎来十世王的68岁生日。",
            "泼水节有七百年的历史，是傣族最隆重的节日。")


# ------------------------------------------------------------------------------------------------------ model

def unilm_mask(segments):
    """Whether token i may see token j, (..., n, n): j is in the passage, or not after i.

    Args:
        segments: (..., n), 0 for the passage, 1 for what is written to it.
    """
    segments = np.asarray(segments)
    places = np.arange(segments.shape[-1])
    return (segments[..., None, :] == 0) | (places <= places[:, None])


def build_network(config, model="roformer", seed=0, checkpoint=None):
    """(bert4keras' model, network): tokens, segments (batch, n) and places (batch, m) → logits (batch, m,
    vocabulary) of the tokens that follow those places."""
    bert = legacy_keras.build(model, config, seed, deviation=0.02, application="unilm")        # BERT's
    places = keras.Input((None,), dtype="int32", name="Places")
    last = bert.model.get_layer(f"Transformer-{config['num_hidden_layers'] - 1}-FeedForward-Norm")
    # bert4keras' head, at these places alone: the softmax is most of the work
    h = tf.gather(last.output, places, batch_dims=1)
    h = bert.layers["MLM-Dense"](h)
    h = bert.layers["MLM-Norm"](h)
    logits = bert.layers["MLM-Bias"](bert.layers["Embedding-Token"](h, mode="dense"))
    if checkpoint:
        legacy_keras.put_weights(bert, checkpoint)
    return bert, keras.Model([*bert.model.inputs, places], logits)


def small_config(vocab_size, width=96, depth=3):
    """A RoFormer that learns from scratch."""
    return {"vocab_size": vocab_size, "hidden_size": width, "intermediate_size": 4 * width,
            "num_attention_heads": max(1, width // 32), "num_hidden_layers": depth, "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1, "max_position_embeddings": POSITIONS, "type_vocab_size": 2}


# --------------------------------------------------------------------------------------------------- training

class Encoded(dict):
    """One triple: tokens, segments, the places whose next tokens are learnt, and those tokens."""

    def __len__(self):
        return len(self["tokens"])


def encode(triple, numbers, order="aq"):
    """A triple as Encoded. Its `first` is how many of the learnt tokens belong to what comes first."""
    parts = [triple.answer, triple.question] if order == "aq" else [triple.question, triple.answer]
    head = [numbers["[CLS]"], *numbers_of(triple.passage, numbers), numbers["[SEP]"]]
    first, second = ([*numbers_of(part, numbers), numbers["[SEP]"]] for part in parts)
    tokens, start = head + first + second, len(head)
    return Encoded(tokens=tokens, segments=[0] * start + [1] * (len(tokens) - start), first=len(first),
                   places=list(range(start - 1, len(tokens) - 1)), targets=tokens[start:])


def numbers_of(text, numbers):
    return [numbers.get(character, numbers["[UNK]"]) for character in text]


def arrays(batch):
    """([tokens, segments, places], targets) of some Encoded, padded with 0."""
    def of(name):
        return legacy_keras.padded([encoded[name] for encoded in batch])

    return [of("tokens"), of("segments"), of("places")], of("targets")


def masked_loss(targets, logits):
    """−log p of the targets, their mean over those that are no padding."""
    real = tf.cast(targets > 0, "float32")
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(targets, "int32"), logits)
    return tf.reduce_sum(losses * real) / tf.reduce_sum(real)


class Batches(keras.utils.Sequence):
    """Batches of triples of similar length, in another order in each epoch."""

    def __init__(self, encoded, batch_size, seed):
        self.encoded, self.batch_size, self.rng = encoded, batch_size, np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self):
        self.rows = by_length(list(map(len, self.encoded)), self.batch_size, self.rng)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return arrays([self.encoded[row] for row in self.rows[index]])


def nats(network, encoded, order, batch_size=64):
    """{"answer": …, "question": …}: −log p of each triple's tokens with the [SEP] that ends them, arrays; and
    how many tokens those are."""
    found = {name: np.zeros(len(encoded)) for name in ("answer", "question")}
    tokens = {name: 0 for name in found}
    names = list(found) if order == "aq" else list(found)[::-1]
    ordered = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    for start in range(0, len(ordered), batch_size):
        rows = ordered[start:start + batch_size]
        x, y = arrays([encoded[row] for row in rows])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, network.predict_on_batch(x)).numpy()
        for row, values in zip(rows, losses):
            first, count = encoded[row]["first"], len(encoded[row]["targets"])
            for name, part in zip(names, (values[:first], values[first:count])):
                found[name][row] = part.sum()
                tokens[name] += len(part)
    return found, tokens


# ----------------------------------------------------------------------------------------------------- pairs

class Pairs(AutoRegressiveDecoder):
    """Answers and questions to passages, from a network that writes the answer first.

    Args:
        network: of build_network.
        numbers: tokens → numbers.
        spans: limits answers to what stands in the passage.
    """

    def __init__(self, network, numbers, spans=False):
        super().__init__(start_id=None, end_id=numbers["[SEP]"], maxlen=ANSWER + 1)
        self.network, self.numbers, self.spans = network, numbers, spans
        self.characters = list(numbers)
        self.written, self.passage = 0, ()

    @AutoRegressiveDecoder.wraps(default_rtype="logits")
    def predict(self, inputs, output_ids, states):
        head, segments = inputs
        tokens = np.concatenate([head, output_ids], axis=1).astype("int32")
        segments = np.concatenate([segments, np.ones_like(output_ids)], axis=1).astype("int32")
        places = np.full((len(tokens), 1), tokens.shape[1] - 1, "int32")
        logits = self.network.predict_on_batch([tokens, segments, places])[:, 0]
        logits[:, [self.numbers[name] for name in legacy_keras.SPECIAL if name != "[SEP]"]] = -1e9
        if self.spans and not self.written:
            for row, begun in zip(logits, output_ids):
                allowed = allowed_next(self.passage, begun.tolist(), self.end_id)
                hidden = np.ones(len(row), bool)
                hidden[list(allowed - {self.numbers["[UNK]"]})] = False
                row[hidden] = -1e9
        return logits

    def pairs(self, passage, count=3, beam=5):
        """Up to `count` different (answer, question) pairs for a passage, from so many answers drawn."""
        head = [self.numbers["[CLS]"], *numbers_of(passage, self.numbers), self.numbers["[SEP]"]]
        segments, self.passage, self.written = [0] * len(head), head[1:-1], 0
        self.maxlen, found = ANSWER + 1, []
        drawn = self.random_sample([head, segments], count, topk=5)
        answers = list(dict.fromkeys(self.text(ids) for ids in drawn))
        for answer in filter(None, answers):
            written = [*numbers_of(answer, self.numbers), self.end_id]
            self.maxlen, self.written = QUESTION, len(written)
            ids = self.beam_search([head + written, segments + [1] * len(written)], topk=beam)
            found.append((answer, self.text(ids)))
        return found

    def text(self, ids):
        """The characters before [SEP]."""
        ids = [int(number) for number in ids]
        stop = ids.index(self.end_id) if self.end_id in ids else len(ids)
        return "".join(self.characters[number].removeprefix("##") for number in ids[:stop])


def allowed_next(passage, begun, end):
    """The tokens that may follow what was begun so that it can still become a span of the passage; `end`,
    too, where it is one already."""
    n = len(begun)
    found = {passage[i + n] for i in range(len(passage) - n) if passage[i:i + n] == begun}
    return found | {end} if n else found


def templates(passage, rng):
    """(answer, question) without a network: a number of the passage, or else two to four of its characters,
    and its clause with a question word in the answer's place."""
    for stop in STOPS:
        passage = passage.replace(stop, "，")
    clauses = [clause for clause in passage.split("，") if len(clause) > 4]
    clause = clauses[rng.integers(len(clauses))] if clauses else passage
    digits = [i for i, character in enumerate(clause) if character.isdigit()]
    if digits:
        start = stop = digits[0]
        while stop < len(clause) and clause[stop].isdigit():
            stop += 1
        word = "多少"
    else:
        length = min(int(rng.integers(2, 5)), len(clause))
        start = int(rng.integers(len(clause) - length + 1))
        stop, word = start + length, "什么"
    return clause[start:stop], f"{clause[:start]}{word}{clause[stop:]}？"


# ------------------------------------------------------------------------------------------------------- demo

def round_trips(run, written):
    """name → (EM, F1) of dgcnn's reader on pairs, see same_answer; a name without a question is left out.

    The reader runs in a process of its own, which answers all questions: dgcnn/predict.py would load it for
    each. It is not told the answers, since it refuses a file of answers that are no spans.

    Args:
        written: name → (passage, answer, question) triples.
    """
    asked = {}
    for name, triples in written.items():
        questions = [triple for triple in triples if triple[2].strip()]
        asked |= {f"{name} {number}": (name, triple) for number, triple in enumerate(questions)}
    records = [{"id": number, "question": question, "passages": [{"answer": "", "passage": passage}]}
               for number, (_, (passage, _, question)) in asked.items()]
    path, out = run.path("asked.json"), run.path("asked")
    write_json(path, records)
    legacy_keras.keras3("dgcnn/evaluate.py", "--data", path, "--all", "--out", out)
    scores = collections.defaultdict(list)
    for line in read_text(out / "answers.jsonl").splitlines():
        row = json.loads(line)
        name, (_, answer, _) = asked[row["id"]]
        scores[name].append(same_answer(row["answer"], answer))
    return {name: tuple(map(float, np.mean(scores[name], axis=0))) for name in written if name in scores}


def same_answer(answer, right):
    """(EM, F1) of two answers by their letters, digits and characters, without blanks and punctuation."""
    answer, right = key(answer), key(right)
    common = (collections.Counter(answer) & collections.Counter(right)).total()
    return float(answer == right), 2 * common / max(1, len(answer) + len(right))


def train_order(order, train, numbers, config, sizes, checkpoint):
    """A network that writes in this order."""
    keras.utils.set_random_seed(config.seed)
    bert, network = build_network(sizes, "bert" if checkpoint else "roformer", config.seed, checkpoint)
    batches = Batches([encode(triple, numbers, order) for triple in train], config.batch_size, config.seed)
    rate = legacy_keras.cosine_rate(config.learning_rate, config.epochs * len(batches))
    network.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), masked_loss)
    for epoch in range(config.epochs):
        loss = network.fit(batches, epochs=epoch + 1, initial_epoch=epoch, verbose=0).history["loss"][0]
        print(f"{order}, epoch {epoch + 1}: {loss:.3f} nats a token", flush=True)
    return network


def order_metrics(measured):
    """Nats a triple and perplexity a token, by order."""
    metrics = {}
    for order, (found, tokens) in measured.items():
        for name in found:
            metrics[f"{order}: nats of the {name}"] = found[name].mean()
            metrics[f"{order}: perplexity of the {name}"] = np.exp(found[name].sum() / tokens[name])
        metrics[f"{order}: nats of both"] = sum(values.mean() for values in found.values())
    if len(measured) == 2:
        totals = [sum(found.values()) for found, _ in measured.values()]
        difference = totals[1] - totals[0]
        metrics["qa − aq: nats of both"] = difference.mean()
        metrics["qa − aq: standard error"] = difference.std(ddof=1) / len(difference) ** 0.5
    return metrics


def written_pairs(network, numbers, passages, config):
    """{name: (passage, answer, question) triples}: free answers, and answers that are spans; and metrics."""
    found, metrics = {}, {}
    for name, spans in (("free", False), ("spans", True)):
        decoder, triples = Pairs(network, numbers, spans), []
        for passage in passages:
            triples += [(passage, *pair) for pair in decoder.pairs(passage, config.samples)]
        inside = [answer in passage for passage, answer, _ in triples]
        metrics[f"{name}: share of answers that are spans"] = np.mean(inside or [0])
        metrics[f"{name}: distinct pairs a passage"] = len(set(triples)) / len(passages)
        found[name] = triples
    return found, metrics


def draw(run, metrics, trips):
    """Nats of answer and question by order; exact matches of the round trip."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    orders = [order for order in ("aq", "qa") if f"{order}: nats of both" in metrics]
    bottom = np.zeros(len(orders))
    for name in ("answer", "question"):
        values = np.array([metrics[f"{order}: nats of the {name}"] for order in orders])
        left.bar(orders, values, bottom=bottom, label=name)
        bottom += values
    left.set(ylabel="nats a triple, test")
    left.legend(fontsize=8)
    right.barh(list(trips), [f1 for _, f1 in trips.values()], label="F1")
    right.barh(list(trips), [em for em, _ in trips.values()], label="EM")
    right.set(xlabel="dgcnn's reader answers them")
    right.legend(fontsize=8)
    run.draw(figure)


def demo(config):
    """Two networks, one for each order; pairs for test passages; and dgcnn's reader on those pairs."""
    sizes, numbers, checkpoint = None, None, None
    if config.weights:
        sizes, numbers, checkpoint = legacy_keras.read_folder(config.weights)
    train, test, files = load_triples(config.data, config.longest, config.smoke)
    run = further.start(config, "question_answer", legacy_keras.VERSIONS)
    if config.smoke:
        config = dataclasses.replace(config, epochs=1, width=32, depth=1, passages=2, samples=1)
        train, test = train[:40], test[:20]
    numbers = numbers or legacy_keras.vocabulary(["".join(triple) for triple in train], least=2)
    sizes = sizes or small_config(len(numbers), config.width, config.depth)
    print(f"data: {len(train):,} triples to train on, {len(test):,} to test on, {len(numbers):,} tokens",
          flush=True)
    began, measured, networks = time.time(), {}, {}
    for order in ("aq", "qa"):
        networks[order] = train_order(order, train, numbers, config, sizes, checkpoint)
        measured[order] = nats(networks[order], [encode(triple, numbers, order) for triple in test], order)
    metrics = {"training minutes": (time.time() - began) / 60} | order_metrics(measured)

    passages = list(dict.fromkeys(triple.passage for triple in test))
    chosen = np.random.default_rng(config.seed).permutation(len(passages))[:config.passages]
    passages = [passages[row] for row in chosen]
    written, more = written_pairs(networks["aq"], numbers, passages, config)
    written["people's own"] = [tuple(triple) for triple in test if triple.passage in set(passages)]
    rng = np.random.default_rng(config.seed)
    written["template"] = [(passage, *templates(passage, rng)) for passage in passages]
    trips = round_trips(run, written)
    lines = [[name, len(written[name]), *trip] for name, trip in trips.items()]
    metrics |= more | {f"{name}: {score}": value for name, trip in trips.items()
                       for score, value in zip(("EM", "F1"), trip)}
    shown = [f"{passage}\n    {question}    {answer}" for passage, answer, question in written["free"][:30]]
    for passage in ([config.passage] if config.passage else PASSAGES):
        pairs = Pairs(networks["aq"], numbers).pairs(normalise(passage)[:config.longest], config.samples)
        shown += [f"{passage}\n    {question}    {answer}" for answer, question in pairs]
    write_lines(run.path("pairs.txt"), shown)
    print("\n".join(shown[-9:]), flush=True)
    run.table(["pairs", "number", "EM of dgcnn's reader", "F1"], lines)
    draw(run, metrics, trips)
    described = datasets.Dataset("questions", str(files[0].parent), sha256_of_all(files), files == [SAMPLE])
    run.finish(described.describe() | {"train": len(train), "test": len(test)}, metrics)


def main():
    """The demo, python more/bert/question_answer.py."""
    further.main(
        demo, __doc__,
        epochs=(3, cli.Between(1, 1000), "Passes over the training triples, for each order."),
        batch_size=(32, cli.Between(1, 10_000), "Triples in one step."),
        learning_rate=(2e-3, cli.Between(above=0, most=1), "The peak of the learning rate."),
        width=(96, cli.Between(32, 4096), "Channels of the small network."),
        depth=(3, cli.Between(1, 48), "Blocks of the small network."),
        longest=(96, cli.Between(20, 126), "Characters of a passage; the article has 126."),
        passages=(40, cli.Between(1, 100_000), "Test passages for which pairs are written."),
        samples=(3, cli.Between(1, 100), "Pairs that are written for each passage."),
        passage=("", "", "A passage of your own to write pairs for."),
        weights=("", "", "Folder with a BERT, which takes the small network's place."))


if __name__ == "__main__":
    main()
