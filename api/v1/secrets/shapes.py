"""A secret as JSON. There is no shape in which a value goes out to people."""

import base64
import binascii
from typing import Any

from rest_framework import serializers

from api.http.shapes import StrictSerializer, Text
from jobs.secrets.sealing import KEY_BYTES
from quotas.models import Secret

MOST_READ = 1024 * 1024


class SecretIn(StrictSerializer):
    value = Text(MOST_READ, write_only=True, help_text="At most 64 kB of text in 200 lines. It is never shown again.")


class SecretOut(serializers.ModelSerializer[Secret]):
    name = serializers.CharField(help_text="As jobs name it, and as the variable in their environment is called.")
    set_by = serializers.CharField(help_text="Who wrote its value.")
    set_at = serializers.DateTimeField(help_text="When that was.")
    last_used_at = serializers.DateTimeField(
        allow_null=True, help_text="When a node was last given this value; null: never."
    )

    class Meta:
        model = Secret
        fields = ("name", "set_by", "set_at", "last_used_at")


class PublicKeyIn(StrictSerializer):
    public_key = Text(64, help_text="X25519, 32 bytes in base64: for it the values are sealed.")

    def validate_public_key(self, text: str) -> bytes:
        try:
            key = base64.b64decode(text, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES:
            raise serializers.ValidationError(f"Must be {KEY_BYTES} bytes in base64.")
        return key


class SealedOut(serializers.Serializer[Any]):
    sealed = serializers.CharField(help_text="Values by name, sealed for that key by HPKE (RFC 9180), in base64.")
