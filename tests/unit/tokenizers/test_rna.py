import gzip

from hyena_glt.tokenizers import RNATokenizer


def test_thymine_is_read_as_uracil():
    tokenizer = RNATokenizer(kmer_size=3)
    assert tokenizer.encode("AUGT") == tokenizer.encode("augu") == [12 + 14, 11]
    assert tokenizer.decode(tokenizer.encode("ATGTN")) == "AUGUN"


def test_real_micro_rnas_survive(shared_data):
    with gzip.open(shared_data / "formats" / "fasta_rna_mirbase" / "mature.fa.gz", "rt") as file:
        sequences = [line.strip() for line in file if not line.startswith(">")]
    assert len(sequences) > 1000
    tokenizer = RNATokenizer(kmer_size=3)
    plain = [sequence for sequence in sequences if set(sequence) <= set("ACGUN")]
    assert len(plain) > 0.99 * len(sequences)
    assert tokenizer.decode(tokenizer(plain)["input_ids"]) == plain
