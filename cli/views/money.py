"""Amounts of money, as the server writes them and as people read them."""


def spell_money(amount: str) -> str:
    """With two digits after the point, where these say it all; else with as many as it has."""
    whole, _, digits = amount.partition(".")
    return f"{whole}.{digits.rstrip('0').ljust(2, '0')}"
