"""What is taken out of text from outside before a model sees it, and what no answer may hold.

Patterns know only what was thought of; they are the first of several lines. What gets past them
is still held against the evidence (`grounding`).
"""

import re
import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})  # control, format, private: unseen by people
_KEPT = frozenset("\n\t")
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.)\S+|\b(?:data|javascript):\S+", re.IGNORECASE)
_HOST = re.compile(
    r"\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|edu|gov|dev|app|info|biz|ru|cn|de|uk|fr)\b(?:/\S*)?",
    re.IGNORECASE,
)
_MAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_TAG = re.compile(r"</?[a-z!][^<>]*>", re.IGNORECASE)
_BLOB = re.compile(r"\b[A-Za-z0-9+/]{40,}={0,2}")
_SPACE = re.compile(r"\s+")
_SENTENCE = re.compile(r"(?<=[.!?:;])\s+|\n+")

_TO_A_MODEL = re.compile(
    r"(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instruction|prompt|rule|guideline|"
    r"context|above|previous|prior|earlier|system|safety|evidence|fact)"
    r"|\b(?:system|developer|hidden|initial|original)\s+(?:prompt|message|instruction|note)"
    r"|^\s*(?:system|assistant|user|developer|human|ai)\s*(?::|\])"
    r"|\[/?(?:inst|system|sys|assistant)\]|<\|?\w*(?:im_start|im_end|endoftext|system)\w*\|?>"
    r"|\byou are (?:now|no longer)\b|\bpretend (?:to be|that|you)\b|\broleplay\b"
    r"|\bact as (?:a|an|the|if)\b.{0,20}\b(?:assistant|model|teacher|admin)"
    r"|\b(?:correct|only|valid|expected|final) (?:output|response|reply)\b"
    r"|\b(?:say|write|print|output|schreibe?|écris|escribe) (?-i:[A-ZÀ-Þ]{4,})\b"
    r"|\bonly (?:answer|say|write|output|reply)\b|\b(?:rules|instructions) above\b"
    r"|\b(?:jailbreak|developer mode|dan mode|do anything now)\b"
    r"|\b(?:new|updated|real|actual|my) (?:instruction|task|order|directive)s?\b"
    r"|\b(?:follow|obey|execute) (?:these|this|the following|my|only) (?:instruction|order|command)"
    r"|\b(?:language model|chatbot|chat ?gpt|gpt-?\d|llm|ai (?:model|assistant|tutor))\b"
    r"|\b(?:repeat|reveal|print|output|leak|disclose|respond|reply)\b.{0,60}"
    r"\b(?:prompt|token|instruction|secret|password|credential|verbatim|exactly|json|marks?)\b"
    r"|\b(?:say|write|tell|state|claim|report|answer|respond|reply|output|conclude)\b.{0,30}\b"
    r"(?:that )?(?:the |this )?(?:student|learner|pupil|teacher|child)\b"
    r"|\b(?:mark|grade|score|report|set)\b.{0,40}\b"
    r"(?:as (?:correct|right|mastered|perfect|passed)|full (?:marks|credit)|mastery)\b"
    r"|\b(?:call|invoke|use|execute|run)\b.{0,20}\b"
    r"(?:tool|function|plugin|api|shell|code interpreter)\b"
    r"|\bend of (?:data|document|context|evidence|source)s?\b|\bbegin(?:ning)? of (?:prompt|system)"
    r"|\b(?:ignor\w+|vergiss|oubli\w+|olvid\w+|dimentic\w+|negeer\w*)\b.{0,40}"
    r"\b(?:anweisung|instru[ck]\w+|istruzion|consigne|vorherig|anterior|précédent|vorige)"
    r"|忽略|指示|игнорир|инструкц",
    re.IGNORECASE,
)
_SQUASHED = (
    *("ignoreprevious", "ignoreall", "ignorethe", "ignoreyour", "disregardprevious"),
    *("disregardall", "systemprompt", "newinstruction", "youarenow", "jailbreak"),
)
_PERSONAL = re.compile(
    r"\b(?:send|give|tell|e-?mail|text|enter|type|share|post|provide|submit|add|"
    r"write down|what is)\b"
    r".{0,40}\b(?:your|their|his|her|the student'?s?|the learner'?s?|my|me|us|@)\b.{0,40}"
    r"\b(?:address|e-?mail|phone|telephone|password|passcode|card|account|number|birthday|"
    r"date of birth|name|surname|id|school|parents?)\b"
    r"|\b(?:call|text|e-?mail|contact|message|visit|pay|whatsapp|follow) (?:me|us|him|her|this)\b"
    r"|\b(?:click|tap) (?:here|on|the|this)\b|\bgift cards?\b|\bbitcoins?\b",
    re.IGNORECASE,
)


def cleaned(text: str, *, max_characters: int) -> str:
    """Text without what people cannot see, and without addresses, tags and blobs."""
    composed = unicodedata.normalize("NFC", text)
    seen = "".join(c for c in composed if c in _KEPT or unicodedata.category(c) not in _HIDDEN)
    before = ""
    while before != seen:  # what is taken out may leave another behind
        before = seen
        for pattern in (_LINK, _TAG, _MAIL, _ADDRESS, _HOST, _BLOB):
            seen = pattern.sub(r" \1 " if pattern is _LINK else " ", seen)
    lines = [_SPACE.sub(" ", line).strip() for line in seen.splitlines()]
    return cut("\n".join(filter(None, lines)), max_characters)


def screened(text: str, *, max_characters: int) -> str:
    """Clean text; empty if any part of it speaks to a model or asks for personal data.

    Nothing of such a text is kept: who planted one sentence may have planted the next.
    """
    clean = cleaned(text, max_characters=max_characters)
    parts = (text, clean, *_SENTENCE.split(clean))
    return "" if any(map(is_suspicious, parts)) else clean


def is_suspicious(text: str) -> bool:
    """Whether a text speaks to a language model, or asks for personal data."""
    folded = unicodedata.normalize("NFKC", text)  # letters in disguise; not shown, as x² becomes x2
    squashed = re.sub(r"[\W_]", "", folded.casefold())
    return bool(
        _TO_A_MODEL.search(folded)
        or _PERSONAL.search(folded)
        or any(each in squashed for each in _SQUASHED)
    )


def has_address(text: str) -> bool:
    """Whether a text holds a link, a mail address or markup."""
    patterns = (_ADDRESS, _HOST, _MAIL, _LINK, _TAG)
    folded = unicodedata.normalize("NFKC", text)
    return any(pattern.search(folded) for pattern in patterns) or "```" in text


def cut(text: str, limit: int) -> str:
    """The beginning of a text, up to a space where there is one."""
    if len(text) <= limit:
        return text
    end = text.rfind(" ", 0, limit)
    return text[: end if end > 0 else limit].rstrip()
