"""Texts in which something that was said is asked for again: what attention to everything is for, and running text rarely has."""

import random

THINGS = ("code", "number", "total", "price", "year", "identifier", "port", "account", "ticket", "serial number", "secret", "answer")
OWNERS = ("the garden", "Anna", "the red box", "the server", "Mr. Okafor", "the third door", "our team", "the bridge", "the backup",
          "Lin", "the museum", "the first train", "the archive", "Captain Orlov", "the blue car", "the committee")
SAID = ("The {thing} of {owner} is {value}. ", "Remember this: the {thing} of {owner} is {value}. ",
        "{value} is the {thing} of {owner}. ", "Note that the {thing} of {owner} is {value}; {value} is the {thing}. ")
WANTED = ("What is the {thing} of {owner}? The {thing} of {owner} is {value}. ", "The {thing} of {owner} is {value}. ",
          "What was said about the {thing}? The {thing} of {owner} is {value}. ")


class Recall:
    """Draws chunks of episodes: facts among paragraphs, or among a few sentences over and over, which are asked for at the end."""

    def __init__(self, paragraphs: list[str], encoder: object, seed: int) -> None:
        self.paragraphs, self.encoder = paragraphs, encoder
        self.choose = random.Random(seed)

    def ids(self, text: str) -> list[int]:
        return self.encoder.encode(text, add_special_tokens=False).ids

    def filler(self, length: int) -> list[list[int]]:
        """Pieces of about so many tokens together, between which a fact may stand."""
        choose = self.choose
        if choose.random() < 0.5:
            sentences = [choose.choice(self.paragraphs).split(". ")[0].rstrip(".") + ". " for _ in range(choose.randint(1, 5))]
            piece = self.ids("".join(sentences))[:256]
            return [piece] * max(1, length // len(piece))
        pieces: list[list[int]] = []
        while sum(map(len, pieces)) < length:
            pieces.append(self.ids(choose.choice(self.paragraphs) + "\n\n")[:length])
        return pieces

    def episode(self, length: int) -> list[int]:
        choose = self.choose
        owners = choose.sample(OWNERS, choose.choice((1, 1, 2, 4)))
        facts = [{"thing": choose.choice(THINGS), "owner": owner, "value": str(choose.randrange(10 ** choose.randint(2, 6)))}
                 for owner in owners]
        pieces = self.filler(length)
        for fact in facts:
            pieces.insert(choose.randint(0, len(pieces)), self.ids(choose.choice(SAID).format(**fact)))
        choose.shuffle(facts)
        questions = "".join(choose.choice(WANTED).format(**fact) for fact in facts)
        return [token for piece in pieces for token in piece] + self.ids(questions + "\n\n")

    def chunk(self, length: int) -> list[int]:
        """So many ids; the last episode ends with the chunk."""
        found: list[int] = []
        while len(found) < length:
            found = self.episode(min(length, self.choose.randint(100, max(200, length)))) + found
        return found[-length:]
