"""What a couplet model is worth: the metrics of results.json."""

import numpy as np

from common.harness import progress, prosody
from common.harness.vocab import FIRST, is_han
from couplet.decoding import ARTICLE, Decoder, Rules


def metrics(log_probs, vocab, pairs):
    """Metrics of any function of numbers (n, time) → log-probabilities (n, time, vocabulary).

    Perplexity and accuracy are of the model alone, without rules, over the Chinese characters of the second
    lines that the vocabulary has; punctuation, which follows the first line, and unknown characters do not
    count, the latter's share is given. Answers are decoded by the article's rule (…_article) and by all of
    ours.
    """
    surprise, ranks, unknown = [], [], 0
    decoders = {"": Decoder(vocab, Rules()), "_article": Decoder(vocab, ARTICLE)}
    answers = {name: [] for name in decoders}
    for batch in batches_of_one_length(pairs):
        log_p = log_probs(vocab.pad([first for first, _ in batch]))
        for (first, second), row in zip(batch, log_p):
            y = vocab.encode(second)
            han = np.array([is_han(c) for c in second])
            counted = np.flatnonzero(han & (y >= FIRST))
            unknown += (han & (y < FIRST)).sum()
            right = row[counted, y[counted]]
            surprise += (-right).tolist()
            ranks += (row[counted] > right[:, None]).sum(axis=1).tolist()
            for name, decoder in decoders.items():
                answers[name].append((first, second, decoder(first, row)[0].text))
    ranks = np.array(ranks)
    result = {
        "test_perplexity": np.exp(np.mean(surprise)),
        "test_top1": (ranks < 1).mean(),
        "test_top5": (ranks < 5).mean(),
        "test_unknown_share": unknown / (unknown + len(ranks)),
    }
    result |= tones(pairs, "people")
    for name, triples in answers.items():
        result |= tones([(first, answer) for first, _, answer in triples], f"answers{name}")
        result[f"test_accuracy_of_answers{name}"] = accuracy(triples)
        result[f"test_pattern{name}"] = pattern_agreement(triples)
        result[f"test_distinct2{name}"] = distinct_2([answer for *_, answer in triples])
    return result


def tones(pairs, name):
    """平仄 of couplets without punctuation: the share of even places at which the second line has the other
    tone, and that of the couplets that end in an oblique and a level one. See common/harness/prosody.py."""
    whole = [pair for pair in pairs if all(map(is_han, "".join(pair)))]
    found = prosody.tonal_measures(whole)
    kept = {measure: found[measure] for measure in ("opposed", "ends")}
    # no such couplet, no number
    return {f"{name}_{measure}": value for measure, value in kept.items() if value == value}


def cross_entropy(log_probs, vocab, pairs):
    """−log p of the second lines' known characters, their mean in nats: what validation minimises."""
    losses = []
    for batch in batches_of_one_length(pairs):
        x, y = (vocab.pad(lines) for lines in zip(*batch))
        log_p = np.take_along_axis(log_probs(x), y[..., None], axis=-1)[..., 0]
        losses += (-log_p[y >= FIRST]).tolist()
    return np.mean(losses)


def batches_of_one_length(pairs, size=64):
    """Lists of couplets of one length, at most `size` of them."""
    groups = {}
    for pair in pairs:
        groups.setdefault(len(pair[0]), []).append(pair)
    for _, group in sorted(groups.items()):
        for start in range(0, len(group), size):
            yield group[start:start + size]


def accuracy(answers):
    """Share of Chinese characters of the second lines that the answers have in the same place.

    Args:
        answers: (first line, second line, answer) of each couplet.
    """
    same = [a == b for _, second, answer in answers for a, b in zip(answer, second) if is_han(b)]
    return sum(same) / len(same)


def pattern(line):
    """For each Chinese character the position where it stands first: 树树还挺 → (0, 0, 2, 3)."""
    return tuple(line.index(c) for c in line if is_han(c))


def pattern_agreement(answers):
    """Of the first lines that repeat a character: the share whose answer repeats at the same positions and
    nowhere else. 1 where no line repeats anything."""
    patterns = [(pattern(first), pattern(answer)) for first, _, answer in answers]
    agrees = [first == answer for first, answer in patterns if len(set(first)) < len(first)]
    return sum(agrees) / len(agrees) if agrees else 1.0


def distinct_2(lines):
    """Different pairs of neighbouring characters, divided by all pairs: how little the answers repeat
    themselves."""
    pairs = [line[i:i + 2] for line in lines for i in range(len(line) - 1)]
    return len(set(pairs)) / max(1, len(pairs))


def metrics_of_answers(robot, pairs):
    """The metrics of a Robot's best answers, by its rules and its scorer."""
    shown = progress.bar(pairs, unit=(" couplets", " 副"))
    triples = [(first, second, robot.answers(first, 1)[0].text) for first, second in shown]
    firsts, seconds, answers = zip(*triples)
    return {
        "test_accuracy_of_robot": accuracy(triples),
        "test_pattern_of_robot": pattern_agreement(triples),
        "test_distinct2_of_robot": distinct_2(answers),
        "test_distinct2_of_people": distinct_2(seconds),
        **tones(list(zip(firsts, answers)), "robot"),
    }


def metrics_of_scorer(scorer, pairs):
    """exp of the mean −log p(y_t | x, y without y_t), over the second lines' Chinese characters that the
    vocabulary has. That is no perplexity of lines, as each character sees the others."""
    log_p = [scorer.log_probs_of_characters(batch)[0] for batch in batches_of_one_length(pairs)]
    return {"test_perplexity_given_the_others": np.exp(-np.mean(np.concatenate(log_p)))}
