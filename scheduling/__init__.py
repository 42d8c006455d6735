"""The core that decides: who runs where and when, who gives way, and why everybody else waits.

Pure: values in, values out; no Django, Celery, clock or network. The modules beside the rooms are its language: snapshot, rules,
requests and resources, reasons, states, errors. The rooms are a straight tower, each may import those below it:
forecast | scaling > planning > policies > sharing > placement > nodes > failures.
"""
