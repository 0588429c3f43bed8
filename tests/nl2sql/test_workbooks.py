"""Workbooks against openpyxl, which wrote them and reads them in its own way, and bombs."""

import datetime

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from common.harness.reading import InputError
from nl2sql import tables, workbook_parts, workbooks
from nl2sql.table_files import read_table
from nl2sql.workbook_parts import day_of, hours_of, writer_of
from nl2sql.workbooks import open_workbook
from tests.stress import bombs

CELLS = [
    ["文字", " 空 格 ", "a\nb", "=\"x\"", "0012", "<&>", "😀"],
    [1, -2, 0, 10**14, 12345678901234567, 2**40, 7],
    [1.5, -0.25, 1e-9, 1e20, 1 / 3, 3.0, 100.10],
    [True, False, None, "#N/A", None, None, "end"],
    [datetime.date(2019, 3, 1), datetime.datetime(2019, 3, 1, 9, 30), datetime.datetime(1900, 1, 5),
     datetime.datetime(2024, 2, 29, 23, 59, 59), datetime.time(9, 30), datetime.date(1999, 12, 31), None],
]


def shown(cell):
    """What a cell should be read as, from what openpyxl says of it."""
    if isinstance(cell, (datetime.datetime, datetime.time)):
        return str(cell).removesuffix(" 00:00:00")
    return None if cell in ("", "#N/A") else cell


@pytest.mark.parametrize("later", [False, True])
def test_cells_are_what_openpyxl_reads(tmp_path, later):
    path, book = tmp_path / "x.xlsx", openpyxl.Workbook()
    if later:
        book.epoch = CALENDAR_MAC_1904
    for row in CELLS if not later else CELLS[:4]:
        book.active.append(row)
    rich = CellRichText("普通", TextBlock(InlineFont(b=True), "粗体"))
    book.active.append([None, rich, None, datetime.datetime(2024, 5, 6, 7, 8, 9)])
    book.active["C4"].value = "#N/A"
    book.active["C4"].data_type = "e"
    book.active.cell(40, 3).value = "far"
    book.active.cell(60, 5).number_format = "0.00"          # an empty cell that has a format
    book.save(path)
    oracle = openpyxl.load_workbook(path, data_only=True).active
    expected = [trimmed(list(map(shown, row))) for row in oracle.iter_rows(values_only=True)]
    with open_workbook(path) as found:
        rows = found.rows(*found.sheets)[0]
    assert rows == list(filter(None, expected))
    assert list(map(type, rows[1])) == [int] * 7
    assert list(map(type, rows[2])) == [float, float, float, int, float, int, float]


def trimmed(row):
    """A row up to its last cell that is not empty."""
    while row and row[-1] is None:
        row = row[:-1]
    return row


def test_texts_that_cells_name_by_numbers(tmp_path, monkeypatch):
    texts = ['<t>城市</t>', '<t xml:space="preserve"> 广 </t>', "<r><t>深</t></r><r><t>圳</t></r>",
             '<t>東京</t><rPh sb="0" eb="2"><t>とうきょう</t></rPh>', "<t>&lt;&#25991;</t>", ""]
    content = "".join(f"<si>{text}</si>" for text in texts)
    rows = "".join(f'<row r="{i + 1}"><c r="A{i + 1}" t="s"><v>{i}</v></c></row>' for i in range(6))
    path = bombs.with_texts(tmp_path, rows, bombs.TEXTS_START + content.encode() + b"</sst>")
    oracle = openpyxl.load_workbook(path).active
    expected = [row for row in oracle.iter_rows(values_only=True) if row != (None,) and row != ("",)]
    with open_workbook(path) as found:
        assert found.rows("Sheet")[0] == list(map(list, expected)) and len(expected) == 5
    monkeypatch.setattr(workbook_parts, "CELLS", 5)
    with pytest.raises(InputError, match="more texts than that"):
        read_table(path)


@pytest.mark.parametrize("form, writer", [
    ("yyyy-mm-dd", day_of), ('yyyy"年"m"月"', day_of), ("[$-804]aaaa d", day_of), ("h:mm", day_of),
    ("General", None), ('0.00"m"', None), ("#,##0.00;[Red]-#,##0.00", None), ("0\\d", None), ("0%", None),
    ("@", None), ('0"' + "d" * 300, None), ("[h]:mm", hours_of), ("[Red][HH]:MM:SS;@", hours_of),
    ("[mm]:ss", hours_of),
])
def test_formats_that_show_days_or_spans(form, writer):
    assert writer_of(form) is writer


def test_sheets(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "甲"
    book.create_sheet("乙").append(["x"])
    book.create_chartsheet("图")
    book.save(tmp_path / "x.xlsx")
    with open_workbook(tmp_path / "x.xlsx") as found:
        assert list(found.sheets) == ["甲", "乙"]
        assert [found.is_filled(name) for name in found.sheets] == [False, True]
        assert found.rows("甲")[0] == [] and found.rows("乙")[0] == [["x"]]


def filled_rows(count, cell="<c><v>1</v></c>"):
    return "".join(f'<row r="{i}">{cell}</row>' for i in range(1, count + 1))


def test_sheets_that_are_not_asked_for_are_not_unpacked(tmp_path, monkeypatch):
    path = bombs.with_sheets(tmp_path, {"小": filled_rows(3), "大": filled_rows(4000)})
    monkeypatch.setattr(workbooks, "UNPACKED", 60_000)       # the large sheet has 130 kB
    assert len(read_table(path, "小").rows) == 2
    with pytest.raises(InputError, match="several sheets"), monkeypatch.context() as patched:
        patched.setattr(workbooks, "FIRST", 1000)            # enough to see that it is filled
        read_table(path)
    with pytest.raises(InputError, match="more than .* after [0-9,]* of other members. Delete the empty"):
        read_table(path, "大")


def test_a_sheet_is_unpacked_once(tmp_path, monkeypatch):
    cells = filled_rows(4000)
    monkeypatch.setattr(workbooks, "UNPACKED", 160_000)
    assert len(read_table(bombs.with_sheets(tmp_path, {"大": cells})).rows) == 3999
    monkeypatch.setattr(workbooks, "FIRST", 1000)
    assert len(read_table(bombs.with_sheets(tmp_path, {"大": cells, "空": ""})).rows) == 3999


def test_cells_behind_the_start_of_a_sheet_are_seen(tmp_path):
    late = filled_rows(1)[:-6] + filled_rows(9000, "<c/>").replace('<row r="1">', "", 1)
    late += '<row r="9001"><c><v>2</v></c></row>'
    path = bombs.with_sheets(tmp_path, {"甲": late.replace("<c><v>1</v></c>", ""), "乙": filled_rows(2)})
    with pytest.raises(InputError, match="several sheets: say which with --name. It has: 甲, 乙"):
        read_table(path)


def test_empty_cells_count_less_and_other_sheets_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(workbooks, "ELEMENTS", 1000)
    blanks = "<row>" + "<c/>" * 900 + "</row>"
    sheets = {"甲": filled_rows(400), "乙": filled_rows(400), "丙": filled_rows(2) + blanks}
    path = bombs.with_sheets(tmp_path, sheets)
    assert [len(read_table(path, name).rows) for name in sheets] == [399, 399, 1]
    monkeypatch.setattr(workbooks, "ELEMENTS", 500)
    monkeypatch.setattr(workbooks, "BLANKS", 800)
    refused = {"甲": "at most 500 other tags.*Delete the empty", "丙": "at most 800 tags of cells"}
    for sheet, message in refused.items():
        with pytest.raises(InputError, match=message):
            read_table(path, sheet)


@pytest.mark.parametrize("make, message", [
    (bombs.far_cell, "at most 2,000 columns .*Received: 16,384 columns"),
    (bombs.far_row, "rows 1 to 1,048,576.*Received: row 99999999999"),
    (bombs.entities, "document type"),
])
def test_bombs(tmp_path, make, message):
    with pytest.raises(InputError, match=message):
        read_table(make(tmp_path))


def test_limits_on_what_is_unpacked(tmp_path, monkeypatch):
    cells = "".join(f'<row r="{i}"><c r="A{i}"><v>1</v></c></row>' for i in range(2, 102))
    path = bombs.workbook(tmp_path, cells)
    assert len(read_table(path).rows) == 100
    limits = [(workbooks, "UNPACKED", 6000, "unpacks to more than 6,000"),
              (workbooks, "ELEMENTS", 200, "tags"), (workbook_parts, "CELLS", 99, "at most .* 99 cells"),
              (tables, "CELLS", 99, "99 cells")]
    for module, name, value, message in limits:
        with monkeypatch.context() as patched, pytest.raises(InputError, match=message):
            patched.setattr(module, name, value)
            read_table(path)


@pytest.mark.parametrize("cell", [
    '<c r="A2" t="s"><v>9</v></c>', '<c r="A2"><v>x</v></c>', '<c r="AAAA2"><v>1</v></c>',
    '<c r="2"><v>1</v></c>', '<c r="A2" s="x"><v>1</v></c>', "<c><v>" + "1" * 5000 + "</v></c>", "<c>",
])
def test_cells_that_are_none(tmp_path, cell):
    with pytest.raises(InputError, match="should be an Excel file"):
        read_table(bombs.workbook(tmp_path, f'<row r="2">{cell}</row>'))


def test_older_files_and_those_with_a_password(tmp_path):
    locked = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    for name, content in [("x.xls", b"any"), ("x.ods", b"PK\3\4"), ("x.xlsx", locked)]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="Save it as such, or as CSV"):
            read_table(tmp_path / name)


@pytest.mark.parametrize("form", ["[h]:mm:ss", "[hh]:mm", "[h]"])
def test_spans_of_time_are_hours(tmp_path, form):
    book = openpyxl.Workbook()
    for row in [["项目", "工时"], ["甲", datetime.timedelta(hours=25, minutes=30)],
                ["乙", datetime.timedelta(minutes=45)], ["丙", datetime.timedelta(hours=12)]]:
        book.active.append(row)
    for cell in book.active["B"][1:]:
        cell.number_format = form
    book.save(tmp_path / "x.xlsx")
    table = read_table(tmp_path / "x.xlsx")
    assert table.types == ["text", "real"] and table.cells(1) == [25.5, 0.75, 12.0]
    assert table.notes == ["spans of time are read in hours"]


def test_formulas_that_were_never_calculated(tmp_path):
    book = openpyxl.Workbook()
    for row in [["城市", "合计"], ["广州", "=SUM(1,2)"], ["深圳", "=SUM(3,4)"], ["上海", 5]]:
        book.active.append(row)
    book.save(tmp_path / "x.xlsx")
    table = read_table(tmp_path / "x.xlsx")
    assert table.rows == [["广州", None], ["深圳", None], ["上海", 5.0]]
    assert table.notes == ["cells with a formula that no program has calculated yet count as empty: 2. "
                           "Open the file in Excel and save it"]


def test_a_formula_that_gives_an_empty_text_is_calculated(tmp_path):
    cells = '<row r="2"><c r="A2" t="str"><f>A1</f><v></v></c><c r="B2"><v>1</v></c></row>'
    assert not read_table(bombs.workbook(tmp_path, cells)).notes


def test_characters_that_xml_cannot_hold(tmp_path):
    texts = ["城市_x000D_\n名", "广州_x000D_", "a_x005F_x000D_b", "_x00_", "max_x"]
    content = "".join(f"<si><t>{text}</t></si>" for text in texts)
    rows = "".join(f'<row r="{i + 1}"><c r="A{i + 1}" t="s"><v>{i}</v></c></row>' for i in range(5))
    table = read_table(bombs.with_texts(tmp_path, rows, bombs.TEXTS_START + content.encode() + b"</sst>"))
    assert table.columns == ["城市 名"]
    assert table.cells(0) == ["广州", "a_x000D_b", "_x00_", "max_x"]


def test_hidden_sheets_are_read_if_they_are_named(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "销售"
    for row in [["城市", "额"], ["广州", 1]]:
        book.active.append(row)
    for name, state in [("参数", "hidden"), ("缓存", "veryHidden")]:
        sheet = book.create_sheet(name)
        sheet.append(["键"])
        sheet.append([name])
        sheet.sheet_state = state
    book.save(tmp_path / "x.xlsx")
    assert read_table(tmp_path / "x.xlsx").name == "销售"
    assert read_table(tmp_path / "x.xlsx", "缓存").rows == [["缓存"]]


def test_a_table_that_begins_at_b2_below_two_titles(tmp_path):
    book = openpyxl.Workbook()
    rows = [["2019年销售表"], ["单位：万元"], ["城市", "人口"], ["广州", 12], ["深圳", 7]]
    for row, cells in enumerate(rows, 2):
        for column, cell in enumerate(cells, 2):
            book.active.cell(row, column).value = cell
    book.save(tmp_path / "x.xlsx")
    table = read_table(tmp_path / "x.xlsx")
    assert table.columns == ["城市", "人口"] and table.rows == [["广州", 12.0], ["深圳", 7.0]]
    assert len(table.notes) == 2 and "单位：万元 is taken for a title" in table.notes[1]
