"""What takes masks of the foreground beside the images: data, discriminator and loss."""

import torch
from torch_utils import persistence
from training import run
from training.dataset import ImageFolderDataset
from training.layers import Discriminator, resized
from training.loss import StyleGAN2Loss as Eg3dLoss

run.Run.beside = ("real_seg",)


class MaskLabeledDataset(ImageFolderDataset):
    def __init__(self, img_path, seg_path, **more):
        super().__init__(img_path, **more)
        self.masks = ImageFolderDataset(seg_path or img_path).pixels[:, :1]

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image, self.masks[index].copy(), label


@persistence.persistent_class
class MaskDualDiscriminator(torch.nn.Module):
    def __init__(self, c_dim, img_resolution, img_channels, **widths):
        super().__init__()
        self.c_dim, self.img_resolution, self.img_channels = c_dim, img_resolution, img_channels
        self.net = Discriminator(c_dim, img_resolution, img_channels * 2 + 1, **widths)

    def forward(self, img, c, update_emas=False):
        parts = [resized(img[kind], self.img_resolution) for kind in ("image", "image_raw", "image_mask")]
        return self.net(torch.cat(parts, 1), c)


class StyleGAN2Loss(Eg3dLoss):
    def __init__(self, device, G, D, bcg_reg_prob=0, **more):
        super().__init__(device, G, D, **more)
        self.bcg_reg_prob, self.real_seg = bcg_reg_prob, None

    def accumulate_gradients(self, phase, real_img, real_seg, real_c, gen_z, gen_c, gain, cur_nimg):
        self.real_seg = real_seg
        super().accumulate_gradients(phase, real_img, real_c, gen_z, gen_c, gain, cur_nimg)
        weight = self.G.rendering_kwargs["trans_reg"]
        if phase in ("Gmain", "Gboth") and weight:
            moves = self.G.apply_delta_c(gen_z, gen_c)[1]
            self.descend("Loss/G/trans_reg", weight * moves.mean(0).square().sum(), gain)

    def render(self, z, c, for_D=False):
        """The background comes from another row's latents now and then, the camera is the one that z moved."""
        ws = self.map(z, c, for_D)
        other = torch.rand(len(ws), 1, 1, device=ws.device) < self.bcg_reg_prob
        behind = torch.where(other, ws.roll(1, dims=0), ws) if self.bcg_reg_prob else None
        moved, size = self.G.apply_delta_c(z, c)[0], self.size
        return self.G.synthesis(ws, moved, neural_rendering_resolution=size, update_emas=for_D, ws_bcg=behind), ws

    def seen(self, images):
        return [*super().seen(images), self.real_seg]

    def shown(self, parts):
        return dict(zip(("image", "image_raw", "image_mask"), parts, strict=True))

    def regularize(self, z, c, gain):
        """None: PanoHead's own command trains without a density penalty."""
