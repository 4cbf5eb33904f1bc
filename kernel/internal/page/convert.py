"""Makes one HTML page of a notebook: convert.py NOTEBOOK FOLDER TEMPLATES, page on standard output.

FOLDER is where the notebook's own pictures are. Formulas become MathML, which browsers draw and screen
readers read without a script; a formula that cannot is an error. Errors are one line that begins with
"page: ".
"""
import base64
import json
import mimetypes
import os
import re
import sys
from urllib.parse import unquote

import nbformat
from bs4 import BeautifulSoup
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config


# The forms of an output, the best first.
FORMS = [
    "text/html", "text/markdown", "image/svg+xml", "text/latex", "image/gif", "image/png", "image/jpeg", "text/plain",
]


class Refused(Exception):
    pass


def mathml(text, display):
    # Two columns, right and left, are what aligned means; the library knows them as an array.
    aligned = re.sub(r"\\begin\{(?:aligned|align\*?|split)\}", r"\\begin{array}{rl}", text)
    aligned = re.sub(r"\\end\{(?:aligned|align\*?|split)\}", r"\\end{array}", aligned)
    try:
        made = convert(aligned.strip(), display=display)
    except Exception as error:
        raise Refused(f"the formula {text.strip()!r} is not LaTeX: {type(error).__name__}") from error
    unknown = re.search(r"\\[A-Za-z]+", made)
    if unknown:
        raise Refused(f"the formula {text.strip()!r} uses {unknown.group()}, which has no MathML here: write it without")
    return made


class Renderer(IPythonRenderer):
    # nbconvert parses each piece of HTML by itself to embed pictures, which closes a <details> before its
    # content; embed does that for the whole page.
    def block_html(self, html):
        return html + "\n"

    def inline_html(self, html):
        return html

    def block_math(self, body):
        return mathml(body, "block")

    def multiline_math(self, text):
        return mathml(text.strip().removeprefix("$$").removesuffix("$$"), "block")

    def latex_environment(self, name, body):
        return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")

    def inline_math(self, body):
        return mathml(body, "inline")


class Exporter(HTMLExporter):
    @pass_context
    def markdown2html(self, context, source):
        renderer = Renderer(
            escape=False,
            attachments=context.get("cell", {}).get("attachments", {}),
            embed_images=True,
            path=context.get("resources", {}).get("metadata", {}).get("path", ""),
            exclude_anchor_links=True,
        )
        return MarkdownWithMath(renderer=renderer).render(source)


def alternatives(notebook):
    """Moves the words for a picture, which Jupyter keeps for an output, to where the template asks."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            metadata = output.get("metadata", {})
            for mime in ("image/png", "image/jpeg", "image/gif", "image/svg+xml"):
                if mime in output.get("data", {}):
                    inner = metadata.get(mime, {})
                    words = (inner.get("alt") if isinstance(inner, dict) else None) or metadata.get("alt")
                    metadata["alt"] = words or output["data"].get("text/plain") or "picture"


def embed(page, folder):
    """Puts the pictures of HTML in Markdown into the page, as nbconvert does those of Markdown itself."""
    for picture in page.find_all("img"):
        path = os.path.join(folder, unquote(picture.get("src", "")))
        kind, _ = mimetypes.guess_type(path)
        if not picture.get("src", "").startswith("data:") and kind and os.path.isfile(path):
            with open(path, "rb") as file:
                picture["src"] = f"data:{kind};base64,{base64.b64encode(file.read()).decode()}"


def headings(page):
    """Lets no heading be more than one level below the one before it, and only the first be a title."""
    last = 0
    for heading in page.find_all(re.compile("^h[1-6]$")):
        level = int(heading.name[1])
        if last and level == 1:
            level = 2
        level = min(level, last + 1)
        heading.name = f"h{level}"
        last = level


def tables(page):
    """Says of each header cell what it heads, and lets what is wide scroll, by keyboard too."""
    for number, table in enumerate(page.find_all("table"), 1):
        for header in table.select("thead th"):
            header["scope"] = "col"
            if not header.get_text(strip=True):
                header.name = "td"
                del header["scope"]
        frame = page.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "group", "aria-label": f"table {number}"})
        table.wrap(frame)
    for block in page.select('pre, math[display="block"]'):
        block["tabindex"] = "0"


def outside(page):
    """What the page would fetch when it is opened."""
    fetching = {"src", "srcset", "poster", "data", "background", "xlink:href"}
    for element in page.find_all(True):
        if element.name in ("script", "iframe", "object", "embed", "base", "link"):
            yield f"<{element.name}> {element.get('src') or element.get('href') or ''}".strip()
        for attribute, value in element.attrs.items():
            fetches = attribute in fetching or attribute == "href" and element.name in ("image", "use", "feimage")  # of SVG
            if fetches and not str(value).startswith(("data:", "#")):
                yield str(value)
            if attribute == "style" and re.search(r"url\((?!\s*['\"]?(data:|#))", str(value)):
                yield str(value)
            if attribute.startswith("on"):
                yield f"{attribute}={value}"
    for style in page.find_all("style"):
        for found in re.findall(r"@import[^;]*|url\((?!\s*['\"]?(?:data:|#))[^)]*\)", style.get_text()):
            yield found


def main(path, folder, templates):
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.setdefault("language_info", {})["pygments_lexer"] = "go"
    notebook.metadata.pop("widgets", None)
    alternatives(notebook)
    exporter = Exporter(
        config=Config({"NbConvertBase": {"display_data_priority": FORMS}}),
        template_name="tokenfuse", extra_template_basedirs=[templates], embed_images=True, exclude_anchor_links=True
    )
    title = notebook.metadata.get("title", "notebook")
    html, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title, "path": folder}})
    page = BeautifulSoup(html, "html.parser")
    # GoNB's own scripts and widgets need a kernel, which a page has not.
    for element in page.select("main script"):
        element.decompose()
    embed(page, folder)
    headings(page)
    tables(page)
    for what in outside(page):
        raise Refused(f"it would fetch {what[:200]!r} when opened: keep pictures beside the notebook, and scripts out of it")
    sys.stdout.write(str(page))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Refused as error:
        sys.exit(f"page: {json.dumps(str(error), ensure_ascii=False)[1:-1]}")
