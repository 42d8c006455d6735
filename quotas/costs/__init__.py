"""What it costs: prices, and the double-entry ledger of what was held, settled and refunded, with reports of it.

May import scheduling and the rows of quotas; knows neither jobs nor nodes: whoever calls it says what a placement holds.
Words: *price*, *hold* (set aside when a placement begins), *settle* (its cost, when it ends), *refund*, *ledger*.
"""
