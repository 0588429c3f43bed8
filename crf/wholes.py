"""What stays whole in everyday text, whatever a model trained on newspapers makes of it: addresses, numbers
with their marks, Latin words, emoji.

    whole_places("见https://kexue.fm/,￥5,999.00")      # where each begins and ends
"""

import re

# Half width, as people type: full width is newspapers', whose standards cut ２７００ｍｍ and models know.
DIGIT = "[0-9]"
LETTER = "[A-Za-zÀ-ÖØ-öø-ɏ]"
SIGN = rf"(?:{LETTER}|{DIGIT})"
NUMBER = rf"{DIGIT}+(?:,{DIGIT}{{3}})*(?:\.{DIGIT}+)*"
# ASCII that may stand in an address, and that may end one: a mark at the end is the sentence's
ADDRESS = r"[A-Za-z0-9_.~:/?#\[\]@!$&'()*+,;=%-]*[A-Za-z0-9_~/#@$&*+=%-]"
HOST = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
COUNTRY_CODE = rf"(?:\+{DIGIT}{{1,3}}[ -]?)?"
AREA = rf"(?:[(（]0{DIGIT}{{2,3}}[)）][ -]?|(?<!{DIGIT})0{DIGIT}{{2,3}}-)"
COUNTRY = "[\U0001f1e6-\U0001f1ff]"
PICTURE = ("[\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa\u25ab\u25b6\u25c0"
           "\u25fb-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299"
           "\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff]")
# variation selector, skin colour, the box of a key, the tags of a flag such as Scotland's
DRESS = "(?:\ufe0f|\ufe0e|[\U0001f3fb-\U0001f3ff]|\u20e3|[\U000e0020-\U000e007f])*"

# The first that fits a place is taken. Those of EXACT are words of their own; of the others a model may
# make a longer word, such as 2023年.
EXACT = [
    rf"(?:(?:https?|ftp)://|www\.){ADDRESS}",
    rf"[A-Za-z0-9][A-Za-z0-9_.+-]{{0,63}}@{HOST}",
    rf"{COUNTRY_CODE}{AREA}{DIGIT}{{3,4}}[ -]?{DIGIT}{{4}}(?!{DIGIT})",      # 010-8888 6666
    rf"\+{DIGIT}{{1,3}}(?:[ -]{DIGIT}{{2,8}}){{2,4}}(?!{DIGIT})",      # +86-10-88886666
    rf"(?<!{DIGIT})1{DIGIT}{{2}}(?P<gap>[ -]){DIGIT}{{4}}(?P=gap){DIGIT}{{4}}(?!{DIGIT})",   # 138 0013 8000
    rf"(?<!{DIGIT}){DIGIT}{{3,4}}-{DIGIT}{{3,4}}-{DIGIT}{{4}}(?!{DIGIT})",            # 400-820-8820
    rf"(?:US|HK|NT|RMB|CNY|USD)?[$＄￥¥€£₩₽]{NUMBER}",
    "(?<=[\u4e00-\u9fff])/(?=[\u4e00-\u9fff])",                        # 元/平方米 is three words
    f"{COUNTRY}{{2}}",
    "[0-9#*]\ufe0f?\u20e3",
    f"{PICTURE}{DRESS}(?:\u200d{PICTURE}{DRESS})*",
]
LOOSE = [
    rf"(?<!{SIGN})[vV]?{DIGIT}+(?:\.{DIGIT}+){{2,}}(?:[-+]?{SIGN}+)*",      # v3.15.1rc2
    rf"(?<!{SIGN}){DIGIT}{{1,2}}(?:[:：]{DIGIT}{{2}}){{1,2}}(?!{SIGN})",      # 10:30
    rf"(?<!{SIGN}){DIGIT}{{4}}(?P<dash>[-/]){DIGIT}{{1,2}}(?P=dash){DIGIT}{{1,2}}(?!{SIGN})",   # 2023-05-06
    rf"(?<!{SIGN}){NUMBER}[%‰]?(?!{SIGN})",
    rf"{SIGN}+(?:[-_'’.&@/]{SIGN}+)*[+#]{{0,2}}(?!{SIGN})",
    rf"{SIGN}+",
]
WHOLE = re.compile("|".join([f"(?P<exact>{'|'.join(EXACT)})", *LOOSE]))


def whole_places(text):
    """(start, end, exact) of all that stays whole in a text; exact: it is a word of its own."""
    return [(*match.span(), match["exact"] is not None) for match in WHOLE.finditer(text)]
