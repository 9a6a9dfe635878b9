"""All network classes of EG3D, under the names used in public snapshots."""

from training_loops.eg3d.decoder import OSGDecoder
from training_loops.eg3d.dual_discriminator import (
    DualDiscriminator,
    DummyDualDiscriminator,
    SingleDiscriminator,
    filtered_resizing,
)
from training_loops.eg3d.ray_marcher import MipRayMarcher2
from training_loops.eg3d.renderer import ImportanceRenderer
from training_loops.eg3d.superresolution import (
    SuperresolutionHybrid,
    SuperresolutionHybrid2X,
    SuperresolutionHybrid4X,
    SuperresolutionHybrid8X,
    SuperresolutionHybrid8XDC,
    SuperresolutionHybridDeepfp32,
    SynthesisBlockNoUp,
)
from training_loops.eg3d.triplane import TriPlaneGenerator
from training_loops.eg3d.volume import VolumeGenerator
from training_loops.formats.rays import RaySampler

__all__ = [
    "DualDiscriminator",
    "DummyDualDiscriminator",
    "ImportanceRenderer",
    "MipRayMarcher2",
    "OSGDecoder",
    "RaySampler",
    "SingleDiscriminator",
    "SuperresolutionHybrid",
    "SuperresolutionHybrid2X",
    "SuperresolutionHybrid4X",
    "SuperresolutionHybrid8X",
    "SuperresolutionHybrid8XDC",
    "SuperresolutionHybridDeepfp32",
    "SynthesisBlockNoUp",
    "TriPlaneGenerator",
    "VolumeGenerator",
    "filtered_resizing",
]
