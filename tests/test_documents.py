"""Files into documents: lines, lists, Kubernetes' reading of scalars, and errors that say where."""

import hashlib
import io
from pathlib import Path

import pytest

from gxsim.errors import ScenarioError
from gxsim.load.documents import read, read_one


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        read([path])
    return str(caught.value).replace(str(path), path.name)


def test_a_document_knows_the_line_of_a_nested_field(tmp_path: Path) -> None:
    path = written(tmp_path, "a.yaml", "kind: A\nspec:\n  list:\n    - name: x\n      size: 3\n")
    document = read_one(path)
    assert document.at(("spec", "list", 0, "size")) == f"{path}:5"
    assert document.at(("spec", "list", 7, "none")) == f"{path}:4"


def test_lists_are_opened_and_typed_lists_give_their_items_a_kind(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n"
    found = read([written(tmp_path, "a.yaml", text)])
    assert [(d.value["kind"], d.value["metadata"]["name"], d.line) for d in found] == [("Pod", "a", 4), ("Pod", "b", 5)]


def test_empty_documents_and_byte_order_marks_are_no_documents(tmp_path: Path) -> None:
    found = read([written(tmp_path, "a.yaml", "\ufeff---\n---\nkind: A\n---\n")])
    assert [d.value for d in found] == [{"kind": "A"}]


def test_scalars_are_read_as_kubernetes_reads_them(tmp_path: Path) -> None:
    document = read_one(written(tmp_path, "a.yaml", "date: 2025-11-17\ntime: 12:30:45\nport: 8080\nmode: 0644\n"))
    assert document.value == {"date": "2025-11-17", "time": "12:30:45", "port": 8080, "mode": 420}


def test_json_and_standard_input_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("kind: B\n"))
    found = read([written(tmp_path, "a.json", '{"kind": "A"}'), "-"])
    assert [d.value["kind"] for d in found] == ["A", "B"]


def test_a_folder_is_read_in_name_order(tmp_path: Path) -> None:
    written(tmp_path, "b.yaml", "n: 2\n")
    written(tmp_path, "a.yml", "n: 1\n")
    written(tmp_path, "c.txt", "n: 3\n")
    assert [d.value["n"] for d in read([tmp_path])] == [1, 2]


def test_digests_are_of_the_files_text(tmp_path: Path) -> None:
    digests: dict[str, str] = {}
    path = written(tmp_path, "a.yaml", "n: 1\n")
    read([path], digests)
    assert digests == {str(path): hashlib.sha256(b"n: 1\n").hexdigest()}


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "a.yaml", "kind: A\nspec: 1\nspec: 2\n")
    assert refusal(path) == "a.yaml:3: not YAML: the key 'spec' is given twice"


def test_broken_yaml_and_json_say_where(tmp_path: Path) -> None:
    assert refusal(written(tmp_path, "a.yaml", "a: [1\nb: 2\n")).startswith("a.yaml:2: not YAML: ")
    assert refusal(written(tmp_path, "a.json", '{"a": 1,\n}')).startswith("a.json:2: not JSON: ")


def test_a_tag_that_would_run_code_is_refused(tmp_path: Path) -> None:
    assert "could not determine a constructor" in refusal(
        written(tmp_path, "a.yaml", "a: !!python/object:os.system 1\n")
    )


def test_a_missing_file_names_the_nearest_one(tmp_path: Path) -> None:
    written(tmp_path, "nodes.yaml", "a: 1\n")
    text = refusal(tmp_path / "node.yaml")
    assert text.startswith("node.yaml: no such file or folder; did you mean ")
    assert text.endswith("nodes.yaml'?")


def test_binary_files_and_empty_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    assert refusal(tmp_path / "a.yaml") == "a.yaml: expected UTF-8 text, got byte 0xff"
    (tmp_path / "sub").mkdir()
    assert refusal(tmp_path / "sub") == "sub: the folder holds no .yaml, .yml, .json file"
