"""The page of an explanation in a browser: drawn, read by pointer and keyboard, downloaded."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time

import numpy as np
import pytest
import torch

from hyena_glt.biology.intervals import Feature
from hyena_glt.interpretability.attention_profile import AttentionProfile, BlockAttention
from hyena_glt.interpretability.attribution import Attribution
from hyena_glt.interpretability.compression import SequencePatches
from hyena_glt.interpretability.explain_page import patches_bed, write_explanation
from hyena_glt.interpretability.explanation import Column, Explanation, table_text
from hyena_glt.interpretability.readable import MINUS


class Page:
    """A page in a headless browser, driven over a pipe by the DevTools protocol."""

    def __init__(self, program, folder):
        # Descriptors 3 and 4 of the browser are its ends of two pipes.
        self.folder = folder
        ends = [*os.pipe(), *os.pipe()]
        to_browser, self.write, self.read, from_browser = (
            fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends
        )
        for end in ends:
            os.close(end)
        command = (
            f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser} {to_browser}<&- {from_browser}>&-'
        )
        options = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1300,1600",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            ["bash", "-c", command, program, *options, "about:blank"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self.number, self.rest, self.session = 0, b"", None
        self.console, self.loaded = [], False
        target = next(
            one for one in self.ask("Target.getTargets")["targetInfos"] if one["type"] == "page"
        )
        attached = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            found = self.next_message()
            if found.get("id") == self.number:
                assert "error" not in found, found
                return found["result"]

    def next_message(self):
        while b"\0" not in self.rest:
            part = os.read(self.read, 1 << 20)
            assert part, "the browser has gone"
            self.rest += part
        whole, self.rest = self.rest.split(b"\0", 1)
        found = json.loads(whole)
        if found.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded"}:
            self.console.append(found["params"])
        if found.get("method") == "Runtime.consoleAPICalled":
            self.console.append(found["params"])
        self.loaded |= found.get("method") == "Page.loadEventFired"
        return found

    def open(self, path):
        self.loaded = False
        self.ask("Page.navigate", url=path.as_uri())
        while not self.loaded:
            self.next_message()
        self.settle()

    def settle(self):
        """Wait until what was asked for is drawn."""
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self, script):
        found = self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def pointer(self, kind, x, y, **more):
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)
        self.settle()

    def click(self, x, y, count=1):
        for kind in ("mousePressed", "mouseReleased"):
            self.pointer(kind, x, y, button="left", clickCount=count)

    def key(self, key, shift=False):
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.ask(
                "Input.dispatchKeyEvent", type=kind, key=key, modifiers=8 * shift,
                **(text if kind == "keyDown" else {}),
            )  # fmt: skip
        self.settle()

    def download(self, button):
        """Click a button and give what it saves."""
        self.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.folder))
        before = {one.name for one in self.folder.iterdir()}
        self.run(f"document.getElementById('{button}').click()")
        for _ in range(200):
            new = [
                one for one in self.folder.iterdir()
                if one.name not in before and not one.name.startswith(".")
                and one.suffix != ".crdownload"
            ]  # fmt: skip
            if new and new[0].stat().st_size:
                return new[0]
            time.sleep(0.05)
        pytest.fail(f"{button} saved nothing")

    def close(self):
        self.session = None
        os.write(self.write, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.write)
        os.close(self.read)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    program = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if program is None:
        pytest.skip("no browser on this machine: chromium, google-chrome")
    opened = Page(program, tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


START = 1000
LENGTH = 240


def explanation(**changes):
    draw = np.random.default_rng(0)
    sequence = "".join(draw.choice(list("ACGT"), LENGTH))
    own = np.array([list("ACGT")]) == np.array([list(sequence)]).T
    effects = np.where(own, 0.0, draw.normal(size=(LENGTH, 4)) * 0.1)
    effects[30:36] = np.where(own[30:36], 0.0, -2.0)
    received = np.full(LENGTH, 1 / LENGTH)
    block = BlockAttention("LI", received, received, received, np.full((48, 48), 1 / 48))
    starts = list(range(0, LENGTH, 8))
    fields = {
        "name": "chr9:1001-1240", "contig": "chr9", "start": START, "sequence": sequence,
        "alphabet": "ACGT", "task": "classification", "verdict": "Predicted class: promoter.",
        "outputs": [("other", 0.1), ("</script><b>promoter", 0.9)],
        "patches": SequencePatches(starts, [8] * 30, draw.random(LENGTH).tolist(), 8.0),
        "explained": "the logit of class promoter", "method": "in-silico mutagenesis",
        "attribution": Attribution(
            torch.tensor(-effects.sum(axis=1) / 3), torch.tensor(effects), 1.5
        ),
        "classes": [Column("p_x", "x", draw.random(LENGTH))],
        "attention": AttentionProfile({0: block}, received, {}, np.ones(1), LENGTH),
        "features": [
            Feature("chr9", 1025, 1040, "TATA_box", "+", attributes={"gene": "</script>abc"}),
            Feature("chr9", 900, 1100, "gene", "-", attributes={"gene": "xyz"}),
        ],
    }  # fmt: skip
    return Explanation(**{**fields, **changes})


@pytest.fixture(scope="module")
def it():
    return explanation()


@pytest.fixture
def opened(page, it, tmp_path):
    page.console.clear()
    page.open(write_explanation(it, tmp_path / "explain.html"))
    yield page
    assert page.console == []


def box(page):
    """Left, top, width and height of the canvas in the window."""
    script = "(() => { const b = document.getElementById('view').getBoundingClientRect(); "
    script += "return [b.left, b.top, b.width, b.height]; })()"
    return page.run(script)


def at_base(page, base):
    """The place in the window of a base of the whole sequence, 0-based from its start."""
    left, top, width, _ = box(page)
    return left + 126 + (base + 0.5) * (width - 126 - 12) / LENGTH, top + 90


def shown(page):
    return page.run("[+canvas.dataset.from, +canvas.dataset.to]")


# A copy of the canvas whose pixels can be read.
COPY = """
  const copy = document.createElement("canvas");
  copy.width = canvas.width; copy.height = canvas.height;
  const ctx = copy.getContext("2d", { willReadFrequently: true });
  ctx.drawImage(canvas, 0, 0);
"""


def readout(page):
    return page.run("document.getElementById('readout').textContent")


def test_every_track_is_drawn(opened):
    assert opened.run("canvas.dataset.tracks").split() == [
        "ruler", "annotation", "classes", "attribution", "variants", "patches", "boundary",
        "attention", "arcs",
    ]  # fmt: skip
    # Where a track lies, its colours differ from the paper.
    script = """(() => { COPY
      const ratio = canvas.width / canvas.clientWidth;
      return Object.fromEntries(layout()[0].map(([track, top]) => {
        const data = ctx.getImageData(
          130 * ratio, top * ratio, canvas.width - 150 * ratio, track.height * ratio).data;
        const seen = new Set();
        for (let i = 0; i < data.length; i += 4)
          seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
        return [track.id, seen.size];
      }));
    })()"""
    assert min(opened.run(script.replace("COPY", COPY)).values()) > 3
    assert opened.run("document.querySelectorAll('#maps canvas').length") == 1


def test_the_pointer_reads_a_base(opened, it):
    opened.pointer("mouseMoved", *at_base(opened, 32))
    text = readout(opened)
    letter = it.sequence[32]
    assert text.startswith(f"chr9:1,033 {letter} · patch 5 (1,033–1,040, 8 bases) · attribution 2")
    other = next(x for x in "ACGT" if x != letter)
    assert f"{letter}→{other} {MINUS}2" in text
    assert "P(</script><b>promoter) of the sequence 0.9" in text
    assert text.endswith("gene xyz (-); TATA_box </script>abc (+)")
    opened.pointer("mouseMoved", 5, 5)
    assert readout(opened) == "Point at a base to read its values."


def test_a_map_names_the_bases_of_its_stretches(page, it, tmp_path):
    # 240 bases in 96 stretches: base b lies in stretch b * 96 // 240.
    one = it.attention.blocks[0]._replace(map=np.full((96, 96), 1 / 96))
    page.console.clear()
    page.open(
        write_explanation(
            explanation(attention=it.attention._replace(blocks={0: one})), tmp_path / "x.html"
        )
    )
    script = """(() => {
      const map = document.querySelector('#maps canvas'), area = map.getBoundingClientRect();
      return Array.from({ length: 96 }, (_, k) => {
        map.dispatchEvent(new PointerEvent('pointermove', {
          clientX: area.left + ((k + 0.5) / 96) * area.width, clientY: area.top + 0.5 }));
        return document.getElementById('tip').textContent.split(' to ')[1];
      });
    })()"""
    places = []
    for stretch in range(96):
        bases = [START + b + 1 for b in range(LENGTH) if b * 96 // LENGTH == stretch]
        places.append("–".join(f"{b:,}" for b in dict.fromkeys([bases[0], bases[-1]])))
    assert page.run(script) == places
    assert page.console == []


def test_a_click_holds_a_base_and_arrow_keys_move_on(opened):
    opened.click(*at_base(opened, 100))
    opened.pointer("mouseMoved", 5, 5)
    assert readout(opened).startswith("chr9:1,101 ")
    opened.key("ArrowRight")
    assert readout(opened).startswith("chr9:1,102 ")
    opened.key("ArrowLeft")
    opened.key("ArrowLeft")
    assert readout(opened).startswith("chr9:1,100 ")
    opened.key("Escape")
    assert readout(opened) == "Point at a base to read its values."


def test_zoom_keeps_the_base_under_the_pointer(opened):
    assert shown(opened) == [1001, 1240]
    x, y = at_base(opened, 180)
    opened.pointer("mouseMoved", x, y)
    before = readout(opened).split(" ")[0]
    for count in (1, 2):
        opened.click(x, y, count)
    first, last = shown(opened)
    assert last - first == pytest.approx(120, abs=1)
    opened.pointer("mouseMoved", x - 1, y)
    opened.pointer("mouseMoved", x, y)
    assert readout(opened).split(" ")[0] == before
    opened.pointer("mouseWheel", x, y, deltaX=0, deltaY=-120, modifiers=2)
    narrower = shown(opened)
    assert narrower[1] - narrower[0] < last - first


def test_buttons_and_keys_move_and_zoom(opened):
    opened.run("document.getElementById('in').click()")
    assert shown(opened) == [1061, 1180]
    opened.run("document.getElementById('right').click()")
    assert shown(opened) == [1121, 1240]
    assert opened.run("document.getElementById('right').disabled")
    opened.run("canvas.focus()")
    opened.key("+")
    assert shown(opened) == [1151, 1210]
    opened.key("ArrowLeft", shift=True)
    assert shown(opened) == [1136, 1195]
    opened.key("0")
    assert shown(opened) == [1001, 1240]
    assert opened.run("document.getElementById('whole').disabled")


def test_dragging_moves_the_view(opened):
    opened.run("document.getElementById('in').click()")
    x, y = at_base(opened, 120)
    opened.pointer("mousePressed", x, y, button="left", clickCount=1)
    opened.pointer("mouseMoved", x + 200, y, button="left", buttons=1)
    opened.pointer("mouseReleased", x + 200, y, button="left", clickCount=1)
    first, last = shown(opened)
    assert first < 1061
    assert last - first == pytest.approx(120, abs=1)


def test_a_place_that_is_typed_is_shown_and_a_wrong_one_is_marked(opened):
    def typed(text):
        opened.run(
            f"(() => {{ const g = document.getElementById('goto'); g.value = {text!r}; "
            "g.dispatchEvent(new Event('change')); })()"
        )
        return opened.run("document.getElementById('goto').getAttribute('aria-invalid')")

    assert typed("chr9:1,050-1,079") == "false"
    assert shown(opened) == [1050, 1079]
    assert typed("999-1010") == "true"
    assert shown(opened) == [1050, 1079]
    assert typed("1200") == "false"
    assert readout(opened).startswith("chr9:1,200 ")


def test_a_track_can_be_left_out(opened):
    height = box(opened)[3]
    opened.run("document.querySelector('#tracks input[value=variants]').click()")
    assert "variants" not in opened.run("canvas.dataset.tracks")
    assert box(opened)[3] < height


def test_downloads_have_the_right_bytes(opened, it):
    table = opened.download("tsv")
    assert table.name == "chr9_1001-1240.tsv"
    assert table.read_text(encoding="utf-8") == table_text(it)
    assert opened.download("bed").read_text(encoding="utf-8") == patches_bed(it)
    picture = opened.download("png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert (width, height) == tuple(2 * round(size) for size in box(opened)[2:])


def test_dark_mode_and_paper_have_their_own_colours(opened):
    def corner():
        return opened.run(f"(() => {{ {COPY} return [...ctx.getImageData(3, 3, 1, 1).data]; }})()")

    assert corner() == [255, 255, 255, 255]
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    opened.ask("Emulation.setEmulatedMedia", features=features)
    opened.settle()
    assert max(corner()[:3]) < 60
    printed = opened.ask("Page.printToPDF", printBackground=True)["data"]
    assert base64.b64decode(printed)[:5] == b"%PDF-"
    opened.settle()
    assert max(corner()[:3]) < 60
    opened.ask("Emulation.setEmulatedMedia", features=[])


def test_a_page_without_attribution_and_attention_works_as_well(page, tmp_path):
    page.console.clear()
    bare = explanation(attribution=None, attention=None, features=(), classes=())
    page.open(write_explanation(bare, tmp_path / "bare.html"))
    assert page.run("canvas.dataset.tracks") == "ruler patches boundary"
    page.pointer("mouseMoved", *at_base(page, 3))
    assert readout(page).startswith("chr9:1,004 ")
    assert page.console == []


def test_errors_of_a_page_are_seen_here(page, tmp_path):
    """Else the tests above could not fail."""
    path = tmp_path / "broken.html"
    path.write_text("<!doctype html><title>x</title><script>missing()</script>")
    page.console.clear()
    page.open(path)
    assert "missing is not defined" in json.dumps(page.console)
    page.console.clear()
