"""Opening a network pickle."""

import pickle

import torch


def load_network_pkl(f, force_fp16=False):
    found = {"training_set_kwargs": None, "augment_pipe": None, **pickle.load(f)}
    for name in ("G", "D", "G_ema"):
        if not isinstance(found[name], torch.nn.Module):
            raise TypeError(f"{name} is a {type(found[name]).__name__}, not a network")
    return found
