"""How people write a number with its unit, a year, a day and a time of day."""

import re

DIGITS = "零一二三四五六七八九"
SCALES = {"万": 10**4, "亿": 10**8}
POWERS = [(10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")]
UNIT_WORDS = {
    "元": ["元", "元", "块", "块钱"], "美元": ["美元", "美金"], "%": ["%", "%", "%", "个点"],
    "人": ["人", "个人", "人"], "人次": ["人次", "人"], "名": [""],
    "月": ["个月"], "月龄": ["个月"], "小时": ["小时", "个小时"], "分钟": ["分钟", "分钟", "min"],
    "学时": ["学时", "个学时"], "公里": ["公里", "公里", "千米"], "米": ["米", "m"],
    "厘米": ["厘米", "公分", "cm"], "英寸": ["英寸", "寸"], "平方米": ["平方米", "平米", "平", "平方"],
    "公斤": ["公斤", "千克"], "微克": ["微克", ""], "毫升": ["毫升", "ml"], "℃": ["度", "℃", "摄氏度"],
    "千瓦": ["千瓦", "kW"], "GB": ["GB", "G"],
}
ABBREVIATED = ("", "cm", "m", "G", "ml", "kW", "min", "℃")       # not behind Chinese numerals


def decimal(number):
    """A number as TableQA writes one: no exponent, no zeros behind."""
    if isinstance(number, int):
        return str(number)
    return f"{number:.6f}".rstrip("0").rstrip(".")


def whole(number):
    """A float without decimals as int."""
    return int(number) if number == int(number) else number


def chinese_digits(digits):
    return "".join(DIGITS[int(digit)] for digit in digits)


def chinese(number, inside=False):
    """三千五百, as it is said, for one or two digits and zeros behind, or digits behind a point; else None.

    Args:
        number: an int, or a float with decimals.
        inside: it stands behind a larger number: 一十, not 十.
    """
    if not isinstance(number, int):
        before, _, behind = decimal(number).partition(".")
        if not behind or not 0 <= number < 100:
            return None
        return chinese(int(before)) + "点" + chinese_digits(behind)
    if number < 0 or len(str(number).rstrip("0")) > 2:
        return None
    if number < 10:
        return DIGITS[number]
    size, name = next((size, name) for size, name in POWERS if number >= size)
    head, rest = divmod(number, size)
    said = first_numeral(head, size, inside) + name
    if rest == 0:
        return said
    zero = "零" if rest < size // 10 else ""
    return said + zero + chinese(rest, inside=True)


def first_numeral(head, size, inside):
    """What stands before 亿, 万, 千, 百 or 十: 两千, and nothing in 十二."""
    if head == 2 and size > 10:
        return "两"
    if head == 1 and size == 10 and not inside:
        return ""
    return chinese(head)


# ----------------------------------------------------------------------------------------- numbers with units

def write_number(value, unit, rng, with_unit=False):
    """A number of a column as somebody writes it: 350000000 元 as 3.5亿, 350000000元; 0.5 亿元 as 5000万."""
    scale = unit[:1] if unit[:1] in SCALES else ""
    base = unit.removeprefix(scale).split("/")[0]
    name = rng.choice(UNIT_WORDS.get(base, [base]))
    short = {"块钱": "", "个人": "人"}.get(name, name)                # 5亿块钱, 5万个人: nobody says so
    ending = scale + short if scale else name
    forms = [decimal(value) + ending] * 5
    if not with_unit:
        forms += bare_forms(value, scale)
    if unit == "%" and value > 0:
        forms += percent_forms(value)
    forms += rescaled_forms(value, scale, short, rng)
    if unit != "%" and name not in ABBREVIATED:
        forms += spoken_forms(value, name, ending, is_money=unit.split("/")[0] == "元")
    if isinstance(value, int) and value >= 1000 and not scale:
        forms.append(f"{value:,}" + name)
    return rng.choice(forms)


def bare_forms(value, scale):
    """The number without its unit."""
    forms = [decimal(value)] * 2
    if scale:
        forms += [decimal(value) + scale] * 3
    return forms


def percent_forms(value):
    """百分之五, 百分之5, and 三成 for 30 %."""
    forms = ["百分之" + (chinese(value) or decimal(value)), "百分之" + decimal(value)]
    if value in (10, 20, 30, 40, 50, 60, 70, 80, 90):
        forms.append(DIGITS[int(value) // 10] + "成")
    return forms


def rescaled_forms(value, scale, unit, rng):
    """30000元 as 3万, 20000万 as 2亿, 0.5亿 as 5000万, where it is short."""
    full, forms = whole(round(value * SCALES.get(scale, 1), 4)), []
    for other, size in SCALES.items():
        number = full / size
        digits = decimal(number).replace(".", "").strip("-0")
        if other == scale or not 1 <= abs(number) < 10_000 or len(digits) > 3:
            continue
        written = [decimal(whole(number)) + other + tail for tail in (unit, "", "")]
        forms += written
        if not scale:
            forms += written
        if isinstance(full, int) and chinese(full):
            forms.append(chinese(full) + rng.choice([unit, ""]))
    return forms


def spoken_forms(value, name, ending, is_money):
    """三千五百元, 两百人; and 一千五 for 一千五百元."""
    spoken = chinese(value)
    if not spoken:
        return []
    if value == 2 and name != "度":
        spoken = "两"
    forms = [spoken + ending] * 2
    short = re.fullmatch(r"(.{1,3}[百千万])([一二两三四五六七八九])[十百千]", spoken)
    if short and is_money:
        forms += [short[1] + short[2].replace("两", "二")] * 2
    return forms


# ----------------------------------------------------------------------------------------- years, days, times

def write_year(year, rng):
    """2018年, 2018, 二零一八年, 18年, 一八年."""
    year = str(year)[:4]
    forms = [year + "年"] * 4
    forms += [year, year, chinese_digits(year) + "年", chinese_digits(year).replace("零", "〇") + "年"]
    forms += [year[2:] + "年"] * 3
    forms += [chinese_digits(year[2:]) + "年"]
    return rng.choice(forms)


def write_date(cell, cells, rng):
    """2019-03-05 as 2019年3月5号, or 3月5号 where no other cell is that day of another year."""
    year, month, day = (int(part) for part in re.findall(r"\d+", cell))
    forms = [cell, cell, f"{year}年{month}月{day}日", f"{year}年{month}月{day}号",
             f"{year % 100:02}年{month}月{day}号", f"{year}.{month}.{day}", f"{year}-{month}-{day}"]
    days = [re.findall(r"\d+", other)[1:] for other in dict.fromkeys(cells)]
    if days.count(re.findall(r"\d+", cell)[1:]) == 1:
        forms += [f"{month}月{day}号", f"{month}月{day}日"]
    return rng.choice(forms)


def write_time(cell, rng):
    """09:30 as 9点半, 九点半, 9:30."""
    hour, minute = map(int, cell.split(":"))
    said = {0: "", 15: "一刻", 30: "半"}.get(minute, f"{minute:02}分")
    return rng.choice([cell, cell, f"{hour}:{minute:02}", f"{hour}点{said}", f"{chinese(hour)}点{said}"])
