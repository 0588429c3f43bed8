"""A question while it is read: its tokens, the conditions up to now, and what was used. No Keras in here."""

import re
from dataclasses import dataclass, field

from nl2sql.dialect.words import LEANINGS, NOT, SPENDING
from nl2sql.sql import EQ


@dataclass
class Sentence:
    """One question on its way to a query.

    Args:
        text: the question, normalised.
        tokens: what read_tokens found in it.
        facts: of the table.
        choose: (start, end, columns) → the column among them that the network means by these characters, or
            None.
    """

    text: str
    tokens: list
    facts: object
    choose: object
    groups: list = field(default_factory=list)     # (start, end, conditions of which one must hold)
    spans: list = field(default_factory=list)      # characters that are used besides the tokens
    guesses: list = field(default_factory=list)    # (words, column) that nothing but a guess connects
    doubts: list = field(default_factory=list)     # (key of a note, words) of what cannot be said in SQL

    def of(self, *kinds):
        """Tokens of some kinds that nothing has used."""
        return [token for token in self.tokens if token.kind in kinds and not token.used]

    def words(self, token):
        return self.text[token.start:token.end]

    def between(self, left, right):
        return self.text[left.end:right.start]

    def before(self, pattern, place):
        """The match of a pattern that ends at a place, or None."""
        return re.search(f"(?:{pattern})$", self.text[:place])

    def behind(self, pattern, place):
        """The match of a pattern that begins at a place, or None."""
        return re.compile(pattern).match(self.text, place)

    def use(self, *tokens):
        for token in tokens:
            token.used = True

    def use_match(self, match, start=0):
        """Marks what a match found as used."""
        self.spans.append((start + match.start(), start + match.end()))

    def add(self, start, end, *conditions):
        """Adds conditions of which one must hold, said from start to end."""
        if conditions not in [group for *_, group in self.groups]:
            self.groups.append((start, end, conditions))

    def names_one_row(self):
        """Whether a condition is a cell of the column that names the rows, or of one that never repeats."""
        single = [group[0] for *_, group in self.groups if len(group) == 1 and group[0][1] == EQ]
        return any(self.facts.is_kind(column, "text") and self.facts.is_key(column) for column, *_ in single)

    def columns(self, *kinds):
        """Unused tokens of columns, of those that can be of some kinds."""
        named = self.of("column", "part", "synonym")
        if not kinds:
            return named
        fitting = set(self.facts.columns(*kinds))
        return [token for token in named if fitting & set(token.value)]

    def pick(self, token, *kinds, apart=()):
        """The column that a token means: of several of these kinds the network's, which is a guess."""
        named = [column for column in token.value if column not in apart]
        named = named or [column for column in token.others if column not in apart] or list(token.value)
        named = [column for column in named if not kinds or self.facts.kinds[column] in kinds] or named
        return self.choice(token.start, token.end, named)

    def choice(self, start, end, columns):
        """The one of some columns that these characters mean; None where there is none."""
        if len(columns) < 2:
            return columns[0] if columns else None
        leaning = [column for column in columns if self.leans_to(column)]
        if len(leaning) == 1:
            return leaning[0]
        chosen = self.choose(start, end, columns)
        chosen = columns[0] if chosen is None else chosen
        self.guesses.append((self.text[start:end], chosen))
        return chosen

    def leans_to(self, column):
        """Whether a verb of the question says that a column is meant, as 卖 says it of 售价."""
        for words, parts in LEANINGS:
            if any(word in self.text for word in words):
                return any(part in self.facts.names[column] for part in parts)
        return False

    def spent(self):
        """The columns of amounts that a verb means by itself: 花了多少."""
        if not any(verb in self.text for verb in SPENDING):
            return []
        return [column for column in self.facts.columns("number") if self.leans_to(column)]

    def alike(self, columns):
        """Of some columns the one whose name has a character of the question, 租客 for 谁租的; else all."""
        found = [column for column in columns if set(self.facts.names[column]) & set(self.text)]
        return found if len(found) == 1 else columns

    def negation(self, place):
        """The match of a negation that ends at a place, or None; 有没有 is none."""
        match = NOT.search(self.text[:place])
        if match and self.before("有没|有没有|是不|是不是|能不能|会不会", match.end()):
            return None
        return match
