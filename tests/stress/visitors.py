"""Many visitors at once on the page of `make demo`: how many answers a second they get, how many errors, and
whether the page's memory grows.

Each visitor asks one tab after the other without a pause, in an order and with words of his own, so that no
answer is remembered.
"""

import asyncio
import collections
import io
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

from common.harness.writing import ROOT

GROWTH = 1.1                # memory at the end, beside that at half the time: more is a fault
WAIT = 180                  # seconds for one answer, before it counts as an error
HAN = "春风花月山水云天日夜江河鸟树人心酒诗书灯"


def visitors(folder, count, seconds):
    """The figures of so many visitors in so many seconds.

    Args:
        folder: for the page's temporary files.
    """
    command = [sys.executable, str(ROOT / "demo/page.py"), "--port", "0", "--quiet"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        line = process.stdout.readline()
        if not line.startswith("page: "):
            process.wait()
            return {"faults": ["the page did not start: pip install -r requirements-demo.txt"]}
        try:
            return asyncio.run(visit(line.split()[1], process.pid, count, seconds))
        finally:
            process.send_signal(signal.SIGINT)


async def visit(address, process, count, seconds):
    """Lets all visitors ask until the time is over."""
    import httpx  # comes with gradio

    found = {"visitors": count, "answers": 0, "errors": 0, "faults": []}
    kinds = collections.Counter()
    async with httpx.AsyncClient(base_url=f"{address}/en/gradio_api/", timeout=WAIT,
                                 limits=httpx.Limits(max_connections=None)) as client:
        picture = await uploaded(client)
        for request in requests(random.Random(0), picture):           # every model is there, and has answered
            await answer(client, *request)
        start = time.monotonic()
        end, middle = start + seconds, start + seconds / 2
        tasks = [asyncio.create_task(one(client, number, picture, end, found, kinds))
                 for number in range(count)]
        await asyncio.sleep(max(0, middle - time.monotonic()))
        found["megabytes at half"] = megabytes(process)
        await asyncio.gather(*tasks)
        found["megabytes"] = megabytes(process)
    lasted = time.monotonic() - start
    found["answers a second"] = round(found["answers"] / lasted, 1)
    found["lasted"] = round(lasted)
    found["faults"] += [f"{number} answers were errors: {kind}" for kind, number in kinds.items()]
    if found["megabytes"] > GROWTH * found["megabytes at half"]:
        found["faults"].append(f"memory grew from {found['megabytes at half']} to {found['megabytes']} MB")
    return found


async def one(client, number, picture, end, found, kinds):
    """A visitor, until the time is over: what was asked by then is still answered."""
    rng = random.Random(number)
    while time.monotonic() < end:
        for request in requests(rng, picture):
            if time.monotonic() >= end:
                return
            error = await answer(client, *request)
            found["errors" if error else "answers"] += 1
            if error:
                kinds[f"{request[0]}: {error}"] += 1


def requests(rng, picture):
    """(tab, what is asked) for each tab, in any order."""
    def words(length):
        return "".join(rng.choices(HAN, k=length))

    found = [("segment", [words(200), "default", "", True]),
             ("couplet", [words(7), "line", True, True, "off"]),
             ("verse", ["random", "", "", 0.5, rng.randrange(10**6)]),
             ("read", ["谁住在山上", f"{words(60)}，李白住在山上。\n{words(100)}"]),
             ("table", [None, "", rng.choice(["最贵的书", "价格超过40的书有哪些", "每个类别各有几本"])]),
             ("nice", [0.75, rng.randrange(10**6)]), ("gan", [rng.randrange(10**6), rng.randrange(10**6)]),
             ("capsule", [{"background": None, "layers": [], "composite": picture}])]
    rng.shuffle(found)
    return found


async def answer(client, tab, data):
    """Asks a tab and waits for the answer; what went wrong, or nothing."""
    import httpx

    try:
        event = (await client.post(f"call/{tab}", json={"data": data})).json()["event_id"]
        text = (await client.get(f"call/{tab}/{event}")).text
    except (httpx.HTTPError, KeyError, ValueError) as error:
        return type(error).__name__
    return "" if "event: complete" in text else text.strip().splitlines()[-1][:80]


async def uploaded(client):
    """An upload of a drawing of two digits, as later requests name it."""
    from PIL import Image, ImageDraw

    image, content = Image.new("L", (420, 280), "white"), io.BytesIO()
    draw = ImageDraw.Draw(image)
    draw.line([(110, 60), (110, 220)], fill="black", width=16)
    draw.line([(230, 60), (330, 60), (280, 220)], fill="black", width=16)
    image.save(content, "PNG")
    answer = await client.post("upload", files={"files": ("drawing.png", content.getvalue(), "image/png")})
    return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}


def megabytes(process):
    """Memory of a process and its children, on Linux."""
    children = pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():         # any thread may have started one
        children += (task / "children").read_text().split()
    pages = [int(pathlib.Path(f"/proc/{number}/statm").read_text().split()[1])
             for number in {str(process), *children}]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") // 10**6
