"""The configuration of eg3d."""

RESOLUTION = "neural_rendering_resolution"
FLAGS = {
    "cfg": str,
    "gen_pose_cond": bool,
    **dict.fromkeys((f"{RESOLUTION}_initial", f"{RESOLUTION}_final", f"{RESOLUTION}_fade_kimg"), int),
    **dict.fromkeys(("gpc_reg_prob", "gpc_reg_fade_kimg", "density_reg", "density_reg_every"), float),
}
DEFAULTS = {
    "cond": True, "gen_pose_cond": False, "gpc_reg_prob": 0.5, "gpc_reg_fade_kimg": 1000,
    "density_reg": 0.25, "density_reg_every": 4, "neural_rendering_resolution_initial": 8,
    "neural_rendering_resolution_final": None, "neural_rendering_resolution_fade_kimg": 1000,
}  # fmt: skip


def choose(options, flag):
    posed = flag.gpc_reg_prob if flag.gen_pose_cond else None
    rendering = {"depth_resolution": 4, "ray_start": 2.25, "ray_end": 3.3, "box_warp": 1, "c_scale": 1}
    rendering.update(superresolution_noise_mode="none", density_reg=flag.density_reg, density_reg_p_dist=0.004)
    rendering.update(c_gen_conditioning_zero=not flag.gen_pose_cond, gpc_reg_prob=posed)
    options.G_kwargs.update(class_name="training.triplane.TriPlaneGenerator", rendering_kwargs=rendering)
    options.D_kwargs.class_name = "training.dual_discriminator.DualDiscriminator"
    options.loss_kwargs.update({name: flag[name] for name in flag if name.startswith(RESOLUTION)})
    options.loss_kwargs.update(gpc_reg_prob=posed, gpc_reg_fade_kimg=flag.gpc_reg_fade_kimg)
    if flag.density_reg:
        options.G_reg_interval = flag.density_reg_every
