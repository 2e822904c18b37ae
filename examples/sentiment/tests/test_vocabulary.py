"""What the package promises without a trained model."""

from __future__ import annotations

from pathlib import Path

import torch
from sentiment.model import SentimentNet
from sentiment.vocabulary import UNKNOWN, Vocabulary


def test_words_keep_their_numbers(tmp_path: Path) -> None:
    vocabulary = Vocabulary.of(["A fine, fine film", "dull"])
    vocabulary.save(tmp_path / "words.json")
    again = Vocabulary.load(tmp_path / "words.json")
    assert again.encode("Fine film!") == vocabulary.encode("fine FILM") != [UNKNOWN, UNKNOWN]
    assert again.encode("nothing known") == [UNKNOWN, UNKNOWN]
    assert again.encode("") == [UNKNOWN]


def test_a_text_scores_the_same_alone_and_among_others() -> None:
    torch.manual_seed(0)
    model = SentimentNet(10).eval()
    together = model([[1, 2, 3], [4], [5, 6]])
    assert torch.allclose(together[1], model([[4]])[0])
