"""`make bench ARGS=detection`: live through all scenarios, write `docs/detection.md` and its picture."""

from pathlib import Path

from benchmarks.detection import demands, page, picture
from benchmarks.detection.study import FULL, QUICK, study

DOCS = Path(__file__).parents[2] / "docs"


def main(*, quick: bool = False) -> None:
    """Print what was asked and measured, and write the page; quickly: only print, from a few seeds, to see it work."""
    effort = QUICK if quick else FULL
    results = study(effort)
    print(page.summary(results), end="\n\n")
    print(demands.text(results))
    document = page.write(results, effort)
    if not quick:
        picture.draw(page.bars(results), DOCS / "detection.png")
        (DOCS / "detection.md").write_text(document, encoding="utf-8")
        print("\ndocs/detection.md and docs/detection.png are written.")
