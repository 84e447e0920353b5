"""What turns a state into actions: extractors, settings that work, imitation. Names are imported on first use."""

from typing import TYPE_CHECKING

from ..perception.registry import lazy_names, moved_modules

if TYPE_CHECKING:
    from .choices import AUXILIARIES as AUXILIARIES
    from .choices import MEMORIES as MEMORIES
    from .extractor import PerceptionExtractor as PerceptionExtractor
    from .imitation import Imitator as Imitator
    from .imitation import imitate as imitate
    from .policy import SensePolicy as SensePolicy
    from .ppo.ppo import PPO as PPO
    from .presets import ImitationSettings as ImitationSettings
    from .presets import PPOPreset as PPOPreset
    from .presets import dqn_settings as dqn_settings
    from .presets import policy_settings as policy_settings
    from .presets import ppo_settings as ppo_settings
    from .presets import recurrent_ppo_settings as recurrent_ppo_settings
    from .presets import sac_settings as sac_settings
    from .pretraining import Pretrainer as Pretrainer
    from .pretraining import PretrainingSettings as PretrainingSettings
    from .pretraining import pretrain_on as pretrain_on
    from .recipes import RECIPES as RECIPES
    from .trainer import TRAINERS as TRAINERS
    from .trainer import Trainer as Trainer
    from .training import Training as Training

_HOMES = {
    "choices": ("AUXILIARIES", "MEMORIES"),
    "extractor": ("PerceptionExtractor",),
    "imitation": ("Imitator", "imitate"),
    "policy": ("SensePolicy",),
    "ppo.ppo": ("PPO",),
    "presets": (
        *("ImitationSettings", "PPOPreset"),
        *("dqn_settings", "policy_settings", "ppo_settings", "recurrent_ppo_settings", "sac_settings"),
    ),
    "pretraining": ("Pretrainer", "PretrainingSettings", "pretrain_on"),
    "recipes": ("RECIPES",),
    "trainer": ("TRAINERS", "Trainer"),
    "training": ("Training",),
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)

moved_modules(
    __name__,
    {
        "normalization": (".environment.normalization",),
        "rescaled": (".environment.rescaled",),
        "spaces": (".environment.spaces",),
    },
)
