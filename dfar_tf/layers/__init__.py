"""Sequences in, sequences or vectors out: the attention family (MHA, THA, FHA, FFHA) and its company."""

from dfar_tf.layers.attention.factorization_heads import FactorizationHeadsAttention
from dfar_tf.layers.attention.feedback_aware import FeedbackAwareFactorizationHeadsAttention
from dfar_tf.layers.attention.multi_head import MultiHeadAttention
from dfar_tf.layers.attention.talking_heads import TalkingHeadsAttention
from dfar_tf.layers.blocks import AttentionBlock
from dfar_tf.layers.interest import InterestAggregation
from dfar_tf.layers.mlp import MLP, NormalizedTower

CUSTOM_OBJECTS = {
    layer.__name__: layer
    for layer in (
        MLP,
        FactorizationHeadsAttention,
        FeedbackAwareFactorizationHeadsAttention,
        InterestAggregation,
        MultiHeadAttention,
        NormalizedTower,
        TalkingHeadsAttention,
    )
}

__all__ = ["AttentionBlock", "CUSTOM_OBJECTS", *sorted(CUSTOM_OBJECTS)]
