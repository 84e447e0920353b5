"""Builds `tokenizer.json`, the one tokenizer of senseweave: `python perception/data/build_tokenizer.py`.

Byte-level BPE with exactly 1024 entries: padding, 256 bytes, the words below as one token each, and merges learned
from those words so that unknown words fall into a few pieces instead of many bytes. The corpus is this file, nothing
is downloaded or drawn at random, so a second run writes the same bytes. Changing anything here changes the identity
of the tokenizer, and policies trained with the old one will be refused. A build script, not part of the package.
"""

import collections
import pathlib

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

VOCABULARY_SIZE = 1024
PADDING = "<no token>"
"""Holds a real space, which byte-level text never does: no input can produce it."""

SPACE = "\u0120"
"""How the byte-level alphabet writes the space in front of a word."""

MISSION_WORDS = """
a after and at avoid ball behind blue box door end fetch find from front get go goal green grey hallway in key lava
left matching must near next object of on open opening pick purple put reach red right room rooms square the then to
traverse unlock up use yellow you your
"""
"""Every word of the mission grammars of MiniGrid and BabyAI (the comma is added as punctuation)."""

COLOUR_WORDS = """
black white orange pink brown gray gold silver cyan magenta violet turquoise beige dark light bright pale color colour
coloured colored striped spotted shiny transparent
"""

SHAPE_AND_SIZE_WORDS = """
small large big tiny huge little tall short long wide narrow round flat thick thin heavy empty full circle triangle
cube sphere cylinder cone pyramid ring disc star cross block shape size high low deep same different other new old
hot cold warm wet dry clean dirty soft hard open closed locked unlocked broken
"""

DIRECTION_WORDS = """
forward forwards backward backwards back ahead around across along above below under over beneath beside between
through toward towards away down inside outside into onto out off top bottom middle center centre side corner edge
north south east west here there far close nearest farthest closest nearby opposite straight upper lower first
second third last again before until while during when where once twice
"""

VERB_WORDS = """
walk move turn rotate face stop start wait stay stand sit run drive fly climb jump crouch follow lead come enter
leave exit return approach pass cross take grab grasp hold carry bring give hand place drop release throw catch push
pull lift raise lower press touch hit shoot kill attack dodge open close shut lock toggle switch turn activate
deactivate pour fill empty mix stir cut slice cook wash wipe clean dry fold stack sort collect gather count look see
watch hear listen search seek explore locate identify show tell say speak ask answer repeat name describe point help
make build fix repair connect insert remove attach plug charge do does did done is are was be been being has have had
can could should would will shall may might do not let keep try need want like know avoid ignore choose select visit
navigate slow rest sleep read write play pause finish begin continue check
"""

SOUND_WORDS = """
sound sounds sounding noise noisy loud quiet silent silence ringing beeping humming ticking chirping buzzing clicking
whistling knocking barking rattling hissing ring beep hum tick chirp buzz click whistle knock bark rattle hiss siren
alarm bell horn music song voice tone pitch speech talking making heard louder quieter
"""

THING_WORDS = """
thing things item items objects balls boxes keys doors ball robot agent person people human man woman child user
friend enemy monster demon imp cacodemon cat dog bird car truck train boat tree flower grass water fire stone rock
wood metal glass plastic paper cup mug bottle bowl plate fork knife spoon pan pot food apple banana bread milk coffee
tea egg book pen phone computer screen keyboard mouse lamp bag basket bucket tool hammer screw wrench button lever
switch handle drawer shelf cabinet cupboard table chair desk bed sofa couch fridge oven stove microwave sink toilet
bath mirror window curtain carpet rug wall floor ceiling roof stairs elevator ladder ramp bridge gate fence path road
street line goal target obstacle hole area zone position location place tile cell platform station dock battery
camera microphone sensor motor wheel arm gripper
"""

ROOM_WORDS = """
kitchen bedroom bathroom living dining office hall corridor garage garden basement attic lobby entrance house home
building lab store outdoors indoors maze
"""

NUMBER_WORDS = """
zero one two three four five six seven eight nine ten eleven twelve twenty thirty hundred half quarter degrees degree
meter meters metre metres centimeter inch step steps second seconds minute minutes time times
"""

GRAMMAR_WORDS = """
an it its this that these those they them he she we us me my i am what which who how many much why yes no not never
always only also just both either neither any some all every each none more most less least than as by for with
without if else or but so because since now soon please quickly slowly carefully very too per
"""

DIGITS = tuple(str(number) for number in range(21)) + ("30", "45", "60", "90", "100", "180", "360")
PUNCTUATION = (",", ".", "!", "?", ";", ":", "'s")

FAMILIES = (
    MISSION_WORDS, COLOUR_WORDS, SHAPE_AND_SIZE_WORDS, DIRECTION_WORDS, VERB_WORDS, SOUND_WORDS, THING_WORDS,
    ROOM_WORDS, NUMBER_WORDS, GRAMMAR_WORDS,
)  # fmt: skip

PIECES = """
ing ed er est ly tion ness ment able less ful ous ive al ic ity ish ist ize ise es un re dis pre con com pro de ex
inter super sub over under out up in im en an th ch sh ph wh qu ck st str tr pr pl cl bl br cr dr gr fl fr sl sp sc sk
sm sn sw ou ow oo ee ea ai ay oa oi oy igh ight ough tion ation ition ture ure age ate ard art ant ent ance ence ell
ill all oll ull ack eck ick ock uck ang ong ung ank ink onk unk and end ond und ake ike oke uke ame ime ome ane ine
one une ape ipe ope are ire ore ase ise ose use ate ite ote ute ave ive ove
"""
"""English letter groups that weigh in when merges are learned, so that unseen words split at readable places."""


def byte_alphabet() -> list[str]:
    """The 256 printable characters that stand for bytes, in a fixed order."""
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def words() -> list[str]:
    """All words, each once, in order of first appearance."""
    return list(dict.fromkeys(" ".join(FAMILIES).split()))


def learn_merges(corpus: dict[tuple[str, ...], int], number: int, taken: set[str]) -> list[tuple[str, str]]:
    """Byte-pair encoding: joins the most frequent pair again and again; ties go to the smaller pair.

    Args:
        corpus: each word as its symbols -> its weight.
        number: how many new vocabulary entries to make.
        taken: entries that exist; a merge that makes one of them costs no entry.
    """
    merges: list[tuple[str, str]] = []
    made = 0
    while made < number:
        counts: collections.Counter[tuple[str, str]] = collections.Counter()
        for symbols, weight in corpus.items():
            for pair in zip(symbols, symbols[1:], strict=False):
                counts[pair] += weight
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        made += "".join(best) not in taken
        taken.add("".join(best))
        joined: collections.Counter[tuple[str, ...]] = collections.Counter()
        for symbols, weight in corpus.items():
            joined[_join(symbols, best)] += weight
        corpus = joined
    return merges


def _join(symbols: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    result: list[str] = []
    for symbol in symbols:
        if result and (result[-1], symbol) == pair:
            result[-1] += symbol
        else:
            result.append(symbol)
    return tuple(result)


def build() -> tokenizers.Tokenizer:
    """The tokenizer, from nothing but this file."""
    entries = [PADDING, *byte_alphabet()]
    whole = [SPACE + word for word in words()] + [SPACE + digits for digits in DIGITS] + list(PUNCTUATION)
    entries += [entry for entry in whole if entry not in set(entries)]
    corpus: dict[tuple[str, ...], int] = {}
    for word in words():
        corpus[(SPACE, *word)] = 2
        corpus[tuple(word)] = 1
    for piece in PIECES.split():
        corpus[tuple(piece)] = 3
    merges = learn_merges(corpus, VOCABULARY_SIZE - len(entries), set(entries))
    known = set(entries)
    entries += [entry for entry in dict.fromkeys(a + b for a, b in merges) if entry not in known]
    if len(entries) != VOCABULARY_SIZE:
        raise ValueError(f"The vocabulary must have {VOCABULARY_SIZE} entries; got {len(entries)}: shorten the lists.")

    vocabulary = {entry: number for number, entry in enumerate(entries)}
    # ignore_merges: a word that is an entry is one token, even where no chain of merges leads to it.
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.NFC(),
        normalizers.Lowercase(),
        normalizers.NFC(),  # lower-casing can leave a pair that composes
        normalizers.Replace(tokenizers.Regex(r"\s+"), " "),
        normalizers.Strip(),
    ])  # fmt: skip
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


if __name__ == "__main__":
    target = pathlib.Path(__file__).with_name("tokenizer.json")
    target.write_text(build().to_str(pretty=True) + "\n", encoding="utf-8", newline="\n")
    print(f"{target}: {len(words())} words, {VOCABULARY_SIZE} entries")
