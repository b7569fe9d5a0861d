"""Reads single commits of a table's log, and works on files next to it.

Object stores are reached through obstore: delta-rs's own file calls hold the interpreter while they wait.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import obstore
from obstore.exceptions import GenericError, NotFoundError
from obstore.store import ObjectStore, from_url

from .locations import Location

_CLIENT_OPTIONS = frozenset(
    ("allow_http", "allow_invalid_certificates", "connect_timeout", "timeout", "proxy_url", "user_agent")
)
_FOR_DELTA_ONLY = re.compile(
    r"conditional_put|copy_if_not_exists|s3_.*|max_retries|retry_timeout|backoff_config.*|dynamo.*|.*locking.*|"
    r"mount_allow_unsafe_rename|allow_unsafe_rename"
)


LOADS = "arrowport.loads"
"""The key of the list of loads in the ``commitInfo`` of a commit that several share."""

SCRATCH_PREFIX = "_commit_arrowport_"
"""How files begin that become a version of a local table's log once they are whole."""

_NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.ENOSYS))


class LinksUnsupported(Exception):
    """The file system cannot make a file under a second name, which a commit without delta-rs needs."""


def read_commit(location: Location, version: int) -> list[dict[str, Any]] | None:
    """The actions of one commit, or None where its log file is not there (any more). Raises ``ValueError``."""
    text = read_file(location, f"_delta_log/{version:020}.json")
    if text is None:
        return None
    actions = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not all(isinstance(action, dict) for action in actions):
        raise ValueError("a line of the log is no JSON object")
    return actions


def create_commit(location: Location, version: int, actions: list[dict[str, Any]]) -> bool:
    """Write a version of a local table's log, whole or not at all; returns False where there is one already.

    Raises ``LinksUnsupported``, and ``OSError`` as the disk has it.
    """
    folder = os.path.join(location.local_path or "", "_delta_log")
    lines = "\n".join(json.dumps(action, separators=(",", ":")) for action in actions)
    scratch = os.path.join(folder, f"{SCRATCH_PREFIX}{secrets.token_hex(16)}.json.tmp")
    try:
        with open(scratch, "x", encoding="utf-8") as file:
            file.write(lines)
        os.link(scratch, os.path.join(folder, f"{version:020}.json"))
        return True
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise LinksUnsupported from error
        raise
    finally:
        with contextlib.suppress(OSError):
            os.unlink(scratch)


def commit_info(actions: list[dict[str, Any]]) -> dict[str, Any]:
    """The ``commitInfo`` action, empty where there is none."""
    for action in actions:
        info = action.get("commitInfo")
        if isinstance(info, dict):
            return info
    return {}


def find_commit(
    location: Location, after: int, name: str, value: str, most: int = 200
) -> tuple[int, dict[str, Any]] | None:
    """The first commit after a version whose ``commitInfo`` has this value; looks at ``most`` versions.

    Beside its ``commitInfo`` the answer tells under ``added`` how many files came with it, and their bytes.
    """
    for version in range(after + 1, after + 1 + most):
        actions = read_commit(location, version)
        if actions is None:
            return None
        info = info_of(actions)
        if info.get(name) == value:
            return version, info
        for load in info.get(LOADS, ()):
            if isinstance(load, dict) and load.get(name) == value:
                return version, load_info(info, load)
    return None


def info_of(actions: list[dict[str, Any]]) -> dict[str, Any]:
    """The ``commitInfo`` of a commit, and under ``added`` how many files came with it, and their bytes."""
    return {**commit_info(actions), "added": _added(actions)}


def load_info(info: dict[str, Any], load: dict[str, Any]) -> dict[str, Any]:
    """What the ``commitInfo`` of a load would be if it had been committed alone."""
    return {**{name: value for name, value in info.items() if name != LOADS}, **load}


def _added(actions: list[dict[str, Any]]) -> dict[str, int]:
    sizes = [int(action["add"].get("size", 0)) for action in actions if "add" in action]
    return {"files": len(sizes), "bytes": sum(sizes)}


def read_file(location: Location, path: str) -> bytes | None:
    """A small file below the location, or None."""
    folder = location.local_path
    try:
        if folder is not None:
            with open(os.path.join(folder, path), "rb") as file:
                return file.read()
        return bytes(obstore.get(open_store(location), path).bytes())
    except (FileNotFoundError, NotFoundError):
        return None


def list_folders(location: Location) -> list[str]:
    """The names of the tables directly below a place in an object store."""
    store = open_store(location)
    prefixes = obstore.list_with_delimiter(store)["common_prefixes"]
    names = [str(prefix).rstrip("/").rsplit("/", 1)[-1] for prefix in prefixes]
    return [name for name in names if _has_log(store, name)]


def existing_files(location: Location, paths: list[str]) -> list[str]:
    """The paths below a place at which files are; as the log writes them, or as they are."""
    folder = location.local_path
    if folder is not None:
        return [
            path for path in paths if any(os.path.exists(os.path.join(folder, name)) for name in (path, unquote(path)))
        ]
    there = {str(item["path"]) for page in obstore.list(open_store(location)) for item in page} if paths else set()
    return [path for path in paths if "://" in path or path in there or unquote(path) in there]


def delete_folder(location: Location) -> None:
    """Remove everything below a place in an object store."""
    store = open_store(location)
    for page in obstore.list(store):
        paths = [item["path"] for item in page]
        try:
            obstore.delete(store, paths)
        except GenericError:
            # Not every store answers a request for many as its makers say.
            for path in paths:
                with contextlib.suppress(NotFoundError):
                    obstore.delete(store, path)


def delete_file(location: Location, path: str) -> None:
    """Remove one object."""
    obstore.delete(open_store(location), path)


def open_store(location: Location) -> ObjectStore:
    """The object store of a place, its paths relative to it, with delta-rs's storage options."""
    config: dict[str, str] = {}
    client: dict[str, Any] = {}
    for name, value in location.options.items():
        plain = name.lower().removeprefix("aws_").removeprefix("azure_").removeprefix("google_")
        if plain in _CLIENT_OPTIONS:
            client[plain] = value.lower() == "true" if plain.startswith("allow") else value
        elif _FOR_DELTA_ONLY.fullmatch(plain) is None:
            config[name.lower()] = value
    if location.uri.startswith("s3") and "endpoint" in {
        name.removeprefix("aws_").removesuffix("_url") for name in config
    }:
        config.setdefault("aws_virtual_hosted_style_request", "false")
    retry = {name: value for name, value in location.options.items() if name in ("max_retries", "retry_timeout")}
    # The stubs name every option; the ones that come from the configuration are checked by the store itself.
    settings: dict[str, Any] = {"config": config or None, "client_options": client or None}
    if retry:
        settings["retry_config"] = {
            "max_retries": int(retry.get("max_retries", "10")),
            "retry_timeout": timedelta(seconds=_seconds(retry.get("retry_timeout", "180s"))),
        }
    return from_url(location.uri, **settings)


def _seconds(text: str) -> float:
    """A duration as the options of stores have it: ``500ms``, ``20s``, ``3m``."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)?\s*", text)
    if match is None:
        return 180.0
    return float(match.group(1)) * {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}[match.group(2) or "s"]


def _has_log(store: ObjectStore, name: str) -> bool:
    for page in obstore.list(store, f"{name}/_delta_log", chunk_size=1):
        return len(page) > 0
    return False
