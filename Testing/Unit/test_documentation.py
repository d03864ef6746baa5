"""README and Documentation: nothing they point to is missing, nothing they print is wrong in form."""

import ast
import itertools
import re
import shlex
from pathlib import Path

import pytest

from XRayTomoLib.cli import main
from XRayTomoLib.commands import COMMANDS
from XRayTomoLib.geometry.formats import FORMATS, hints_of, load_format

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "Documentation").glob("*.md"))]
PICTURES = ROOT / "Documentation" / "Pictures"
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
COMMAND = re.compile(r"\bxraytomo\b +(--\w[\w-]*|[a-z][\w-]*)")
SHELLS = {"sh", "zsh", "powershell"}
MOST_BYTES = 400_000

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page):
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def prose(page):
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def anchors(page):
    """The anchors that GitHub gives to a page's headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(prose(page))}


def shell_lines(page):
    text = "\n".join(text for language, text in blocks(page) if language in SHELLS)
    return [line.strip() for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]


def missing(page, link):
    """What a link lacks; None when it leads somewhere or leaves the repository."""
    if re.match(r"\w+://", link):
        return None
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or ROOT not in target.parents:
        return f"{link}: no such file"
    return f"{link}: no such heading" if anchor and anchor not in anchors(target) else None


@pages
def test_links_lead_somewhere(page):
    assert list(filter(None, (missing(page, link) for link in LINK.findall(prose(page))))) == []


@pages
def test_python_blocks_compile(page):
    for language, text in blocks(page):
        if language == "python":
            ast.parse(text)


@pages
def test_named_subcommands_exist(page):
    code = [text for _, text in blocks(page)] + re.findall(r"`([^`\n]+)`", prose(page))
    named = {name for text in code for name in COMMAND.findall(text) if not name.startswith("--")}
    assert named <= {name.rstrip("_") for name in COMMANDS}


@pages
def test_options_of_printed_commands_exist(page, capsys):
    for line in shell_lines(page):
        words = shlex.split(line)
        if words[0] != "xraytomo":
            continue
        leading = itertools.takewhile(lambda word: not word.startswith("-"), words[1:])
        with pytest.raises(SystemExit):
            main([*leading, "--help"])
        known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", capsys.readouterr().out))
        assert {word for word in words[2:] if re.match(r"--?[a-z]", word)} <= known, line


def test_make_targets_of_the_readme_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {shlex.split(line)[1] for line in shell_lines(ROOT / "README.md") if line.startswith("make ")}
    assert named == {"demo", "test"}
    assert named <= targets


def test_every_geometry_format_is_described_with_its_hints():
    text = (ROOT / "Documentation" / "geometry-formats.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(FORMATS)
    for name, section in sections.items():
        module = load_format(name)
        functions = [module.read, *([module.write] if hasattr(module, "write") else [])]
        hints = {hint for function in functions for hint in hints_of(function)}
        assert {hint for hint in hints if f"`{hint}`" not in section} == set(), name


def test_every_picture_is_light_and_shown():
    shown = {(page.parent / link).resolve() for page in PAGES for link in LINK.findall(prose(page)) if link.endswith(".png")}
    lying = set(PICTURES.glob("*.png"))
    assert {path.name for path in lying - shown} == set()
    assert {path.name: path.stat().st_size for path in lying if path.stat().st_size > MOST_BYTES} == {}


def test_the_screenshot_of_the_extension_exists():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    addresses = re.search(r'EXTENSION_SCREENSHOTURLS "([^"]+)"', text).group(1).split()
    assert addresses
    for address in addresses:
        assert (ROOT / address.partition("/main/")[2]).is_file(), address
