"""Checks Hugging Face configurations: sizes, names and switches are allowed, references to code or files are not."""

from __future__ import annotations

import re
from typing import Any

from ..errors import LinkGANError

# Keys, at any depth, that refer to code, other models or other locations. Empty values, which transformers writes, are
# allowed.
_REFUSED = re.compile(
    r"auto_map|.*(?:custom_pipelines?|custom_code|remote_code|attn_implementation|quantization|kernel_config|hub_)\w*"
    r"|backbone|backbone_kwargs|use_timm_backbone|use_pretrained_backbone|\w*checkpoint|timm_\w+|adapter\w*|peft\w*"
    r"|generation_config|compression_config|distributed_config|\w*(?:_path|_url|_repo|_file|repo_id|revision)",
    re.IGNORECASE,
)
_PASSED_OVER = {"_name_or_path", "_attn_implementation_autoset"}
_LARGEST = 1 << 16
_MOST_LAYERS = 512
_COUNTS = re.compile(r".*(?:depth|num_|_num|layers|blocks|stages|heads|groups).*")
_LONGEST_LIST = 256
_LONGEST_TEXT = 1000
_DEEPEST = 5
_MOST_LABELS = 4096


def check_config(data: Any, key: str = "", depth: int = 0) -> None:
    """Check every key and value of a configuration, at any depth.

    Raises:
        LinkGANError: a key that refers to code, a hub or another model, or a value above the limits; names it.
    """
    if depth > _DEEPEST:
        raise LinkGANError(f"{key!r:.100} in its configuration is nested too deeply")
    if isinstance(data, dict):
        for name, value in data.items():
            if name not in _PASSED_OVER and value not in (None, False, {}, []) and _REFUSED.fullmatch(name):
                raise LinkGANError(
                    f"its configuration has {name!r:.100}, which refers to external code or models; save the "
                    "model without it"
                )
            if name in ("id2label", "label2id"):
                _check_labels(name, value)
            else:
                check_config(value, name, depth + 1)
    elif isinstance(data, list):
        if len(data) > _LONGEST_LIST or (_is_count(key) and _total(data) > _MOST_LAYERS * 16):
            raise LinkGANError(f"{key!r:.100} in its configuration is too long a list")
        for value in data:
            check_config(value, key, depth + 1)
    elif isinstance(data, str):
        if len(data) > _LONGEST_TEXT:
            raise LinkGANError(f"{key!r:.100} in its configuration is a text of {len(data)} characters")
    elif isinstance(data, int | float) and not abs(data) <= (_MOST_LAYERS if _is_count(key) else _LARGEST):
        raise LinkGANError(f"{key!r:.100} in its configuration is {data!r:.50}, which is too large")


def is_file_name(name: Any) -> bool:
    """Return whether a text is the name of a .safetensors file, without any path."""
    return type(name) is str and re.fullmatch(r"[A-Za-z0-9][\w.-]{0,200}\.safetensors", name) is not None


def _is_count(key: str) -> bool:
    return _COUNTS.fullmatch(key) is not None


def _total(values: list[Any]) -> float:
    return sum(value for value in values if isinstance(value, int | float))


def _check_labels(name: str, value: Any) -> None:
    if type(value) is not dict or len(value) > _MOST_LABELS or not all(type(v) in (str, int) for v in value.values()):
        raise LinkGANError(f"{name} in its configuration is not a table of at most {_MOST_LABELS} names")
