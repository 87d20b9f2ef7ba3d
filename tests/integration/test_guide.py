"""The guide's code blocks, as written, from Quick Start to Debugging Tools and API."""

import copy
import inspect
import warnings

import numpy as np
import pytest
import torch
from torch import nn


@pytest.fixture(scope="module")
def quick_start():
    from hyena_glt import DNATokenizer, HyenaGLT
    from hyena_glt.config import HyenaGLTConfig

    # Initialize components
    config = HyenaGLTConfig(
        genomic_vocab_size=1000, hidden_size=256, num_layers=6, max_position_embeddings=2048
    )

    model = HyenaGLT(config)
    tokenizer = DNATokenizer(vocab_size=1000, kmer_size=3)
    return config, model, tokenizer


def test_basic_usage(quick_start, capsys):
    _, model, tokenizer = quick_start
    # Process genomic sequence
    sequence = "ATCGATCGATCGATCGATCG"
    tokens = tokenizer.encode(sequence, max_length=64, return_tensors="pt")
    outputs = model(**tokens)

    print(f"Input shape: {tokens['input_ids'].shape}")  # noqa: T201
    print(f"Output shape: {outputs.last_hidden_state.shape}")  # noqa: T201
    # Six 3-mers, and the two bases that remain.
    assert capsys.readouterr().out == (
        "Input shape: torch.Size([1, 8])\nOutput shape: torch.Size([1, 8, 256])\n"
    )


def test_training_example(quick_start):
    from hyena_glt import create_genomic_dataloaders
    from hyena_glt.data import GenomicDataset
    from hyena_glt.training import EnhancedTrainingPipeline

    config, _, tokenizer = quick_start
    # Prepare data
    train_data = [
        {"sequence": "ATCGATCG...", "labels": 0},
        {"sequence": "GCTAGCTA...", "labels": 1},
        # ... more data
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the dots, which are no bases
        dataset = GenomicDataset(train_data, tokenizer, max_length=128)
    loaders = create_genomic_dataloaders(dataset, batch_size=32)

    # Training pipeline
    trainer = EnhancedTrainingPipeline(config)
    result = trainer.train(loaders["train"], loaders["val"])
    assert result.steps == 30  # one batch a pass, the most passes
    assert trainer.model.config.causal is False
    assert config.causal is True
    assert any("causal=False" in event.get("message", "") for event in trainer.log.events)


def test_configuration():
    from hyena_glt.config import HyenaGLTConfig

    config = HyenaGLTConfig(
        # Model architecture
        genomic_vocab_size=1000,
        hidden_size=256,
        num_layers=6,
        num_attention_heads=8,
        # Sequence processing
        max_position_embeddings=2048,
        max_segment_length=64,
        # Hyena operator settings
        filter_size=256,
        short_filter_order=3,
        # Token merging
        merge_threshold=0.1,
        min_patch_size=1,
        max_patch_size=16,
        # Training settings
        dropout=0.1,
        layer_norm_eps=1e-5,
        gradient_checkpointing=False,
    )
    defaults = HyenaGLTConfig()
    assert config.to_dict() == defaults.to_dict()


def test_sequence_classification(quick_start):
    from hyena_glt import HyenaGLT
    from hyena_glt.tasks import SequenceClassificationHead

    config, _, tokenizer = quick_start
    model = HyenaGLT(config)
    batch = dict(tokenizer(["ATGGCC", "TTTAAACCC"], padding=True, return_tensors="pt"))
    batch["labels"] = torch.tensor([0, 1])

    # Add classification head
    model.classifier = SequenceClassificationHead(
        hidden_size=config.hidden_size, num_labels=2, dropout=0.1
    )

    # Training with classification loss
    loss_fn = nn.CrossEntropyLoss()
    outputs = model(**batch)
    loss = loss_fn(outputs.logits, batch["labels"])
    loss.backward()
    assert outputs.logits.shape == (2, 2)
    torch.testing.assert_close(loss.detach(), outputs.loss.detach())
    assert bool(model.embeddings.weight.grad.any())


def test_token_classification(quick_start):
    from hyena_glt import HyenaGLT
    from hyena_glt.tasks import TokenClassificationHead

    config, _, tokenizer = quick_start
    model = HyenaGLT(config)
    # Add token-level classification
    model.token_classifier = TokenClassificationHead(
        hidden_size=config.hidden_size,
        num_labels=10,  # e.g., for genomic annotation
        dropout=0.1,
    )
    tokens = tokenizer(["ATGGCCTT"], return_tensors="pt")
    assert model(**tokens).logits.shape == (1, tokens["input_ids"].shape[1], 10)


def test_sequence_generation():
    from hyena_glt import DNATokenizer, HyenaGLT, HyenaGLTConfig

    tokenizer = DNATokenizer(vocab_size=1000, kmer_size=3)
    # An untrained model also draws ids that no token has.
    model = HyenaGLT(HyenaGLTConfig())
    prompt_tokens = tokenizer("ATGGCGTTAGCCAAAGGTCCA" * 34, return_tensors="pt")["input_ids"]

    # Generation with temperature sampling
    generated = model.generate(
        input_ids=prompt_tokens,
        max_length=256,
        temperature=0.8,
        do_sample=True,
        pad_token_id=tokenizer.pad_token_id,
    )

    decoded = tokenizer.decode(generated[0])
    assert generated.shape == (1, 256)
    assert decoded.startswith("ATGGCGTTAGCCAAAGGTCCA" * 34)
    assert len(decoded) > 21 * 34


def test_position_tracking_validation(quick_start, capsys):
    _, model, tokenizer = quick_start

    def validate_position_preservation(model, sequence):
        """Verify position information is preserved through merging"""

        # Get position info before and after merging
        tokens = tokenizer(sequence, return_tensors="pt")
        outputs = model(**tokens, output_position_info=True)

        # Check position correlation
        original_positions = torch.arange(len(tokens["input_ids"][0]))
        reconstructed_positions = outputs.position_info["global_positions"]

        correlation = torch.corrcoef(
            torch.stack([original_positions.float(), reconstructed_positions.float()])
        )[0, 1]

        print(f"Position preservation correlation: {correlation:.4f}")  # noqa: T201
        assert correlation > 0.9, "Position information not preserved!"

    validate_position_preservation(model, "ATGGCGTTAGCCAAAGGTCCA" * 20)
    assert capsys.readouterr().out == "Position preservation correlation: 1.0000\n"


def test_memory_profiling(quick_start, capsys):
    import tracemalloc

    _, model, tokenizer = quick_start

    def profile_model_memory(model, batch):
        """Profile memory usage during forward pass"""

        tracemalloc.start()

        # Forward pass
        outputs = model(**batch)  # noqa: F841 - as in the guide

        current, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        print(f"Current memory: {current / 1024**2:.2f} MB")  # noqa: T201
        print(f"Peak memory: {peak / 1024**2:.2f} MB")  # noqa: T201

        return current, peak

    batch = tokenizer(["ATGGCGTTAGCCAAAGGTCCA" * 20, "ATG"], padding=True, return_tensors="pt")
    current, peak = profile_model_memory(model, batch)
    assert 0 < current <= peak
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "Current memory",
        "Peak memory",
    ]


def test_memory_management_in_training(quick_start):
    from hyena_glt import HyenaGLT
    from hyena_glt.tasks import SequenceClassificationHead

    config, _, tokenizer = quick_start
    config = copy.deepcopy(config)
    # Enable gradient checkpointing for large sequences
    config.gradient_checkpointing = True

    model = HyenaGLT(config).train()
    model.classifier = SequenceClassificationHead(config.hidden_size, num_labels=2, dropout=0.1)
    batch = dict(tokenizer(["ATGGCC", "TTTAAACCC"], padding=True, return_tensors="pt"))
    batch["labels"] = torch.tensor([0, 1])
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.embeddings.weight.detach().clone()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch has newer names for these two

        # Use mixed precision training
        from torch.cuda.amp import GradScaler, autocast

        scaler = GradScaler()
        with autocast():
            outputs = model(**batch)
            loss = criterion(outputs.logits, batch["labels"])

        scaler.scale(loss).backward()
        scaler.step(optimizer)
    assert not torch.equal(model.embeddings.weight, before)


def test_task_specific_precision():
    from hyena_glt.training.task_specific import get_optimal_precision_config

    # Genome annotation: Adaptive FP16/FP8 with aggressive gradient clipping
    config = get_optimal_precision_config("genome_annotation")
    returned = {"dtype": torch.float16, "loss_scale": "dynamic", "max_grad_norm": 0.5}
    assert as_asked(config) == returned

    # Variant effect prediction: BF16 for numerical stability
    config = get_optimal_precision_config("variant_effect")
    returned = {"dtype": torch.bfloat16, "loss_scale": 2.0**8, "max_grad_norm": 1.0}
    assert as_asked(config) == returned

    # Protein function: Conditional FP8 support with memory optimization
    config = get_optimal_precision_config("protein_function")
    returned = {"dtype": torch.float8_e4m3fn, "memory_efficient": True}
    assert as_asked(config) == returned


def as_asked(config):
    """A configuration with the format that the hardware may lack."""
    config = dict(config)
    config["dtype"] = config.pop("requested_dtype", config["dtype"])
    return config


def parameters_of(function):
    return list(inspect.signature(function).parameters)


def test_api_of_the_model(quick_start, tmp_path):
    from hyena_glt import HyenaGLT

    _, model, tokenizer = quick_start
    assert issubclass(HyenaGLT, nn.Module)
    assert parameters_of(HyenaGLT) == ["config"]
    wanted = ["self", "input_ids", "attention_mask", "output_position_info"]
    assert parameters_of(HyenaGLT.forward)[:4] == wanted
    assert inspect.signature(HyenaGLT.forward).parameters["output_position_info"].default is False
    model.save_pretrained(tmp_path)
    tokens = tokenizer("ATGGCC", return_tensors="pt")
    again = HyenaGLT.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(again(**tokens).logits, model.eval()(**tokens).logits)
    generated = model.generate(
        input_ids=tokens["input_ids"],
        max_length=8,
        temperature=0.8,
        do_sample=True,
        pad_token_id=tokenizer.pad_token_id,
    )
    assert generated.shape == (1, 8)


def test_api_of_the_tokenizer():
    from hyena_glt import DNATokenizer

    signature = inspect.signature(DNATokenizer).parameters
    assert signature["vocab_size"].default == 1000
    assert signature["kmer_size"].default == 3
    assert parameters_of(DNATokenizer.encode)[:3] == ["self", "sequence", "max_length"]
    tokenizer = DNATokenizer(vocab_size=1000, kmer_size=3)
    assert tokenizer.decode(tokenizer.encode("ATGGC")) == "ATGGC"
    assert len(tokenizer(["ATG", "ATGGCC"])["input_ids"]) == 2
    assert tokenizer.special_tokens == {
        "[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3,
        "[MASK]": 4, "[N]": 5, "[START]": 6, "[END]": 7,
    }  # fmt: skip


def test_api_of_the_loaders():
    from hyena_glt import create_genomic_dataloaders

    signature = inspect.signature(create_genomic_dataloaders).parameters
    assert list(signature) == ["train_data", "val_data", "tokenizer", "batch_size", "kwargs"]
    assert signature["val_data"].default is None
    assert signature["tokenizer"].default is None
    assert signature["batch_size"].default == 32


# On a machine with fewer processors or without a GPU.
@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker", "ignore:.*pin_memory")
def test_data_loader_of_performance_issues():
    from torch.utils.data import DataLoader

    from hyena_glt import DNATokenizer
    from hyena_glt.data import GenomicDataset

    data = [{"sequence": "ACG" * (i % 5 + 1), "labels": i % 2} for i in range(70)]
    dataset = GenomicDataset(data, DNATokenizer(vocab_size=1000, kmer_size=3))

    # Use DataLoader optimizations
    loader = DataLoader(
        dataset, batch_size=32, num_workers=4, pin_memory=True, persistent_workers=True
    )
    batches = list(loader)
    assert [len(batch["labels"]) for batch in batches] == [32, 32, 6]
    assert [int(n) for batch in batches for n in batch["attention_mask"].sum(dim=1)] == (
        [1, 2, 3, 4, 5] * 14
    )


def test_supported_formats(tmp_path):
    from hyena_glt.data import DNATokenizer, GenomicDataset

    contents = {
        "fasta": ">s1\nACGT\n",
        "fastq": "@s1\nACGT\n+\nIIII\n",
        "json": '[{"id": "s1", "sequence": "ACGT", "labels": 0, "organism": "yeast"}]',
        "jsonl": '{"id": "s1", "sequence": "ACGT", "labels": 0, "organism": "yeast"}\n',
        "csv": "id,sequence,label\ns1,ACGT,0\n",
    }
    tokenizer = DNATokenizer(vocab_size=1000, kmer_size=3)
    for ending, content in contents.items():
        data = tmp_path / f"data.{ending}"
        data.write_text(content)
        dataset = GenomicDataset(data, tokenizer, max_length=512, task="classification")
        assert dataset.ids == ["s1"]
        assert tokenizer.decode(dataset[0]["input_ids"]) == "ACGT"
        assert ("labels" in dataset[0]) == (ending not in {"fasta", "fastq"})


def test_api_of_the_analysis(quick_start, tmp_path):
    from hyena_glt import (
        analyze_attention_patterns,
        compute_compression_statistics,
        visualize_model_behavior,
    )

    _, model, tokenizer = quick_start
    sequences = ["ATGGCGTTAGCCAAAGGTCCA" * 4, "ATCG" * 10]
    attention = analyze_attention_patterns(model, sequences)
    assert len(attention) == 2
    assert sorted(attention[0].hyena) == [0, 1, 2, 3, 4, 5]
    statistics = compute_compression_statistics(model, sequences)
    assert [sum(one.lengths) for one in statistics.sequences] == [84, 40]
    picture = tmp_path / "model.png"
    visualize_model_behavior(model, sequences, save_path=picture)
    assert picture.stat().st_size > 5000
    with_tokenizer = compute_compression_statistics(model, sequences, tokenizer=tokenizer)
    assert len(with_tokenizer.sequences) == 2


def test_interpretability_suite(tmp_path):
    import hyena_glt
    from hyena_glt import (
        DNATokenizer,
        HyenaGLTConfig,
        HyenaGLTForSequenceClassification,
        HyenaInterpretabilityFramework,
    )

    # The methods and their arguments are those of the guide's class.
    wanted = {
        "analyze_attention_patterns": ["self", "model", "sequences"],
        "compute_gradient_attributions": ["self", "model", "sequences", "targets"],
        "visualize_compression_patterns": ["self", "model", "sequences"],
    }
    for name, arguments in wanted.items():
        given = inspect.signature(getattr(HyenaInterpretabilityFramework, name)).parameters
        assert list(given)[: len(arguments)] == arguments
        rest = list(given.values())[len(arguments) :]
        assert all(one.default is not inspect.Parameter.empty for one in rest)

    config = HyenaGLTConfig.for_tokenizer(
        DNATokenizer(kmer_size=1), hidden_size=32, num_layers=2, num_attention_heads=4,
        causal=False, num_labels=3,
    )  # fmt: skip
    model = HyenaGLTForSequenceClassification(config)
    sequences = ["ATGGCGTTAGCCAAAGGTCCA", "ATCGATCGATTTGC"]
    framework = HyenaInterpretabilityFramework()
    attention = framework.analyze_attention_patterns(model, sequences)
    assert [len(one.patch_index) for one in attention] == [21, 14]
    found = framework.compute_gradient_attributions(model, sequences, targets=[2, 0])
    assert [len(one.scores) for one in found] == [21, 14]
    alone = hyena_glt.compute_gradient_attributions(model, sequences[1:], 0)[0]
    assert torch.allclose(found[1].scores, alone.scores, atol=1e-6)
    figure = framework.visualize_compression_patterns(model, sequences, tmp_path / "patches.png")
    assert (tmp_path / "patches.png").stat().st_size > 5000
    statistics = framework.compute_compression_statistics(model, sequences)
    titles = [axes.get_title(loc="right") for axes in figure.axes[:2]]
    for title, one in zip(titles, statistics.sequences, strict=True):
        assert title.startswith(f"{len(one.lengths)} patches")
    assert framework.visualize_model_behavior(model, sequences).axes
    assert model.training


def test_model_evaluation(quick_start):
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

    import hyena_glt
    from hyena_glt import HyenaGLT, analyze_attention_patterns, create_genomic_dataloaders
    from hyena_glt.biology.motifs import Motif
    from hyena_glt.errors import ConfigError
    from hyena_glt.interpretability.motif_quality import evaluate_motif_quality
    from hyena_glt.tasks import SequenceClassificationHead

    config, _, tokenizer = quick_start
    test_sequences = ["ATGGCGTTAGCCAAAGGTCCATAA" * 3, "TTGACATATAATGCAAACGT" * 3]
    known_motifs = [Motif("TATA", 0.1 + 0.6 * np.eye(4)[[3, 0, 3, 0, 0, 0]])]

    def evaluate_genomic_model(model, test_loader, tasks):
        """Multi-task evaluation protocol"""

        results = {}

        for task in tasks:
            if task == "classification":
                # Standard classification metrics
                predictions, labels = [], []
                for batch in test_loader:
                    outputs = model(**batch)
                    predictions.extend(outputs.logits.argmax(-1).cpu().numpy())
                    labels.extend(batch["labels"].cpu().numpy())

                results[task] = {
                    "accuracy": accuracy_score(labels, predictions),
                    "f1": f1_score(labels, predictions, average="weighted"),
                    "precision": precision_score(labels, predictions, average="weighted"),
                    "recall": recall_score(labels, predictions, average="weighted"),
                }

            elif task == "motif_discovery":
                # Interpretability-based motif analysis
                motifs = analyze_attention_patterns(model, test_sequences)
                results[task] = evaluate_motif_quality(motifs, known_motifs)

        return results

    torch.manual_seed(1)
    model = HyenaGLT(config).eval()
    model.classifier = SequenceClassificationHead(config.hidden_size, num_labels=2).eval()
    data = [
        {"sequence": "".join("ACGT"[i] for i in torch.randint(4, (30,))), "labels": number % 2}
        for number in range(24)
    ]
    test_loader = create_genomic_dataloaders(data, data, tokenizer, batch_size=8)["val"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class may never be predicted
        guides = evaluate_genomic_model(model, test_loader, ["classification", "motif_discovery"])
    assert guides["motif_discovery"]["known"] == 1.0
    ours = hyena_glt.evaluate_genomic_model(model, test_loader, ["classification"])
    found = {name: ours["classification"][name] for name in guides["classification"]}
    assert found == pytest.approx(guides["classification"])
    with pytest.raises(ConfigError, match="motif_discovery needs sequences and known motifs"):
        hyena_glt.evaluate_genomic_model(model, test_loader, ["motif_discovery"])


@pytest.mark.parametrize(
    "settings",
    [
        {
            "genomic_vocab_size": 500, "hidden_size": 128, "num_layers": 4,
            "max_position_embeddings": 1024, "filter_size": 128,
        },
        {
            "genomic_vocab_size": 1000, "hidden_size": 256, "num_layers": 6,
            "max_position_embeddings": 2048, "filter_size": 256,
        },
        {
            "genomic_vocab_size": 2000, "hidden_size": 512, "num_layers": 12,
            "max_position_embeddings": 4096, "filter_size": 512, "gradient_checkpointing": True,
        },
    ],
)  # fmt: skip
def test_configuration_examples(settings):
    from hyena_glt import HyenaGLT
    from hyena_glt.config import HyenaGLTConfig

    config = HyenaGLTConfig(**settings)
    with torch.device("meta"):
        assert HyenaGLT(config).num_parameters() > 1_000_000
