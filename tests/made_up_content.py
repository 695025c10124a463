"""Chunks invented for tests."""

import hashlib

from deepkt_irt.rag.index import Chunk


def chunk(title, text, **properties) -> Chunk:
    """A chunk of a course that does not exist; `skills` are its skill ids."""
    content_hash = hashlib.sha256(f"{title}\0{text}".encode()).hexdigest()
    return Chunk(
        chunk_id=properties.get("chunk_id", content_hash[:24]),
        source=properties.get("source", "documents"),
        kind=properties.get("kind", "document"),
        item_id=properties.get("item_id"),
        skill_ids=properties.get("skills", ()),
        grade=properties.get("grade"),
        locale=properties.get("locale", "en"),
        licence=properties.get("licence"),
        title=title,
        text=text,
        content_hash=content_hash,
    )
