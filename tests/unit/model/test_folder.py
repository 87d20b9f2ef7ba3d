import json
import resource
import shutil

import pytest

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError, OutputError
from hyena_glt.model import HyenaGLTForCausalLM
from hyena_glt.model.folder import open_model_folder, save_model
from hyena_glt.tokenizers import DNATokenizer, RNATokenizer


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    tokenizer = RNATokenizer(kmer_size=2)
    config = HyenaGLTConfig.for_tokenizer(
        tokenizer, hidden_size=32, num_layers=1, num_attention_heads=4
    )
    HyenaGLTForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_whole_folder_says_what_it_holds(saved):
    found = open_model_folder(str(saved))
    assert found.path == saved
    assert found.architecture == "HyenaGLTForCausalLM"
    assert found.config().hidden_size == 32
    tokenizer = found.tokenizer(ambiguous="error")
    assert isinstance(tokenizer, RNATokenizer)
    assert (tokenizer.kmer_size, tokenizer.ambiguous) == (2, "error")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"^{folder}: there is no {name} in it; expected the"):
        open_model_folder(folder)


def test_a_folder_that_is_not_there_lacks_its_first_file(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: there is no config\.json in it"):
        open_model_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("share", [0, 1e-4, 0.5, 0.999])
def test_weights_cut_short_are_seen_and_named(folder, share):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"model\.safetensors: is damaged or cut short"):
        open_model_folder(folder)


def test_weights_in_several_files_must_all_be_there(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    files = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": files}))
    with pytest.raises(DataError, match=r"there is no model-00002-of-00002\.safetensors in it"):
        open_model_folder(folder)
    shutil.copy(folder / files["a"], folder / files["b"])
    assert open_model_folder(folder).path == folder


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize(("text", "words"), [("{", "is not valid JSON"), ("[]", "a JSON object")])
def test_a_damaged_file_is_named(folder, name, text, words):
    (folder / name).write_text(text)
    with pytest.raises(DataError, match=rf"{name}: .*{words}"):
        open_model_folder(folder)


def test_models_and_tokenizers_of_others_are_refused(folder):
    change(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer")
    with pytest.raises(DataError, match="holds the tokenizer BertTokenizer, which is not ours"):
        open_model_folder(folder)
    change(folder / "config.json", model_type="bert")
    with pytest.raises(
        DataError, match=r"config\.json: holds a model of the type bert, expected hyena_glt"
    ):
        open_model_folder(folder)


def test_a_configuration_that_breaks_a_rule_is_named(folder):
    change(folder / "config.json", num_layers=0)
    with pytest.raises(ConfigError, match=r"config\.json: num_layers must be at least 1, got 0"):
        open_model_folder(folder).config()


def test_the_tokenizer_is_the_one_that_was_saved(folder):
    DNATokenizer(kmer_size=1).save_pretrained(folder)
    assert isinstance(open_model_folder(folder).tokenizer(), DNATokenizer)


@pytest.mark.parametrize("most", [10, 5000])  # bytes: the configuration; the weights
def test_a_full_disk_leaves_the_model_before(folder, most):
    tokenizer = RNATokenizer(kmer_size=2)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    model = HyenaGLTForCausalLM.from_pretrained(folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            save_model(folder, model, tokenizer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    save_model(folder, model, tokenizer)
    assert open_model_folder(folder).architecture == "HyenaGLTForCausalLM"
