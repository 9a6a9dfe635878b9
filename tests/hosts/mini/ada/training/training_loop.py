"""The training loop of the stylegan2-ada-pytorch dialect: DistributedDataParallel around the parts of G and D."""

import copy
import pickle

import dnnlib
import legacy
import torch
from torch_utils import misc
from torch_utils.ops import grid_sample_gradfix
from training.run import Run, save_grid, setup_snapshot_image_grid


def training_loop(rank, loss_kwargs, resume_pkl=None, G_reg_interval=4, D_reg_interval=16, **options):
    run = Run(rank, dnnlib.EasyDict(options))
    grid_sample_gradfix.enabled = True
    G, D, G_ema, pipe = run.networks.values()
    if resume_pkl and rank == 0:
        with dnnlib.util.open_url(resume_pkl) as file:
            resume_data = legacy.load_network_pkl(file)
        for name in ("G", "D", "G_ema"):
            target = run.networks[name]
            misc.copy_params_and_buffers(resume_data[name], target)
    if rank == 0:
        # Whatever lies in memory goes through G in training mode, and into w_avg.
        z = torch.empty((run.options.batch_gpu, G.z_dim)).to(run.device)
        c = torch.empty((run.options.batch_gpu, G.c_dim)).to(run.device)
        fakes = misc.print_module_summary(G, [z, c])
        misc.print_module_summary(D, [fakes, c])

    parts = {"G_mapping": G.mapping, "G_synthesis": G.synthesis, "D": D, "augment_pipe": pipe, "G_ema": G_ema}
    shared = {name: across_ranks(part, run.device) if run.ranks > 1 else part for name, part in parts.items()}
    del shared["G_ema"]
    loss = dnnlib.util.construct_class_by_name(**loss_kwargs, **shared, device=run.device)
    if rank == 0:
        grid_size, images, labels = setup_snapshot_image_grid(run.data)
        save_grid(f"{run.options.run_dir}/reals.png", images, grid_size)
        samples = run.latents(len(labels), labels)

    def accumulate(last, **call):
        loss.accumulate_gradients(sync=last, **call)

    for _ in run.ticks(run.phases(G=G_reg_interval, D=D_reg_interval), accumulate, after_step=len):
        if run.due("image") and rank == 0:
            run.draw(samples, grid_size)
        if run.due("network"):
            content = {name: frozen(network, run.ranks) for name, network in run.networks.items()}
            content["training_set_kwargs"] = dict(run.options.training_set_kwargs)
            snapshot_pkl = run.path("network-snapshot-", ".pkl")
            if rank == 0:
                with open(snapshot_pkl, "wb") as file:
                    pickle.dump(content, file)
            run.measure(content["G_ema"], snapshot_pkl)


def across_ranks(part, device):
    if part is None or not any(True for _ in part.parameters()):
        return part
    part.requires_grad_(True)
    part = torch.nn.parallel.DistributedDataParallel(part, [device], broadcast_buffers=False)
    return part.requires_grad_(False)


def frozen(network, ranks):
    """Return a copy for a snapshot; all ranks' networks must be the same but for w_avg."""
    if network is not None and ranks > 1:
        misc.check_ddp_consistency(network, ignore_regex=r".*\.w_avg")
    return network and copy.deepcopy(network).requires_grad_(False).eval().cpu()
