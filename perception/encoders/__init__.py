"""Readings of one sense in, a `TokenGroup` out: a file for each kind of sense, and which encoder reads which kind."""

from .base import Encoder as Encoder
from .registry import ENCODERS as ENCODERS
from .registry import EncoderFactory as EncoderFactory
from .registry import build_encoder as build_encoder
from .registry import register_encoder as register_encoder
