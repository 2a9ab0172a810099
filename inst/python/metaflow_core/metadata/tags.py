"""Which tags are valid, and how a run's tags change. Rules as in stock Metaflow."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from metaflow_core.errors import InvalidTag

MAX_TAGS, MAX_TAG_CHARS = 50, 500
"""How many tags a run may have, and how long one may be (stock Metaflow 2.19, tagging_util.py)."""


def changed(
    tags: Collection[str], system_tags: Collection[str], add: Iterable[str], remove: Iterable[str]
) -> list[str]:
    """The tags of a run after a change: first *remove*, then *add*; sorted.

    A tag that is a system tag already is not added again.

    Raises:
        InvalidTag: If a tag is not valid, a system tag is to be removed, or there are too many.
    """
    adding, removing = set(check_tags(add)), set(check_tags(remove))
    protected = sorted(removing & set(system_tags))
    if protected:
        raise InvalidTag(f"The system tag {protected[0]!r} cannot be removed.")
    result = (set(tags) - removing) | (adding - set(system_tags))
    if len(result) > max(MAX_TAGS, len(set(tags))):
        raise InvalidTag(
            f"A run can have {MAX_TAGS} tags, and would have {len(result)}.", "Remove some first."
        )
    return sorted(result)


def check_tags(tags: Iterable[str]) -> list[str]:
    """The tags, if each is valid.

    Raises:
        InvalidTag: If one is not text, is empty, too long, or not valid Unicode.
    """
    if isinstance(tags, str):
        raise InvalidTag(f"Tags are a list of texts, not the text {tags!r}.")
    checked = list(tags)
    for tag in checked:
        if not isinstance(tag, str):
            raise InvalidTag(f"A tag is text, not {type(tag).__name__}: {tag!r}.")
        if not tag:
            raise InvalidTag("A tag cannot be empty.")
        if len(tag) > MAX_TAG_CHARS:
            raise InvalidTag(f"A tag can have {MAX_TAG_CHARS} characters; {tag[:20]!r}… has more.")
        try:
            tag.encode("utf-8")
        except UnicodeError:
            raise InvalidTag(f"The tag {tag!r} is not valid Unicode.") from None
    return checked
