"""Two tabs with one draft: the rule of all merges (decision 37) where a tab saw one text, and its
own where it saw several.
"""

from __future__ import annotations

from itertools import product

from almoner.merging.three_way import MINE, whose
from almoner.portal.assessments.drafts import TabInput, merge

TEXTS = ("", "left knee", "right knee", "both")


def outcome(base: tuple[str, ...], there: str, typing: str) -> tuple[str, bool, bool]:
    """The text that the draft has then, whether that is news to the tab, and whether it clashes
    with what the tab typed.
    """
    texts, clashes = {"place": [there], "other": ["stays"]}, {"other": ["asked before"]}
    mine, news = merge(
        texts, clashes, TabInput({"place": [typing]}, {"place": [[text] for text in base]})
    )
    assert (texts.pop("other"), clashes.pop("other")) == (["stays"], ["asked before"])
    assert mine == clashes
    return texts["place"][0], "place" in news, "place" in mine


def test_a_tab_that_has_seen_one_text_is_merged_like_everything_else() -> None:
    for base, there, mine in product(TEXTS, repeat=3):
        side = whose(base, there, mine)
        expected = (
            mine if side == MINE else there,
            side != MINE and side is not None and there != mine,
            side is None,
        )
        assert outcome((base,), there, mine) == expected, (base, there, mine)


def test_what_the_tab_itself_has_sent_since_counts_as_seen() -> None:
    assert outcome(("", "left knee"), "left knee", "both") == ("both", False, False)
    assert outcome(("", "left knee"), "", "both") == ("both", False, False)
    assert outcome(("", "left knee"), "right knee", "left knee") == ("right knee", True, False)
    assert outcome(("", "left knee"), "right knee", "both") == ("right knee", False, True)
