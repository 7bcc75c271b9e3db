"""`make client-faults`: the sixteen faults, played to Hotspare's client and to its peers.

ARGS names products (`hotspare openai langchain litellm`; all), or part of a fault's name with `--fault`.
"""

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from benchmarks.client_faults.faults import FAULTS, Fault
from benchmarks.client_faults.judge import Outcome, find_wrong
from benchmarks.client_faults.play import play
from benchmarks.client_faults.products import PRODUCTS, Product
from benchmarks.detection.tables import table

#: They mostly wait.
_AT_ONCE = 4


def main() -> int:
    """Play, and print the table; 1 when Hotspare's client is wrong anywhere, 2 for a name that there is none of."""
    parser = argparse.ArgumentParser(prog="make client-faults", description=__doc__)
    parser.add_argument("products", nargs="*", help=" ".join(PRODUCTS))
    parser.add_argument("--fault", default="", help="part of a fault's name; all")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if options.fault in fault.name]
    names = options.products or list(PRODUCTS)
    unknown = [name for name in names if name not in PRODUCTS]
    if unknown or not faults:
        print(f"no such product or fault: {' '.join(unknown) or options.fault}", file=sys.stderr)
        return 2
    products = [PRODUCTS[name] for name in names]
    longest_first = sorted(faults, key=lambda fault: -fault.requests * fault.every_s)
    cases = [
        (product, fault) for product in products for fault in longest_first if product.stream or not fault.is_of_streams
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        played = dict(zip(cases, pool.map(lambda case: play(*case), cases), strict=True))
    print(_summary(products, faults, played))
    for product in products:
        _print(product, {fault: played[product, fault] for fault in faults if (product, fault) in played})
    return int(any(find_wrong(fault, outcome) for (product, fault), (_, outcome) in played.items() if product.is_ours))


def _summary(
    products: list[Product], faults: list[Fault], played: dict[tuple[Product, Fault], tuple[str, Outcome]]
) -> str:
    """Requests to the failing and to the healthy provider, and the longest request; the wrong ones are marked."""
    rows, right = [], Counter[Product]()
    for fault in faults:
        row = [fault.name]
        for product in products:
            if (product, fault) not in played:
                row.append("–")
                continue
            outcome = played[product, fault][1]
            wrong = bool(find_wrong(fault, outcome))
            right[product] += not wrong
            asked = f"{len(outcome.failing_at_s)}+{len(outcome.healthy_at_s)}"
            row.append(f"{'✗' * wrong}{asked}/{outcome.longest_s:.1f}s")
        rows.append(row)
    of = {product: sum(each is product for each, _ in played) for product in products}
    rows.append(["right", *(f"{right[product]}/{of[product]}" for product in products)])
    return table(["fault", *(product.title for product in products)], rows)


def _print(product: Product, played: dict[Fault, tuple[str, Outcome]]) -> None:
    rows, right = [], 0
    for fault, (_, outcome) in played.items():
        wrong = find_wrong(fault, outcome)
        right += not wrong
        gaps = ", ".join(f"{gap:.1f}" for gap in outcome.gaps_s[:3]) + ", …" * (len(outcome.gaps_s) > 3)
        asked = f"{len(outcome.failing_at_s)} + {len(outcome.healthy_at_s)}"
        rows.append([fault.name, asked, gaps, f"{outcome.longest_s:.1f}", "; ".join(wrong) or "right"])
    version = next((version for version, _ in played.values() if version), "")
    print(f"\n**{product.title}** ({version}): {right} of {len(played)} right\n")
    print(table(["fault", "requests to failing + healthy", "gaps, s", "longest, s", ""], rows))


if __name__ == "__main__":
    sys.exit(main())
