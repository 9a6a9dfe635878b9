"""The training loop of the R3GAN dialect: D and G have their own real images and latents; schedules by images."""

import copy
import pickle

import dnnlib
import legacy
import torch
from torch_utils import misc
from torch_utils.ops import grid_sample_gradfix
from training import run as common
from training.run import save_grid, setup_snapshot_image_grid


class Run(common.Run):
    sizes, looks = ("c_dim", "img_resolution"), {}

    def _optimize(self, phase, real, accumulate, after_step):
        accumulate(phase, self.images)


def between(nimg, base_value, final_value, total_nimg):
    return base_value + min(nimg / total_nimg, 1) * (final_value - base_value)


def training_loop(rank, loss_kwargs, lr_scheduler, gamma_scheduler, resume_pkl=None, **options):
    run = Run(rank, dnnlib.EasyDict(options))
    grid_sample_gradfix.enabled = True
    G, D, G_ema, pipe = run.networks.values()
    if resume_pkl:
        with dnnlib.util.open_url(resume_pkl) as file:
            resume_data = legacy.load_network_pkl(file)
        run.images = resume_data["cur_nimg"]
        for name in ("G", "D", "G_ema") if rank == 0 else ():
            target = run.networks[name]
            misc.copy_params_and_buffers(resume_data[name], target)
    if rank == 0:
        z, c = (torch.zeros((2, size)).to(run.device) for size in (G.z_dim, G.c_dim))
        fakes = misc.print_module_summary(G, [z, c])
        misc.print_module_summary(D, [fakes, c])
    for network in (G, D, G_ema) if run.ranks > 1 else ():
        for tensor in misc.params_and_buffers(network):
            torch.distributed.broadcast(tensor, 0)
    loss = dnnlib.util.construct_class_by_name(G=G, D=D, augment_pipe=pipe, **loss_kwargs)
    phases = []
    for name, module in (("D", D), ("G", G)):
        optimizer = common.build(module.parameters(), **run.options[f"{name}_opt_kwargs"])
        if resume_pkl:
            optimizer.load_state_dict(resume_data[f"{name}_opt_state"])
        batch = run.options[f"{name.lower()}_batch_gpu"]
        phases.append(dnnlib.EasyDict(name=name, module=module, optimizer=optimizer, every=1, batch_gpu=batch))
    if rank == 0:
        grid_size, images, labels = setup_snapshot_image_grid(run.data)
        save_grid(f"{run.options.run_dir}/reals.png", images, grid_size)
        samples = run.latents(len(labels), labels)

    def train(phase, cur_nimg):
        pixels, labels = next(run.reals)
        latents, _ = run.latents(run.share)
        columns = (pixels.to(run.device).float() / 127.5 - 1, labels.to(run.device), latents)
        phase_real_img, phase_real_c, phase_gen_z = (column.split(phase.batch_gpu) for column in columns)
        gamma = between(cur_nimg, **gamma_scheduler)
        phase.module.requires_grad_(True)
        phase.optimizer.zero_grad()
        gain = run.ranks * phase.batch_gpu / run.options.batch_size
        for real_img, real_c, gen_z in zip(phase_real_img, phase_real_c, phase_gen_z):  # noqa: B905
            loss.accumulate_gradients(
                phase=phase.name, real_img=real_img, real_c=real_c, gen_z=gen_z, gamma=gamma, gain=gain
            )
        phase.module.requires_grad_(False)
        for parameter in phase.module.parameters() if run.ranks > 1 else ():
            torch.distributed.all_reduce(parameter.grad.div_(run.ranks))
        for group in phase.optimizer.param_groups:
            group["lr"] = between(cur_nimg, **lr_scheduler)
        phase.optimizer.step()

    for _ in run.ticks(phases, train, after_step=len):
        if run.due("image") and rank == 0:
            run.draw(samples, grid_size)
        if run.due("network"):
            content = {"training_set_kwargs": dict(run.options.training_set_kwargs), "cur_nimg": run.images}
            for name in ("G", "D", "G_ema"):
                if run.ranks > 1:
                    misc.check_ddp_consistency(run.networks[name])
                content[name] = copy.deepcopy(run.networks[name]).eval().requires_grad_(False).cpu()
            content.update({f"{phase.name}_opt_state": copy.deepcopy(phase.optimizer.state_dict()) for phase in phases})
            snapshot_pkl = run.path("network-snapshot-", ".pkl")
            if rank == 0:
                with open(snapshot_pkl, "wb") as file:
                    pickle.dump(content, file)
            run.measure(content["G_ema"], snapshot_pkl)
