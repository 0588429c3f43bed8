"""The page: one tab for each article, in one language. What the tabs answer is in *_answers.py."""

import base64
import functools
import io
import random

import gradio as gr

from common.harness import reading
from common.harness.reading import InputError
from common.harness.writing import ROOT
from demo import asking, gallery, picture_answers, text_answers
from demo.drawn import CSS
from demo.shared import segmenters
from demo.words import words_in

FILES = [".csv", ".tsv", ".txt", ".xlsx", ".xlsm"]
PASSAGES = "白云山坐落在广州，主峰海拔382米。\n泰山位于山东省中部，主峰玉皇顶海拔1532.7米，是五岳之首。"
KEPT = 1800               # seconds after which uploads and pictures are removed
PLANE = '<div class="plane"><img src="${value}" draggable="false"><svg><line></line></svg></div>'
DRAG = reading.read_text(ROOT / "demo/plane.js")
THEME = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def build(language):
    """The page as gr.Blocks, in Chinese (zh) or English (en)."""
    say = words_in(language)
    with gr.Blocks(title=say["title"], analytics_enabled=False, delete_cache=(60, KEPT)) as page:
        gr.Markdown(f"## {say['title']}\n{say['about']}")
        for name, tab in TABS.items():
            with gr.Tab(say[name], id=name):
                tab(say)
        with gr.Tab(say["more"], id="more"):
            gr.HTML(gallery.cards(language))
    page.queue(max_size=200, api_open=True)
    return page


def answering(function):
    """The function with what it cannot answer shown as one line on the page."""
    @functools.wraps(function)
    def answer(*arguments):
        try:
            return function(*arguments)
        except InputError as error:
            message = str(error).replace("&", "&amp;").replace("<", "&lt;")       # the page takes HTML
            raise gr.Error(message, title="", print_exception=False) from None

    return answer


def on(function, name, inputs, outputs, button, *boxes):
    """The function answers where the button is clicked, or Enter is typed in a box.

    Gradio ignores a click while the answer to the one before is awaited; here the last click counts, so that
    what a visitor changed meanwhile is not lost."""
    answer = answering(function)
    button.click(answer, inputs, outputs, api_name=name, trigger_mode="always_last")
    for box in boxes:
        box.submit(answer, inputs, outputs, api_visibility="private", trigger_mode="always_last")


# ------------------------------------------------------------------------------------------------------- text

def segment(say):
    text = gr.Textbox("苏剑林的科学空间今天更新了吗？", label=say["text"], lines=4)
    with gr.Row():
        choices = [(say.get(name, name), name) for name in segmenters()]
        model = gr.Radio(choices, value="default", label=say["model"])
        own = gr.Textbox("", label=say["dictionary"])
        wholes = gr.Checkbox(True, label=say["wholes"])
    button, shown = gr.Button(say["go"], variant="primary"), gr.HTML(min_height=60)
    on(text_answers.segment, "segment", [text, model, own, wholes], shown, button, own)


def couplet(say):
    line = gr.Textbox("晚风摇树树还挺", label=say["line"])
    with gr.Row():
        choices = [(say[f"forbid_{name}"], name) for name in ("line", "position", "none")]
        forbid = gr.Radio(choices, value="line", label=say["forbid"])
        repeat = gr.Checkbox(True, label=say["repeat"])
        symbols = gr.Checkbox(True, label=say["symbols"])
    choices = [(say[f"tones_{name}"], name) for name in ("off", "modern", "old")]
    tones = gr.Radio(choices, value="off", label=say["tones"])
    button, shown = gr.Button(say["go"], variant="primary"), gr.HTML(min_height=60)
    on(text_answers.couplet, "couplet", [line, forbid, repeat, symbols, tones], shown, button, line)


def verse(say):
    choices = [(say[name], name) for name in text_answers.WAYS]
    way = gr.Radio(choices, value="random", label=say["way"])
    with gr.Row():
        first = gr.Textbox("白日依山尽，黄河入海流", label=say["verse_text"], info=say["verse_info"])
        other = gr.Textbox("春眠不觉晓，处处闻啼鸟", label=say["verse_other"], info=say["verse_info_other"])
    with gr.Row():
        temperature = gr.Slider(0, 2, 0, step=0.1, label=say["temperature"])
        seed = gr.Number(0, label=say["seed"], precision=0, minimum=0, maximum=2**31)
    button, shown = gr.Button(say["go"], variant="primary"), gr.HTML(min_height=60)
    on(text_answers.verse, "verse", [way, first, other, temperature, seed], shown, button, first, other)


def read(say):
    question = gr.Textbox("白云山的海拔是多少", label=say["question"])
    passages = gr.Textbox(PASSAGES, label=say["passages"], lines=6)
    button, shown = gr.Button(say["go"], variant="primary"), gr.HTML(min_height=60)
    gr.HTML(f'<p class="legend">{say["curves"]}</p>')
    answer = functools.partial(text_answers.read, nothing=say["nothing"])
    on(answer, "read", [question, passages], shown, button, question)


def table(say):
    with gr.Row():
        file = gr.File(label=say["file"], file_types=FILES, height=160)
        sheet = gr.Textbox("", label=say["sheet"])
    question = gr.Textbox("借出次数前三名的书", label=say["question"])
    button, sql = gr.Button(say["go"], variant="primary"), gr.HTML()
    understood = gr.Textbox(label=say["understood"], interactive=False)
    rows, notes = gr.HTML(), gr.HTML()
    inputs, outputs = [file, sheet, question], [sql, understood, rows, notes]
    on(asking.ask, "table", inputs, outputs, button, question)


# --------------------------------------------------------------------------------------------------- pictures

def picture(label, value=None, **options):
    """A picture that the page draws, below its label, which would hide a corner of it."""
    gr.Markdown(label)
    return gr.Image(value, label=label, show_label=False, type="pil", interactive=False, format="png",
                    buttons=[], **options)


def vae(say):
    with gr.Row():
        with gr.Column():
            gr.Markdown(say["plane"])
            plane = gr.HTML(plane_address, html_template=PLANE, js_on_load=DRAG, elem_id="plane")
        with gr.Column():
            digit = picture(say["digit"])
            walk = picture(say["walk"])
    plane.select(drag, None, [digit, walk], api_name=False, trigger_mode="always_last")


def plane_address():
    """The picture of the plane as an address that holds the picture itself."""
    file = io.BytesIO()
    picture_answers.plane().save(file, "png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def drag(event: gr.EventData):
    """What plane.js reports, answered."""
    places = [getattr(event, name, None) for name in ("start", "end")]
    return answering(picture_answers.digit_and_walk)(*places)


def nice(say):
    with gr.Row():
        temperature = gr.Slider(0, 2, 0.75, step=0.05, label=say["temperature"])
        seed = gr.Number(0, label=say["seed"], precision=0, minimum=0, maximum=2**31)
    button = gr.Button(say["go"], variant="primary")
    with gr.Row():
        with gr.Column():
            samples = picture(say["samples"])
        with gr.Column():
            walks = picture(say["walks"])
    on(picture_answers.flow, "nice", [temperature, seed], [samples, walks], button)


def gan(say):
    with gr.Row():
        seed = gr.Number(0, label=say["seed"], precision=0, minimum=0, maximum=2**31)
        other = gr.Number(random.randrange(1, 1000), label=say["other_seed"], precision=0, minimum=0,
                          maximum=2**31)
    button, walks = gr.Button(say["go"], variant="primary"), picture(say["walks"])
    on(picture_answers.gan_walk, "gan", [seed, other], walks, button)


def capsule(say):
    def votes(drawing):
        return picture_answers.digits(drawing and drawing["composite"])

    brush = gr.Brush(default_size=16, colors=["#000000"], color_mode="fixed")
    with gr.Row():
        with gr.Column():
            gr.Markdown(say["draw"])
            drawing = gr.Sketchpad(label=say["draw"], show_label=False, type="pil", canvas_size=(420, 280),
                                   fixed_canvas=True, brush=brush, layers=False, transforms=(),
                                   elem_id="drawing")
        with gr.Column():
            gr.Markdown(say["votes"])
            maps = gr.Gallery(label=say["votes"], show_label=False, columns=2, object_fit="contain",
                              buttons=[], format="png")
    on(votes, "capsule", drawing, maps, gr.Button(say["go"], variant="primary"))


TABS = {function.__name__: function for function in
        (segment, couplet, verse, read, table, vae, nice, gan, capsule)}
LOOK = {"theme": THEME, "css": CSS}
