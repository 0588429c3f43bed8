"""What people ask beyond TableQA's form, read by lists of words; the network decides what they leave open.

    facts.py        what each column is: of days, of years, of yes and no, of people; which one names the rows
    words.py        comparisons, superlatives, negations, what columns are about: one table a kind
    names.py        which characters of a question are a column or a cell
    tokens.py       which are a number, a day, a superlative, a question word ...
    periods.py      years, months, quarters and days as ranges of a column
    conditions.py   numbers and days → conditions; value_columns.py: of which column
    members.py      cells, yes and no, nothing → conditions
    ranking.py      superlatives → an order and a limit, or MAX and MIN
    asked.py        what is asked for: columns, aggregates, groups, counts
    rest.py         the words that are left: some their place explains
    reading.py      all of these → a query that explains each word of the question, or what it leaves out
    answer.py       reading and network → one answer, its confidence, its notes

No Keras in here.
"""
