"""What the span reader reads: python bench/reading.py FILE --json [--limit N].

FILE is JSON Lines in the layout of CMRC 2018 (pid, title, text, qas with q and a) or of SQuAD (title,
text, qas with question, answers and starts). Printed are

    gold              the question's own passage: exact match, F1, contains; what is refused
    swapped           the nearest other passage without the answer: what is refused
    open              all passages of FILE as the index, five of them read, the default threshold
    ms_per_passage    median milliseconds to read a passage, on one core
    ms_five_passages  the same for five passages of one question

--precision P takes the confidence that a request with `min_precision` asks for where no certificate is.
--held-out N keeps only the N articles that `zhizhi reader train --hold-out N` leaves out; --reader takes
another reader, a folder or hub id; --hybrid searches with vectors beside BM25.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from kg_builder.errors import UserError
from retrieval.reading.dataset import ReadingPassage, hold_out, read_reading_data
from retrieval.reading.evaluation import Search, as_passage, evaluate_reader
from retrieval.reading.extractive_reader import ExtractiveReader


def hybrid(passages: list[ReadingPassage], folder: Path) -> Search:
    """The index as `zhizhi index build` makes it, with the embedded embedder."""
    from retrieval.embedder_training import train_embedder
    from retrieval.index import Index

    held = [as_passage(passage, place) for place, passage in enumerate(passages)]
    index = Index.build(held, folder, train_embedder(held))
    places = {passage.id: place for place, passage in enumerate(held)}
    return lambda question, k: [places[e.passage.id] for e in index.search(question, k)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--limit", type=int, help="questions, drawn by seed; all without it")
    parser.add_argument("--precision", type=float, help="that answers are to have")
    parser.add_argument("--held-out", type=int, default=0, help="articles that training left out")
    parser.add_argument("--reader", help="folder or hub id; the default reader without it")
    parser.add_argument("--hybrid", action="store_true", help="vectors beside BM25")
    args = parser.parse_args()
    passages = read_reading_data([args.file])
    if args.held_out:
        passages = hold_out(passages, args.held_out)[1]
    reader = ExtractiveReader.load(args.reader)
    if args.precision is not None:
        threshold = reader.calibration.cautious_threshold(args.precision)
        bound = reader.calibration.model_copy(update={"threshold": threshold})
        reader = ExtractiveReader(reader.spans, bound)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    bar = tqdm(total=0, desc="read", disable=not sys.stderr.isatty())

    def report(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        search = hybrid(passages, Path(folder)) if args.hybrid else None
        found = evaluate_reader(passages, reader, limit=args.limit, search=search, report=report)
    bar.close()
    print(json.dumps(found, ensure_ascii=False, indent=None if args.json else 2))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"{error}")
