"""Training questions as lines that are new in every epoch: columns in another order, or a wrong table, or
other names. No Keras in here.
"""

from rapidfuzz import fuzz

from nl2sql.encoder import pad
from nl2sql.labels import align, labels_of, nothing, pad_labels


class Samples:
    """Questions that can be learnt from, as lines.

    Args:
        records: corpus.Records with queries; those that cannot be labelled are left out and counted.
        encoder: an Encoder.
        unrelated: share of the questions that are asked of a table that has nothing of the kind, and to which
            the answer is that nothing is selected.
        rename: share of the headers' characters that become random others, in header and question alike:
            unseen tables have other names, so the model should compare rather than remember.
    """

    def __init__(self, records, encoder, unrelated=0.1, rename=0.0):
        self.encoder, self.unrelated, self.rename = encoder, unrelated, rename
        self.items, self.left_out = [], 0
        for record in records:
            prepared = encoder.prepare(record.question, record.table)
            spans = align(prepared.question, record.table, record.query) if prepared.tokens else None
            if spans is None or labels_of(encoder.encode(prepared), record.query, spans) is None:
                self.left_out += 1
            else:
                self.items.append((record, prepared, spans))
        self.tables = tables_of(records)

    def __len__(self):
        return len(self.items)

    def lengths(self):
        """Tokens of each line."""
        found = []
        for _, prepared, _ in self.items:
            headers = [prepared.headers[column] for column in prepared.kept]
            found.append(len(prepared.tokens) + sum(len(header) + 2 for header in headers))
        return found

    def line(self, index, rng=None):
        """(Encoded, Labels) of a question; with a NumPy generator as training wants it."""
        record, prepared, spans = self.items[index]
        if rng is None:
            encoded = self.encoder.encode(prepared)
            return encoded, labels_of(encoded, record.query, spans)
        other = wrong_table(record, self.tables, rng) if rng.random() < self.unrelated else None
        if other:
            prepared = self.encoder.prepare(record.question, other)
        encoded = self.encoder.encode(prepared, rng.permutation(prepared.kept))
        answer = nothing(encoded) if other else labels_of(encoded, record.query, spans)
        if self.rename:
            encoded.tokens = self._renamed(encoded.tokens, prepared, rng)
        return encoded, answer

    def batch(self, indices, rng=None):
        """The lines of some questions and their labels as arrays, by the names of the network's inputs."""
        lines, answers = zip(*(self.line(i, rng) for i in indices))
        return pad(lines) | pad_labels(answers)

    def _renamed(self, tokens, prepared, rng):
        """The tokens after some characters of the headers have become others, wherever they stand."""
        vocab = self.encoder.vocab
        han = sorted({token for header in prepared.headers for token in header if vocab.is_han[token]})
        chosen = [token for token in han if rng.random() < self.rename]
        new = dict(zip(chosen, rng.choice(vocab.han, len(chosen)).tolist()))
        return [new.get(token, token) for token in tokens]


def tables_of(records):
    """The tables of some records, each once, in their order."""
    return list({id(record.table): record.table for record in records}.values())


def wrong_table(record, tables, rng):
    """A table, of three that are drawn, in which no column is called like one that is asked for; or None."""
    columns = [column for column, *_ in (*record.query.select, *record.query.conditions)]
    asked = [record.table.header[column] for column in columns]
    for place in rng.integers(len(tables), size=3):
        if is_unrelated(tables[place].header, asked):
            return tables[place]
    return None


def is_unrelated(header, names):
    """Whether no column of a header is called like one of the names."""
    return all(fuzz.partial_ratio(name, other) < 50 for name in names for other in header)
