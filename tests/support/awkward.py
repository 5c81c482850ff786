"""Text that goes wrong elsewhere: line ends, marks, blanks, spaces, emoji, Chinese, extremes."""

import codecs

from hypothesis import HealthCheck
from hypothesis import strategies as st

TEXTS = {
    "crlf": "one\r\ntwo\r\n\r\nthree\r\n",
    "cr only": "one\rtwo\r\rthree\r",
    "byte-order mark": "\ufeffbegins with a mark\nsecond\n",
    "blank runs": "a\n\n\n\nb\n\n\n\n\n\nc\n   \n\t\nd\n",
    "tabs": "\ta\tb\t\tc\t\n\t\n",
    "unicode spaces": "a\u00a0b\u2003c\u3000d\u2028e\u2029f\u0085g\u200bh\n\u3000\n\u2003x\u00a0\n",
    "separators": "a\x0bb\x0cc\x1cd\x1de\x1ef\n\x0b\n\x1c x \x1f\n",
    "emoji": "👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🙂\n🙂\n",
    "chinese": "微调之前，先把文本切分。\n语料　分词　合并\n\n二值化。\n",
    "mixed scripts": "naïve Ελληνικά русский עברית العربية हिन्दी ไทย 한국어 日本語\n",
    "one character": "x\n\ny\n",
    "no final newline": "first\nsecond without an end",
    "only blank": "\n\n \n\t\n",
    "empty": "",
    "special tokens": "<s> </s> <mask> <pad> <unk> <|endoftext|>\n",
    "contractions": "I'll we've they're don't 'tis HE'S\n",
    "numbers": "3.14159 1,000,000 ½ ² ① 10²\n",
    "long gap": "a" + " " * 20_000 + "b\n" + "\u3000" * 12_000 + "\n",
    "long line": "word and more, " * 4_000 + "\n",
    "long word": "Donaudampfschifffahrt" * 500 + "\n",
    "control": "a\x00b\x01c\x7f\x9f\n",
}

CHINESE = (
    "微调之前，我们先把文本切分成三个部分：训练集、验证集和测试集。这样做的原因很简单，"
    "模型不能用它见过的材料来评估。\n\n语言模型在预训练时读过大量网页，但没有读过你的语料。\n"
)
TRADITIONAL = (
    "微調之前，我們先把文本切分成三個部分：訓練集、驗證集和測試集。這樣做的原因很簡單，"
    "模型不能用它見過的材料來評估。\n"
)

# The marks that texts begin with, and the encoding of what follows.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}

# Lines that look like what students bring, and all of Unicode beside them.
ALPHABET = "ab 1.,'é中文🙂\n\n\r\t\u3000\u2028\x0b\x1c\ufeff"
text = st.one_of(
    st.text(st.sampled_from(ALPHABET), max_size=60),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)

# For tests whose examples share what is there for one test, as they can.
SHARED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
