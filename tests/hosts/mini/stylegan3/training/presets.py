"""The configurations of stylegan3."""

import click

FLAGS = {"cfg": click.Choice(["stylegan3-t", "stylegan3-r", "stylegan2"])}
DEFAULTS = {}


def choose(options, flag):
    module = "networks_stylegan2" if flag.cfg == "stylegan2" else "networks_stylegan3"
    options.G_kwargs.class_name = f"training.{module}.Generator"
    options.D_kwargs.class_name = "training.networks_stylegan2.Discriminator"
    if flag.cfg == "stylegan2":
        options.loss_kwargs.update(style_mixing_prob=0.9, pl_weight=2)
        options.G_reg_interval = 4
    else:
        kernel = {"stylegan3-t": 3, "stylegan3-r": 1}[flag.cfg]
        options.G_kwargs.update(conv_kernel=kernel, magnitude_ema_beta=0.5 ** (flag.batch / 20000))
