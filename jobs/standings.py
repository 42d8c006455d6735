"""How a dependency stands, for statements over many: as `scheduling.dependencies.Link.standing` says of one.

Statements call the dependency's row `link` and the needed job's `needed`.
"""

from scheduling.dependencies import Standing

STANDING = """
    CASE
        WHEN needed.state NOT IN ('completed', 'failed', 'cancelled') THEN 'unmet'
        WHEN link.after = 'any' THEN 'met'
        WHEN link.after = 'ok' AND needed.state = 'completed' THEN 'met'
        WHEN link.after = 'failed' AND (needed.state = 'failed' OR needed.end_reason = 'dependency_failed') THEN 'met'
        ELSE 'dead'
    END
"""
MET, UNMET, DEAD = (str(standing) for standing in (Standing.MET, Standing.UNMET, Standing.DEAD))
