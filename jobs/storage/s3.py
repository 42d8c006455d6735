"""Objects in an S3-compatible storage, by django-storages: loaded only where the settings name it."""

from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

NOT_THERE = frozenset({"NoSuchKey", "404"})
CONNECT_SECONDS, READ_SECONDS, TRIES = 5, 30, 2


class S3Objects(S3Storage):
    """Reads parts of objects, and gives up on a server that does not answer."""

    def __init__(self, **settings: Any) -> None:
        # Servers other than Amazon's know neither the names of buckets as hosts nor the newer checksums.
        style = "path" if settings.get("endpoint_url") else "auto"
        settings["client_config"] = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": TRIES, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": style},
        )
        super().__init__(**settings)

    def read_range(self, name: str, start: int, size: int) -> bytes:
        """Bytes of an object; raises FileNotFoundError if it is not there, OSError if the server does not say."""
        key = self._normalize_name(name)
        try:
            answer = self.bucket.Object(key).get(Range=f"bytes={start}-{start + size - 1}")
            return bytes(answer["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] in NOT_THERE:
                raise FileNotFoundError(name) from error
            raise OSError(str(error)) from error
        except BotoCoreError as error:
            raise OSError(str(error)) from error
