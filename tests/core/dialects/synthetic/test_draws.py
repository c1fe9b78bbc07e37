"""The draws of a request: the same for the same seed and number, and independent of each other."""

from __future__ import annotations

from penstock.dialects.synthetic.draws import Draws
from penstock.dialects.synthetic.options import Constant


def test_a_draw_depends_on_seed_number_and_purpose_alone() -> None:
    first = Draws(7, 3).random("tokens").unit()
    assert first == Draws(7, 3).random("tokens").unit() == 0.7182185143648239
    others = {Draws(*key).random(purpose).unit() for *key, purpose in ((8, 3, "tokens"), (7, 4, "tokens"), (7, 3, "x"))}
    assert len(others - {first}) == 3


def test_a_constant_is_what_it_is() -> None:
    assert Draws().draw("tokens", Constant(value=9)) == 9


def test_a_rate_is_a_share_of_the_requests() -> None:
    happened = [Draws(1, number).happens("error", 0.25) for number in range(1000)]
    assert sum(happened) == 248
    assert not any(Draws(1, number).happens("error", 0) for number in range(9))
    assert all(Draws(1, number).happens("error", 1) for number in range(9))
