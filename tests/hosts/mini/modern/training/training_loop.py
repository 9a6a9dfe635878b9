"""The training loop of the dialects after stylegan3: gradients of all ranks are averaged by hand."""

import copy
import pickle

import dnnlib
import legacy
import torch
from torch_utils import misc
from torch_utils.ops import conv2d_gradfix, grid_sample_gradfix
from training.run import Run, save_grid, setup_snapshot_image_grid

# What eg3d's generator is besides its weights; its moving average takes it over.
CAMERA = ("neural_rendering_resolution", "rendering_kwargs")


def training_loop(rank, loss_kwargs, resume_pkl=None, G_reg_interval=None, D_reg_interval=16, **options):
    run = Run(rank, dnnlib.EasyDict(options))
    conv2d_gradfix.enabled = grid_sample_gradfix.enabled = True
    G, D, G_ema, pipe = run.networks.values()
    renders = all(hasattr(G, name) for name in CAMERA)
    for network in (G, G_ema) if renders else ():
        network.register_buffer("dataset_label_std", torch.from_numpy(run.data.get_label_std()).to(run.device))
    if resume_pkl and rank == 0:
        with dnnlib.util.open_url(resume_pkl) as file:
            resume_data = legacy.load_network_pkl(file)
        for name in ("G", "D", "G_ema"):
            target = run.networks[name]
            misc.copy_params_and_buffers(resume_data[name], target)
    if rank == 0:
        z, c = (torch.empty((run.options.batch_gpu, size)).to(run.device) for size in (G.z_dim, G.c_dim))
        fakes = misc.print_module_summary(G, [z, c])
        misc.print_module_summary(D, [fakes, c])

    def from_first(network):
        for tensor in misc.params_and_buffers(network) if network is not None and run.ranks > 1 else ():
            torch.distributed.broadcast(tensor, 0)

    def averaged(gradients):
        for gradient in gradients if run.ranks > 1 else ():
            torch.distributed.all_reduce(gradient.div_(run.ranks))

    def accumulate(last, **call):
        loss.accumulate_gradients(cur_nimg=run.images, **call)

    for network in run.networks.values():
        from_first(network)
    loss = dnnlib.util.construct_class_by_name(**loss_kwargs, G=G, D=D, augment_pipe=pipe, device=run.device)
    if rank == 0:
        grid_size, images, labels = setup_snapshot_image_grid(run.data)
        save_grid(f"{run.options.run_dir}/reals.png", images, grid_size)
        samples = run.latents(len(labels), labels)

    for _ in run.ticks(run.phases(G=G_reg_interval, D=D_reg_interval), accumulate, averaged):
        for name in CAMERA if renders else ():
            setattr(G_ema, name, copy.copy(getattr(G, name)))
        if run.due("image") and rank == 0:
            run.draw(samples, grid_size)
        if run.due("network"):
            content = {"training_set_kwargs": dict(run.options.training_set_kwargs)}
            for name, network in run.networks.items():
                if network is not None and run.ranks > 1:
                    misc.check_ddp_consistency(network, ignore_regex=r".*_(avg|ema)")
                content[name] = network and copy.deepcopy(network).requires_grad_(False).eval()
                if not renders:  # eg3d leaves each rank its own averages
                    from_first(content[name])
                content[name] = network and content[name].cpu()
            snapshot_pkl = run.path("network-snapshot-", ".pkl")
            if rank == 0:
                with open(snapshot_pkl, "wb") as file:
                    pickle.dump(content, file)
            run.measure(content["G_ema"], snapshot_pkl)
