"""Attribute dictionaries, building objects by name, opening local files."""

import importlib
import sys


class EasyDict(dict):
    """A dict whose entries are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error

    def __setattr__(self, name, value):
        self[name] = value

    def __delattr__(self, name):
        del self[name]


class Logger:
    """Sends errors where output goes, and copies both to a file where one is given."""

    def __init__(self, file_name=None, file_mode="w", should_flush=True):
        self.file = None if file_name is None else open(file_name, file_mode)  # noqa: SIM115
        self.screen = sys.stdout
        sys.stdout = sys.stderr = self

    def write(self, text):
        if self.file is not None:
            self.file.write(text)
        self.screen.write(text)
        self.flush()

    def flush(self):
        if self.file is not None:
            self.file.flush()
        self.screen.flush()


def format_time(seconds):
    return f"{round(seconds)}s"


def call_func_by_name(*args, func_name, **kwargs):
    module, _, name = func_name.rpartition(".")
    return getattr(importlib.import_module(module), name)(*args, **kwargs)


def construct_class_by_name(*args, class_name, **kwargs):
    return call_func_by_name(*args, func_name=class_name, **kwargs)


def is_url(text, allow_file_urls=False):
    return "://" in str(text) and (allow_file_urls or not text.startswith("file://"))


def open_url(url, verbose=True):
    if is_url(url):
        raise OSError(f"a miniature host opens local files only, not {url}")
    return open(url.removeprefix("file://"), "rb")
