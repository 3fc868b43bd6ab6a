"""How often each word of a file stands in it, the most frequent first."""

import sys
from collections import Counter
from pathlib import Path

words = Path(sys.argv[1]).read_text(encoding="utf-8").lower().replace(",", " ").split()
for word, count in sorted(Counter(words).items(), key=lambda each: (-each[1], each[0])):
    print(f"{word},{count}")
