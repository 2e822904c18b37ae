"""Write a tiny language model that knows one sentence, and its tokenizer, as save_pretrained writes all of its kind.

Put a model of your own in its place: whatever folder save_pretrained wrote serves with the same handler.
"""

from __future__ import annotations

import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

END = "<|endoftext|>"
SENTENCE = "The quick brown fox jumps over the lazy dog."


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer that takes every byte for a token, and so reads every text."""
    vocabulary = {token: number for number, token in enumerate([END, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    made = Tokenizer(models.BPE(vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END, pad_token=END)


def make_model(vocabulary: int) -> GPT2LMHeadModel:
    """Make a model from a config, with random weights; nothing is downloaded."""
    config = GPT2Config(
        vocab_size=vocabulary, n_positions=256, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    return GPT2LMHeadModel(config)


def train(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, steps: int = 150) -> None:
    """Let the model learn the sentence by heart."""
    tokens = tokenizer([SENTENCE + END], return_tensors="pt").input_ids
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        model(tokens, labels=tokens).loss.backward()
        optimizer.step()


if __name__ == "__main__":
    torch.set_num_threads(1)  # for a model as small as this, more would only wait for each other
    torch.manual_seed(0)
    tokens = make_tokenizer()
    trained = make_model(len(tokens))
    train(trained, tokens)
    tokens.save_pretrained(sys.argv[1])
    trained.save_pretrained(sys.argv[1])
