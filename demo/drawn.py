"""What the page shows, as HTML: words as chips, curves below a text, tables. Every text is escaped.

No Keras in here.
"""

import html

CSS = """
.chips { font-size: 1.15em; line-height: 2.2 }
.chips span { border: 1px solid var(--border-color-primary); border-radius: 6px; padding: 2px 7px;
  margin: 2px; background: var(--background-fill-secondary); white-space: pre-wrap }
.curves { line-height: 4; font-size: 1.1em }
.curves span { display: inline-block; min-width: .6em; line-height: 1.3; padding-bottom: 2.4em; background:
  linear-gradient(#2563eb, #2563eb) left bottom / 46% calc(var(--s) * 2.3em) no-repeat,
  linear-gradient(#ea580c, #ea580c) right bottom / 46% calc(var(--e) * 2.3em) no-repeat }
.curves .answer { font-weight: bold; text-decoration: underline }
.legend { color: var(--body-text-color-subdued) } .start { color: #2563eb } .end { color: #ea580c }
.prose table.answers, .answers { border: none; border-collapse: collapse; width: auto }
.prose .answers tr { border: none }
.prose .answers td, .prose .answers th { padding: 4px 12px; border: none; text-align: left;
  border-bottom: 1px solid var(--border-color-primary); white-space: pre-wrap }
.prose .answers td.big { font-size: 1.25em }
.scroll { overflow-x: auto; max-height: 28em } pre.sql { white-space: pre-wrap }
.plane { position: relative; cursor: crosshair; touch-action: none; user-select: none }
.plane img { width: 100%; display: block }
.plane svg { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none }
.plane line { stroke: #ea580c; stroke-width: 4; stroke-linecap: round }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 14px }
.card { border: 1px solid var(--border-color-primary); border-radius: 8px; padding: 10px }
.card img { width: 100%; background: white }
"""


def chips(words):
    """Words as chips, one after the other; the text's blanks stand between them and its lines begin anew."""
    parts = []
    for word in words:
        if word.isspace():
            parts.append("<br>" * word.count("\n") or " ")
        else:
            parts.append(f"<span>{html.escape(word)}</span>")
    return f'<div class="chips">{"".join(parts)}</div>'


def curves(text, start, end, answer=(0, 0)):
    """A text with two bars below each character, the probabilities that an answer begins and ends there.

    Args:
        start, end: numbers in [0, 1], (len(text),).
        answer: where the answer begins and ends in the text; its characters are underlined.
    """
    parts = []
    for place, (character, s, e) in enumerate(zip(text, start, end)):
        marked = ' class="answer"' if answer[0] <= place < answer[1] else ""
        parts.append(f'<span{marked} style="--s:{s:.3f};--e:{e:.3f}">{html.escape(character)}</span>')
    return f'<div class="curves">{"".join(parts)}</div>'


def rows_table(header, rows, big=()):
    """A table of texts.

    Args:
        header: names of the columns; none: no header.
        big: numbers of the columns in large letters.
    """
    names = "".join(f"<th>{html.escape(str(name))}</th>" for name in header)
    lines = [f"<tr>{names}</tr>"] if header else []
    for row in rows:
        cells = [cell_of(value, column in big) for column, value in enumerate(row)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table class="answers">{"".join(lines)}</table></div>'


def cell_of(value, is_big):
    """A cell; what SQL has as NULL is empty."""
    kind = ' class="big"' if is_big else ""
    text = "" if value is None else str(value)
    return f"<td{kind}>{html.escape(text)}</td>"


def paragraphs(lines, kind="legend"):
    """Lines of text, each a paragraph of this class."""
    return "".join(f'<p class="{kind}">{html.escape(line)}</p>' for line in lines)
