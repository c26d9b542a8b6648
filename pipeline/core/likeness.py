"""When two names look the same to a person who reads them."""

from __future__ import annotations

import unicodedata

# Letters that common fonts draw like a Latin one. Source: the part of Unicode's confusables.txt
# (UTS 39) about single Cyrillic, Greek and Armenian letters and ASCII digits.
_DRAWN_LIKE = {
    "a": "\u0430\u03b1", "b": "\u0432", "c": "\u0441", "d": "\u0501", "e": "\u0435\u03b5",
    "g": "\u0261", "h": "\u043d\u04bb\u0570", "i": "\u0456\u03b9\u0131", "j": "\u0458",
    "k": "\u043a\u03ba", "l": "1|\u01c0\u04cf", "m": "\u043c", "n": "\u03b7\u0578",
    "o": "0\u043e\u03bf\u0585", "p": "\u0440\u03c1", "q": "\u051b", "s": "\u0455",
    "t": "\u0442\u03c4", "u": "\u03c5\u057d", "v": "\u03bd", "w": "\u051d", "x": "\u0445\u03c7",
    "y": "\u0443\u03b3",
}  # fmt: skip
_LATIN = str.maketrans({other: latin for latin, drawn in _DRAWN_LIKE.items() for other in drawn})
_UNSEEN = {"Cc", "Cf", "Zs", "Zl", "Zp"}  # controls, invisible marks, spaces of any width


def likeness(name: str) -> str:
    """Return a text that is the same for names which look alike; it is not for showing.

    A capital I is taken for an l; otherwise large and small letters look alike, accents do not.
    """
    whole = unicodedata.normalize("NFKC", name).replace("I", "l").casefold()
    seen = (char for char in whole if unicodedata.category(char) not in _UNSEEN)
    return "".join(seen).translate(_LATIN)
