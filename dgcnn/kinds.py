"""Kinds of things that questions ask for, and where a passage names one: 多久 asks for a duration, and
382米 is none.

A character of a passage is marked for each kind that the word or the number with its unit around it is of,
and once more where that is a kind that the question asks for. Persons, places and organisations are what
jieba's dictionary takes for such; the rest are patterns.
"""

import functools
import re

import numpy as np

from dgcnn.text import normalise

CHINESE_NUMBER = "[零〇一二两三四五六七八九十百千万亿数几半]+"
NUMBER = rf"(?:\d+(?:[,.]\d+)*|{CHINESE_NUMBER})[多余]?[百千万亿]*"


def quantity(units):
    """A pattern: a number with one of these units."""
    return rf"{NUMBER}个?多?(?:{units})"


# kind → (what a question for it holds, what it looks like in a passage or None)
KINDS = {
    "person": (
        "谁|哪[位名]|何人|什么人|姓名|[真本原]名|作者|主演|导演|创始人|皇帝|总统|父亲|母亲|妻子|丈夫|儿子|女儿|"
        "发明者|扮演者|配音|原唱|歌手|演员|主持人", None),
    "place": (
        "哪里|哪儿|何[处地]|什么地方|在哪|哪[个座]?(?:国|省|城|市|县|州|地|岛|洲|区|村|镇)|首都|首府|省会|位于|"
        "出生地|国籍|籍贯", None),
    "organisation": (
        "(?:哪|什么)[一个所家支]*(?:公司|大学|学校|学院|机构|组织|球队|队|部门|企业|医院|银行|党|俱乐部|品牌)",
        None),
    "work": (
        "(?:哪|什么)[一本部首个篇幅]*(?:书|电影|电视剧|小说|歌|作品|著作|诗|剧|名著|专辑|曲|杂志|游戏|动画|节目)",
        "《[^《》]{1,30}》"),
    "date": (
        "哪一?[年天日月]|何[年时日]|什么时[候间]|几[月号日点]|年份|日期|哪个(?:朝代|年代|月|世纪|季节)|什么朝代|生日",
        r"(?:公元)?前?\d{3,4}年(?:\d{1,2}月(?:\d{1,2}[日号])?)?|\d{1,2}月(?:\d{1,2}[日号])?|"
        rf"[零〇一二三四五六七八九]{{4}}年|{NUMBER}世纪(?:\d+年代)?|{NUMBER}点(?:半|{NUMBER}分)?|\d+:\d\d"),
    "duration": (
        "多久|多长时间|(?:几|多少)个?(?:年|天|月|小时|分钟|秒|周)|周期|寿命",
        rf"(?<!\d)(?:\d{{1,2}}|{CHINESE_NUMBER})多?(?:年|周年)|"
        + quantity("星期|周|天|日|小时|分钟|秒钟?|世纪") + f"|{NUMBER}个半?月"),
    "length": (
        "多[高远深宽厚]|多长(?!时间)|多少(?:米|公里|千米|厘米|里)|海拔|身高|高度|长度|深度|距离|直径|半径|[全总]长",
        quantity("公里|[千厘毫分纳微]?米|[英海华]?里|英?[尺寸]|丈|光年|[kcmn]?m(?![a-z2])")),
    "area": ("面积|占地|多少(?:平方|亩|公顷)", quantity("平方[千公分厘]?[米里]|公顷|亩|[kc]?m2")),
    "weight": (
        "多重|[重体]重|重量|多少(?:吨|公斤|千克|克|斤)", quantity("吨|公斤|[千毫]?克|斤|磅|[km]?g(?![a-z])")),
    "money": (
        "多少(?:钱|元|美元)|[价票房]价|价[格值]|门票|费用|工资|奖金|票房",
        "[¥$]" + NUMBER + "|" + quantity("[美欧日港]?元|块钱?|英镑|港币|卢布|角")),
    "degree": ("多少度|几度|[气水体]?温度?|沸点|熔点|[角纬经]度", quantity("℃|°c?|摄氏度|华氏度|度")),
    "percent": ("百分之|百分比|比例|占.{0,6}多少|率[是为]|几成", rf"{NUMBER}[%‰]|百分之{NUMBER}"),
    "number": ("多少|几|多大|数量|人口|号码|电话", NUMBER),
    "letters": ("英文|缩写|简称|英语|化学式|符号|字母|域名|网址", "[a-z]{2,}"),
}
TAGS = {"nr": "person", "nrt": "person", "nrfg": "person", "ns": "place", "nt": "organisation"}   # of jieba
NAMES = list(KINDS)
COUNT = len(KINDS) + 1
ASKED = [re.compile(asked) for asked, _ in KINDS.values()]
FOUND = {NAMES.index(kind): re.compile(found) for kind, (_, found) in KINDS.items() if found}


def kind_features(question, passage):
    """(characters, COUNT) in float32: the kinds of each character, and whether the question asks for one."""
    found = kinds_in(normalise(passage))
    fits = (found & asked_kinds(question)).any(axis=1, keepdims=True)
    return np.concatenate([found, fits], axis=1).astype("float32")


def asked_kinds(question):
    """(kinds,) booleans: what a question asks for."""
    question = normalise(question)
    return np.array([pattern.search(question) is not None for pattern in ASKED])


@functools.lru_cache(maxsize=1 << 14)
def kinds_in(text):
    """(characters, kinds) booleans of a normalised text."""
    import rjieba

    found = np.zeros((len(text), len(KINDS)), bool)
    start = 0
    for word, tag in rjieba.tag(text):
        if tag in TAGS:
            found[start:start + len(word), NAMES.index(TAGS[tag])] = True
        start += len(word)
    for kind, pattern in FOUND.items():
        for match in pattern.finditer(text):
            found[match.start():match.end(), kind] = True
    return found
