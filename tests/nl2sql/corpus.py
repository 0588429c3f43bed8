"""A small corpus in exactly TableQA's files, for the tests: nine tables, and questions that a program can get
right."""

import itertools
import json
import pathlib

SCHEMAS = {     # key column and its cells, then columns of numbers
    "films": ("片名", ["流浪地球", "红海行动", "战狼", "无双"], ["票房（亿元）", "评分"]),
    "cities": ("城市", ["广州", "深圳", "北京", "成都"], ["人口（万）", "面积"]),
    "books": ("书名", ["平凡的世界", "活着", "围城", "边城"], ["定价", "页数"]),
    "players": ("球员", ["姚明", "易建联", "王治郅", "巴特尔"], ["得分", "身高"]),
    "stocks": ("股票", ["大秦铁路", "顺丰控股", "万科", "格力电器"], ["市盈率", "涨幅(%)"]),
    "schools": ("学校", ["清华大学", "北京大学", "复旦大学", "浙江大学"], ["学生数", "教师数"]),
    "drugs": ("药品", ["阿莫西林", "布洛芬", "头孢", "青霉素"], ["价格", "库存"]),
    "trains": ("车次", ["G101", "D202", "K303", "T404"], ["里程", "票价"]),
    "shops": ("店铺", ["老凤祥", "全聚德", "同仁堂", "瑞蚨祥"], ["销售额（万元）", "员工数"]),
}
ASK = ["{k}是{v}的{n}是多少", "{v}的{n}有多少", "请问{v}这个{k}，{n}是多少呢"]
ORDER = [("{n}大于{x}的{k}有哪些", 0),
         ("哪些{k}的{n}超过{x}", 0), ("{n}小于{x}的{k}有哪些", 1), ("{n}低于{x}的是哪些{k}", 1)]
AGGREGATE = [("平均{n}是多少", 1), ("{n}最高是多少", 2), ("最低的{n}是多少", 3), ("{n}总共是多少", 5)]


def write(folder, split=(6, 1, 2)):
    """Writes the six files; split by table, as TableQA is."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = iter(SCHEMAS)
    for part, count in zip(("train", "val", "test"), split):
        chosen = list(itertools.islice(names, count))
        records = [record for name in chosen for record in records_of(name)]
        write_lines(folder / f"{part}.json", records)
        write_lines(folder / f"{part}.tables.json", [table_of(name) for name in chosen])
    return folder


def write_lines(path, objects):
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in objects), "utf-8")


def table_of(name):
    """A table as TableQA has it."""
    key, cells, numbers = SCHEMAS[name]
    rows = []
    for i, cell in enumerate(cells):
        rows.append([cell, *(10.0 * (i + 1) + 3 * j for j in range(len(numbers)))])
    return {"id": name, "name": f"Table_{name}", "title": key, "header": [key, *numbers],
            "types": ["text", *("real" for _ in numbers)], "rows": rows}


def records_of(name):
    """The questions to a table, and their queries, as TableQA has them."""
    key, cells, numbers = SCHEMAS[name]
    for j, header in enumerate(numbers, 1):
        spoken = header.split("（")[0].split("(")[0]
        for text, cell in itertools.product(ASK, cells):
            yield record(text.format(k=key, v=cell, n=spoken), name, j, conditions=[[0, 2, cell]])
        for (text, operator), x in itertools.product(ORDER, (15, 25, 35)):
            yield record(text.format(k=key, n=spoken, x=x), name, 0, conditions=[[j, operator, str(x)]])
        for text, aggregate in AGGREGATE:
            yield record(text.format(n=spoken), name, j, aggregate)
        for a, b in itertools.combinations(cells, 2):
            either = [[0, 2, a], [0, 2, b]]
            yield record(f"{a}和{b}的{spoken}是多少", name, j, connector=2, conditions=either)


def record(question, table, column, aggregate=0, connector=0, conditions=()):
    sql = {"sel": [column], "agg": [aggregate], "cond_conn_op": connector, "conds": list(conditions)}
    return {"question": question, "table_id": table, "sql": sql}
