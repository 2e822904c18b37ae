"""Write a tiny classifier with random weights, and its tokenizer, as save_pretrained writes all of their kind.

Put a model of your own in its place: whatever folder save_pretrained wrote serves with the same handler.
"""

from __future__ import annotations

import sys

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

PADDING, UNKNOWN = "[PAD]", "[UNK]"
WORDS = ("the", "was", "is", "and", "not", "very", "food", "staff", "room", "lovely", "great", "awful", "dirty", ".")


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer that knows a few words."""
    vocabulary = {word: number for number, word in enumerate([PADDING, UNKNOWN, *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token=PADDING, unk_token=UNKNOWN, model_max_length=128)


def make_model(vocabulary: int) -> BertForSequenceClassification:
    """Make a model from a config; nothing is downloaded."""
    labels = {0: "negative", 1: "positive"}
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        id2label=labels,
        label2id={label: number for number, label in labels.items()},
    )
    return BertForSequenceClassification(config)


if __name__ == "__main__":
    torch.manual_seed(0)
    words = make_tokenizer()
    words.save_pretrained(sys.argv[1])
    make_model(len(words)).save_pretrained(sys.argv[1])
