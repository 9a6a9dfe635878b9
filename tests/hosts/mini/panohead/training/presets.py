"""The configuration of PanoHead: eg3d's with masks beside the images, tri-grids, a background and moved cameras."""

RESOLUTION = "neural_rendering_resolution"
FLAGS = {
    "cfg": str,
    "seg_data": str,
    "gen_pose_cond": bool,
    "triplane_depth": int,
    **dict.fromkeys((f"{RESOLUTION}_initial", f"{RESOLUTION}_final", f"{RESOLUTION}_fade_kimg"), int),
    **dict.fromkeys(("gpc_reg_prob", "gpc_reg_fade_kimg", "bcg_reg_prob", "trans_reg"), float),
}
DEFAULTS = {
    "cond": True, "gen_pose_cond": False, "gpc_reg_prob": 0.5, "gpc_reg_fade_kimg": 1000, "bcg_reg_prob": 0.5,
    "trans_reg": 1.0, "triplane_depth": 2, "seg_data": None, "neural_rendering_resolution_initial": 8,
    "neural_rendering_resolution_final": None, "neural_rendering_resolution_fade_kimg": 1000,
}  # fmt: skip


def choose(options, flag):
    posed = flag.gpc_reg_prob if flag.gen_pose_cond else None
    rendering = {"depth_resolution": 4, "ray_start": 2.25, "ray_end": 3.3, "box_warp": 1, "c_scale": 1}
    rendering.update(superresolution_noise_mode="none", triplane_depth=flag.triplane_depth, trans_reg=flag.trans_reg)
    rendering.update(c_gen_conditioning_zero=not flag.gen_pose_cond, gpc_reg_prob=posed, decoder_activation="none")
    options.G_kwargs.update(class_name="training.trigrid.TriPlaneGenerator", rendering_kwargs=rendering)
    options.D_kwargs.class_name = "training.masked.MaskDualDiscriminator"
    options.loss_kwargs.update({name: flag[name] for name in flag if name.startswith(RESOLUTION)})
    options.loss_kwargs.update(gpc_reg_prob=posed, gpc_reg_fade_kimg=flag.gpc_reg_fade_kimg)
    options.loss_kwargs.update(class_name="training.masked.StyleGAN2Loss", bcg_reg_prob=flag.bcg_reg_prob)
    images = options.training_set_kwargs
    images.update(class_name="training.masked.MaskLabeledDataset", img_path=images.pop("path"), seg_path=flag.seg_data)
