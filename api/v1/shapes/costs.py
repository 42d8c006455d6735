"""Prices and costs, in and out. Amounts of money are decimals in strings: a number of JSON's may lose a digit on its way."""

from typing import Any

from rest_framework import serializers

from api.http.fields import MomentField
from api.http.shapes import StrictSerializer, Text, Whole
from quotas.costs.reports import GroupBy
from quotas.models import Price
from scheduling.sharing.prices import PLACES, Capacity, Target

MOST_DIGITS, MOST_GROUPS = 13, 10_000
MOST_SHOWN = 1_000
TERMS = [one.value for one in Capacity]
MONEY: Any = {"max_digits": 30, "decimal_places": PLACES}


class PriceIn(StrictSerializer):
    target = serializers.ChoiceField([one.value for one in Target], help_text="What has this price.")
    name = Text(
        100, required=False, allow_blank=True, default="",
        help_text="Of the node, the node type (its label node-type) or the GPU model; empty: any GPU. None for a CPU and memory.",
    )  # fmt: skip
    capacity = serializers.ChoiceField(
        TERMS, required=False, allow_blank=True, default="",
        help_text="For nodes on these terms alone (their label capacity); empty: for all that have no price of their own.",
    )  # fmt: skip
    per_hour = serializers.DecimalField(
        MOST_DIGITS, PLACES, min_value=0, help_text="Of a whole node, or of one GPU, CPU or GB of memory."
    )
    currency = Text(3, required=False, allow_blank=True, default="", help_text="If given, the platform's.")
    valid_from = MomentField(
        required=False, allow_null=True, default=None, help_text="Not in the past; null: from now on."
    )
    valid_to = MomentField(
        required=False, allow_null=True, default=None, help_text="Until just before then; null: until further notice."
    )


class PriceChange(StrictSerializer):
    valid_to = MomentField(
        required=False, allow_null=True, default=None, help_text="When it ends, not in the past; null: now."
    )


class PriceOut(serializers.ModelSerializer[Price]):
    capacity = serializers.ChoiceField(TERMS, allow_blank=True)

    class Meta:
        model = Price
        fields = (
            "id", "target", "name", "capacity", "per_hour", "currency", "valid_from", "valid_to", "created_by", "created_at",
        )  # fmt: skip


class CostsQuery(StrictSerializer):
    project = Text(63, required=False, help_text="A project's slug: its costs, and of everything below it.")
    user = Text(150, required=False, help_text="Of this user's jobs alone.")
    batch = Text(32, required=False, help_text="Of the jobs of this batch alone.")
    job = Whole(2**63 - 1, least=1, required=False, help_text="Of this job alone.")
    since = MomentField(required=False, help_text="What ended from then on. Default: the beginning of this month, UTC.")
    until = MomentField(required=False, help_text="What ended before then. Default: now.")
    group_by = serializers.ChoiceField([one.value for one in GroupBy], default=GroupBy.PROJECT.value)
    limit = Whole(
        MOST_GROUPS, least=1, required=False,
        help_text=f"At most so many groups, the dearest first. Default: {MOST_SHOWN:,}; of an export all.",
    )  # fmt: skip


class SumsOut(serializers.Serializer[Any]):
    """What was settled, what of it was given back, and what is left to pay."""

    settled = serializers.DecimalField(**MONEY)
    refunded = serializers.DecimalField(**MONEY)
    cost = serializers.DecimalField(**MONEY)
    placements = serializers.IntegerField(help_text="How many placements ended and were settled.")


class CostsGroupOut(SumsOut):
    key = serializers.CharField(help_text="The project, user, batch, job, node, day or month.")


class CostsOut(serializers.Serializer[Any]):
    currency = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    group_by = serializers.CharField()
    groups = CostsGroupOut(many=True)
    left_off = serializers.IntegerField(help_text="How many more groups there are.")
    total = SumsOut(help_text="Of all groups, those left off too.")
    accrued = serializers.DecimalField(
        **MONEY, allow_null=True, help_text="What runs has cost so far, not settled yet; null where `until` is given."
    )
