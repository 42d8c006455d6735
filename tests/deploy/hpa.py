"""A HorizontalPodAutoscaler by its documented algorithm (autoscaling/v2), with the figures of a shipped manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

TOLERANCE = 0.1
UP = {"stabilizationWindowSeconds": 0, "policies": [("Percent", 100, 15), ("Pods", 4, 15)]}
DOWN = {"stabilizationWindowSeconds": 300, "policies": [("Percent", 100, 15)]}
"""What it does where nothing else is said; of several policies the one that allows the most holds."""


@dataclass
class Hpa:
    """Of an external metric with an average value as its target, looked at every 15 s by whoever calls `replicas_for`."""

    least: int
    most: int
    target: float
    up: Mapping[str, Any]
    down: Mapping[str, Any]
    advised: list[tuple[float, int]] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "Hpa":
        (metric,) = spec["metrics"]
        behavior = spec.get("behavior", {})
        target = float(metric["external"]["target"]["averageValue"])
        up, down = {**UP, **behavior.get("scaleUp", {})}, {**DOWN, **behavior.get("scaleDown", {})}
        return cls(spec.get("minReplicas", 1), spec["maxReplicas"], target, up, down)

    def replicas_for(self, metric: float, current: int, now: float) -> int:
        advice = self._advice(metric, current)
        self.advised.append((now, advice))
        steady = self._stabilized(current, now)
        wanted = min(max(self._limited(steady, current, now), self.least), self.most)
        if wanted != current:
            self.changes.append((now, wanted - current))
        return wanted

    def _advice(self, metric: float, current: int) -> int:
        """Within a tenth of what there is, nothing changes."""
        if abs(1 - metric / (self.target * current)) <= TOLERANCE:
            return current
        return ceil(metric / self.target)

    def _stabilized(self, current: int, now: float) -> int:
        """Of the advice within each direction's window: the least to grow to, the most to shrink to."""
        grown = min(one for at, one in self.advised if at >= now - self.up["stabilizationWindowSeconds"])
        shrunk = max(one for at, one in self.advised if at >= now - self.down["stabilizationWindowSeconds"])
        return min(max(current, grown), shrunk)

    def _limited(self, wanted: int, current: int, now: float) -> int:
        if wanted > current:
            return min(
                wanted,
                max(self._limit(kind, value, period, current, now, 1) for kind, value, period in self.up["policies"]),
            )
        return max(
            wanted,
            min(self._limit(kind, value, period, current, now, -1) for kind, value, period in self.down["policies"]),
        )

    def _limit(self, kind: str, value: int, period: float, current: int, now: float, sign: int) -> int:
        recent = sum(change for at, change in self.changes if at > now - period and change * sign > 0)
        began = current - recent
        return began + sign * (value if kind == "Pods" else ceil(began * value / 100))
