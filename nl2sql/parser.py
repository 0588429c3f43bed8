"""What loads a trained model and answers questions about a table.

    parser = Parser.load("nl2sql/weights")
    parser.parse("2019年销售额超过100万的城市有哪些", table).query      a sql.Query
    with Database(table) as database:
        ask(parser, database, "哪些城市")["rows"]                      its rows
"""

from nl2sql import legacy_keras  # noqa: F401  (first: from here on `import keras` means tf_keras)

# isort: split

import tensorflow as tf

from common.harness import progress
from common.harness.reading import InputError, check_text
from common.harness.writing import ROOT
from nl2sql import model
from nl2sql.cells import clean
from nl2sql.decode import Heads, decode
from nl2sql.dialect.answer import Answer, answer_to
from nl2sql.encoder import Encoder, pad
from nl2sql.notes import in_english, note
from nl2sql.sql import ROWS
from nl2sql.understood import understood
from nl2sql.wide import aggregated

WEIGHTS = ROOT / "nl2sql/weights"


class Parser:
    """A trained model that turns questions into queries.

    Args:
        network: what model.build_parser builds.
        encoder: the Encoder that it was trained with.
    """

    def __init__(self, network, encoder):
        self.encoder = encoder
        self.dtypes = {tensor.name: tensor.dtype for tensor in network.inputs}

        # one function for all shapes, whose signature need not be looked up at each call; model.predict takes
        # longer to start
        @tf.function(input_signature=[tf.TensorSpec([None, None], dtype) for dtype in self.dtypes.values()])
        def probabilities(*inputs):
            return [tf.nn.softmax(logits) for logits in network(list(inputs), training=False)]

        self.probabilities = probabilities.get_concrete_function()

    @classmethod
    def load(cls, folder):
        """The parser in a run folder or in weights/.

        Raises:
            InputError: there is none.
        """
        network, config, vocab = model.load_parser(folder)
        return cls(network, Encoder(vocab, config["parser"]["max_length"], config["parser"]["segments"]))

    def heads(self, lines):
        """The Heads of each of some Encoded lines, computed together."""
        batch = pad(lines)
        inputs = [tf.constant(batch[name], dtype) for name, dtype in self.dtypes.items()]
        outputs = [output.numpy() for output in self.probabilities(*inputs)]
        found = []
        for line, connector, select, operator, column in zip(lines, *outputs):
            length, columns = line.length, len(line.columns)               # what lies beyond is padding
            found.append(Heads(connector, select[:columns], operator[:length], column[:length, :columns]))
        return found

    def parse_all(self, pairs, batch_size=64, **how):
        """A decode.Parse for each (question, table), of whatever length; like lengths are computed together.

        Args:
            pairs: questions and tables.Tables.
            batch_size: how many at a time.
            how: matching, repair: see decode.
        """
        prepared = [self.encoder.prepare(question, table) for question, table in pairs]
        lines = [self.encoder.encode(one) for one in prepared]
        order = sorted(range(len(lines)), key=lambda i: len(lines[i].tokens))
        found = {}
        with progress.bar(total=len(order), unit=(" questions", " 问")) as bar:
            for start in range(0, len(order), batch_size):
                chosen = order[start:start + batch_size]
                for i, heads in zip(chosen, self.heads([lines[i] for i in chosen])):
                    found[i] = decode(heads, lines[i], prepared[i], **how)
                bar.update(len(chosen))
        return [found[i] for i in range(len(lines))]

    def parse(self, question, table):
        """The Parse of one question as a user asks it.

        Raises:
            InputError: no question, or one that is longer than the model reads.
        """
        question = self.check(question)
        return self.parse_all([(question, table)])[0]

    def check(self, question):
        """A question as one line of text.

        Raises:
            InputError: no question, or one that is longer than the model reads.
        """
        check_text(question, "a question")
        question = clean(question)
        if not any(c.isalnum() for c in question):
            raise InputError(f"a question expects words. Received: {question!r}")
        if len(question) > self.encoder.longest:
            raise InputError(f"a question expects at most {self.encoder.longest} characters. "
                             f"Received: {len(question)}, {question[:20]!r}...")
        return question


def answer(question, **what):
    """What a question gives, as a dict for --json; without more, nothing."""
    nothing = {"sql": None, "query": None, "columns": [], "rows": [], "confidence": 0.0, "notes": [],
               "understood": ""}
    return {"question": question} | nothing | what


def ask(parser, database, question, dialect="everyday"):
    """The answer to a question.

    Args:
        dialect: everyday, or tableqa for the article's form of queries and the network alone.

    Raises:
        InputError: it cannot be asked, see Parser.check, or takes too long.
    """
    question, table = parser.check(question), database.table
    if dialect == "tableqa":
        parse = parser.parse_all([(question, table)])[0]
        remarks = [] if parse.query else [("no_answer", ", ".join(table.columns))]
        parse = Answer(parse.query, parse.confidence, [in_english(*it) for it in (*remarks, *parse.remarks)])
    else:
        parse = answer_to(parser, database, question)
    found = answer(question, confidence=round(parse.confidence, 4), notes=parse.notes)
    if parse.query is None:
        return found
    rows = database.rows(parse.query)
    if len(rows) == ROWS:
        parse.notes.append(note(question, "many", f"{ROWS:,}"))
    statement, values = database.statement(parse.query)
    columns = database.table.columns
    in_words = understood(parse.query, database.table) if dialect == "everyday" else ""
    return found | {
        "sql": database.text(parse.query), "statement": statement, "values": values,
        "query": parse.query.to_json(), "understood": in_words,
        "columns": [aggregated(columns[column], aggregate) for column, aggregate in parse.query.select],
        "rows": [list(row) for row in rows],
    }
