"""Every link from a page to a file or a heading of this repository leads somewhere."""

import re
from pathlib import Path

LINK = re.compile(r"(?<!`)!?\[[^\]]*\]\(([^)\s]+)(?: \"[^\"]*\")?\)")


def without_code(page: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL))


def anchors(page: str) -> set[str]:
    """Names under which a page's headings can be linked to, made as the usual hosts make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)
    return set(plain)


def test_every_relative_link_leads_to_a_file(pages: dict[str, str], repository: Path) -> None:
    broken = []
    for path, page in pages.items():
        for target in LINK.findall(without_code(page)):
            if re.match(r"[a-z]+:", target) or target.startswith("#"):
                continue
            file = (repository / path).parent / target.split("#")[0]
            if not file.exists():
                broken.append(f"{path} -> {target}")

    assert broken == []


def test_every_link_to_a_heading_finds_it(pages: dict[str, str], repository: Path) -> None:
    broken = []
    for path, page in pages.items():
        for target in LINK.findall(without_code(page)):
            name, _, anchor = target.partition("#")
            file = (repository / path).parent / name if name else repository / path
            if anchor and file.suffix == ".md" and file.exists() and anchor not in anchors(file.read_text()):
                broken.append(f"{path} -> {target}")

    assert broken == []


def test_links_within_the_repository_are_relative(pages: dict[str, str]) -> None:
    absolute = [(path, link) for path, page in pages.items() for link in LINK.findall(page) if link.startswith("/")]

    assert absolute == []
