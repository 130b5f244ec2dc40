from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.training.pretrained.gguf_files import write_gguf
from training.bundle import fingerprint, resolve_base
from training.engine.few_shot import FewShot
from training.engine.local import LocalModel
from training.errors import ModelError
from training.generation import Message, Sampling
from training.pretrained.gguf import sha256_of
from training.pretrained.table import installed_parts, pretrained_models, remedy

ASKED: list[list[Message]] = [[{"role": "user", "content": "Who?"}]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZHIZHI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_gguf_file_is_converted_once_and_runs_like_any_other_model(
    tmp_path: Path, cache: Path
) -> None:
    path = write_gguf(tmp_path / "model.gguf")
    folder = resolve_base(str(path))
    assert isinstance(folder, Path)
    assert folder.is_relative_to(cache)
    assert not list(cache.rglob("*.building*"))
    made = (folder / "model.safetensors").stat().st_mtime_ns
    assert resolve_base(str(tmp_path / "*.gguf")) == folder
    assert resolve_base("model.gguf", tmp_path) == folder  # beside a bundle
    assert (folder / "model.safetensors").stat().st_mtime_ns == made
    local = LocalModel.load(folder, dtype="native")
    found = local.generate(ASKED, Sampling(max_new_tokens=3))
    assert found[0].completion_tokens == 3
    assert fingerprint(folder) == fingerprint(folder)


def test_a_file_is_told_apart_by_what_is_in_it(tmp_path: Path) -> None:
    one = resolve_base(str(write_gguf(tmp_path / "model.gguf")))
    (tmp_path / "other").mkdir()
    other = resolve_base(str(write_gguf(tmp_path / "other" / "model.gguf", template="{{ 1 }}")))
    assert one != other
    assert fingerprint(Path(one)) != fingerprint(Path(other))


def test_a_model_without_a_chat_template_is_asked_by_examples(tmp_path: Path) -> None:
    folder = resolve_base(str(write_gguf(tmp_path / "base.gguf", template=None)))
    with pytest.raises(ModelError, match=r"no chat template.*\[few_shot\]"):
        LocalModel.load(folder)
    few = FewShot(form="Q: {question}\nA:", examples=(("2+2?", '4 "four"'),))
    local = LocalModel.load(folder, few_shot=few)
    asked = local.tokenizer.apply_chat_template(
        [*ASKED[0], {"role": "assistant", "content": "Me"}], tokenize=False
    )
    assert asked == '<|end|>Q: 2+2?\nA: 4 "four"\n\nQ: Who?\nA: Me\n\n'
    ends = {local.tokenizer.decode([i])[:1] for i in local.end_ids}
    assert "\n" in ends  # the first line is the answer


def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path: Path, cache: Path) -> None:
    def message(base: str | Path) -> str:
        with pytest.raises(ModelError) as error:
            resolve_base(str(base))
        assert len(str(error.value).splitlines()) == 1
        return str(error.value)

    assert "There is no GGUF file" in message(tmp_path / "absent.gguf")
    (tmp_path / "text.gguf").write_text("not a model")
    assert "does not begin with GGUF" in message(tmp_path / "text.gguf")
    assert "No file fits" in message(tmp_path / "x*.gguf")
    write_gguf(tmp_path / "strange.gguf", architecture="nonesuch")
    assert "nonesuch" in message(tmp_path / "strange.gguf")
    (tmp_path / "part-00001-of-00002.gguf").write_bytes(b"GGUF")
    assert "Join them" in message(tmp_path / "part-00001-of-00002.gguf")
    assert "2 files fit" in message(tmp_path / "[st]*.gguf")
    assert not list(cache.rglob("*.building*"))


def test_a_damaged_file_is_refused_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelError, match="cannot be read"):
        resolve_base(str(path))
    assert not list((cache / "models").iterdir())


def test_a_misspelt_base_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no base model 'smolm2'.*smollm2-135m-instruct"):
        resolve_base("smolm2")
    with pytest.raises(ModelError, match="no folder"):
        resolve_base("models/of/mine")
    assert resolve_base("Qwen/Qwen3-8B") == "Qwen/Qwen3-8B"
    with pytest.raises(ModelError, match="no such folder"):
        fingerprint(tmp_path / "absent")
    with pytest.raises(ModelError, match=r"neither config\.json"):
        fingerprint(tmp_path)


def test_every_model_of_the_table_says_where_it_comes_from() -> None:
    for model in pretrained_models().values():
        assert model.licence
        assert model.languages
        assert model.requirement.startswith(model.package)


def test_make_installs_what_is_free() -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text(encoding="utf-8")
    for name, model in pretrained_models().items():
        assert (model.requirement in makefile) == model.free
        assert remedy(name).startswith("make pretrained" if model.free else "pip install")


@pytest.mark.parametrize("name", list(pretrained_models()))
def test_a_model_whose_package_is_missing_says_how_to_get_it(name: str) -> None:
    if all(find_spec(part.partition("/")[0]) for part in pretrained_models()[name].parts):
        assert sha256_of(installed_parts(name)) == pretrained_models()[name].sha256
        return
    with pytest.raises(ModelError) as error:
        installed_parts(name)
    assert remedy(name) in str(error.value)
