"""First come, first served, and what fits beside the reservations starts earlier: EASY, the standard of batch systems."""

from scheduling.policies.fifo import Fifo


class BackfillPolicy(Fifo):
    """Orders as `fifo` does, and is never run without backfilling.

    Lifka, "The ANL/IBM SP scheduling system" (1995); Mu'alem and Feitelson, IEEE TPDS 12(6), 2001.
    """

    name = "backfill"
