"""Reviews with a label: a CSV file of rows label,review, such as ChnSentiCorp's, or a built-in sample.

No Keras in here.
"""

import collections
import csv
import hashlib
import io
import itertools

import numpy as np

from common.harness import datasets
from common.harness.language import in_users_language
from common.harness.paths import named_path
from common.harness.reading import InputError, parse_rows, read_text, sha256_of

FILE = "sentiment/ChnSentiCorp_htl_all.csv"


def load_reviews(data="", smoke=False):
    """Texts, which are all different, their labels as an array of 0 and 1, and where they are from.

    A text that is there twice counts once, or it could be in training and in testing; one with both labels is
    left out.

    Args:
        data: the path of a CSV file; "" for ChnSentiCorp's hotel reviews in the folder that KEXUE_DATA names
            or in the cache, or the built-in sample where they are not there.
        smoke: take the built-in sample for "".
    """
    path = named_path(data) if data else datasets.find(FILE)
    if smoke and not data or path is None:
        if not smoke:
            print(in_users_language(
                "NOTE: made-up sentences stand in for hotel reviews: put ChnSentiCorp_htl_all.csv, from "
                "github.com/SophonPlus/ChineseNlpCorpus, into sentiment/ of the folder that KEXUE_DATA "
                "names.",
                "注意：没有酒店评论，改用编造的句子：请把 github.com/SophonPlus/ChineseNlpCorpus 的 "
                "ChnSentiCorp_htl_all.csv 放进 KEXUE_DATA 所指目录的 sentiment/。"), flush=True)
        rows, described = builtin_reviews(), None
    else:
        reader = csv.reader(io.StringIO(read_text(path), newline=""))
        try:
            rows = parse_rows(path, reader, parse, "rows label,review with 0 or 1 as the label")
        except csv.Error as error:
            raise InputError(f"{path} should be a CSV file. Received: {error} in line "
                             f"{reader.line_num:,}") from error
        described = datasets.Dataset(path.stem, str(path), sha256_of(path), False).describe()
    labels = {}
    for label, text in rows:
        labels.setdefault(text, set()).add(label)
    kept = {text: min(found) for text, found in labels.items() if len(found) == 1}
    texts, labels = list(kept), np.array(list(kept.values()))
    if min(labels.sum(), len(labels) - labels.sum()) < 20:
        raise InputError(f"{path} should hold at least 20 different reviews of each label. "
                         f"Received: {len(labels) - labels.sum()} of 0, {labels.sum()} of 1")
    if described is None:
        digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
        described = datasets.Dataset("made-up reviews", "built in", digest, True).describe()
    print(in_users_language(
        f"data: {described['name']}, {len(rows):,} reviews, {len(texts):,} different",
        f"数据：{described['name']}，评论 {len(rows):,} 条，不同的 {len(texts):,} 条"), flush=True)
    return texts, labels, described | {"reviews": len(texts)}


def parse(row):
    """(label, review) of a row; the header is a row that is none."""
    if len(row) != 2 or row[0] not in ("0", "1") or not row[1].strip():
        return None, "no 0 or 1 with a review behind it"
    return (int(row[0]), row[1].strip()), None


def builtin_reviews():
    """(label, text) for 480 made-up sentences; each fourth one complains."""
    things = ("房间", "早餐", "服务", "前台", "位置", "床", "网络", "停车场", "空调", "大堂")
    times = ("这次", "上次", "昨天", "周末")
    words = {1: ("很好", "干净", "舒服", "让人满意", "不错", "值得推荐", "方便", "热情", "比想象的好"),
             0: ("很差", "太吵", "又脏又旧")}
    rows = []
    for label in words:
        for time, thing, word in itertools.product(times, things, words[label]):
            rows.append((label, f"{time}住的时候{thing}{word}"))
    return rows


def grams_of(text, sizes):
    """The set of n-grams of characters that a text has."""
    found = set()
    for n in sizes:
        found |= {text[i:i + n] for i in range(len(text) - n + 1)}
    return found


def vocabulary_of(texts, sizes, most):
    """So many n-grams that the most texts have, as a dict to their numbers from 0.

    Args:
        sizes: of n-grams, for instance (1, 2).
    """
    counts = collections.Counter()
    for text in texts:
        counts.update(grams_of(text, sizes))
    chosen = sorted(counts, key=lambda gram: (-counts[gram], gram))[:most]
    return {gram: number for number, gram in enumerate(chosen)}


def split(count, sizes, seed):
    """Rows 0 to count − 1 in a random order, in parts of these shares; the last part has the rest."""
    order = np.random.default_rng(seed).permutation(count)
    ends = np.cumsum([int(count * share) for share in sizes])
    return np.split(order, ends)
