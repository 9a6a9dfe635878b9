"""The scripts of both pages: which modules they load, and that all of them are served."""

from __future__ import annotations

import re

import pytest

from linkgan_plugin.web.answers import STATIC

LONGEST = 170  # lines


def modules(page: str) -> dict[str, str]:
    """The scripts that a page loads, directly and by imports: name -> text."""
    waiting = re.findall(r'<script type="module" src="([^"]+)"', (STATIC / page).read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = (STATIC / name).read_text(encoding="utf-8")
            waiting += re.findall(r'^(?:import|export) (?:[^";]* from )?"\./([^"]+)";', found[name], re.M)
    return found


def test_every_script_is_a_module_of_one_of_the_pages(page):
    used = modules("index.html") | modules("draw.html")
    assert set(used) == {path.name for path in STATIC.glob("*.js")}
    for name, text in used.items():
        response = page.client.get(f"/{name}")
        assert (response.status_code, response.text) == (200, text)
        assert "javascript" in response.headers["content-type"]


@pytest.mark.parametrize("name", sorted(path.name for path in STATIC.glob("*.js")))
def test_a_script_says_what_it_is_and_is_short(name):
    lines = (STATIC / name).read_text(encoding="utf-8").splitlines()
    assert re.match(r"// [A-Z].*[.:,]", lines[0])
    assert len(lines) <= LONGEST


def test_what_a_module_imports_is_exported_where_it_is_imported_from():
    texts = modules("index.html") | modules("draw.html")
    imports = [
        (name, source, wanted)
        for name, text in texts.items()
        for names, source in re.findall(r'import \{ ([^}]+) \} from "\./([^"]+)"', text)
        for wanted in names.split(", ")
    ]
    assert len(imports) > 50
    for name, source, wanted in imports:
        exported = re.findall(r"^export (?:async function|function|const|let|class) ([\w$]+)", texts[source], re.M)
        assert wanted in exported, f"{name} imports {wanted} from {source}"
