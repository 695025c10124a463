"""Latent semantic analysis: an embedder that is fitted on the library itself.

TF-IDF of words and of parts of words, projected on the library's main directions (Deerwester et
al., 1990, Indexing by latent semantic analysis, JASIS 41(6)). It needs no network and no weights
of others, and the same texts give the same embeddings.
"""

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from deepkt_irt.errors import BadFile, NoData
from deepkt_irt.rag.words import terms

FloatArray = NDArray[np.float64]
Features = tuple[tuple[str, ...], ...]  # names of each kind, sorted

_SEED = 7
_ITERATIONS = 4  # of the randomised decomposition
_MAX_FEATURES = 40_000  # of each kind; the most frequent ones stay
_SHORTEST_PART, _LONGEST_PART = 3, 5
_VERSION_DIGITS = 12
_FORMAT = 1


def _words(text: str) -> Counter[str]:
    """Words, and pairs of words that stand together, with how often they do."""
    words = terms(text)
    return Counter([*words, *(" ".join(pair) for pair in pairwise(words))])


def _parts(text: str) -> Counter[str]:
    """Parts of words, so that words of one stem are near each other."""
    return Counter(chain.from_iterable(map(_parts_of, terms(text))))


@lru_cache(maxsize=50_000)
def _parts_of(word: str) -> tuple[str, ...]:
    padded = f" {word} "
    return tuple(
        padded[start : start + size]
        for size in range(_SHORTEST_PART, _LONGEST_PART + 1)
        for start in range(len(padded) - size + 1)
    )


_KINDS: tuple[Callable[[str], Counter[str]], ...] = (_words, _parts)


@dataclass(frozen=True)
class Lsa:
    """A fitted embedder.

    Attributes:
        features: Features of each kind, sorted.
        idf: Weight of each feature, kinds one after the other, (features,).
        directions: Columns are the directions, (features, dimension); where the library has fewer
            of them, the rest is 0.
    """

    features: Features
    idf: FloatArray
    directions: FloatArray

    name = "lsa"

    @classmethod
    def fitted(cls, texts: Sequence[str], *, dimension: int) -> "Lsa":
        """Fit on some texts, in any order.

        Raises:
            NoData: If they have no word.
        """
        from sklearn.utils.extmath import randomized_svd  # noqa: PLC0415 - an extra

        ordered = sorted(set(texts))
        features = tuple(_frequent(map(kind, ordered)) for kind in _KINDS)
        if not features[0]:
            raise NoData("the content library has no word to fit an embedder on")
        counts = _counted(ordered, _places(features))
        n_texts = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.log((1 + len(ordered)) / (1 + n_texts)) + 1
        matrix = _weighted(counts, features, idf)
        size = min(dimension, *matrix.shape)
        _, _, directions = randomized_svd(matrix, size, n_iter=_ITERATIONS, random_state=_SEED)
        full = np.zeros((matrix.shape[1], dimension), dtype=np.float32)
        full[:, :size] = directions.T
        return cls(features, idf.astype(np.float32).astype(np.float64), full.astype(np.float64))

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return int(self.directions.shape[1])

    @cached_property
    def _places(self) -> list[dict[str, int]]:
        return _places(self.features)

    @cached_property
    def version(self) -> str:
        """Says which texts it was fitted on: another fit has another one."""
        digest = hashlib.sha256(json.dumps([_FORMAT, self.features]).encode())
        for part in (self.idf, self.directions):
            digest.update(np.ascontiguousarray(part, dtype=np.float32).tobytes())
        return digest.hexdigest()[:_VERSION_DIGITS]

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Embeddings, (texts, dimension); 0 for a text of which no feature is known."""
        counts = _counted(texts, self._places)
        return np.asarray(_weighted(counts, self.features, self.idf) @ self.directions)

    def save(self, folder: Path) -> Path:
        """Write it as one file whose name says its version; returns the file."""
        path = folder / f"lsa-{self.version}.npz"
        if path.exists():
            return path
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part.npz")
        named = json.dumps([_FORMAT, self.features]).encode()
        np.savez_compressed(
            unfinished,
            features=np.frombuffer(named, dtype=np.uint8),
            idf=self.idf.astype(np.float32),
            directions=self.directions.astype(np.float32),
        )
        unfinished.replace(path)
        return path

    @classmethod
    def load(cls, folder: Path, version: str) -> "Lsa":
        """Read a version.

        Raises:
            BadFile: If it is not there, or not what was saved.
        """
        path = folder / f"lsa-{version}.npz"
        mend = "run build_vector_index, which fits it anew"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found_format, features = json.loads(arrays["features"].tobytes())
                loaded = cls(
                    tuple(map(tuple, features)),
                    arrays["idf"].astype(np.float64),
                    arrays["directions"].astype(np.float64),
                )
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise BadFile(str(path), "there is no embedder to be read", mend) from error
        if found_format != _FORMAT or loaded.version != version:
            raise BadFile(str(path), "it is not the version its name says", mend)
        return loaded


def _weighted(
    counts: Any,  # noqa: ANN401 - sparse matrices have no type of their own
    features: Features,
    idf: FloatArray,
) -> Any:  # noqa: ANN401
    """TF-IDF, each kind of length 1 within a text, (texts, features)."""
    weighted = counts.copy()
    weighted.data = (1 + np.log(counts.data)) * idf[counts.indices]
    kind = np.searchsorted(np.cumsum(list(map(len, features))), counts.indices, side="right")
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    block = row * len(features) + kind
    weighted.data /= np.sqrt(np.bincount(block, weighted.data**2))[block]
    return weighted


def _counted(texts: Sequence[str], places: Sequence[Mapping[str, int]]) -> Any:  # noqa: ANN401
    """How often each text has each feature, (texts, features)."""
    columns, counts, ends = array("q"), array("d"), array("q", [0])
    for text in texts:
        for place, kind in zip(places, _KINDS, strict=True):
            found = [(place[name], n) for name, n in kind(text).items() if name in place]
            columns.extend(column for column, _ in found)
            counts.extend(n for _, n in found)
        ends.append(len(columns))
    shape = (len(texts), sum(map(len, places)))
    return sparse.csr_array((np.array(counts), np.array(columns), np.array(ends)), shape=shape)


def _places(features: Features) -> list[dict[str, int]]:
    """Column of each feature, by kind."""
    starts = [0, *np.cumsum(list(map(len, features)))]
    return [
        {name: int(start) + n for n, name in enumerate(names)}
        for start, names in zip(starts[:-1], features, strict=True)
    ]


def _frequent(listed: Iterable[Counter[str]]) -> tuple[str, ...]:
    """Features by the number of texts that have them, the most frequent ones, sorted."""
    n_texts: Counter[str] = Counter()
    for each in listed:
        n_texts.update(each.keys())
    best = sorted(n_texts.items(), key=lambda pair: (-pair[1], pair[0]))[:_MAX_FEATURES]
    return tuple(sorted(name for name, _ in best))
