"""What is said beside an answer, in the language of its question. No Keras in here.

    note("赵敏的英语多少分", "read_as", "赵敏", "赵敏敏")      "赵敏"理解为"赵敏敏"
"""

from common.harness.vocab import is_han

# what is said: (in English, in Chinese), with the places of the words that it is about
NOTES = {
    "read_as": ("{0} is read as {1}", "“{0}”按“{1}”理解"),
    "unlike": ("nothing in the column {0} resembles {1}", "“{0}”一列里没有与“{1}”相近的内容"),
    "unused": ("not used: {0}", "没有用上的词：{0}"),
    "guessed": ("{0} is taken for the column {1}", "“{0}”猜测为“{1}”一列"),
    "guess": ("what was asked is guessed", "要查的内容是猜的"),
    "open": ("{0} is taken for the rows of the table", "“{0}”当作表中的一行"),
    "tie": ("others have the same value as the last row", "与最后一行并列的还有别的行"),
    "many": ("of many rows the first {0} are fetched", "行数很多，只取前 {0} 行"),
    "no_answer": ("this table does not seem to answer that. "
                  "Its columns are: {0}", "这张表似乎回答不了这个问题。它的列有：{0}"),
    "relative": ("{0} depends on today's date, which the table does not say: name the days or months",
                 "“{0}”要看今天是哪一天，表里没有：请写出具体的日期或月份"),
    "reason": ("{0} is beyond a query of one table", "“{0}”超出了对一张表的查询"),
    "no_condition": ("nothing in the question says which rows are meant", "问题里没有表中可以作条件的内容"),
    "circular": ("the question seems to ask for {0}, which it "
                 "says itself", "问题好像在问“{0}”，而它自己已经给出"),
    "one_row": ("{0} names one row, of which nothing can be counted", "“{0}”只对应一行，没有可以计数的内容"),
    "nothing": ("the question asks for something that has no form in SQL", "这个问题写不成一条 SQL"),
    "dropped": ("{0} columns are more than the model reads; these {1} are named most like the question: {2}",
                "{0} 列超出模型能读的长度；只读了名字与问题最接近的 {1} 列：{2}"),
    "understood": ("understood as: {0}", "理解为：{0}"),
}


def note(question, key, *words):
    """A note in Chinese where the question has Chinese characters, else in English."""
    return NOTES[key][any(map(is_han, question))].format(*words)


def in_english(key, *words):
    """A note in English, as the article's form of answers has it."""
    return NOTES[key][0].format(*words)
