import pytest

from hyena_glt.errors import ConfigError, DataError
from hyena_glt.training.settings import (
    RunSettings,
    TrainingSettings,
    load_pretraining_settings,
    load_settings,
    settings_from,
)


def test_without_a_file_the_defaults_hold():
    settings = load_settings()
    assert settings == RunSettings()
    assert (settings.preset, settings.model) == ("small", {})
    assert settings.training.learning_rate == 1e-3


def test_files_then_flags_then_overrides(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "preset: medium\n"
        "model:\n  num_layers: 3\n  stripe: [SE, LI]\n"
        "data:\n  train: a.csv\n"
        "training:\n  batch_size: 8\n  num_epochs: 2\n  seed: 5\n"
    )
    settings = load_settings(
        path,
        ["training.num_epochs=9", "model.num_layers=4"],
        {"training.num_epochs": 7, "training.batch_size": 16, "data.train": "b.csv"},
    )
    assert settings.preset == "medium"
    assert settings.model == {"num_layers": 4, "stripe": ["SE", "LI"]}
    assert settings.data.train == "b.csv"
    training = settings.training
    assert (training.num_epochs, training.batch_size, training.seed) == (9, 16, 5)


def test_json_is_yaml(tmp_path):
    path = tmp_path / "run.json"
    path.write_text('{"training": {"batch_size": 4}}')
    assert load_settings(path).training.batch_size == 4


def test_what_a_finished_run_wrote_can_be_read_again(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("command: hyena-glt train\nversion: 0.1.0\ntraining:\n  seed: 3\n")
    assert load_settings(path).training.seed == 3


def test_a_section_with_no_lines_is_a_section_of_defaults(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("training:\n#  seed: 3\nmodel:\n")
    assert load_settings(path, ["training.seed=4"]).training.seed == 4


@pytest.mark.parametrize("text", ["1e-4", "0.0001", "1.0e-4"])
def test_numbers_as_yaml_reads_them_and_as_it_does_not(tmp_path, text):
    """YAML takes 1e-4 for a string."""
    path = tmp_path / "run.yaml"
    path.write_text(f"training:\n  learning_rate: {text}\nmodel:\n  layer_norm_eps: {text}\n")
    from_file = load_settings(path)
    from_flag = load_settings(
        None, [f"training.learning_rate={text}", f"model.layer_norm_eps={text}"]
    )
    for settings in (from_file, from_flag):
        assert settings.training.learning_rate == 1e-4
        assert settings.model == {"layer_norm_eps": 1e-4}


def test_words_stay_words():
    settings = load_settings(None, ["model.boundary_scorer=router", "data.label_column=1e5x"])
    assert settings.model == {"boundary_scorer": "router"}
    assert settings.data.label_column == "1e5x"
    assert load_settings(None, ["data.train=1e5"]).data.train == "1e5"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.learning_rat=1", "did you mean training.learning_rate?"),
        ("data.labels_column=y", "'data.labels_column'; did you mean data.label_column?"),
        ("trainings.seed=1", "there is no setting 'trainings'; did you mean training?"),
        (
            "learning_rate=1",
            "there is no setting 'learning_rate'; did you mean training.learning_rate",
        ),
        ("presets=small", "there is no setting 'presets'; did you mean preset?"),
        ("training.xyzzy=1", "there is no setting 'training.xyzzy'"),
        ("training.num_epochs=0", "training.num_epochs=0: Input should be greater than or equal"),
        ("training.num_epochs=2.5", "training.num_epochs=2.5: Input should be a valid integer"),
        ("training.learning_rate=0", "training.learning_rate=0: Input should be greater than 0"),
        ("training.warmup_fraction=1", "training.warmup_fraction=1: Input should be less than 1"),
        ("training.precision=fp4", "training.precision='fp4': Input should be 'auto', 'fp32',"),
        ("training.loss_scale=0", "training.loss_scale"),
        ("training.strand=no", "training.strand=False: Input should be 'both', 'forward'"),
        ("data.kmer_size=9", "data.kmer_size=9: Input should be less than or equal to 8"),
        ("preset=tiny", "preset='tiny': Input should be 'small', 'medium' or 'large'"),
        ("training=5", "training=5: Input should be a valid dictionary"),
        ("training.seed", "--set 'training.seed': expected section.field=value"),
        ("=5", "--set '=5': expected section.field=value"),
        ("training.seed=[1", "--set 'training.seed=[1': the value is not valid YAML"),
    ],
)
def test_bad_settings_are_refused_by_name(override, message):
    with pytest.raises(ConfigError) as caught:
        load_settings(None, [override])
    assert message in str(caught.value)


def test_no_field_of_a_value():
    with pytest.raises(ConfigError, match="preset has no fields"):
        load_settings(None, ["preset=small", "preset.size=1"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- a\n- b\n", "must hold sections"),
        (b"", "must hold sections"),
        (b"training: {a: [1\n", "is not valid YAML"),
        (b"\xff\xfe\x00\x01", "is not valid YAML"),
    ],
)
def test_files_that_hold_no_settings_are_refused(tmp_path, content, message):
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_settings(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no\.yaml: cannot be read: No such file"):
        load_settings(tmp_path / "no.yaml")


def test_yaml_cannot_run_code(tmp_path):
    path = tmp_path / "run.yaml"
    marker = tmp_path / "ran"
    path.write_text(f"training: !!python/object/apply:os.mkdir ['{marker}']\n")
    with pytest.raises(DataError, match="is not valid YAML"):
        load_settings(path)
    assert not marker.exists()


def test_settings_of_a_pretraining_have_their_own_section(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("version: 0.1\npreset: medium\npretraining:\n  fasta: [a.fa]\n  steps: 7\n")
    settings = load_pretraining_settings(
        path, ["pretraining.learning_rate=1e-4"], {"pretraining.window": 64}
    )
    options = settings.pretraining
    assert (settings.preset, options.fasta, options.steps) == ("medium", ["a.fa"], 7)
    assert (options.learning_rate, options.window, options.objective) == (1e-4, 64, "clm")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("pretraining.step=3", "did you mean pretraining.steps?"),
        ("pretrain.steps=3", "there is no setting 'pretrain'; did you mean pretraining?"),
        ("training.num_epochs=3", "there is no setting 'training'"),
        ("pretraining.repeat_weight=2", "pretraining.repeat_weight=2"),
        ("pretraining.objective=span", "pretraining.objective='span'"),
        ("pretraining.holdout=0", "pretraining.holdout=0"),
    ],
)
def test_wrong_settings_of_a_pretraining_are_refused(override, words):
    with pytest.raises(ConfigError) as caught:
        load_pretraining_settings(overrides=[override])
    assert words in str(caught.value)


def test_assigning_is_checked_too():
    settings = TrainingSettings()
    with pytest.raises(ValueError, match="batch_size"):
        settings.batch_size = 0


def test_a_tree_gives_the_same_settings():
    tree = RunSettings(preset="large", model={"causal": False}).model_dump()
    assert settings_from(tree).model_dump() == tree


@pytest.mark.parametrize(("steps", "epochs"), [(1, 30), (82, 12), (153, 7), (594, 5), (9000, 5)])
def test_epochs_follow_the_size_of_the_data_unless_given(steps, epochs):
    assert TrainingSettings().epochs(steps) == epochs
    assert TrainingSettings(num_epochs=3).epochs(steps) == 3


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.batch_size=yes", "training.batch_size=True: Input should be a number"),
        ("training.num_epochs=true", "training.num_epochs=True: Input should be a number"),
        ("training.learning_rate=.inf", "learning_rate=inf: Input should be a finite number"),
        ("training.weight_decay=.inf", "weight_decay=inf: Input should be a finite number"),
        ("training.loss_scale=.inf", "Input should be"),
        ("training.seed=4294967296", "seed=4294967296: Input should be less than 4294967296"),
    ],
)
def test_what_is_no_number_to_train_with_is_refused(override, words):
    with pytest.raises(ConfigError) as caught:
        load_settings(overrides=[override])
    assert words in str(caught.value)


def test_a_file_is_laid_over_that_of_a_run(tmp_path):
    run, own = tmp_path / "config.yaml", tmp_path / "own.yaml"
    run.write_text("version: 1\ndata: {train: a.csv}\ntraining: {batch_size: 8, seed: 3}\n")
    own.write_text("training: {batch_size: 4}\n")
    found = load_settings(own, flags={"data.test": "b.csv"}, base=run)
    assert (found.training.batch_size, found.training.seed) == (4, 3)
    assert (found.data.train, found.data.test) == ("a.csv", "b.csv")
