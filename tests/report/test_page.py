"""The report page: self-contained, escaped, with what was put in."""

import base64

from minirmae.report.page import Section, Table, page


def test_page_embeds_and_escapes():
    table = Table(("model", "rank"), [("a < b", "4")])
    sections = [Section("One & two", "look", table, [("a picture", b"PNG")], "x > y")]
    html = page("Title <1>", "lead", sections, "foot")
    assert base64.b64encode(b"PNG").decode() in html
    assert "<td>a &lt; b</td><td>4</td>" in html
    assert "Title &lt;1&gt;" in html
    assert "<h2>One &amp; two</h2>" in html
    assert "<pre>x &gt; y</pre>" in html
    assert "src=" in html
    assert "http" not in html


def test_table_text_is_aligned():
    text = Table(("model", "rank"), [("AE", "10"), ("IRMAE", "4")]).text()
    assert text == "model  rank\nAE       10\nIRMAE     4"


def test_table_in_markdown_escapes_its_bars():
    text = Table(("model", "rank"), [("a|b", "10")]).markdown()
    assert text == "| model | rank |\n| --- | ---: |\n| a\\|b | 10 |"
