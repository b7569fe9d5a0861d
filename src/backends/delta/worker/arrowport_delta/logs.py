"""Log lines for the parent: JSON on stderr, without credentials."""

from __future__ import annotations

import json
import re
import sys
import threading
import traceback
from typing import Any

_lock = threading.Lock()
_secrets: set[str] = set()

_SECRET_OPTION = re.compile(r"key|secret|token|password|credential|sas|signature|account", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(?i)\b(x-amz-security-token|x-amz-signature|x-amz-credential|authorization|signature|sig|"
    r"access_key_id|secret_access_key|session_token|password)\b(\"?\s*[=:]\s*\"?)[^\s,;&\"')]+"
)
_USER_INFO = re.compile(r"(\w+://)[^/\s@]+@")


def remember_secrets(options: dict[str, str]) -> None:
    """Keep the secret values of storage options, so that no log line shows them."""
    for name, value in options.items():
        if len(value) >= 4 and _SECRET_OPTION.search(name):
            _secrets.add(value)


def redact(text: str) -> str:
    """Return the text without credentials and without rows of data."""
    text = text.split("Preview of invalid data", 1)[0]
    for secret in tuple(_secrets):
        text = text.replace(secret, "***")
    return _USER_INFO.sub(r"\1***@", _SECRET_TEXT.sub(r"\1\2***", text))


def log(level: str, message: str, **fields: Any) -> None:
    """Write one line; ``level`` is debug, info, warn or error."""
    line = json.dumps({"level": level, "msg": message, **fields}, default=str)
    with _lock:
        sys.stderr.write(redact(line) + "\n")
        sys.stderr.flush()


def log_exception(message: str, error: BaseException, **fields: Any) -> None:
    """Write an error with its text and trace."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    log("error", message, error=redact(str(error)), trace=redact(trace)[-4000:], **fields)
