import json
from pathlib import Path

from kg_builder.browse import sample_lines, write_browse_page


def test_small_files_are_sampled_evenly_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("".join(f"line {n}\n" for n in range(10)), encoding="utf-8")
    assert list(sample_lines(path, 100)) == [f"line {n}" for n in range(10)]
    assert list(sample_lines(path, 5)) == [f"line {n}" for n in (0, 2, 4, 6, 8)]
    path.write_text("", encoding="utf-8")
    assert list(sample_lines(path, 5)) == []


def test_large_files_are_sampled_without_being_read_through(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("".join(f"第{n:05}行\n" for n in range(5_000)), encoding="utf-8")
    found = list(sample_lines(path, 50, read_whole=0))
    assert len(found) == 50
    assert found == sorted(set(found))
    assert list(sample_lines(path, 100_000, read_whole=0)) == [f"第{n:05}行" for n in range(5_000)]


def test_no_question_can_end_the_script_that_holds_it(tmp_path: Path) -> None:
    question = {"text": "</script><script>alert(1)</script>", "gold": {"objects": [["x\u2028"]]}}
    line = json.dumps(question, ensure_ascii=False)
    (tmp_path / "questions.jsonl").write_text(line + "\n", encoding="utf-8")
    write_browse_page(tmp_path)
    page = (tmp_path / "browse.html").read_text(encoding="utf-8")
    held = page.split("const questions = [")[1].split("];")[0]
    assert json.loads(f"[{held}]") == [question]
    assert page.count("</script>") == 1
