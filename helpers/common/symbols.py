"""What is the same in every RoBERTa of fairseq's: symbols with fixed indices, and a length."""

SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
BOS, PAD, EOS, UNK = range(len(SPECIALS))  # their dictionary indices; <s> begins a sequence
FIRST = len(SPECIALS)  # the index of the first symbol in dict.txt
MASK = "<mask>"  # its index is the last one
# Tokens of a line that fit between <s> and </s> of a model with 512 positions.
LONGEST_LINE = 510

SPLITS = ("train", "valid", "test")

SOFTWARE = "roberta-course"  # whose name is in what it writes for people
