"""Named regions of aligned face photographs, as expressions of the other kinds.

They are based on FFHQ's published alignment (Karras et al. 2019): the crop is centred a tenth of the eye-to-mouth
distance below the eyes, and its half side is the larger of 2.0 x eye distance and 1.8 x eye-to-mouth distance. So the
eyes lie at x = 0.375 and 0.625 (at most), y = 0.47, and the mouth's corners at y = 0.75 (at most). CelebA-HQ and crops
made the same way match; preview them on your own data with `linkgan regions preview` before training.

Left and right are the viewer's: `left_eye` is in the left half of the image. No presets overlap except `eyes` with
`left_eye` and `right_eye`, so any others can be linked together.
"""

from __future__ import annotations

PRESETS = {
    "hair_top": "box(0.2,0,0.8,0.17)",
    "forehead": "box(0.29,0.2,0.71,0.34)",
    "eyebrows": "box(0.25,0.35,0.75,0.41)",
    "eyes": "box(0.26,0.42,0.74,0.53)",
    "left_eye": "box(0.26,0.42,0.48,0.53)",
    "right_eye": "box(0.52,0.42,0.74,0.53)",
    "nose": "polygon(0.45,0.53,0.55,0.53,0.61,0.66,0.39,0.66)",
    "left_cheek": "polygon(0.24,0.55,0.41,0.55,0.35,0.67,0.32,0.72,0.26,0.66)",
    "right_cheek": "polygon(0.76,0.55,0.59,0.55,0.65,0.67,0.68,0.72,0.74,0.66)",
    "mouth": "box(0.36,0.68,0.64,0.8)",
    "chin": "polygon(0.35,0.81,0.65,0.81,0.59,0.92,0.41,0.92)",
}
