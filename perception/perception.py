"""The perception module: a dict of readings in, one state embedding out, whatever is missing.

Raw input is made ready by `prepare` (perception/prepare.py); encoders turn each sense into tokens; a fusion turns
tokens into the state. Absence is decided in one place, `_clean`, before any network sees the readings, and enters
the fusion only as token masks.

b batch, m modalities, s state width, n tokens, l latents
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from .config import IMPUTATIONS, PerceptionConfig
from .encoders.condense import can_condense, condense
from .encoders.grid import GridEncoder
from .encoders.microphone import AudioEncoder
from .encoders.registry import build_encoder, token_counts
from .errors import CheckpointError, ObservationError, TokenizerMismatchError, did_you_mean
from .files import load_strictly, read_json, read_tensors, write_atomically, write_tensors
from .fusion import FUSIONS, Fused
from .fusion.base import only_seen
from .modules import NamedModules
from .prepare import prepare
from .spec import (
    DISTINCT_SUFFIX,
    FEATURES_SUFFIX,
    LENGTH_SUFFIX,
    NUMBERS_SUFFIX,
    PRESENT,
    Instruction,
    Microphone,
    Spec,
)
from .tokenizer import Tokenizer, default_tokenizer
from .tokens import TokenGroup

FORMAT, VERSION = "senseweave.perception", 1
"""Of the folders that `Perception.save_pretrained` writes."""


class State(NamedTuple):
    """What an agent perceives."""

    embedding: Float[Tensor, "b s"]
    gates: dict[str, Float[Tensor, " b"]]
    """How far each modality was let in: 0..1, mean over latents, heads and layers; exactly 0 where it is absent."""
    present: Bool[Tensor, "b m"]
    """Which modalities were used, in alphabetical order: present, in the dict, and finite."""
    non_finite: Bool[Tensor, "b m"]
    """Which modalities were said to be present but rejected, because their content holds NaN or inf."""
    attention: dict[str, Float[Tensor, "b l n"]] | None = None
    """Filled by `explain`: where each latent looked, mean over heads, last layer; {} for a fusion without any."""
    tokens: dict[str, TokenGroup] | None = None
    """What the fusion got, imputed tokens included, where `forward` was asked for it."""


class Perception(nn.Module):
    """Fuses camera frames, sound, instructions and any other senses into one state embedding.

    Args:
        spec: the senses.
        config: sizes and the fusion's name; the preset "laptop" by default.

    Example:
        perception = Perception(Spec(camera=Camera(64, 64), instruction=Instruction(48, 1024)))
        obs = perception.prepare({"camera": frame, "instruction": "go to the red ball"})
        state = perception(obs)  # state.embedding, state.gates["camera"]
    """

    def __init__(self, spec: Spec, config: PerceptionConfig | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.config = config or PerceptionConfig()
        # torch.compile cannot look into a kind, which builds a space to know its shape
        self._shapes = {name: tuple(kind.shape) for name, kind in spec.items()}
        self._dtypes = {name: torch.from_numpy(kind.placeholder()).dtype for name, kind in spec.items()}
        self._texts = {name for name, kind in spec.items() if isinstance(kind, Instruction)}
        width = self.config.width
        self.encoders = NamedModules({name: build_encoder(name, kind, width) for name, kind in spec.items()})
        self._sounds = {
            name: cast(AudioEncoder, self.encoders[name]).features_shape
            for name, kind in spec.items()
            if isinstance(kind, Microphone) and isinstance(self.encoders[name], AudioEncoder)
        }
        self._grids = {name for name, _ in spec.items() if can_condense(self.encoders[name])}
        self._keys = {name: self._keys_of(name) for name in spec}
        self.fusion = FUSIONS[self.config.fusion](spec.names, **self.config.fusion_sizes)
        imputer = IMPUTATIONS[self.config.imputation]
        sizes = {} if imputer is None else token_counts(self.encoders, spec)
        self.imputer = None if imputer is None else imputer(sizes, width=width, heads=self.config.heads)

    @classmethod
    def from_space(
        cls, space: Any, config: PerceptionConfig | None = None, *, sample_rate_hz: int | None = None
    ) -> Self:
        """A perception for an environment's observation space; see `Spec.from_space`."""
        return cls(Spec.from_space(space, sample_rate_hz=sample_rate_hz), config)

    def _keys_of(self, name: str) -> list[str]:
        """What may hold a modality in an observation: its name, or that of what stands in its place."""
        features = [name + FEATURES_SUFFIX] if name in self._sounds else []
        return [name, *features, *([name + NUMBERS_SUFFIX] if name in self._grids else [])]

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    def prepare(
        self,
        raw: Mapping[str, Any],
        device: torch.device | str | None = None,
        *,
        tokenizer: Tokenizer | None = None,
    ) -> dict[str, Tensor]:
        """Makes raw readings ready for the network: see `perception.prepare.prepare`."""
        return prepare(self.spec, raw, device or self.device, tokenizer=tokenizer)

    def forward(self, obs: Mapping[str, Tensor], *, with_tokens: bool = False) -> State:
        """Perceives a batch.

        Args:
            obs: readings by modality, batch first, shaped and typed as the spec says; floats are welcome anywhere
                (cameras in 0..255). `present` (b, m) may be missing: then everything in the dict is present. A
                modality that is not in the dict is absent for the whole batch. Padding at the end of all instructions
                may be left out, which saves its share of the work. What `digest` and `condense` make may stand in the
                place of sounds and grids.
            with_tokens: whether the state holds the tokens of every modality, too, for who looks at them again.

        Raises:
            ObservationError: an unknown key, a wrong shape or type, or nothing to take the batch size from.
        """
        state = self._perceive(obs)._replace(attention=None)
        return state if with_tokens else state._replace(tokens=None)

    def explain(self, obs: Mapping[str, Tensor]) -> State:
        """The state of the same forward computation, with `attention`: by modality, (b, l, n), 0 where absent.

        Token i of a camera or grid is the patch `divmod(i, columns)` of `perception.encoders[name].grid_shape`.
        """
        return self._perceive(obs)._replace(tokens=None)

    @torch.no_grad()
    def digest(self, obs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The observation with features of its sounds in the place of their waveforms.

        A Fourier transform learns nothing: who perceives an observation several times, as a trainer does, has it done
        once. `forward` takes what comes out, and gives the same state.
        """
        digested = dict(obs)
        for name in self._sounds:
            if name not in obs or name + LENGTH_SUFFIX in obs:
                continue
            waveform = digested.pop(name)
            finite = (waveform * 0.0).flatten(1).sum(dim=1) == 0.0
            features = cast(AudioEncoder, self.encoders[name]).features_of(waveform)
            digested[name + FEATURES_SUFFIX] = torch.where(finite[:, None, None], features, torch.nan)
        return digested

    def condense(self, obs: Mapping[str, Tensor], samples: int) -> dict[str, Tensor]:
        """The observation with `<grid>_numbers` (b, cells) and `<grid>_distinct` in the place of each grid.

        A view's cells are mostly alike; here each distinct one is told, and later encoded, once. `forward` takes what
        comes out, or some rows of it beside the whole of `<grid>_distinct`, and gives the same state but for
        rounding. Waits for the device, to learn how many there are.

        Args:
            obs: readings; a grid of floats stays as it is.
            samples: how many will be perceived at a time; a grid stays where so few cells are alike that it does not
                pay.
        """
        return condense(self.encoders, obs, samples)

    def _perceive(self, obs: Mapping[str, Tensor]) -> State:
        clean, present, non_finite = self._clean(obs)
        groups: dict[str, TokenGroup] = {}
        for i, (name, encoder) in enumerate(self.encoders.items()):
            if name in self._sounds and name + FEATURES_SUFFIX in clean:
                group = cast(AudioEncoder, encoder).encode_features(clean[name + FEATURES_SUFFIX])
            elif name in self._grids and name + NUMBERS_SUFFIX in clean:
                group = cast(GridEncoder, encoder).pick(clean[name + NUMBERS_SUFFIX], obs[name + DISTINCT_SUFFIX])
            elif isinstance(self.spec[name], Microphone):
                group = encoder(clean[name], clean.get(name + LENGTH_SUFFIX))
            else:
                group = encoder(clean[name])
            groups[name] = group.only_where(present[:, i])
        fused, groups = self.fuse(groups, present)
        return State(fused.embedding, fused.gates, present, non_finite, fused.attention, groups)

    def fuse(self, groups: dict[str, TokenGroup], present: Bool[Tensor, "b m"]) -> tuple[Fused, dict[str, TokenGroup]]:
        """The second half of `forward`: what is absent is imputed, where the configuration says so, and all is fused.

        Args:
            groups: tokens by modality, in the spec's order, masked where one is absent.
            present: which modalities are here.

        Returns:
            What the fusion made, with gates and attention of what is here alone, and the groups that it got.
        """
        if self.imputer is None:
            return self.fusion(groups), groups
        filled = self.imputer.fill(groups, present)
        return only_seen(self.fusion(filled), groups), filled

    def _clean(self, obs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Bool[Tensor, "b m"], Bool[Tensor, "b m"]]:
        """Replaces everything that is absent or not finite by zeros, with `where`: 0 * NaN would still be NaN."""
        batch, device = self._check(obs)
        said = obs.get(PRESENT)
        said = torch.ones(batch, len(self.spec), device=device) if said is None else said
        clean: dict[str, Tensor] = {}
        present, non_finite = [], []
        for i, name in enumerate(self.spec):
            key = next((key for key in self._keys[name] if key in obs), None)
            if key is None:
                clean[name] = torch.zeros(batch, *self._shapes[name], dtype=self._dtypes[name], device=device)
                here = torch.zeros(batch, dtype=torch.bool, device=device)
                present.append(here)
                non_finite.append(here)
                continue
            content, here = obs[key], said[:, i] > 0.5
            if content.is_floating_point():
                # 0 * NaN and 0 * inf are NaN, and a sum is several times as fast as isfinite and all
                finite = (content.detach() * 0.0).flatten(1).sum(dim=1) == 0.0
                non_finite.append(here & ~finite)
                here = here & finite
            else:
                non_finite.append(torch.zeros_like(here))
            present.append(here)
            row = here.view(-1, *[1] * (content.ndim - 1))
            if content.is_floating_point():
                clean[key] = torch.where(row, content, 0.0)
            else:
                clean[key] = content * row.to(content.dtype)  # whole numbers hold no NaN, and this is much faster
            length = obs.get(name + LENGTH_SUFFIX)
            if length is not None:
                clean[name + LENGTH_SUFFIX] = length.long().clamp(min=0)
        return clean, torch.stack(present, dim=1), torch.stack(non_finite, dim=1)

    def _check(self, obs: Mapping[str, Tensor]) -> tuple[int, torch.device]:
        """Checks keys, types and shapes, and returns the batch size and device; no look at any value."""
        if not obs:
            raise ObservationError(
                f'An observation needs a sense or "{PRESENT}" to know its batch size; got an empty dict. '
                "Use Perception.prepare, which fills in placeholders."
            )
        expected = self._shapes | {PRESENT: (len(self.spec),)}
        expected |= {name + LENGTH_SUFFIX: () for name in self._sounds}
        expected |= {name + FEATURES_SUFFIX: shape for name, shape in self._sounds.items()}
        expected |= {name + NUMBERS_SUFFIX: (math.prod(self._shapes[name][:2]),) for name in self._grids}
        shared = {name + DISTINCT_SUFFIX: (self._shapes[name][2] + 1,) for name in self._grids}
        expected |= shared
        for name in self._grids:
            if (name + NUMBERS_SUFFIX in obs) != (name + DISTINCT_SUFFIX in obs):
                raise ObservationError(
                    f'"{name + NUMBERS_SUFFIX}" and "{name + DISTINCT_SUFFIX}" go together; got one of them alone. '
                    "Pass on both, as Perception.condense made them."
                )
        batch: int | None = None
        for key, value in obs.items():
            if key not in expected:
                raise ObservationError(f'The observation has an unknown key "{key}"; {did_you_mean(key, expected)}')
            if not isinstance(value, Tensor):
                raise ObservationError(
                    f'"{key}" must be a tensor; got {type(value).__name__}. Perception.prepare makes tensors.'
                )
            is_cut = key in self._texts and value.ndim == 2 and 1 <= value.shape[1] <= expected[key][0]
            if value.is_complex() or value.ndim == 0 or not (is_cut or tuple(value.shape[1:]) == expected[key]):
                raise ObservationError(
                    f'"{key}" must be real numbers of shape (batch, {", ".join(map(str, expected[key]))}); '
                    f"got {value.dtype} of shape {tuple(value.shape)}. Check the spec, or use Perception.prepare."
                )
            if key in shared:
                continue
            if batch is not None and len(value) != batch:
                raise ObservationError(
                    f'All parts of an observation must have one batch size; got {len(value)} in "{key}" after {batch}.'
                )
            batch = len(value)
        if not batch:
            raise ObservationError("An observation must hold at least one sample; got a batch of 0.")
        return batch, next(iter(obs.values())).device

    def save_pretrained(self, directory: str | os.PathLike[str]) -> None:
        """Writes config.json (what this is) and model.safetensors (its weights, with the same description inside).

        Raises:
            CheckpointError: the folder cannot be written; what was there is still whole.
        """
        folder = Path(directory)
        description = json.dumps(self._description(), indent=2)
        write_tensors(folder / "model.safetensors", self.state_dict(), {"description": description})
        write_atomically(folder / "config.json", description.encode() + b"\n")

    @classmethod
    def from_pretrained(cls, directory: str | os.PathLike[str]) -> Self:
        """Reads what `save_pretrained` wrote, strictly and without running code from the files.

        Raises:
            CheckpointError: a file is missing, damaged, of another version, or does not fit.
            TokenizerMismatchError: the weights were trained with another tokenizer.
            SpecError: a modality is of a kind that is not registered.
        """
        folder = Path(directory)
        description = read_json(folder / "config.json")
        if description.get("format") != FORMAT or description.get("version") != VERSION:
            raise CheckpointError(
                f"{folder / 'config.json'} must say format {FORMAT}, version {VERSION}; got "
                f"{description.get('format')!r}, {description.get('version')!r}. Use the release that wrote it."
            )
        if not isinstance(description.get("spec"), dict) or not isinstance(description.get("config"), dict):
            raise CheckpointError(f"{folder / 'config.json'} lacks its spec or config; restore it or save again.")
        tensors, metadata = read_tensors(folder / "model.safetensors")
        if _parsed(metadata.get("description")) != description:
            raise CheckpointError(f"config.json and model.safetensors in {folder} are of different saves; save again.")
        identity = description.get("tokenizer")
        if identity is not None and identity != default_tokenizer().identity:
            raise TokenizerMismatchError(
                f"{folder} was trained with tokenizer {identity}, but this release has "
                f"{default_tokenizer().identity}; use the release that trained it."
            )
        perception = cls(Spec.from_json(description["spec"]), PerceptionConfig.from_json(description["config"]))
        load_strictly(perception, tensors, folder / "model.safetensors")
        return perception

    def _description(self) -> dict[str, Any]:
        """What is needed to build the same network again."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "spec": self.spec.to_json(),
            "config": self.config.to_json(),
            "tokenizer": default_tokenizer().identity if self._texts else None,
        }


def _parsed(description: str | None) -> Any:
    """The description in the weights' metadata, which no checksum covers; None if it is none."""
    try:
        return json.loads(description or "null")
    except (ValueError, RecursionError):
        return None
