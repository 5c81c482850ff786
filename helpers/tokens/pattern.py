"""What a text is cut into before its bytes are merged: the same for two engines."""

# Letters and numbers that are younger than the Unicode of tiktoken's engine: fairseq's engine, the
# package ``regex``, knows them. A test compares both over all code points.
_LETTERS = """
558 58B-58C 88F C5C CDC 208F 209D-209F A7CE-A7CF A7D2 A7D4 A7DD A7E2 A7F1 AB6C-AB6D
107BB-107BF 10940-10959 10EC5-10EC7 10ED9-10EEE 11B0A 11DB0-11DDB 11DF1 16EA0-16EB8
16EBB-16ED3 16FF2-16FF3 187F8-187FF 18CD6-18CDA 18D09-18D20 18D80-18DF2 18E00-19191
191A0-191D2 1B123-1B128 1B168 1D6A6 1DF1F-1DF24 1DF2B-1DF81 1DF90-1DF96 1DFCD-1DFFF
1E6C0-1E6DE 1E6E0-1E6E2 1E6E4-1E6E5 1E6E7-1E6ED 1E6F0-1E6F4 1E6FE-1E6FF 2B73A-2B73F 2B81E
2CEA2-2CEAD 323B0-33479 3D000-3FC3F
"""
_NUMBERS = "11DE0-11DE9 1246F 12475-1247F 12550-12686 16FF4-16FF6"


def _ranges(points: str) -> str:
    r"""Code points as they stand between brackets, in both engines.

    >>> _ranges("558 58B-58C")
    '\\U00000558\\U0000058B-\\U0000058C'
    """
    found = (word.split("-") for word in points.split())
    return "".join("-".join(rf"\U{int(point, 16):08X}" for point in ends) for ends in found)


LETTER = r"\p{L}" + _ranges(_LETTERS)
NUMBER = r"\p{N}" + _ranges(_NUMBERS)
# It is fairseq's (gpt2_bpe_utils.py) in another order of alternatives that exclude each other:
# tiktoken's engine hands the group to a fast automaton whole, and only white space, which looks
# ahead, to a slower one. That takes 40 % off encoding.
PATTERN = (
    rf"(?: ?(?:[{LETTER}]+|[{NUMBER}]+)"  # words, numbers
    rf"|'(?:[sdmt]|ll|ve|re)| ?[^\s{LETTER}{NUMBER}]+)"  # 's, marks
    r"|\s+(?!\S)|\s+"
)
