"""What citations cost: the CPU time of a delta of text in a response that has sources.

Run by hand: `python -m bench.citations [--deltas 200000]`. A delta has a word, as models write them; figures are the
lowest of seven rounds, in microseconds.
"""

import argparse
import time

from penstock.citations import Citer, WebSource

ROUNDS = 7
SOURCES = [WebSource(url=f"https://www.site{number}.example/page", title=f"Page {number}") for number in range(1, 9)]
TEXTS = {
    "no marker": [" word"],
    "a marker in 20 deltas, in four pieces": [" word"] * 16 + ["【", "3", "†L1-L9", "】"],
    "a marker in 20 deltas, in one piece": [" word"] * 19 + ["【3】"],
    "brackets that are no markers": [" word"] * 18 + ["【重", "要】"],
}


def microseconds(pieces: list[str], deltas: int) -> float:
    """The CPU time of one delta."""
    citer = Citer()
    citer.add(SOURCES)
    texts = pieces * (deltas // len(pieces))
    begun = time.process_time()
    for text in texts:
        citer.feed(text)
    spent_s = time.process_time() - begun
    citer.close()
    return spent_s / len(texts) * 1e6


def main() -> None:
    """Measure each kind of text and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m bench.citations", description="Measure citations.")
    parser.add_argument("--deltas", type=int, default=200_000)
    deltas = parser.parse_args().deltas
    print("| text | CPU us a delta |\n| --- | --- |")
    for name, pieces in TEXTS.items():
        print(f"| {name} | {min(microseconds(pieces, deltas) for _ in range(ROUNDS)):.2f} |")


if __name__ == "__main__":
    main()
