"""Opening a network pickle."""

import pickle

import torch


def load_network_pkl(f, force_fp16=False):
    data = pickle.load(f)
    data.setdefault("training_set_kwargs", None)
    data.setdefault("augment_pipe", None)
    assert all(isinstance(data[name], torch.nn.Module) for name in ("G", "D", "G_ema"))
    return data
