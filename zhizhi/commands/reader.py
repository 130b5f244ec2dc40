"""zhizhi reader: the span reader that reads evidence, trained and measured."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from zhizhi.commands.options import Json, print_json
from zhizhi.stage import console

if TYPE_CHECKING:
    from kg_builder.question import Split
    from retrieval.reading.dataset import ReadingPassage
    from retrieval.reading.statements import Statements

CALIBRATION = 0.08
LIMIT = 500

app = typer.Typer(no_args_is_help=True, help="The span reader behind every refusal.")

Data = Annotated[
    list[Path],
    typer.Argument(
        help="Reading-comprehension files, JSON Lines with title, text and qas (docs/reading.md)."
    ),
]
Reader = Annotated[Path, typer.Option("--reader", help="Folder of a reader.")]
HoldOut = Annotated[
    int, typer.Option(min=0, help="Articles of each file to leave out, by their titles.")
]
Graph = Annotated[
    bool, typer.Option(help="Take statements made of the embedded graph beside the data.")
]
Share = Annotated[
    float,
    typer.Option(min=0, max=1, help="Share of the articles that is kept for calibration."),
]


@app.command("train")
def reader_train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder of the reader; made if absent.")],
    base: Annotated[
        str,
        typer.Option(
            help="Where to start: an encoder or reader, as a folder or hub id, such as "
            "intfloat/multilingual-e5-small; its tokenizer must be XLM-R's or a part of it."
        ),
    ],
    layers: Annotated[
        str, typer.Option(help="The encoder's layers to keep, such as 0,2,4,6; empty: all.")
    ] = "",
    examples: Annotated[
        int, typer.Option(min=1, help="Examples to learn from, in all languages together.")
    ] = 60_000,
    chinese: Annotated[
        float, typer.Option(min=0, max=1, help="Share of Chinese examples where both are there.")
    ] = 0.5,
    learning_rate: Annotated[float, typer.Option(help="Peak; it falls linearly.")] = 2e-4,
    window: Annotated[int, typer.Option(help="Tokens of a text that are read at once.")] = 224,
    batch_tokens: Annotated[int, typer.Option(help="Tokens of a batch.")] = 4096,
    hold_out: HoldOut = 0,
    calibration: Share = CALIBRATION,
    graph: Graph = True,
    seed: Annotated[int, typer.Option(help="Of the order and all that is drawn.")] = 0,
) -> None:
    """Train a span reader. A killed training goes on where it was; a finished one is left alone.

    Start it in several processes with accelerate launch to use several GPUs or sockets.
    """
    from tqdm import tqdm

    from retrieval.reading.training import ReaderSettings, train_span_reader

    passages, kept_back = _parts(data, hold_out, calibration)
    embedded = _embedded_graph("train") if graph else None
    kept = tuple(int(layer) for layer in layers.split(",")) if layers else None
    settings = ReaderSettings(
        layers=kept,
        examples=examples,
        chinese=chinese,
        learning_rate=learning_rate,
        window=window,
        batch_tokens=batch_tokens,
        seed=seed,
    )
    bar = tqdm(total=examples, desc="train", unit="ex", mininterval=10)

    def report(done: int, loss: float) -> None:
        bar.set_postfix(loss=f"{loss:.3f}")
        bar.update(done - bar.n)

    try:
        train_span_reader(
            [*passages, *(embedded.examples if embedded else ())],
            base,
            out,
            settings,
            statements=embedded.statements if embedded else None,
            report=report,
        )
    finally:
        bar.close()
    if kept_back:
        _calibrate(out, kept_back, passages, LIMIT, graph)
    console.print(f"The reader is in {out}.")


@app.command("prune")
def reader_prune(
    base: Annotated[Path, typer.Option(help="Folder of an encoder with XLM-R's tokenizer.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the smaller encoder.")],
    data: Annotated[
        list[Path],
        typer.Argument(
            help="JSON Lines whose texts tell which pieces are needed (text, title, qas)."
        ),
    ],
    tokens: Annotated[int, typer.Option(min=8000, help="Pieces to keep.")] = 24_000,
) -> None:
    """Cut an encoder's vocabulary down to what the texts use, before it is trained to read."""
    from kg_builder.files import read_jsonl
    from retrieval.reading.vocabulary import prune_vocabulary

    def texts() -> Iterator[str]:
        for path in data:
            for record in read_jsonl(path):
                yield from (str(record[name]) for name in ("title", "text") if record.get(name))
                yield from (
                    str(qa.get("question", qa.get("q", ""))) for qa in record.get("qas", ())
                )

    with progress_bar("count") as report:
        kept = prune_vocabulary(base, texts(), tokens, out, report)
    console.print(f"{out}: {kept:,} pieces.")


@app.command("calibrate")
def reader_calibrate(
    data: Data,
    reader: Reader,
    hold_out: HoldOut = 0,
    calibration: Share = CALIBRATION,
    limit: Annotated[int, typer.Option(min=1, help="Questions of each language.")] = LIMIT,
    graph: Graph = True,
) -> None:
    """Calibrate the confidence of a reader on the articles that its training left for that.

    ``train`` does so at its end; do it again for a reader of transformers, or on your own data with
    --calibration 1.
    """
    passages, kept_back = _parts(data, hold_out, calibration)
    _calibrate(reader, kept_back, passages, limit, graph)


@app.command("eval")
def reader_eval(
    data: Data,
    reader: Annotated[
        str, typer.Option(help="Folder or hub id; without it the reader that comes with zhizhi.")
    ] = "",
    held_out: Annotated[
        int, typer.Option(min=0, help="Only the articles that train --hold-out leaves out.")
    ] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Questions, drawn by seed.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a reader: with the right passage, with a wrong one, and over all passages."""
    from retrieval.reading.dataset import hold_out, read_reading_data
    from retrieval.reading.evaluation import evaluate_reader
    from retrieval.reading.extractive_reader import ExtractiveReader

    passages = read_reading_data(data)
    if held_out:
        passages = hold_out(passages, held_out)[1]
    with progress_bar("read") as report:
        found = evaluate_reader(
            passages, ExtractiveReader.load(reader or None), limit=limit, report=report
        )
    if as_json:
        print_json(found)
        return
    for setting in ("gold", "swapped", "open"):
        told = "  ".join(f"{name} {value}" for name, value in found[setting].items())
        console.print(f"{setting:<8} {told}", markup=False)
    console.print(
        f"{found['ms_per_passage']} ms a passage, {found['ms_five_passages']} ms five of them"
    )


@app.command("pack")
def reader_pack(
    reader: Reader,
    out: Annotated[Path, typer.Option("--out", help="Folder of the smaller reader.")],
) -> None:
    """Store a reader with 8 bits a weight: a quarter of the size."""
    import shutil

    from retrieval.reading.confidence import FILE
    from retrieval.reading.encoding import TOKENIZER
    from retrieval.reading.span_reader import CONFIG
    from retrieval.reading.weights import load_weights, save_quantised

    tensors = load_weights(reader)
    save_quantised(tensors, out)
    for name in (CONFIG, TOKENIZER, FILE):
        if (reader / name).is_file():
            shutil.copyfile(reader / name, out / name)
    size = sum(path.stat().st_size for path in out.iterdir())
    console.print(f"{out}: {size / 1e6:.1f} MB")


def _parts(
    data: list[Path], hold_out: int, calibration: float
) -> tuple[list[ReadingPassage], list[ReadingPassage]]:
    """(for training, for calibration); the articles held out of each file are in neither."""
    from retrieval.reading.data_files import read_data_files
    from retrieval.reading.dataset import calibration_part
    from retrieval.reading.dataset import hold_out as part

    passages = [p for path in data for p in part(read_data_files([path]), hold_out)[0]]
    return calibration_part(passages, calibration)


def _calibrate(
    reader: Path,
    asked: list[ReadingPassage],
    others: list[ReadingPassage],
    limit: int,
    graph: bool,
) -> None:
    from retrieval.reading.calibrating import calibrate_reader
    from retrieval.reading.span_reader import load_span_reader

    embedded = _embedded_graph("calibration") if graph else None
    with progress_bar("calibrate") as report:
        made = calibrate_reader(
            load_span_reader(reader),
            asked,
            others,
            reader,
            graph=embedded.examples if embedded else (),
            statements=embedded.statements if embedded else None,
            limit=limit,
            report=report,
        )
    console.print(
        f"Calibrated on {made.questions} readings; default threshold {made.threshold:.2f}."
    )


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    from tqdm import tqdm

    bar = tqdm(desc=name, mininterval=1)

    def report(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    try:
        yield report
    finally:
        bar.close()


class _Graph(NamedTuple):
    statements: Statements
    examples: list[ReadingPassage]


def _embedded_graph(split: Split) -> _Graph:
    """What the embedded graph's questions of one split give to learn from, in both languages."""
    from kg_builder.build import BuildSettings, build
    from kg_builder.files import read_jsonl
    from kg_builder.passage import Passage
    from kg_builder.question import Question
    from kg_builder.relation import Catalogue
    from retrieval.reading.graph_examples import graph_examples
    from retrieval.reading.statements import Statements

    with tempfile.TemporaryDirectory() as folder:
        build(BuildSettings(languages=("zh", "en")), Path(folder))
        passages = [Passage.model_validate(r) for r in read_jsonl(Path(folder) / "passages.jsonl")]
        questions = [
            Question.model_validate(r) for r in read_jsonl(Path(folder) / "questions.jsonl")
        ]
    own = [question for question in questions if question.split == split]
    return _Graph(Statements(own, Catalogue.load()), graph_examples(passages, questions, split))
