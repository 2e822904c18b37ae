"""Words as numbers, as the model was trained on them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

UNKNOWN = 0


class Vocabulary:
    """The words of the training data; all others are the same unknown one."""

    def __init__(self, words: Iterable[str]) -> None:
        self.numbers = {word: number for number, word in enumerate(words, UNKNOWN + 1)}

    @classmethod
    def of(cls, texts: Iterable[str]) -> Vocabulary:
        """Return the vocabulary of some texts."""
        return cls(sorted({word for text in texts for word in split(text)}))

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read a vocabulary that was saved."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        """Write the vocabulary to a file."""
        path.write_text(json.dumps(list(self.numbers), ensure_ascii=False), encoding="utf-8")

    def encode(self, text: str) -> list[int]:
        """Return the numbers of a text's words."""
        return [self.numbers.get(word, UNKNOWN) for word in split(text)] or [UNKNOWN]

    def __len__(self) -> int:
        return len(self.numbers) + 1


def split(text: str) -> list[str]:
    """Return the words of a text, in small letters."""
    return re.findall(r"[^\W\d_]+", text.lower())
