"""The former module of `linkgan_plugin.calls`; other plugins import from it."""

from ..calls.generator import GeneratorCalls
from ..calls.part import GeneratorPart as Half
from ..calls.part import unwrap
from ..calls.random_state import own_random_state
from ..calls.rendering import Rendering as Picture

__all__ = ["GeneratorCalls", "Half", "Picture", "own_random_state", "unwrap"]
