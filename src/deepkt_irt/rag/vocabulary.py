"""Words that decide whether a sentence claims more than its evidence.

Both lists hold words as `words.terms` gives them or as they are written.
"""

_CLAIMS = """
advanced ahead all always bad because behind best brilliant careless cause caused certain
certainly cheat cheated cheating clever confused correct declining definitely developing double
dozen every everything excellent expert fail failed failing fails failure fell gaming gifted great
guaranteed guessed guessing half improved improving incorrect lazy lower lowered master mastered
mastery most never none nothing pass passed perfect poor proven raise raised ready right rose
secure slow smart strong struggle struggles struggling sure triple twice weak worst wrong
"""
_COMMON = """
a about after again also an and answer any are as ask at be been before being between both but by
can chance check compare could count did do does down each estimate example exercise expect
expected explain far few find first follow for from get give go had has have he help her here him
hint his how i if in into is it item its just keep last later lay learn learner least less let lie
lies like likely look main make material may me mean might more move much my near need next no not
now of off on one only or other our out over own past practice practise practising previous put
question range read recent recommend recommended result say see set she should show since skill
small so solve some span start step still student such take task than that the their them then
there these they think this those through time to today too try two under until up use used using
very want was way we well were what when where which while who why will with work would yet you
your
"""

CLAIMS = frozenset(_CLAIMS.split())
"""Words that judge or claim much: only where the sentence's own evidence has them."""

COMMON = frozenset(_COMMON.split())
"""Words that claim nothing by themselves, and so need no evidence."""
