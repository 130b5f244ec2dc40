"""Vocabulary: an encoder of XLM-R's kind cut down to the pieces that Chinese and English text use.

Of XLM-R's 250,000 pieces two languages need a tenth; their rows are most of a small encoder's weights.
Kept are the special tokens, all single characters of ASCII, punctuation and GB 2312, and the commonest
pieces of the texts. Text is simplified before it is cut (``retrieval.reading.encoding``), so that pieces
in traditional characters are not needed.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kg_builder.files import write_json
from retrieval.errors import RetrievalError
from retrieval.reading.encoding import TOKENIZER
from retrieval.reading.span_reader import CONFIG
from retrieval.reading.weights import WEIGHTS
from retrieval.segmentation import simplify

BLOCK = 2000  # texts that are cut at once
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_RANGES = (
    (0x0000, 0x0250),  # Latin
    (0x0370, 0x0460),  # Greek, Cyrillic
    (0x2000, 0x2100),  # punctuation
    (0x2460, 0x2500),  # enclosed numbers
    (0x3000, 0x3110),  # Chinese punctuation, kana
    (0xFF00, 0xFFF0),  # full width
)

Report = Callable[[int, int], None]


class VocabularyError(RetrievalError):
    """A tokenizer that cannot be cut down."""


def prune_vocabulary(
    base: Path, texts: Iterable[str], count: int, folder: Path, report: Report | None = None
) -> int:
    """Write the encoder of ``base`` with at most ``count`` pieces into ``folder``; return how many it has.

    ``base`` is a folder of transformers with ``tokenizer.json`` (Unigram) and ``model.safetensors``.
    """
    from safetensors.torch import load_file, save_file
    from tokenizers import Tokenizer

    try:
        described = json.loads((base / TOKENIZER).read_text(encoding="utf-8"))
        pieces: list[tuple[str, float]] = [(p, s) for p, s in described["model"]["vocab"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VocabularyError(
            f"{base / TOKENIZER}: no Unigram tokenizer ({error!r}). Give an encoder of XLM-R's kind."
        ) from error
    used = _used(Tokenizer.from_file(str(base / TOKENIZER)), texts, report)
    kept = _kept(pieces, used, count)
    folder.mkdir(parents=True, exist_ok=True)
    _tokenizer([pieces[i] for i in kept]).save(str(folder / TOKENIZER))
    tensors = load_file(base / WEIGHTS)
    words = next(name for name in tensors if name.endswith("embeddings.word_embeddings.weight"))
    tensors[words] = tensors[words][kept].contiguous()
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config: dict[str, Any] = json.loads((base / CONFIG).read_text(encoding="utf-8"))
    write_json(folder / CONFIG, config | {"vocab_size": len(kept), "pad_token_id": 1})
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    return len(kept)


def _used(tokenizer: Any, texts: Iterable[str], report: Report | None) -> Counter[int]:
    counts: Counter[int] = Counter()
    block: list[str] = []
    done = 0

    def cut() -> None:
        nonlocal done
        for encoded in tokenizer.encode_batch(block, add_special_tokens=False):
            counts.update(encoded.ids)
        done += len(block)
        block.clear()
        if report:
            report(done, done)

    for text in texts:
        block.append(simplify(text))
        if len(block) == BLOCK:
            cut()
    cut()
    return counts


def _kept(pieces: list[tuple[str, float]], used: Counter[int], count: int) -> list[int]:
    if [piece for piece, _ in pieces[: len(SPECIAL)]] != list(SPECIAL):
        raise VocabularyError(f"The tokenizer does not begin with {', '.join(SPECIAL)}.")
    kept = set(range(len(SPECIAL)))
    for i, (piece, _) in enumerate(pieces):
        letter = piece.removeprefix("▁")
        if len(letter) == 1 and _is_common(letter):
            kept.add(i)
    for i, _ in used.most_common():
        if len(kept) >= count:
            break
        kept.add(i)
    return sorted(kept)


def _is_common(character: str) -> bool:
    if any(low <= ord(character) < high for low, high in _RANGES):
        return True
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _tokenizer(vocabulary: list[tuple[str, float]]) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    made = Tokenizer(models.Unigram(vocabulary, unk_id=SPECIAL.index("<unk>"), byte_fallback=False))
    made.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    made.decoder = decoders.Metaspace()
    made.add_special_tokens(list(SPECIAL))
    return made
