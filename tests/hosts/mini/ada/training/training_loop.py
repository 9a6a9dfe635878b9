"""The training loop of the stylegan2-ada-pytorch dialect: DistributedDataParallel around the halves of G and D."""

import copy
import os
import pickle

import dnnlib
import legacy
import numpy as np
import torch
from metrics import metric_main
from torch_utils import misc, training_stats
from torch_utils.ops import grid_sample_gradfix
from training.parts import fetch, save_image_grid, setup_phases, setup_snapshot_image_grid, update_ema, write_stats


def training_loop(
    *,
    run_dir,
    training_set_kwargs,
    data_loader_kwargs,
    G_kwargs,
    D_kwargs,
    G_opt_kwargs,
    D_opt_kwargs,
    loss_kwargs,
    metrics,
    random_seed,
    num_gpus,
    rank,
    batch_size,
    batch_gpu,
    ema_kimg,
    total_kimg,
    image_snapshot_ticks,
    network_snapshot_ticks,
    kimg_per_tick=4,
    G_reg_interval=4,
    D_reg_interval=16,
    augment_kwargs=None,
    augment_p=0,
    resume_pkl=None,
):
    device = torch.device("cuda", rank)
    np.random.seed(random_seed * num_gpus + rank)  # noqa: NPY002
    torch.manual_seed(random_seed * num_gpus + rank)
    grid_sample_gradfix.enabled = True

    training_set = dnnlib.util.construct_class_by_name(**training_set_kwargs)
    sampler = misc.InfiniteSampler(dataset=training_set, rank=rank, num_replicas=num_gpus, seed=random_seed)
    loader = torch.utils.data.DataLoader(
        training_set, sampler=sampler, batch_size=batch_size // num_gpus, **data_loader_kwargs
    )
    iterator = iter(loader)

    common = {
        "c_dim": training_set.label_dim,
        "img_resolution": training_set.resolution,
        "img_channels": training_set.num_channels,
    }
    G = dnnlib.util.construct_class_by_name(**G_kwargs, **common).train().requires_grad_(False).to(device)
    D = dnnlib.util.construct_class_by_name(**D_kwargs, **common).train().requires_grad_(False).to(device)
    G_ema = copy.deepcopy(G).eval()

    if (resume_pkl is not None) and (rank == 0):
        print(f'Resuming from "{resume_pkl}"')
        with dnnlib.util.open_url(resume_pkl) as f:
            resume_data = legacy.load_network_pkl(f)
        for name, module in [("G", G), ("D", D), ("G_ema", G_ema)]:
            misc.copy_params_and_buffers(resume_data[name], module, require_all=False)

    if rank == 0:
        z = torch.empty([batch_gpu, G.z_dim], device=device)
        c = torch.empty([batch_gpu, G.c_dim], device=device)
        img = misc.print_module_summary(G, [z, c])
        misc.print_module_summary(D, [img, c])

    augment_pipe = None
    if augment_kwargs is not None and augment_p > 0:
        augment_pipe = dnnlib.util.construct_class_by_name(**augment_kwargs).train().requires_grad_(False).to(device)
        augment_pipe.p.copy_(torch.as_tensor(augment_p))

    ddp_modules = {}
    for name, module in [
        ("G_mapping", G.mapping),
        ("G_synthesis", G.synthesis),
        ("D", D),
        ("augment_pipe", augment_pipe),
    ]:
        if (num_gpus > 1) and (module is not None) and len(list(module.parameters())) != 0:
            module.requires_grad_(True)
            module = torch.nn.parallel.DistributedDataParallel(module, device_ids=[device], broadcast_buffers=False)
            module.requires_grad_(False)
        ddp_modules[name] = module

    loss = dnnlib.util.construct_class_by_name(device=device, **ddp_modules, **loss_kwargs)
    phases = setup_phases([("G", G, G_opt_kwargs, G_reg_interval), ("D", D, D_opt_kwargs, D_reg_interval)])

    grid_size, grid_z, grid_c = None, None, None
    if rank == 0:
        grid_size, images, labels = setup_snapshot_image_grid(training_set=training_set)
        save_image_grid(images, os.path.join(run_dir, "reals.png"), drange=[0, 255], grid_size=grid_size)
        grid_z = torch.randn([labels.shape[0], G.z_dim], device=device).split(batch_gpu)
        grid_c = torch.from_numpy(labels).to(device).split(batch_gpu)

    collector = training_stats.Collector(regex=".*")
    cur_nimg, cur_tick, tick_start_nimg, batch_idx = 0, 0, 0, 0
    while True:
        images, labels, all_z, all_c = fetch(
            training_set, iterator, len(phases), batch_size, batch_gpu, G.z_dim, device
        )
        for phase, phase_z, phase_c in zip(phases, all_z, all_c, strict=True):
            if batch_idx % phase.interval != 0:
                continue
            phase.opt.zero_grad(set_to_none=True)
            phase.module.requires_grad_(True)
            rounds = batch_size // (batch_gpu * num_gpus)
            for index, (real_img, real_c, gen_z, gen_c) in enumerate(
                zip(images, labels, phase_z, phase_c, strict=False)
            ):
                loss.accumulate_gradients(
                    phase=phase.name,
                    real_img=real_img,
                    real_c=real_c,
                    gen_z=gen_z,
                    gen_c=gen_c,
                    sync=index == rounds - 1,
                    gain=phase.interval,
                )
            phase.module.requires_grad_(False)
            for param in phase.module.parameters():
                if param.grad is not None:
                    torch.nan_to_num(param.grad, nan=0, posinf=1e5, neginf=-1e5, out=param.grad)
            phase.opt.step()

        update_ema(G_ema, G, 0.5 ** (batch_size / max(min(ema_kimg * 1000, cur_nimg * 0.05), 1e-8)))
        cur_nimg += batch_size
        batch_idx += 1

        done = cur_nimg >= total_kimg * 1000
        if (not done) and (cur_tick != 0) and (cur_nimg < tick_start_nimg + kimg_per_tick * 1000):
            continue
        training_stats.report0("Progress/tick", cur_tick)
        training_stats.report0("Progress/kimg", cur_nimg / 1e3)
        if rank == 0:
            print(f"tick {cur_tick} kimg {cur_nimg / 1e3:.1f}")

        if (rank == 0) and (image_snapshot_ticks is not None) and (done or cur_tick % image_snapshot_ticks == 0):
            images = torch.cat([G_ema(z=z, c=c, noise_mode="const").cpu() for z, c in zip(grid_z, grid_c, strict=True)])
            name = f"fakes{cur_nimg // 1000:06d}.png"
            save_image_grid(images, os.path.join(run_dir, name), drange=[-1, 1], grid_size=grid_size)

        snapshot_pkl, snapshot_data = None, None
        if (network_snapshot_ticks is not None) and (done or cur_tick % network_snapshot_ticks == 0):
            snapshot_data = {"training_set_kwargs": dict(training_set_kwargs)}
            for name, module in [("G", G), ("D", D), ("G_ema", G_ema), ("augment_pipe", augment_pipe)]:
                if module is not None:
                    if num_gpus > 1:
                        misc.check_ddp_consistency(module, ignore_regex=r".*\.w_avg")
                    module = copy.deepcopy(module).eval().requires_grad_(False).cpu()
                snapshot_data[name] = module
            snapshot_pkl = os.path.join(run_dir, f"network-snapshot-{cur_nimg // 1000:06d}.pkl")
            if rank == 0:
                with open(snapshot_pkl, "wb") as f:
                    pickle.dump(snapshot_data, f)

        for metric in metrics if snapshot_data is not None else []:
            result_dict = metric_main.calc_metric(
                metric=metric,
                G=snapshot_data["G_ema"],
                dataset_kwargs=training_set_kwargs,
                num_gpus=num_gpus,
                rank=rank,
                device=device,
            )
            if rank == 0:
                metric_main.report_metric(result_dict, run_dir=run_dir, snapshot_pkl=snapshot_pkl)

        write_stats(run_dir, collector, rank)
        cur_tick += 1
        tick_start_nimg = cur_nimg
        if done:
            break
    if rank == 0:
        print("Exiting...")
