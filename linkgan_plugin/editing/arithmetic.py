"""Vector arithmetic of images: sums and differences of latents of seeds, such as ``3-5+8`` or ``(0,2)-(1,4)+8``."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from ..calls.random_state import check_seed
from ..errors import LinkGANError
from ..generators import LinkedGenerator

_MOST = 1000  # seeds of a term
_TERM = re.compile(r"\s*([+-]?)\s*(?:(\d{1,10})|\(\s*(\d{1,10}(?:\s*,\s*\d{1,10})*)\s*\))\s*")


@dataclass(frozen=True)
class Arithmetic:
    """A sum of images' latents (Radford et al. 2016, section 6.3.2).

        v = sum_i s_i mean_j v(seed_ij),    s_i = +1 or -1,    sum_i s_i = 1

    The signs add up to 1, so that the result lies among latents: a face minus two others plus two others is a face.

    Attributes:
        terms: signs, and the seeds whose mean each term is.
    """

    terms: tuple[tuple[int, tuple[int, ...]], ...]

    @classmethod
    def parse(cls, text: str) -> Arithmetic:
        """Read terms of seeds, or of means of seeds in brackets.

        Raises:
            LinkGANError: another text, or signs that do not add up to 1.
        """
        terms: list[tuple[int, tuple[int, ...]]] = []
        place = 0
        while place < len(text):
            match = _TERM.match(text, place)
            if match is None or (terms and not match[1]):
                raise LinkGANError(f"'{text:.60}': expected seeds with + and - between, such as 3-5+8 or (0,2)-(1,4)+8")
            seeds = tuple(check_seed(int(seed)) for seed in (match[2] or match[3]).split(","))
            if len(seeds) > _MOST:
                raise LinkGANError(f"'{text:.60}': a mean of {len(seeds)} seeds, expected at most {_MOST}")
            terms.append((-1 if match[1] == "-" else 1, seeds))
            place = match.end()
        total = sum(sign for sign, _ in terms)
        if total != 1:
            raise LinkGANError(
                f"'{text:.60}': {total} more terms are added than taken away, expected 1, as in 3-5+8; means of seeds "
                "are in brackets, as in (3,5)"
            )
        return cls(tuple(terms))

    def __str__(self) -> str:
        """The sum as it is written."""
        named = [
            (sign, f"({','.join(map(str, seeds))})" if len(seeds) > 1 else str(seeds[0])) for sign, seeds in self.terms
        ]
        return "".join(f"{'-' if sign < 0 else '+'}{seed}" for sign, seed in named).removeprefix("+")

    def latents(self, generator: LinkedGenerator) -> Tensor:
        """Return the sum, [1, num_ws, w_dim] in W or [1, 1, z_dim] in Z (the space of the links)."""
        parts = [sign * generator.draw(seeds).mean(dim=0, keepdim=True) for sign, seeds in self.terms]
        return torch.stack(parts).sum(dim=0)
