"""Pages made of hostile text in every field, in a browser: nothing runs, nothing is fetched."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import chromium
import nbformat
import pandas as pd
import populations
import pytest
import specimens
from counting_server import counting_server
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from analysis.pages.findings import write_check_report
from analysis.pages.notebooks import find_notebooks, notebook_page, write_reports
from analysis.pages.page import fill_page
from analysis.tables.markup import as_html
from analysis.tables.table_specs import Group
from analysis.tables.typeset import paper_table
from analysis.tables.write import write_table
from atlas.build import build_atlas
from atlas.data.dataset import Dataset
from atlas.data.subject import Finding, Severity
from atlas.explorer.content import ExplorerOptions
from atlas.explorer.page import write_explorer
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align
from atlas.store import Atlas, Settings, save_atlas
from atlas.text.display import said_html

pytestmark = [
    pytest.mark.skipif(chromium.executable() is None, reason="needs Chromium"),
    # Kernels of notebooks speak of their own transport on standard error, and sockets close late.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning"),
]
ATTACKS = (
    "<img src=URL/img onerror=\"document.title='stolen'\">",
    "![x](URL/markdown)",
    "[x](javascript:document.title='stolen')",
    "<script>document.title='stolen';fetch('URL/fetch')</script>",
    "<script src=URL/script></script>",
    "</title></style></script><style>body{background:url(URL/style)}@import 'URL/import';</style>",
    '"><div style="background:url(URL/attribute)" onmouseover=alert(1)>',
    "<svg onload=\"document.title='stolen'\"><image href=URL/svg /><use href=URL/use#x /></svg>",
    '<meta http-equiv="refresh" content="0;url=URL/refresh">',
    '<base href="URL/base/">',
    "<link rel=stylesheet href=URL/link><link rel=prefetch href=URL/prefetch>",
    "<iframe src=URL/iframe srcdoc='<img src=URL/srcdoc>'></iframe><object data=URL/object>",
    "</object><video src=URL/video poster=URL/poster autoplay></video><audio src=URL/audio>",
    "<form action=URL/form><input type=image src=URL/input autofocus onfocus=alert(1)></form>",
    "$\\href{URL/tex}{x}$ \u202e \x1b]8;;URL/terminal\x07 {{script}} $body ${body} -->",
)


@pytest.fixture(scope="module")
def server():
    with counting_server() as found:
        yield found


@pytest.fixture(scope="module")
def attack(server):
    return " ".join(ATTACKS).replace("URL", server[0])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium.Page(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(autouse=True)
def nobody_asked(server):
    server[1].clear()
    yield
    assert server[1] == []


def look_at(browser, path, *, mention="onerror"):
    """Open a page and wait; what it asked for, and whether any of it ran."""
    browser.events.clear()
    browser.send("Page.navigate", url=path.resolve().as_uri())
    end = time.monotonic() + 60
    while browser.run("document.readyState") != "complete" or not browser.run(
        f"location.href === {path.resolve().as_uri()!r}"
    ):
        assert time.monotonic() < end, browser.errors()
        time.sleep(0.05)
    time.sleep(0.4)
    assert "stolen" not in str(browser.run("document.title")).split("'")[0]
    own = path.resolve().as_uri()
    assert [url for url in browser.requests() if url != own and not url.startswith("data:")] == []
    assert browser.run("document.querySelectorAll('iframe,object,svg,form,base,video').length") == 0
    assert browser.run(HANDLERS) == 0
    # Nothing was kept out that the page needs itself, and the text is there to be read.
    assert [e for e in browser.errors() if "Content Security Policy" in e] == []
    assert mention in str(browser.run("document.documentElement.textContent"))
    assert browser.run("!!document.querySelector('meta[http-equiv=Content-Security-Policy]')")


HANDLERS = (
    "[...document.querySelectorAll('*')].filter(e => [...e.attributes]"
    ".some(a => a.name.startsWith('on') || /^\\s*javascript:/i.test(a.value))).length"
)


def make_atlas(attack):
    landmarks, _ = populations.posed_population(5, rank=3, amplitude_mm=0.8)
    landmarks = replace(landmarks, subject_ids=tuple(f"{attack}{i}" for i in range(5)))
    alignment = align(landmarks)
    finding = dict.fromkeys(("rule", "subject", "place", "message"), attack)
    words = dict.fromkeys(("notice", "attribution", "disclaimer", "created"), attack)
    words |= {"software": {"version": attack}, "anchor": "dura-apex"}
    findings = [{**finding, "severity": "warning", "subject": ""}]
    return Atlas(fit_shape_model(alignment), alignment, Settings(), words | {"findings": findings})


def test_the_explorer(browser, attack, tmp_path):
    options = ExplorerOptions(edge_mm=4.0, modes=2)
    path = write_explorer(make_atlas(attack), tmp_path / "page.html", options)
    look_at(browser, path)


def test_the_page_of_a_check(browser, attack, tmp_path):
    subject = replace(specimens.make_small_subject(), id=attack)
    subject = replace(subject, source=replace(subject.source, notice=attack))
    findings = tuple(
        Finding(severity, attack, who, attack, attack)
        for severity in Severity
        for who in ("", subject.id)
    )
    path = tmp_path / "page.html"
    write_check_report(Dataset(attack, (subject,)), findings, path)
    look_at(browser, path)


def test_pages_of_tables(browser, attack, tmp_path):
    table = pd.DataFrame({"subject": [attack], f"x {attack}": [attack], "n": [1]})
    group = Group(3, attack, attack)
    paper = paper_table(table, "one", group.caption(attack, intervals=attack), notice=attack)
    words = {"title": attack, "lines": [attack], "notice": attack}
    page = fill_page("tables.html", groups={attack: [as_html(paper)], "x": []}, **words)
    (tmp_path / "tables.html").write_text(page, encoding="utf-8")
    look_at(browser, tmp_path / "tables.html")
    columns = dict.fromkeys(table.columns, attack)
    (path,) = write_table(
        table, tmp_path / "one", formats=["html"], caption=attack, columns=columns, notice=attack
    )
    look_at(browser, path)


def test_a_page_of_a_notebook_whose_outputs_are_hostile_themselves(browser, attack, tmp_path):
    outputs = [new_output("stream", text=attack)]
    outputs += [
        new_output("display_data", {kind: attack})
        for kind in ("text/html", "text/markdown", "text/plain", "text/latex", "image/svg+xml")
    ]
    outputs.append(new_output("display_data", {"application/javascript": attack}))
    outputs.append(new_output("display_data", {"text/html": said_html(attack, label=attack)}))
    cells = [new_markdown_cell(attack), new_code_cell(f"# {attack}", outputs=outputs)]
    path = tmp_path / "page.html"
    path.write_text(notebook_page(new_notebook(cells=cells), attack), encoding="utf-8")
    look_at(browser, path)


@pytest.mark.slow
def test_every_report(browser, attack, tmp_path):
    built = build_atlas(specimens.make_dataset(4), Settings(root=8, dura=(12, 12), cord=(10, 8)))
    landmarks = built.alignment.landmarks
    ids = tuple(f"{attack}{i}" for i in range(4))
    alignment = replace(built.alignment, landmarks=replace(landmarks, subject_ids=ids))
    words = dict.fromkeys(("notice", "attribution", "disclaimer"), attack)
    provenance = dict(built.provenance) | words
    save_atlas(replace(built, alignment=alignment, provenance=provenance), tmp_path / "model.h5")
    write_reports(tmp_path / "model.h5", tmp_path / "out")
    pages = sorted((tmp_path / "out").glob("*.html"))
    assert [p.stem for p in pages] == sorted(["index", *find_notebooks()])
    for path in pages:
        look_at(browser, path)
    for name in find_notebooks():
        assert_text_alone(tmp_path / "out" / f"{name}.ipynb")


def assert_text_alone(path: Path):
    """No Markdown and no HTML of a saved notebook holds anything of the hostile text as markup."""
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            said = "".join(str(data.get(kind, "")) for kind in ("text/html", "text/markdown"))
            assert "<img src=http" not in said
            assert "<script" not in said
            assert "127.0.0.1" not in str(data.get("text/markdown", ""))
            if "127.0.0.1" in str(data.get("text/html", "")):
                assert "tex2jax_ignore" in said


@pytest.mark.slow
def test_the_server_would_notice(browser, server, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(f"<img src={server[0]}/noticed>")
    browser.send("Page.navigate", url=path.as_uri())
    end = time.monotonic() + 20
    while not server[1] and time.monotonic() < end:
        time.sleep(0.05)
        browser.run("1")
    assert server[1] == ["/noticed"]
    server[1].clear()
