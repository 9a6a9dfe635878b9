"""Attribute dictionaries, objects built by name, output that goes to a log as well, local files."""

import pkgutil
import sys


class EasyDict(dict):
    """A dict with its entries as attributes."""

    def __getattr__(self, key):
        if key in self:
            return self[key]
        raise AttributeError(key)

    __setattr__ = dict.__setitem__
    __delattr__ = dict.__delitem__


class Logger:
    """Takes the place of stdout and stderr; what is written goes to stdout and, where one is given, to a file."""

    def __init__(self, file_name=None, file_mode="a", should_flush=True):
        self.targets = [sys.stdout]
        if file_name:
            self.targets.append(open(file_name, file_mode))  # noqa: SIM115
        sys.stdout = sys.stderr = self

    def write(self, text):
        for target in self.targets:
            target.write(text)
            target.flush()

    def flush(self):
        """Nothing is ever held back."""


def format_time(seconds):
    return f"{seconds:.0f} s"


def construct_class_by_name(*args, class_name, **kwargs):
    return pkgutil.resolve_name(class_name)(*args, **kwargs)


def open_url(url, verbose=True):
    scheme, separator, path = str(url).rpartition("://")
    if separator and scheme != "file":
        raise OSError(f"{url}: a miniature host opens local files only")
    return open(path, "rb")
