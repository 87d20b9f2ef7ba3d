import json

import pytest

from hyena_glt.errors import DataError
from hyena_glt.io.formats import read_labelled, read_sequences
from hyena_glt.io.records import LabelledRecord, SequenceRecord


def put(path, text):
    path.write_text(text, encoding="utf-8")
    return path


ROWS = [
    {"id": "a", "sequence": "ACGT", "label": 1, "quality": "!+5?"},
    {"sequence": "GGCC", "id": "b", "label": True, "modality": "RNA", "note": {"any": ["thing"]}},
    {"seq": "TTAA", "label": "1", "quality": [0, 10, 20, 93]},
]
RECORDS = [
    LabelledRecord("a", "ACGT", "1", bytes([0, 10, 20, 30])),
    LabelledRecord("b", "GGCC", "1", None, "rna"),
    LabelledRecord("row_3", "TTAA", "1", bytes([0, 10, 20, 93])),
]


def test_objects_may_differ_in_their_keys(tmp_path):
    lines = "\n".join(map(json.dumps, ROWS))
    for name, text in [
        ("x.json", json.dumps(ROWS)),
        ("x.json", json.dumps({"about": "three", "sequences": ROWS}, indent=2)),
        ("x.jsonl", lines),
        ("y.jsonl", lines.replace("\n", "\r\n\r\n")),
        ("z.jsonl", "\ufeff" + lines.replace("\n", "\r")),
    ]:
        assert read_labelled(put(tmp_path / name, text)) == RECORDS
        assert [one.sequence for one in read_sequences(tmp_path / name)] == ["ACGT", "GGCC", "TTAA"]


def test_lists_of_labels(tmp_path):
    path = put(tmp_path / "x.jsonl", '{"sequence": "ACG", "labels": [0, 2, true]}\n')
    assert read_labelled(path)[0].label == (0, 2, 1)
    assert read_labelled(path, numeric=True)[0].label == (0.0, 2.0, 1.0)
    several = put(tmp_path / "y.jsonl", '{"sequence": "ACG", "a": 1, "b": 0.5}\n')
    assert read_labelled(several, label_column="a,b", numeric=True)[0].label == (1.0, 0.5)
    with pytest.raises(DataError, match=r"label in column 'b' is '0.5'"):
        read_labelled(several, label_column="a,b")


def test_descriptions_and_numbers_as_names(tmp_path):
    path = put(tmp_path / "x.json", '[{"id": 7, "sequence": "ACG", "description": " é\\n"}]')
    assert read_sequences(path) == [SequenceRecord("7", "ACG", " é\n")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"sequence": "A"}, {"sequence": "C"', r":1: no JSON: "),
        ('[{"sequence": "A"},\n{"sequence" "C"}]', r":2: no JSON: .*column 13"),
        ("[]", "list of objects is empty"),
        ("7", "a list of objects is wanted, got 7"),
        ('{"a": [{"sequence": "A"}], "b": []}', "lists here: 'a', 'b'"),
        ('{"a": 1}', "lists here: none"),
        ('[{"sequence": "A"}, 7]', "row 2: an object is wanted, got 7"),
        ('[{"sequence": "A", "sequence": "C"}]', "the key 'sequence' occurs twice"),
        ('[{"sequence": "A", "y": NaN}]', "NaN is no value of JSON"),
        ("[" * 100_000, "nested too deep"),
        ('[{"sequence": "A", "id": "\\ud800"}]', "row 1: .* half a character"),
        ('[{"sequence": "A"}, {"sequence": null}]', "row 2: the sequence is empty"),
        ('[{"sequence": "A"}, {"x": "C"}]', "row 2: no sequence column"),
        ('[{"sequence": ["A"]}]', "row 1: the column 'sequence' holds .* no text"),
        ('[{"sequence": "A", "y": ' + "1" * 5000 + "}]", "digits"),
    ],
)
def test_faults_of_json_are_told(tmp_path, text, message):
    path = put(tmp_path / "x.json", text)
    with pytest.raises(DataError, match=message) as caught:
        read_sequences(path)
    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"sequence": "A", "y": 1}\n\n{"sequence": "A', 3, "no JSON"),
        ('{"sequence": "A", "y": 1}\n["A"]\n', 2, "an object is wanted"),
        ('{"sequence": "A", "label": 1}\n{"sequence": "A"}\n', 2, "no label column"),
        ('{"sequence": "A", "label": 1}\n{"sequence": "A", "label": null}\n', 2, "is empty"),
        ('{"sequence": "A", "label": []}\n', 1, "list of labels is empty"),
        ('{"sequence": "A", "label": ["x"]}\n', 1, "'x', which is no number"),
        ('{"sequence": "A", "label": 1, "quality": "II"}\n', 1, "1 letters, but .* holds 2 signs"),
        ('{"sequence": "A", "label": 1, "quality": "é"}\n', 1, "no quality in Phred"),
        ('{"sequence": "A", "label": 1, "quality": [94]}\n', 1, "no text"),
        ('{"sequence": "A", "label": 1, "modality": "xna"}\n', 1, "says 'xna'; dna, rna"),
    ],
)
def test_faults_of_json_lines_name_the_line(tmp_path, text, line, message):
    path = put(tmp_path / "x.jsonl", text)
    with pytest.raises(DataError, match=message) as caught:
        read_labelled(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_blank_files_hold_no_object(tmp_path):
    with pytest.raises(DataError, match="no object"):
        read_sequences(put(tmp_path / "x.jsonl", "\n\n"))
